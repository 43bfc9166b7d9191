//! `jirafleet verify INSTANCE [--sample N|--full]`: the mirror against Jira, field by field.

use std::collections::BTreeMap;

use clap::Args as ClapArgs;
use domain::{Instance, IssueId, IssueSnapshot};
use jira::{Client, Priority};
use rand::seq::IndexedRandom;
use serde::Serialize;

use super::instance;
use crate::{
    config::Surroundings,
    exit::{self, Failed},
    output::{self, Format},
    wire_up::House,
};

/// Issues compared at once: as many as Jira answers in one request.
const PAGE: usize = 100;

#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The instance to compare.
    instance: String,
    /// Compare this many issues, chosen at random.
    #[arg(long, default_value_t = 100, conflicts_with = "full")]
    sample: usize,
    /// Compare all of them.
    #[arg(long)]
    full: bool,
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    surroundings: Surroundings,
}

/// One issue in which mirror and Jira differ.
#[derive(Debug, Serialize)]
pub(crate) struct Drift {
    issue: i64,
    key: String,
    differs_in: String,
}

pub(crate) async fn run(args: Args) -> Result<(), Failed> {
    let house = House::open(&args.surroundings.resolve()?, 2).await?;
    let instance = instance::find(&house, &args.instance).await?;
    let credentials = house.store.tenant(instance.tenant).credentials(instance.id).await?;
    let jira = house.clients.client(&instance, credentials.email, credentials.token)?.with_priority(Priority::Upkeep);
    let mut ids = all_ids(&jira).await?;
    if !args.full {
        ids = ids.sample(&mut rand::rng(), args.sample).copied().collect();
    }
    let mut drifts = Vec::new();
    for page in ids.chunks(PAGE) {
        let answer = jira.hydrate(page).await?;
        drifts.extend(compare(&house, &instance, &answer.snapshots).await?);
    }
    eprintln!("{} issues compared, {} differ", ids.len(), drifts.len());
    if drifts.is_empty() {
        return Ok(());
    }
    output::print(args.output, "jirafleet.drift/1", &drifts)?;
    Err(Failed::silent(exit::DRIFT))
}

async fn all_ids(jira: &Client) -> Result<Vec<IssueId>, Failed> {
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

/// Compares what Jira said with the rows of the same issues.
pub(crate) async fn compare(house: &House, instance: &Instance, truth: &[IssueSnapshot]) -> Result<Vec<Drift>, Failed> {
    let ids: Vec<IssueId> = truth.iter().map(|snapshot| snapshot.issue.id).collect();
    let rows = house.store.tenant(instance.tenant).snapshots(instance.id, &ids).await?;
    let rows: BTreeMap<IssueId, IssueSnapshot> = rows.into_iter().map(|row| (row.issue.id, row)).collect();
    Ok(truth.iter().filter_map(|said| drift(said, rows.get(&said.issue.id))).collect())
}

fn drift(said: &IssueSnapshot, row: Option<&IssueSnapshot>) -> Option<Drift> {
    let differs_in = match row {
        None => "missing".to_owned(),
        Some(row) => said.differences(row).join(" "),
    };
    let drifted = !differs_in.is_empty();
    drifted.then(|| Drift { issue: said.issue.id.0, key: said.issue.key.to_string(), differs_in })
}
