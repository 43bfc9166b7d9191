//! `jirafleet schedule list`.

use clap::{Args as ClapArgs, Subcommand};
use queue::{Lead, QueueName};
use scheduler::{Failure, Planned};
use serde::Serialize;

use crate::{
    config::Surroundings,
    exit::Failed,
    output::{self, Format, instant, say},
    wire_up::House,
};

#[derive(ClapArgs)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    surroundings: Surroundings,
}

#[derive(Subcommand)]
enum What {
    /// List each line of the timetable for each instance, with its last and its next run, and say which scheduler leads.
    List {
        /// Only this instance.
        #[arg(long, value_name = "NAME")]
        instance: Option<String>,
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
}

#[derive(Serialize)]
struct Row {
    line: &'static str,
    instance: String,
    state: &'static str,
    kind: &'static str,
    queue: QueueName,
    every: String,
    /// When its job was last asked for.
    last_run: Option<String>,
    /// Since when it is due, or when it will be.
    next_run: Option<String>,
    /// How long ago that was, if it was.
    late_s: Option<i64>,
}

impl output::Row for Row {
    const SCHEMA: &'static str = "jirafleet.schedule/1";
    const WIDE: &'static [&'static str] = &["queue"];
}

pub(crate) async fn run(args: Args) -> Result<(), Failed> {
    let What::List { instance, output } = args.what;
    let house = House::open(&args.surroundings.resolve()?, 2).await?;
    if let Some(name) = &instance {
        super::instance::find(&house, name).await?;
    }
    let (lead, planned) = scheduler::plan(&house.store, &house.producer).await.map_err(failed)?;
    let is_asked_for =
        |one: &Planned| instance.is_none() || one.instance.as_ref().map(|known| &known.name) == instance.as_ref();
    let rows: Vec<Row> = planned.iter().filter(|one| is_asked_for(one)).map(|one| row(one, &lead)).collect();
    output::print(output, &rows)?;
    match lead.leader {
        Some(leader) => say!("scheduler {} leads (term {})", leader.name, leader.term),
        None => say!("no scheduler leads: start `jirafleet scheduler`, or look at the log of the one that runs"),
    }
    Ok(())
}

fn row(planned: &Planned, lead: &Lead) -> Row {
    let late = planned.next.map(|next| (lead.now - next).num_seconds()).filter(|late| *late > 0);
    Row {
        line: planned.line,
        instance: planned.instance.as_ref().map_or_else(|| "(fleet)".to_owned(), |one| one.name.clone()),
        state: planned.instance.as_ref().map_or("active", |one| one.state.name()),
        kind: planned.kind,
        queue: planned.queue,
        every: planned.every.clone(),
        last_run: planned.last.and_then(|turn| turn.at).map(instant),
        next_run: planned.next.map(instant),
        late_s: late,
    }
}

fn failed(failure: Failure) -> Failed {
    match failure {
        Failure::Store(error) => error.into(),
        Failure::Queue(error) => error.into(),
        Failure::Late => Failed::new(crate::exit::TRY_AGAIN, failure.to_string()),
    }
}
