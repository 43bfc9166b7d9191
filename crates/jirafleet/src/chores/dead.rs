//! `jirafleet dead list|show|replay|discard`.

use clap::{Args as ClapArgs, Subcommand};
use queue::{DeadLetter, Enqueued, Error, Job, JobId, QueueName};
use serde::Serialize;

use super::{
    jobs::{Filter, Names, Wanted, names},
    told::{of_letters, told},
};
use crate::{
    config::Surroundings,
    consent::Consent,
    exit::{self, Failed},
    output::{self, Format, say},
    wire_up::House,
};

/// Letters read in one round trip.
const PAGE: usize = 100;

#[derive(ClapArgs)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    surroundings: Surroundings,
}

#[derive(Subcommand)]
enum What {
    /// List the jobs that were given up, oldest first.
    List {
        #[command(flatten)]
        filter: Filter,
        /// Rows at most.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// Show one with its payload and its errors.
    Show {
        /// As the listing calls it.
        letter: String,
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// Put one, several or all that match back into their queues.
    Replay {
        #[command(flatten)]
        chosen: Chosen,
        /// Say how many it would be, and do nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Forget one, several or all that match for good.
    Discard {
        #[command(flatten)]
        chosen: Chosen,
        #[command(flatten)]
        consent: Consent,
    },
}

#[derive(ClapArgs)]
struct Chosen {
    /// As the listing calls them.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    letters: Vec<String>,
    /// All that match the filters.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    filter: Filter,
    /// Of all that match, only so many, oldest first.
    #[arg(long, requires = "all", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
}

#[derive(Serialize)]
struct Row {
    letter: String,
    queue: QueueName,
    job: String,
    kind: String,
    instance: String,
    attempts: Option<u32>,
    died_at: String,
    reason: String,
    last_error: Option<String>,
}

impl output::Row for Row {
    const SCHEMA: &'static str = "jirafleet.dead/1";
    const WIDE: &'static [&'static str] = &["job", "last_error"];
}

#[derive(Serialize)]
struct Whole {
    #[serde(flatten)]
    row: Row,
    first_error: Option<String>,
    deliveries: u32,
    worker: String,
    trace_parent: Option<String>,
    payload: Option<Job>,
    /// What was found, where nobody can read it.
    raw: Option<String>,
}

impl output::Row for Whole {
    const SCHEMA: &'static str = "jirafleet.dead/1";
}

pub(crate) async fn run(args: Args) -> Result<(), Failed> {
    let house = House::open(&args.surroundings.resolve()?, 2).await?;
    match args.what {
        What::List { filter, limit, output } => list(&house, &filter, limit as usize, output).await,
        What::Show { letter, output } => show(&house, &letter, output).await,
        What::Replay { chosen, dry_run } => replay(&house, &chosen, dry_run).await,
        What::Discard { chosen, consent } => discard(&house, &chosen, consent).await,
    }
}

/// The letter of a job, if it is among the dead.
pub(super) async fn of_job(house: &House, id: JobId) -> Result<Option<DeadLetter>, Failed> {
    for queue in QueueName::ALL {
        let of = |letter: &DeadLetter| letter.envelope.as_ref().is_some_and(|envelope| envelope.id == id);
        if let Some(letter) = matching(house, queue, 1, of).await?.pop() {
            return Ok(Some(letter));
        }
    }
    Ok(None)
}

async fn list(house: &House, filter: &Filter, limit: usize, output: Format) -> Result<(), Failed> {
    let letters = select(house, &filter.resolve(house).await?, limit).await?;
    let names = names(house).await?;
    let rows: Vec<Row> = letters.iter().map(|letter| row(&names, letter)).collect();
    output::print(output, &rows)
}

async fn show(house: &House, letter: &str, output: Format) -> Result<(), Failed> {
    let letter = find(house, letter, None).await?;
    let row = row(&names(house).await?, &letter);
    let raw = letter.envelope.is_none().then(|| String::from_utf8_lossy(&letter.raw).into_owned());
    let (first_error, trace_parent, payload) = letter
        .envelope
        .map_or((None, None, None), |envelope| (envelope.first_error, envelope.trace_parent, Some(envelope.job)));
    let (deliveries, worker) = (letter.deliveries, letter.worker);
    let whole = Whole { row, first_error, deliveries, worker, trace_parent, payload, raw };
    output::print(output, &[whole])
}

async fn replay(house: &House, chosen: &Chosen, dry_run: bool) -> Result<(), Failed> {
    let letters = choose(house, chosen).await?;
    if dry_run {
        say!("{} dead letters would be replayed", letters.len());
        return Ok(());
    }
    let target = target(&letters);
    let (replayed, left) =
        told(house, of_letters(&letters), ("dead.replay", &target), put_back(house, &letters)).await?;
    say!("{replayed} replayed, {left} left: asked for again already, or unreadable");
    if left > 0 && !chosen.all { Err(Failed::silent(exit::CONFLICT)) } else { Ok(()) }
}

/// The one letter, or how many.
fn target(letters: &[DeadLetter]) -> String {
    match letters {
        [letter] => letter.id.clone(),
        letters => format!("{} letters", letters.len()),
    }
}

async fn put_back(house: &House, letters: &[DeadLetter]) -> Result<(usize, usize), Failed> {
    let (mut replayed, mut left) = (0, 0);
    for letter in letters {
        match house.producer.replay(letter.queue, &letter.id).await {
            Ok(Enqueued::New(_)) => replayed += 1,
            Ok(Enqueued::Already { .. }) | Err(Error::Unreadable(_)) => left += 1,
            // Somebody else was quicker.
            Err(Error::NoSuchLetter(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok((replayed, left))
}

async fn discard(house: &House, chosen: &Chosen, consent: Consent) -> Result<(), Failed> {
    let letters = choose(house, chosen).await?;
    if !consent.to(&format!("{} dead letters would be discarded for good", letters.len()))? {
        return Ok(());
    }
    let forgotten = async {
        let mut gone = 0;
        for letter in &letters {
            gone += usize::from(house.producer.discard(letter.queue, &letter.id).await?);
        }
        Ok(gone)
    };
    let gone = told(house, of_letters(&letters), ("dead.discard", &target(&letters)), forgotten).await?;
    say!("{gone} discarded");
    Ok(())
}

async fn choose(house: &House, chosen: &Chosen) -> Result<Vec<DeadLetter>, Failed> {
    let wanted = chosen.filter.resolve(house).await?;
    if chosen.all {
        let limit = chosen.limit.map_or(usize::MAX, |limit| limit as usize);
        return select(house, &wanted, limit).await;
    }
    let mut letters = Vec::new();
    for letter in &chosen.letters {
        letters.push(find(house, letter, Some(&wanted)).await?);
    }
    Ok(letters)
}

async fn find(house: &House, id: &str, wanted: Option<&Wanted>) -> Result<DeadLetter, Failed> {
    for queue in
        QueueName::ALL.into_iter().filter(|queue| wanted.is_none_or(|wanted| wanted.queues().any(|of| of == *queue)))
    {
        match house.producer.dead_letter(queue, id).await {
            Ok(letter) => return Ok(letter),
            Err(Error::NoSuchLetter(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::NoSuchLetter(id.to_owned()).into())
}

async fn select(house: &House, wanted: &Wanted, limit: usize) -> Result<Vec<DeadLetter>, Failed> {
    let mut letters = Vec::new();
    for queue in wanted.queues() {
        let takes = |letter: &DeadLetter| wanted.takes_envelope(letter.envelope.as_ref());
        letters.append(&mut matching(house, queue, limit - letters.len(), takes).await?);
    }
    Ok(letters)
}

/// Oldest first. A queue keeps some ten thousand letters at most.
async fn matching(
    house: &House,
    queue: QueueName,
    limit: usize,
    takes: impl Fn(&DeadLetter) -> bool,
) -> Result<Vec<DeadLetter>, Failed> {
    let (mut found, mut after) = (Vec::new(), None::<String>);
    while found.len() < limit {
        let letters = house.producer.dead_letters(queue, after.as_deref(), PAGE).await?;
        let Some(last) = letters.last() else { break };
        after = Some(last.id.clone());
        let room = limit - found.len();
        found.extend(letters.into_iter().filter(&takes).take(room));
    }
    Ok(found)
}

fn row(names: &Names, letter: &DeadLetter) -> Row {
    let envelope = letter.envelope.as_ref();
    Row {
        letter: letter.id.clone(),
        queue: letter.queue,
        job: envelope.map_or_else(String::new, |envelope| envelope.id.to_string()),
        kind: envelope.map_or("unreadable", |envelope| envelope.job.kind()).to_owned(),
        instance: envelope.map_or_else(String::new, |envelope| names.of(envelope.job.instance())),
        attempts: envelope.map(|envelope| envelope.attempt),
        died_at: letter.died_at.to_rfc3339(),
        reason: letter.reason.clone(),
        last_error: envelope.and_then(|envelope| envelope.last_error.clone()),
    }
}
