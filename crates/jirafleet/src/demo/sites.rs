//! The demo's two simulated Jira sites, each registered by a tenant of its own.

use std::{net::SocketAddr, time::Duration};

use chrono::{TimeDelta, Utc};
use domain::{Instance, IssueSnapshot, Site, SiteRules};
use indicatif::ProgressBar;
use secrecy::SecretString;
use simulator::{Config, Simulator};
use store::{Credentials, Login, NewInstance};
use tokio::sync::mpsc::UnboundedReceiver;
use worker::Applied;

use super::report::Backfill;
use crate::{
    chores::{backfill, verify},
    exit::{self, Failed},
    private::random_hex,
    wire_up::House,
};

/// A tenant with one site.
pub(super) struct DemoSite {
    simulator: Simulator,
    instance: Instance,
    secret: String,
}

pub(super) struct Sites(Vec<DemoSite>);

const NAMES: [&str; 2] = ["acme", "globex"];

/// Between two edits. Fifty a second, so that they come one by one and not as a storm.
const PAUSE: Duration = Duration::from_millis(20);

/// After this long without news an edit counts as lost.
const PATIENCE: Duration = Duration::from_secs(30);

impl Sites {
    /// Makes up the sites and registers them, in place of those of an earlier demo in the same data directory.
    pub(super) async fn start(house: &House, issues: usize) -> Result<Self, Failed> {
        let mut sites = Vec::new();
        for (n, name) in NAMES.into_iter().enumerate() {
            let share = issues / NAMES.len() + usize::from(n < issues % NAMES.len());
            let config = Config {
                name: name.to_owned(),
                seed: n as u64 + 1,
                projects: 4,
                issues: share,
                comments_per_issue: 3..=3,
                histories_per_issue: 5..=5,
                ..Config::default()
            };
            let (email, token) = (config.email.clone(), config.token.clone());
            let simulator = Simulator::start(config).await.map_err(|error| {
                Failed::new(exit::UNAVAILABLE, format!("the simulated Jira does not start: {error}"))
            })?;
            let secret = random_hex(32);
            let instance = register(house, name, &simulator.url(), (email, token), &secret).await?;
            sites.push(DemoSite { simulator, instance, secret });
        }
        Ok(Self(sites))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &DemoSite> {
        self.0.iter()
    }

    pub(super) async fn begin_backfills(&self, house: &House) -> Result<(), Failed> {
        for site in &self.0 {
            backfill::begin(house, &site.instance, Vec::new(), None).await?;
        }
        Ok(())
    }

    /// How many issues are still to come, until both backfills have ended; moves the bar on.
    pub(super) async fn rest(&self, house: &House, bar: &ProgressBar) -> Result<Option<u64>, Failed> {
        let (mut synced, mut expected, mut rest, mut ended) = (0, 0, 0, true);
        for site in &self.0 {
            let rows = house.store.tenant(site.instance.tenant).backfill_progress(site.instance.id).await?;
            ended &= !rows.is_empty() && rows.iter().all(store::BackfillRow::ended);
            synced += rows.iter().map(|row| row.synced).sum::<u64>();
            expected += rows.iter().filter_map(|row| row.expected).sum::<u64>();
            rest += rows.iter().map(store::BackfillRow::rest).sum::<u64>();
        }
        bar.set_length(expected);
        bar.set_position(synced);
        Ok((!ended).then_some(rest))
    }

    /// What lies in the mirror now, and what it cost.
    pub(super) async fn counted(&self, house: &House, seconds: f64) -> Result<Backfill, Failed> {
        let mut sum = Backfill { issues: 0, comments: 0, changelogs: 0, seconds, jira_requests: 0 };
        for site in &self.0 {
            let counts = house.store.tenant(site.instance.tenant).counts(site.instance.id).await?;
            sum.issues += counts.issues;
            sum.comments += counts.comments;
            sum.changelogs += counts.histories;
            sum.jira_requests += site.simulator.world().requests().total;
        }
        Ok(sum)
    }

    pub(super) fn send_webhooks_to(&self, gateway: SocketAddr) {
        for site in &self.0 {
            let url = format!("http://{gateway}/webhooks/{}", site.instance.name);
            site.simulator.world().set_webhook(&url, &site.secret);
        }
    }

    /// Edits issues all over both sites, one after the other, and returns how long each took from the receipt of its
    /// webhook to the committed row.
    pub(super) async fn edit(
        &self,
        edits: usize,
        applied: &mut UnboundedReceiver<Applied>,
    ) -> Result<Vec<Duration>, Failed> {
        // What the first poll touched while the backfill ran is no edit of ours.
        while applied.try_recv().is_ok() {}
        let mut pace = tokio::time::interval(PAUSE);
        let mut latencies = Vec::new();
        for n in 0..edits {
            pace.tick().await;
            self.0[n % self.0.len()].edit_one(n, edits)?;
            while let Ok(news) = applied.try_recv() {
                latencies.push(latency(news));
            }
        }
        while latencies.len() < edits {
            match tokio::time::timeout(PATIENCE, applied.recv()).await {
                Ok(Some(news)) => latencies.push(latency(news)),
                _ => return Err(lost(edits - latencies.len())),
            }
        }
        Ok(latencies)
    }

    /// Compares every row with what the simulated sites hold inside, past search index and REST routes alike.
    pub(super) async fn compare(&self, house: &House) -> Result<Vec<verify::Drift>, Failed> {
        let mut drifts = Vec::new();
        for site in &self.0 {
            drifts.extend(site.compare(house).await?);
        }
        Ok(drifts)
    }
}

impl DemoSite {
    pub(super) fn name(&self) -> &str {
        &self.instance.name
    }

