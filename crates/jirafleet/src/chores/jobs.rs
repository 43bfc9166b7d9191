//! `jirafleet jobs list|show|retry|discard|cancel`.

use std::collections::HashMap;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use domain::InstanceId;
use queue::{Cancelled, Enqueued, Envelope, Error, FLEET, Finished, Job, JobId, JobState, Listed, QueueName};
use serde::Serialize;

use super::{backfill::call_off_with_job, dead, instance, told::of_job};
use crate::{
    choices,
    config::Surroundings,
    consent::Consent,
    exit::{self, Failed},
    output::{self, Format, say},
    wire_up::House,
};

/// Jobs looked through in each queue and state: a listing of a full queue must not read all of it.
const LOOKED_THROUGH: usize = 10_000;

#[derive(ClapArgs)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    surroundings: Surroundings,
}

#[derive(Subcommand)]
enum What {
    /// List jobs: what runs, waits, is delayed or parked, and what ended lately.
    List {
        #[command(flatten)]
        filter: Filter,
        /// Only in this state.
        #[arg(long, value_enum)]
        state: Option<State>,
        /// Rows at most.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// Show one job with its payload.
    Show {
        id: JobId,
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// Run a delayed job now, or put a dead one back into its queue.
    Retry {
        /// One or several.
        #[arg(required = true)]
        ids: Vec<JobId>,
    },
    /// Take jobs that wait out of their queue for good.
    Discard {
        /// One or several.
        #[arg(required = true)]
        ids: Vec<JobId>,
        #[command(flatten)]
        consent: Consent,
    },
    /// Call jobs off wherever they are; one that runs is dropped within seconds.
    Cancel {
        /// One or several.
        #[arg(required = true)]
        ids: Vec<JobId>,
        #[command(flatten)]
        consent: Consent,
    },
}

/// Which jobs.
#[derive(ClapArgs)]
pub(super) struct Filter {
    /// Only in this queue.
    #[arg(long, value_parser = choices::queue())]
    queue: Option<QueueName>,
    /// Only of this kind.
    #[arg(long, value_parser = choices::kind(), hide_possible_values = true)]
    kind: Option<String>,
    /// Only of this instance.
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum State {
    Running,
    Waiting,
    Delayed,
    Lined,
    Parked,
    Finished,
}

#[derive(Serialize)]
struct Row {
    id: String,
    queue: QueueName,
    state: String,
    kind: String,
    instance: String,
    attempt: Option<u32>,
    at: String,
    worker: Option<String>,
    duration_ms: Option<u64>,
    error: Option<String>,
}

impl output::Row for Row {
    const SCHEMA: &'static str = "jirafleet.jobs/1";
    const WIDE: &'static [&'static str] = &["worker", "duration_ms"];
}

#[derive(Serialize)]
struct Whole {
    #[serde(flatten)]
    row: Row,
    payload: Option<Job>,
    trace_parent: Option<String>,
}

impl output::Row for Whole {
    const SCHEMA: &'static str = "jirafleet.jobs/1";
}

pub(crate) async fn run(args: Args) -> Result<(), Failed> {
    let house = House::open(&args.surroundings.resolve()?, 2).await?;
    match args.what {
        What::List { filter, state, limit, output } => list(&house, &filter, state, limit as usize, output).await,
        What::Show { id, output } => show(&house, id, output).await,
        What::Retry { ids } => each(ids, async |id| of_job(&house, id, "jobs.retry", retry(&house, id)).await).await,
        What::Discard { ids, consent } => discard(&house, ids, consent).await,
        What::Cancel { ids, consent } => {
            if !consent.to(&format!("{} jobs would be called off for good", ids.len()))? {
                return Ok(());
            }
            each(ids, async |id| of_job(&house, id, "jobs.cancel", cancel(&house, id)).await).await
        }
    }
}

async fn each(ids: Vec<JobId>, act: impl AsyncFn(JobId) -> Result<(), Failed>) -> Result<(), Failed> {
    for id in ids {
        act(id).await?;
    }
    Ok(())
}

async fn list(
    house: &House,
    filter: &Filter,
    state: Option<State>,
    limit: usize,
    output: Format,
) -> Result<(), Failed> {
    let wanted = filter.resolve(house).await?;
    let names = names(house).await?;
    let mut rows = Vec::new();
    for queue in wanted.queues() {
        for of in JobState::ALL.into_iter().filter(|of| state.is_none_or(|state| state.is(*of))) {
            let found = alive(house, &wanted, (queue, of), limit - rows.len()).await?;
            rows.extend(found.iter().map(|job| names.alive(job)));
        }
        if state.is_none_or(|state| state == State::Finished) {
            let ended = house.producer.finished(queue, 0, usize::MAX / 2).await?;
            let ended = ended.into_iter().filter(|ended| wanted.takes(&ended.kind, ended.instance));
            rows.extend(ended.take(limit.saturating_sub(rows.len())).map(|ended| names.ended(queue, ended)));
        }
    }
    output::print(output, &rows)
}

/// Up to `limit` jobs of one state that are wanted.
async fn alive(
    house: &House,
    wanted: &Wanted,
    (queue, state): (QueueName, JobState),
    limit: usize,
) -> Result<Vec<Listed>, Failed> {
    let (mut after, mut seen, mut rows) = (None::<String>, 0, Vec::new());
    while rows.len() < limit {
        let page = house.producer.jobs(queue, state, after.as_deref(), (limit - rows.len()).clamp(100, 1_000)).await?;
        seen += page.jobs.len();
        let room = limit - rows.len();
        rows.extend(page.jobs.into_iter().filter(|job| wanted.takes_listed(job)).take(room));
        after = page.next;
        if after.is_none() {
            break;
        }
        if seen >= LOOKED_THROUGH {
            say!("looked through the first {seen} {state} jobs of {queue}; there are more");
            break;
        }
    }
    Ok(rows)
}

async fn show(house: &House, id: JobId, output: Format) -> Result<(), Failed> {
    let names = names(house).await?;
    let whole = if let Some(job) = house.producer.find(id).await? {
        whole(names.alive(&job), job.envelope)
    } else if let Some((queue, ended)) = finished(house, id).await? {
        whole(names.ended(queue, ended), None)
    } else {
        let letter = dead::of_job(house, id).await?.ok_or(Error::NoSuchJob(id))?;
        let row = names.dead(&letter);
        whole(row, letter.envelope)
    };
    output::print(output, &[whole])
}

fn whole(row: Row, envelope: Option<Envelope>) -> Whole {
    let (payload, trace_parent) = envelope.map_or((None, None), |envelope| (Some(envelope.job), envelope.trace_parent));
    Whole { row, payload, trace_parent }
}

async fn finished(house: &House, id: JobId) -> Result<Option<(QueueName, Finished)>, Failed> {
    for queue in QueueName::ALL {
        let ended = house.producer.finished(queue, 0, usize::MAX / 2).await?;
        if let Some(found) = ended.into_iter().find(|ended| ended.id == id && ended.outcome != "dead") {
            return Ok(Some((queue, found)));
        }
    }
    Ok(None)
}

/// A dead job is told by its letter; everything else by where it is.
async fn retry(house: &House, id: JobId) -> Result<(), Failed> {
    match house.producer.hasten(id).await {
        Ok(_) => say!("{id} is due now"),
        Err(Error::NoSuchJob(_)) => {
            let letter = dead::of_job(house, id).await?.ok_or(Error::NoSuchJob(id))?;
            match house.producer.replay(letter.queue, &letter.id).await? {
                Enqueued::New(new) => say!("{id} waits again, as {new}"),
                Enqueued::Already { .. } => {
                    return Err(Failed::new(exit::CONFLICT, format!("the same as {id} is asked for already")));
                }
            }
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

async fn discard(house: &House, ids: Vec<JobId>, consent: Consent) -> Result<(), Failed> {
    if !consent.to(&format!("{} jobs would be discarded for good", ids.len()))? {
        return Ok(());
    }
    each(ids, async |id| {
        let discarded = async {
            let job = house.producer.discard_job(id).await?;
            call_off_with_job(house, job.envelope.as_ref()).await
        };
        of_job(house, id, "jobs.discard", discarded).await?;
        say!("{id} is discarded");
        Ok(())
    })
    .await
}

async fn cancel(house: &House, id: JobId) -> Result<(), Failed> {
    let cancelled = house.producer.cancel(id).await?;
    if let Cancelled::Removed(job) | Cancelled::Told(job) = &cancelled {
        call_off_with_job(house, job.envelope.as_ref()).await?;
    }
    match cancelled {
        Cancelled::Removed(job) => say!("{id} is cancelled; it was {} in {}", job.state, job.queue),
        Cancelled::Told(job) => {
            let who = job.worker.as_deref().unwrap_or("whoever takes it");
            say!("{id} is cancelled; it is {}, {who} drops it", job.state);
        }
        Cancelled::Ended(ended) => {
            return Err(Failed::new(exit::CONFLICT, format!("{id} ended already: {}", ended.outcome)));
        }
        Cancelled::Unseen => {
            return Err(Failed::not_found(format!(
                "{id} is not among what was looked through; should it be deeper in a queue, it will not run"
            )));
        }
    }
    Ok(())
}

impl State {
    fn is(self, state: JobState) -> bool {
        match self {
            Self::Running => state == JobState::Running,
            Self::Waiting => state == JobState::Waiting,
            Self::Delayed => state == JobState::Delayed,
            Self::Lined => state == JobState::Lined,
            Self::Parked => state == JobState::Parked,
            Self::Finished => false,
        }
    }
}

impl Filter {
    pub(super) async fn resolve(&self, house: &House) -> Result<Wanted, Failed> {
        let instance = match &self.instance {
            Some(name) => Some(instance::find(house, name).await?.id),
            None => None,
        };
        Ok(Wanted { queue: self.queue, kind: self.kind.clone(), instance })
    }
}

/// A filter whose names are looked up.
pub(super) struct Wanted {
    queue: Option<QueueName>,
    kind: Option<String>,
    instance: Option<InstanceId>,
}

impl Wanted {
    pub(super) fn queues(&self) -> impl Iterator<Item = QueueName> + use<> {
        let only = self.queue;
        QueueName::ALL.into_iter().filter(move |queue| only.is_none_or(|only| only == *queue))
    }

    /// What nobody can read is listed only where nothing is asked for that it would have to say.
    pub(super) fn takes_envelope(&self, envelope: Option<&Envelope>) -> bool {
        match envelope {
            Some(envelope) => self.takes(envelope.job.kind(), envelope.job.instance()),
            None => self.kind.is_none() && self.instance.is_none(),
        }
    }

    fn takes_listed(&self, job: &Listed) -> bool {
        self.takes_envelope(job.envelope.as_ref())
    }

    fn takes(&self, kind: &str, instance: InstanceId) -> bool {
        self.kind.as_deref().is_none_or(|wanted| wanted == kind)
            && self.instance.is_none_or(|wanted| wanted == instance)
    }
}

/// What instances are called.
pub(super) struct Names(HashMap<InstanceId, String>);

pub(super) async fn names(house: &House) -> Result<Names, Failed> {
    let instances = house.store.system().instances().await?;
    Ok(Names(instances.into_iter().map(|instance| (instance.id, instance.name)).collect()))
}

impl Names {
    pub(super) fn of(&self, instance: InstanceId) -> String {
        if instance == FLEET {
            return "(fleet)".to_owned();
        }
        self.0.get(&instance).cloned().unwrap_or_else(|| instance.to_string())
    }

    fn row(&self, queue: QueueName, state: &str, envelope: Option<&Envelope>) -> Row {
        Row {
            id: envelope.map_or_else(String::new, |envelope| envelope.id.to_string()),
            queue,
            state: state.to_owned(),
            kind: envelope.map_or("unreadable", |envelope| envelope.job.kind()).to_owned(),
            instance: envelope.map_or_else(String::new, |envelope| self.of(envelope.job.instance())),
            attempt: envelope.map(|envelope| envelope.attempt + 1),
            at: String::new(),
            worker: None,
            duration_ms: None,
            error: envelope.and_then(|envelope| envelope.last_error.clone()),
        }
    }

    fn alive(&self, job: &Listed) -> Row {
        let row = self.row(job.queue, job.state.as_str(), job.envelope.as_ref());
        Row { at: job.at.to_rfc3339(), worker: job.worker.clone(), ..row }
    }

    fn dead(&self, letter: &queue::DeadLetter) -> Row {
        let row = self.row(letter.queue, "dead", letter.envelope.as_ref());
        let (at, worker) = (letter.died_at.to_rfc3339(), Some(letter.worker.clone()));
        Row { at, worker, attempt: row.attempt.map(|next| next - 1), error: Some(letter.reason.clone()), ..row }
    }

    fn ended(&self, queue: QueueName, ended: Finished) -> Row {
        Row {
            id: ended.id.to_string(),
            queue,
            state: ended.outcome,
            kind: ended.kind,
            instance: self.of(ended.instance),
            attempt: Some(ended.attempt),
            at: ended.at.to_rfc3339(),
            worker: None,
            duration_ms: Some(ended.duration_ms),
            error: ended.error,
        }
    }
}
