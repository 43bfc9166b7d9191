//! `jirafleet sync status|poll|issue`.

use chrono::Utc;
use clap::{Args as ClapArgs, Subcommand};
use domain::{Instance, IssueKey};
use queue::Job;
use serde::Serialize;

use super::instance;
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
}

pub(crate) async fn run(args: Args) -> Result<(), Failed> {
    let house = House::open(&args.surroundings.resolve()?, 2).await?;
    match args.what {
        What::Status { instance, output } => status(&house, instance.as_deref(), output).await,
        What::Poll { instance } => poll(&house, &instance::find(&house, &instance).await?).await,
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
    output::print(output, "jirafleet.sync_status/1", &rows)?;
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
    };
    let backfills = tenant.backfill_progress(instance.id).await?.into_iter().map(|row| Row {
        instance: instance.name.clone(),
        stream: format!("backfill:{}", row.project_key),
        state: row.state,
        synced: Some(row.synced),
        expected: row.expected,
        since: Some(output::instant(row.began_at)),
        until: row.finished_at.map(output::instant),
    });
    Ok(std::iter::once(poll).chain(backfills).collect())
}

async fn poll(house: &House, instance: &Instance) -> Result<(), Failed> {
    instance::must_not_rest(house, instance).await?;
    house.producer.enqueue(Job::PollUpdates { instance: instance.id, page: None }).await?;
    say!("asked for. Next: jirafleet sync status {}", instance.name);
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
    house.producer.touch(instance.id, &[id], Utc::now()).await?;
    say!("{key} will be looked at again");
    Ok(())
}