    pub(super) fn url(&self) -> String {
        self.simulator.url()
    }

    /// Every edit is of another issue: a new summary, an appended word, or a comment.
    fn edit_one(&self, n: usize, edits: usize) -> Result<(), Failed> {
        let world = self.simulator.world();
        let keys = world.issue_keys();
        let key = &keys[(n * keys.len() / edits) % keys.len()];
        let edited = match n % 3 {
            0 => world.edit(key, |issue| issue.summary = format!("Edited in the demo, number {n}")),
            1 => world.edit(key, |issue| issue.summary.push_str(" (checked)")),
            _ => world.comment(key, format!("Seen in the demo, number {n}")),
        };
        edited.map(drop).map_err(Failed::bug)
    }

    async fn compare(&self, house: &House) -> Result<Vec<verify::Drift>, Failed> {
        let world = self.simulator.world();
        let tenant = house.store.tenant(self.instance.tenant);
        let mut drifts = Vec::new();
        for ids in world.issue_ids().chunks(200) {
            let truth: Vec<IssueSnapshot> = ids
                .iter()
                .filter_map(|id| world.store_view(*id))
                .map(|issue| jira::snapshot_from_json(&issue.to_string(), Utc::now()))
                .collect::<Result<_, _>>()?;
            drifts.extend(verify::compare(house, &self.instance, &truth).await?);
        }
        let (ours, theirs) = (tenant.count_issues(self.instance.id).await?, world.issue_count() as u64);
        if ours != theirs {
            return Err(Failed::new(
                exit::FAILURE,
                format!("the mirror of {} holds {ours} issues, Jira {theirs}", self.name()),
            ));
        }
        Ok(drifts)
    }
}

fn latency(news: Applied) -> Duration {
    (news.committed_at - news.touched_at).max(TimeDelta::zero()).to_std().unwrap_or_default()
}

fn lost(edits: usize) -> Failed {
    Failed::new(exit::FAILURE, format!("{edits} edits did not arrive within {} s", PATIENCE.as_secs()))
}

async fn register(
    house: &House,
    name: &str,
    url: &str,
    (email, token): (String, String),
    secret: &str,
) -> Result<Instance, Failed> {
    let system = house.store.system();
    if let Some(old) = system.instance_by_name(name).await? {
        house.store.tenant(old.tenant).remove_instance(old.id).await?;
    }
    let tenant = match system.tenant_by_name(name).await? {
        Some(tenant) => tenant,
        None => system.create_tenant(name).await?,
    };
    let rules = SiteRules { insecure: vec!["127.0.0.1".to_owned()] };
    let new = NewInstance {
        name: name.to_owned(),
        site: Site::parse(url, &rules)?,
        credentials: Credentials::Basic(Login { email, token: SecretString::from(token) }),
        webhook_secret: SecretString::from(secret.to_owned()),
        poll_interval: Duration::from_secs(300),
        // Jira's documented steady rate for reads with an API token: 100 a second.
        requests_per_minute: 6000,
    };
    Ok(house.store.tenant(tenant.id).add_instance(new).await?)
}
