//! `jirafleet backfill INSTANCE [--project KEY].. [--since DATE] [--follow] | --cancel`.

mod call_off;
mod follow;
mod progress;

use std::cell::OnceCell;

use chrono::{DateTime, NaiveDate, Utc};
use clap::Args as ClapArgs;
use domain::{Instance, ProjectKey};
use queue::{Enqueued, Job};
use store::BackfillRow;
use uuid::Uuid;

use super::{instance, told::told};
use crate::{
    choices,
    config::Surroundings,
    exit::{self, Failed},
    output::say,
    serve,
    wire_up::House,
};
pub(super) use call_off::with_job as call_off_with_job;
use follow::Following;

#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The instance to copy.
    instance: String,
    /// Only this project; may be given several times.
    #[arg(long = "project", value_name = "KEY")]
    projects: Vec<String>,
    /// Only issues created on or after this day (YYYY-MM-DD).
    #[arg(long, value_name = "DATE", value_parser = choices::day)]
    since: Option<NaiveDate>,
    /// Watch until it ends, also one that is under way already. Ctrl-C stops watching, not the backfill.
    #[arg(long)]
    follow: bool,
    /// Call off what is unfinished, also what was interrupted. What it brought stays; the next one begins anew.
    #[arg(long, conflicts_with_all = ["projects", "since", "follow"])]
    cancel: bool,
    #[command(flatten)]
    surroundings: Surroundings,
}

/// What came of asking for a backfill.
pub(crate) enum Begun {
    /// It waits for a worker.
    New { run: Uuid },
    /// An interrupted one goes on.
    Again { run: Uuid },
    /// One is under way.
    Running { run: Uuid, since: DateTime<Utc> },
}

/// An interrupt is listened for in one place, and what is said of it depends on whether there is a backfill to watch.
pub(crate) async fn run(args: Args) -> Result<(), Failed> {
    let watched = OnceCell::new();
    tokio::select! {
        biased;
        ended = ask(args, &watched) => ended,
        () = serve::interrupted() => Err(watched.get().map_or_else(|| Failed::silent(exit::INTERRUPTED), unwatched)),
    }
}

async fn ask(args: Args, watched: &OnceCell<Instance>) -> Result<(), Failed> {
    let projects: Vec<ProjectKey> = args.projects.iter().map(|key| key.parse()).collect::<Result<_, _>>()?;
    let house = House::open(&args.surroundings.resolve()?, 2).await?;
    let instance = instance::find(&house, &args.instance).await?;
    if args.cancel {
        return call_off::unfinished(&house, &instance).await;
    }
    instance::must_not_rest(&house, &instance).await?;
    check_projects(&house, &instance, &projects).await?;
    let following = if args.follow { Some(Following::prepare(&house, &instance).await?) } else { None };
    let begun = begin(&house, &instance, projects, args.since).await?;
    if let Begun::Again { .. } = begun {
        say!("an interrupted backfill of {} goes on where it stopped", instance.name);
    }
    match (following, begun) {
        (Some(following), Begun::New { run } | Begun::Again { run } | Begun::Running { run, .. }) => {
            watched.get_or_init(|| instance.clone());
            following.follow(run).await
        }
        (None, Begun::Running { since, .. }) => Err(already(&instance, since)),
        (None, _) => {
            say!("asked for. Next: jirafleet sync status {}", instance.name);
            Ok(())
        }
    }
}

/// A project that is not in the directory may be new; one that is misspelt would silently copy nothing.
pub(super) async fn check_projects(house: &House, instance: &Instance, projects: &[ProjectKey]) -> Result<(), Failed> {
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
/// goes on where it stopped. Where only a part is asked for, an unfinished one is in the way.
pub(crate) async fn begin(
    house: &House,
    instance: &Instance,
    projects: Vec<ProjectKey>,
    since: Option<NaiveDate>,
) -> Result<Begun, Failed> {
    let of_everything = projects.is_empty() && since.is_none();
    let tenant = house.store.tenant(instance.tenant);
    let rows = tenant.backfill_progress(instance.id).await?;
    let unfinished: Vec<&BackfillRow> = rows.iter().filter(|row| !row.ended() || row.has_failed()).collect();
    if let Some(newest) = unfinished.iter().max_by_key(|row| row.began_at) {
        if !of_everything {
            return Err(in_the_way(instance, newest.began_at));
        }
        tenant.backfill_again(instance.id).await?;
        let chains = unfinished.iter().map(|row| worker::chain(instance.id, row)).collect();
        let asked = async { Ok(house.producer.enqueue_all(chains).await?) };
        let asked = told(house, [instance.id], ("sync.backfill", &instance.name), asked).await?;
        let (run, since) = (newest.run, newest.began_at);
        let goes_on = asked.iter().any(|answer| matches!(answer, Enqueued::New(_)));
        return Ok(if goes_on { Begun::Again { run } } else { Begun::Running { run, since } });
    }
    // The run is named after the job that plans it.
    let job = Job::Backfill { instance: instance.id, projects, since };
    let asked = async { Ok(house.producer.enqueue(job).await?) };
    match told(house, [instance.id], ("sync.backfill", &instance.name), asked).await? {
        Enqueued::New(id) => Ok(Begun::New { run: id.0 }),
        Enqueued::Already { id, since } => {
            let since = since.unwrap_or_else(Utc::now);
            let id = id.filter(|_| of_everything).ok_or_else(|| in_the_way(instance, since))?;
            Ok(Begun::Running { run: id.0, since })
        }
    }
}

fn unwatched(instance: &Instance) -> Failed {
    let sentence = format!(
        "nobody watches any more, and the backfill of {0} goes on: `jirafleet backfill {0} --follow` watches it again",
        instance.name
    );
    Failed::new(exit::INTERRUPTED, sentence)
}

fn already(instance: &Instance, since: DateTime<Utc>) -> Failed {
    let since = since.format("%Y-%m-%d %H:%M UTC");
    let sentence = format!(
        "a backfill of {0} is already running since {since}: watch it by `jirafleet backfill {0} --follow`",
        instance.name
    );
    Failed::new(exit::CONFLICT, sentence)
}

fn in_the_way(instance: &Instance, since: DateTime<Utc>) -> Failed {
    let since = since.format("%Y-%m-%d %H:%M UTC");
    let sentence = format!(
        "a backfill of {0} that was begun {since} is unfinished, and only one can be at a time: see it through by \
         `jirafleet backfill {0} --follow` without --project and --since, or call it off by --cancel, then ask again",
        instance.name
    );
    Failed::new(exit::CONFLICT, sentence)
}
