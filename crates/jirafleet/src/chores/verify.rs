//! `jirafleet verify INSTANCE [--sample N|--full]`: the mirror against Jira, field by field and both ways.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args as ClapArgs;
use domain::{Instance, IssueId, IssueSnapshot};
use jira::{Client, Hydrated, Priority};
use rand::seq::IndexedRandom;
use serde::Serialize;

use super::instance;
use crate::{
    config::Surroundings,
    exit::{self, Failed},
    output::{self, Format, say},
    wire_up::House,
};

/// Issues compared at once: as many as Jira answers in one request.
pub(crate) const PAGE: usize = 100;
/// Ids of the mirror read at once.
const IDS: u32 = 10_000;

#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The instance to compare.
    instance: String,
    /// Compare this many issues, chosen at random from what Jira lists and what the mirror shows.
    #[arg(long, default_value_t = 100, conflicts_with = "full", value_parser = clap::value_parser!(u32).range(1..))]
    sample: u32,
    /// Compare all of them.
    #[arg(long)]
    full: bool,
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    surroundings: Surroundings,
}

/// One issue in which mirror and Jira differ, or may differ because Jira could not give it.
#[derive(Debug, Serialize)]
pub(crate) struct Drift {
    issue: i64,
    /// Empty where neither side told it.
    key: String,
    differs_in: String,
}

impl output::Row for Drift {
    const SCHEMA: &'static str = "jirafleet.drift/1";
}

pub(crate) async fn run(args: Args) -> Result<(), Failed> {
    let house = House::open(&args.surroundings.resolve()?, 2).await?;
    let instance = instance::find(&house, &args.instance).await?;
    let jira = jira_of(&house, &instance).await?;
    let ids = chosen(&house, &instance, (&jira, (!args.full).then_some(args.sample))).await?;
    let mut drifts = Vec::new();
    for page in ids.chunks(PAGE) {
        drifts.extend(judge(&house, &instance, &jira.hydrate_all(page).await?).await?);
    }
    say!("{} issues compared, {} differ", ids.len(), drifts.len());
    if drifts.is_empty() {
        return Ok(());
    }
    match output::print(args.output, &drifts) {
        Err(failed) if failed.code != exit::OK => Err(failed),
        // Drift is drift also when nobody reads the listing to its end.
        _ => Err(Failed::silent(exit::DRIFT)),
    }
}

/// The way to an instance's Jira, behind what is urgent.
pub(crate) async fn jira_of(house: &House, instance: &Instance) -> Result<Client, Failed> {
    let credentials = worker::credentials(&house.store.tenant(instance.tenant), instance.id).await?;
    Ok(house.clients.client_as(instance, credentials)?.with_priority(Priority::Upkeep))
}

/// What is compared: so many issues chosen at random, or all.
pub(crate) async fn chosen(
    house: &House,
    instance: &Instance,
    (jira, sample): (&Client, Option<u32>),
) -> Result<Vec<IssueId>, Failed> {
    let ids = all_ids(house, instance, jira).await?;
    Ok(match sample {
        Some(sample) => ids.sample(&mut rand::rng(), sample as usize).copied().collect(),
        None => ids,
    })
}

/// What Jira's search lists and what the mirror shows of live projects. The search lags, so an issue that is only on
/// one side is no drift yet: every one is asked for by its id.
async fn all_ids(house: &House, instance: &Instance, jira: &Client) -> Result<Vec<IssueId>, Failed> {
    let mut ids: BTreeSet<IssueId> = listed_ids(jira).await?.into_iter().collect();
    let tenant = house.store.tenant(instance.tenant);
    let mut after = None;
    loop {
        let shown = tenant.live_issue_ids(instance.id, after, IDS).await?;
        after = shown.last().copied();
        ids.extend(shown);
        if after.is_none() {
            return Ok(ids.into_iter().collect());
        }
    }
}

async fn listed_ids(jira: &Client) -> Result<Vec<IssueId>, Failed> {
    let mut ids = Vec::new();
    for project in jira.projects().await? {
        let mut token = None;
        loop {
            let page = jira.issue_ids(project.id, None, token.as_deref()).await?;
            ids.extend(page.ids);
            token = page.next;
            if token.is_none() {
                break;
            }
        }
    }
    Ok(ids)
}

/// Compares an answer with the mirror: whole issues field by field, absent ones must not be shown, and of those that Jira
/// could not give nothing is known.
async fn judge(house: &House, instance: &Instance, answer: &Hydrated) -> Result<Vec<Drift>, Failed> {
    let mut drifts = compare(house, instance, &answer.snapshots).await?;
    let others: Vec<IssueId> = answer.absent.iter().copied().chain(answer.failed.iter().map(|(id, _)| *id)).collect();
    if others.is_empty() {
        return Ok(drifts);
    }
    let rows = rows(house, instance, &others).await?;
    let key = |id: &IssueId| rows.get(id).map(|row| row.issue.key.to_string());
    drifts.extend(
        answer
            .absent
            .iter()
            .filter_map(|id| Some(Drift { issue: id.0, key: key(id)?, differs_in: "not in Jira".to_owned() })),
    );
    drifts.extend(answer.failed.iter().map(|(id, reason)| Drift {
        issue: id.0,
        key: key(id).unwrap_or_default(),
        differs_in: format!("could not be read: {reason}"),
    }));
    Ok(drifts)
}

/// Compares what Jira said with the rows of the same issues.
pub(crate) async fn compare(house: &House, instance: &Instance, truth: &[IssueSnapshot]) -> Result<Vec<Drift>, Failed> {
    let ids: Vec<IssueId> = truth.iter().map(|snapshot| snapshot.issue.id).collect();
    let rows = rows(house, instance, &ids).await?;
    Ok(truth.iter().filter_map(|said| drift(said, rows.get(&said.issue.id))).collect())
}

async fn rows(house: &House, instance: &Instance, ids: &[IssueId]) -> Result<BTreeMap<IssueId, IssueSnapshot>, Failed> {
    let rows = house.store.tenant(instance.tenant).snapshots(instance.id, ids).await?;
    Ok(rows.into_iter().map(|row| (row.issue.id, row)).collect())
}

fn drift(said: &IssueSnapshot, row: Option<&IssueSnapshot>) -> Option<Drift> {
    let differs_in = match row {
        None => "missing".to_owned(),
        Some(row) => said.differences(row).join(" "),
    };
    let drifted = !differs_in.is_empty();
    drifted.then(|| Drift { issue: said.issue.id.0, key: said.issue.key.to_string(), differs_in })
}
