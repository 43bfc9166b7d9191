//! `jirafleet backfill INSTANCE [--project KEY].. [--since DATE] [--follow]`.

use std::{io::IsTerminal, time::Duration};

use chrono::NaiveDate;
use clap::Args as ClapArgs;
use domain::{Instance, InstanceState, ProjectKey};
use indicatif::{ProgressBar, ProgressStyle};
use queue::{Enqueued, Job};
use store::BackfillRow;

use super::instance;
use crate::{
    config::Surroundings,
    exit::{self, Failed},
    wire_up::House,
};

#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The instance to copy.
    instance: String,
    /// Only this project; may be given several times.
    #[arg(long = "project", value_name = "KEY")]
    projects: Vec<String>,
    /// Only issues created on or after this day (YYYY-MM-DD).
    #[arg(long, value_name = "DATE")]
    since: Option<NaiveDate>,
    /// Watch until it ends. Ctrl-C stops watching, not the backfill.
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    surroundings: Surroundings,
}

pub(crate) async fn run(args: Args) -> Result<(), Failed> {
    let projects: Vec<ProjectKey> = args.projects.iter().map(|key| key.parse()).collect::<Result<_, _>>()?;
    let house = House::open(&args.surroundings.resolve()?, 2).await?;
    let instance = instance::find(&house, &args.instance).await?;
    refuse_if_at_rest(&instance)?;
    check_projects(&house, &instance, &projects).await?;
    let asked_at = chrono::Utc::now();
    begin(&house, &instance, projects, args.since).await?;
    if args.follow {
        follow(&house, &instance, asked_at).await?;
    } else {
        eprintln!("asked for. Next: jirafleet sync status {}", instance.name);
    }
    Ok(())
}

fn refuse_if_at_rest(instance: &Instance) -> Result<(), Failed> {
    let why = match &instance.state {
        InstanceState::Active => return Ok(()),
        InstanceState::Paused => "it is paused".to_owned(),
        InstanceState::Suspended { reason } => format!("it is suspended: {reason}"),
    };
    Err(Failed::new(
        exit::CONFLICT,
        format!("no work is done for {}, {why}. Next: jirafleet instance resume {}", instance.name, instance.name),
    ))
}

/// A project that is not in the directory may be new; one that is misspelt would silently copy nothing.
async fn check_projects(house: &House, instance: &Instance, projects: &[ProjectKey]) -> Result<(), Failed> {
    let known = house.store.tenant(instance.tenant).project_keys(instance.id).await?;
    match projects.iter().find(|key| !known.is_empty() && !known.contains(key)) {
        Some(key) => Err(Failed::not_found(format!(
            "{} shows us no project {key}; we know {}",
            instance.name,
            known.iter().map(ProjectKey::as_str).collect::<Vec<_>>().join(", ")
        ))),
        None => Ok(()),
    }
}

/// Asks for a backfill, unless one is under way. One that was interrupted for good (its job lies with the dead letters)
/// goes on where it stopped.
pub(crate) async fn begin(
    house: &House,
    instance: &Instance,
    projects: Vec<ProjectKey>,
    since: Option<NaiveDate>,
) -> Result<(), Failed> {
    let rows = house.store.tenant(instance.tenant).backfill_progress(instance.id).await?;
    let unfinished: Vec<&BackfillRow> = rows.iter().filter(|row| !row.ended()).collect();
    if let Some(first) = unfinished.first() {
        let chains = unfinished.iter().map(|row| chain(instance, row)).collect();
        let asked = house.producer.enqueue_all(chains).await?;
        if asked.iter().any(|answer| matches!(answer, Enqueued::New(_))) {
            eprintln!("an interrupted backfill of {} goes on where it stopped", instance.name);
            return Ok(());
        }
        return Err(already(instance, first.began_at));
    }
    match house.producer.enqueue(Job::Backfill { instance: instance.id, projects, since }).await? {
        Enqueued::New(_) => Ok(()),
        Enqueued::Already { since, .. } => Err(already(instance, since.unwrap_or_else(chrono::Utc::now))),
    }
}

/// The job that goes on with a project's backfill.
pub(crate) fn chain(instance: &Instance, row: &BackfillRow) -> Job {
    Job::BackfillProject { instance: instance.id, project: row.project, run: row.run, page: row.page }
}

fn already(instance: &Instance, since: chrono::DateTime<chrono::Utc>) -> Failed {
    let since = since.format("%Y-%m-%d %H:%M UTC");
    let sentence = format!(
        "a backfill of {0} is already running since {since}: watch it by `jirafleet sync status {0}`",
        instance.name
    );
    Failed::new(exit::CONFLICT, sentence)
}

/// Watches the rows of `sync_watermarks` until every project that was begun after `asked_at` has ended.
async fn follow(house: &House, instance: &Instance, asked_at: chrono::DateTime<chrono::Utc>) -> Result<(), Failed> {
    let bar = bar();
    let mut tick = tokio::time::interval(Duration::from_millis(500));
    loop {
        tick.tick().await;
        let rows = house.store.tenant(instance.tenant).backfill_progress(instance.id).await?;
        let rows: Vec<BackfillRow> =
            rows.into_iter().filter(|row| !row.ended() || row.finished_at >= Some(asked_at)).collect();
        show(&bar, &rows);
        if !rows.is_empty() && rows.iter().all(BackfillRow::ended) {
            break;
        }
        let fresh = house.store.system().instance(instance.id).await?;
        if let Some(fresh) = fresh {
            refuse_if_at_rest(&fresh)?;
        }
    }
    bar.finish();
    eprintln!("the backfill of {} ended", instance.name);
    Ok(())
}

fn bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} issues, {per_sec}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}

fn show(bar: &ProgressBar, rows: &[BackfillRow]) {
    let synced: u64 = rows.iter().map(|row| row.synced).sum();
    let expected: u64 = rows.iter().map(|row| row.expected.unwrap_or(row.synced).max(row.synced)).sum();
    if bar.is_hidden() && !rows.is_empty() && bar.position() != synced {
        eprintln!("Synced {synced}/{expected} issues");
    }
    bar.set_length(expected);
    bar.set_position(synced);
}
