//! `jirafleet sync reconcile INSTANCE [--sample N|--full] [--repair]`: what drifted, by its cause, and putting it right.

use clap::Args as ClapArgs;
use domain::Instance;
use queue::{Compared, Job, Losses};
use serde::Serialize;
use worker::drift::{self, Drift};

use super::ask_for;
use crate::{
    chores::{
        instance,
        told::told,
        verify::{self, PAGE},
    },
    exit::{self, Failed},
    output::{self, Format, say},
    wire_up::House,
};

#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The instance to compare.
    instance: String,
    /// Compare this many issues field by field, chosen at random from what Jira lists and what the mirror shows.
    #[arg(long, default_value_t = Job::SAMPLE, conflicts_with = "full", value_parser = clap::value_parser!(u32).range(1..))]
    sample: u32,
    /// Compare all issues: field by field, or with --repair by their times, a thousand in one request, by the workers.
    #[arg(long)]
    full: bool,
    /// Put right what drifted.
    #[arg(long)]
    repair: bool,
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// One issue in which mirror and Jira differ.
#[derive(Serialize)]
struct Row {
    issue: i64,
    key: String,
    cause: &'static str,
    differs_in: String,
}

impl output::Row for Row {
    const SCHEMA: &'static str = "jirafleet.drifts/1";
}

pub(super) async fn run(house: &House, args: &Args) -> Result<(), Failed> {
    let instance = instance::find(house, &args.instance).await?;
    if args.full && args.repair {
        instance::must_not_rest(house, &instance).await?;
        let (compared, losses) = (Compared::Times, Losses::Hold);
        let job = Job::Census { instance: instance.id, projects: Vec::new(), compared, losses };
        return ask_for(house, &instance, job).await;
    }
    compare(house, &instance, args).await
}

async fn compare(house: &House, instance: &Instance, args: &Args) -> Result<(), Failed> {
    let (jira, tenant) = (verify::jira_of(house, instance).await?, house.store.tenant(instance.tenant));
    let ids = verify::chosen(house, instance, (&jira, (!args.full).then_some(args.sample))).await?;
    let (mut rows, mut repaired, mut unread) = (Vec::new(), 0, 0);
    for page in ids.chunks(PAGE) {
        let answer = jira.hydrate_all(page).await?;
        let drifts = drift::find(&tenant, instance.id, &answer).await?;
        if args.repair && !drifts.is_empty() {
            let put_right = async { Ok(drift::repair(&tenant, instance.id, (&answer, &drifts)).await?) };
            repaired += told(house, [instance.id], ("sync.repair", &instance.name), put_right).await?;
        }
        unread += answer.failed.len();
        rows.extend(drifts.iter().map(Row::of));
    }
    say!("{} issues compared, {} differ, {repaired} repaired, {unread} could not be read", ids.len(), rows.len());
    if !rows.is_empty() {
        output::print(args.output, &rows)?;
    }
    if rows.len() > repaired { Err(Failed::silent(exit::DRIFT)) } else { Ok(()) }
}

impl Row {
    fn of(drift: &Drift) -> Self {
        Self {
            issue: drift.issue.0,
            key: drift.key.to_string(),
            cause: drift.kind.name(),
            differs_in: drift.parts.join(" "),
        }
    }
}
