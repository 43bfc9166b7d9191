//! `jirafleet sync status|poll|census|reconcile|issue`.

mod reconcile;

use chrono::Utc;
use clap::{Args as ClapArgs, Subcommand};
use domain::{Instance, IssueKey};
use queue::{Compared, Enqueued, Job, Losses};
use serde::Serialize;

use super::{backfill, instance, told::told};
use crate::{
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
    /// Show how far every reading has come.
    Status {
        /// Only this instance.
        instance: Option<String>,
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// Ask Jira now what was updated.
    Poll { instance: String },
    /// Call the roll of all issues now: hide what Jira does not show, call it deleted when a second census agrees, and read
    /// what the mirror lacks.
    Census {
        instance: String,
        /// Only this project; may be given several times.
        #[arg(long = "project", value_name = "KEY")]
        projects: Vec<String>,
        /// Mark what is gone also where it is half of a project or more, which is otherwise held until somebody has looked.
        #[arg(long)]
        accept: bool,
    },
    /// Compare issues with Jira; exit 7 when they differ and are not repaired.
    Reconcile(reconcile::Args),
    /// Look again at one issue.
    Issue { instance: String, key: String },
}

#[derive(Serialize)]
struct Row {
    instance: String,
    stream: String,
    state: String,
    synced: Option<u64>,
    expected: Option<u64>,
    since: Option<String>,
    until: Option<String>,
    /// Why it failed, was held or left, or what is odd about it.
    reason: Option<String>,
}

impl output::Row for Row {
    const SCHEMA: &'static str = "jirafleet.sync_status/1";
}

pub(crate) async fn run(args: Args) -> Result<(), Failed> {
    let house = House::open(&args.surroundings.resolve()?, 2).await?;
    match args.what {
        What::Status { instance, output } => status(&house, instance.as_deref(), output).await,
        What::Poll { instance } => poll(&house, &instance::find(&house, &instance).await?).await,
        What::Census { instance, projects, accept } => {
            let losses = if accept { Losses::Accept } else { Losses::Hold };
            census(&house, &instance::find(&house, &instance).await?, (&projects, losses)).await
        }
        What::Reconcile(args) => reconcile::run(&house, &args).await,
        What::Issue { instance, key } => issue(&house, &instance::find(&house, &instance).await?, &key).await,
    }
}

async fn status(house: &House, name: Option<&str>, output: Format) -> Result<(), Failed> {
    let instances = match name {
        Some(name) => vec![instance::find(house, name).await?],
        None => house.store.system().instances().await?,
    };
    let mut rows = Vec::new();
    for instance in instances {
        rows.extend(rows_of(house, &instance).await?);
    }
    output::print(output, &rows)?;
    Ok(())
}

async fn rows_of(house: &House, instance: &Instance) -> Result<Vec<Row>, Failed> {
    let tenant = house.store.tenant(instance.tenant);
    let mark = tenant.poll_mark(instance.id).await?;
    let poll = Row {
        instance: instance.name.clone(),
        stream: "poll".to_owned(),
        state: instance.state.name().to_owned(),
        synced: None,
        expected: None,
        since: None,
        until: mark.map(|mark| output::instant(mark.0)),
        reason: None,
    };
    let backfills = tenant.backfill_progress(instance.id).await?.into_iter().map(|row| Row {
        instance: instance.name.clone(),
        stream: format!("backfill:{}", row.project_key),
        state: row.state,
        synced: Some(row.synced),
        expected: row.expected,
        since: Some(output::instant(row.began_at)),
        until: row.finished_at.map(output::instant),
        reason: row.reason,
    });
    let censuses = tenant.census_rows(instance.id).await?.into_iter().map(|row| Row {
        instance: instance.name.clone(),
        stream: format!("census:{}", row.project_key),
        state: row.state,
        synced: Some(row.listed),
        expected: row.expected,
        since: Some(output::instant(row.began_at)),
        until: row.finished_at.map(output::instant),
        reason: row.reason,
    });
    Ok(std::iter::once(poll).chain(backfills).chain(censuses).collect())
}

async fn poll(house: &House, instance: &Instance) -> Result<(), Failed> {
    instance::must_not_rest(house, instance).await?;
    let job = Job::PollUpdates { instance: instance.id, page: None };
    let asked = async { Ok(house.producer.enqueue(job).await?) };
    told(house, [instance.id], ("sync.poll", &instance.name), asked).await?;
    say!("asked for. Next: jirafleet sync status {}", instance.name);
    Ok(())
}

async fn census(house: &House, instance: &Instance, order: (&[String], Losses)) -> Result<(), Failed> {
    let projects = order.0.iter().map(|key| key.parse()).collect::<Result<Vec<_>, _>>()?;
    instance::must_not_rest(house, instance).await?;
    backfill::check_projects(house, instance, &projects).await?;
    let (compared, losses) = (Compared::Ids, order.1);
    let job = Job::Census { instance: instance.id, projects, compared, losses };
    ask_for(house, instance, job).await
}

/// Asks for a job, unless one like it waits or runs already.
async fn ask_for(house: &House, instance: &Instance, job: Job) -> Result<(), Failed> {
    let asked = async { Ok(house.producer.enqueue(job).await?) };
    match told(house, [instance.id], ("sync.census", &instance.name), asked).await? {
        Enqueued::New(_) => say!("asked for. Next: jirafleet sync status {}", instance.name),
        Enqueued::Already { .. } => say!("one is under way already. Next: jirafleet sync status {}", instance.name),
    }
    Ok(())
}

async fn issue(house: &House, instance: &Instance, key: &str) -> Result<(), Failed> {
    let key: IssueKey = key.parse()?;
    instance::must_not_rest(house, instance).await?;
    let known = house.store.tenant(instance.tenant).issue_id(instance.id, &key).await?;
    let id = known.ok_or_else(|| {
        Failed::not_found(format!(
            "the mirror of {0} holds no {key}: `jirafleet sync poll {0}` finds new ones",
            instance.name
        ))
    })?;
    let touched = async { Ok(house.producer.touch(instance.id, &[id], Utc::now()).await?) };
    told(house, [instance.id], ("sync.issue", key.as_str()), touched).await?;
    say!("{key} will be looked at again");
    Ok(())
}
