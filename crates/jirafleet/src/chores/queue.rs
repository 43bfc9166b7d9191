//! `jirafleet queue status|pauses|pause|resume`.

use chrono::{DateTime, Utc};
use clap::{Args as ClapArgs, Subcommand};
use domain::InstanceId;
use queue::{FLEET, Pause, PauseOrder, QueueName, Scope};
use serde::Serialize;

use super::{
    instance,
    jobs::{Names, names},
    told::told,
};
use crate::{
    choices,
    config::Surroundings,
    exit::Failed,
    output::{self, Format, say},
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
    /// Show how full every queue is, who works on it, and whether it is paused.
    Status {
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// List what is paused, by whom and why.
    Pauses {
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// Start nothing more of a queue or an instance; what runs goes on, what is asked for waits.
    Pause {
        #[command(flatten)]
        which: Which,
        /// Why, for whoever wonders.
        #[arg(long, value_name = "TEXT")]
        why: String,
        /// Who does it.
        #[arg(long, env = "USER", default_value = "unknown", value_name = "NAME")]
        by: String,
        /// When it ends by itself, as in 2026-02-03T10:00:00Z [default: not before it is resumed]
        #[arg(long, value_name = "TIME")]
        until: Option<DateTime<Utc>>,
    },
    /// Go on with a queue or an instance.
    Resume {
        #[command(flatten)]
        which: Which,
    },
}

#[derive(ClapArgs)]
#[group(required = true, multiple = false)]
struct Which {
    /// Which queue.
    #[arg(value_parser = choices::queue())]
    queue: Option<QueueName>,
    /// All jobs of this instance, in every queue.
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,
}

#[derive(Serialize)]
struct Row {
    queue: QueueName,
    state: &'static str,
    ready: u64,
    lined: u64,
    delayed: u64,
    running: u64,
    parked: u64,
    dead: u64,
    oldest_age_s: Option<u64>,
    overdue_s: Option<u64>,
    workers: usize,
    /// What each worker has, as `name=jobs`.
    busy: String,
    why: Option<String>,
}

impl output::Row for Row {
    const SCHEMA: &'static str = "jirafleet.queues/1";
}

#[derive(Serialize)]
struct PauseRow {
    paused: &'static str,
    name: String,
    by: String,
    why: String,
    since: String,
    until: Option<String>,
}

impl output::Row for PauseRow {
    const SCHEMA: &'static str = "jirafleet.pauses/1";
}

pub(crate) async fn run(args: Args) -> Result<(), Failed> {
    let house = House::open(&args.surroundings.resolve()?, 2).await?;
    match args.what {
        What::Status { output } => status(&house, output).await,
        What::Pauses { output } => pauses(&house, output).await,
        What::Pause { which, why, by, until } => {
            let scope = which.scope(&house).await?;
            let paused = async { Ok(house.producer.pause(scope, PauseOrder { by, why, until }).await?) };
            told(&house, [of(scope)], ("queue.pause", which.name()), paused).await?;
            say!("{} is paused; what runs goes on", which.name());
            Ok(())
        }
        What::Resume { which } => {
            let scope = which.scope(&house).await?;
            let resumed = async { Ok(house.producer.resume(scope).await?) };
            let was = told(&house, [of(scope)], ("queue.resume", which.name()), resumed).await?;
            say!("{} {}", which.name(), if was { "goes on" } else { "was not paused" });
            Ok(())
        }
    }
}

/// On whose behalf work is held up.
fn of(scope: Scope) -> InstanceId {
    match scope {
        Scope::Queue(_) => FLEET,
        Scope::Instance(instance) => instance,
    }
}

impl Which {
    async fn scope(&self, house: &House) -> Result<Scope, Failed> {
        match (self.queue, &self.instance) {
            (Some(queue), _) => Ok(Scope::Queue(queue)),
            (None, Some(name)) => Ok(Scope::Instance(instance::find(house, name).await?.id)),
            (None, None) => Err(Failed::bug("neither a queue nor an instance")),
        }
    }

    fn name(&self) -> &str {
        match self.queue {
            Some(queue) => queue.as_str(),
            None => self.instance.as_deref().unwrap_or_default(),
        }
    }
}

async fn status(house: &House, output: Format) -> Result<(), Failed> {
    let pauses = house.producer.pauses().await?;
    let mut rows = Vec::new();
    for queue in QueueName::ALL {
        rows.push(row(house, queue, pauses.iter().find(|pause| pause.scope == Scope::Queue(queue))).await?);
    }
    output::print(output, &rows)?;
    let instances = pauses.iter().filter(|pause| matches!(pause.scope, Scope::Instance(_))).count();
    if instances > 0 {
        say!("{instances} instances are paused: see `jirafleet queue pauses`");
    }
    Ok(())
}

async fn row(house: &House, queue: QueueName, pause: Option<&Pause>) -> Result<Row, Failed> {
    let status = house.producer.status(queue).await?;
    let depth = status.depth;
    let busy: Vec<String> =
        status.workers.iter().filter(|(_, jobs)| *jobs > 0).map(|(name, jobs)| format!("{name}={jobs}")).collect();
    Ok(Row {
        queue,
        state: if pause.is_some() { "paused" } else { "active" },
        ready: depth.ready,
        lined: depth.lined,
        delayed: depth.delayed,
        running: depth.running,
        parked: depth.parked,
        dead: depth.dead,
        oldest_age_s: depth.oldest_age.map(|age| age.as_secs()),
        overdue_s: depth.overdue.map(|age| age.as_secs()),
        workers: status.workers.len(),
        busy: busy.join(" "),
        why: pause.map(|pause| format!("{}: {}", pause.order.by, pause.order.why)),
    })
}

async fn pauses(house: &House, output: Format) -> Result<(), Failed> {
    let names = names(house).await?;
    let rows: Vec<PauseRow> =
        house.producer.pauses().await?.into_iter().map(|pause| pause_row(&names, pause)).collect();
    output::print(output, &rows)
}

fn pause_row(names: &Names, pause: Pause) -> PauseRow {
    let (paused, name) = match pause.scope {
        Scope::Queue(queue) => ("queue", queue.to_string()),
        Scope::Instance(instance) => ("instance", names.of(instance)),
    };
    PauseRow {
        paused,
        name,
        by: pause.order.by,
        why: pause.order.why,
        since: pause.since.to_rfc3339(),
        until: pause.order.until.map(|until| until.to_rfc3339()),
    }
}
