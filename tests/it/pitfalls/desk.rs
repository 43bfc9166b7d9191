//! What the pitfalls are tried on: a client of ours at a simulated site, without a mirror, or a fleet that only polls.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use domain::{InstanceId, IssueId, Site, Watermark};
use jira::{Atlassian, Budgets, Client, ClientConfig, Credentials};
use simulator::{Config, Pace, Simulator, World};
use tests::{FleetOptions, TestFleet, queue_config};

/// A client at a simulated site.
pub(super) struct Desk {
    pub(super) client: Client,
    pub(super) world: Arc<World>,
    pub(super) site: String,
    _simulator: Simulator,
    _kept: Kept,
}

/// Whatever was asked and answered was such as Jira's description has it.
struct Kept;

impl Drop for Kept {
    fn drop(&mut self) {
        contract::assert_kept();
    }
}

impl Desk {
    /// With the service account's API token.
    pub(super) async fn start(config: Config) -> Self {
        let observer = contract::observer(contract::Judge::Both);
        let simulator = Simulator::start(Config { observer, ..config }).await.unwrap();
        let (world, site) = (simulator.world(), simulator.url());
        let Config { email, token, .. } = world.config();
        let credentials = Credentials::Basic { email: email.clone(), token: token.clone().into() };
        let client = client_at(&site, credentials).await;
        Self { client, world, site, _simulator: simulator, _kept: Kept }
    }

    /// The ids of the site's issues.
    pub(super) fn ids(&self) -> Vec<IssueId> {
        self.world.issue_ids().into_iter().map(issue_id).collect()
    }

    /// The id behind a key.
    pub(super) fn id(&self, key: &str) -> IssueId {
        issue_id(self.world.issue_id(key).unwrap())
    }
}

/// A client of a site that plays Atlassian's gateway and auth server, too.
pub(super) async fn client_at(site: &str, credentials: Credentials) -> Client {
    let queues = queue_config().await;
    let config = ClientConfig {
        instance: InstanceId::generate(),
        site: Site::trusted(site.to_owned()),
        credentials,
        account: None,
        requests_per_minute: 60_000,
        user_agent: "jirafleet/test".into(),
        timeout: Duration::from_secs(30),
        body_cap: 64 << 20,
        atlassian: Atlassian { gateway: site.to_owned(), auth: site.to_owned() },
    };
    Client::new(config, Budgets::connect(&queues.url, &queues.prefix).await.unwrap()).unwrap()
}

/// The simulator's number as the mirror's.
pub(crate) fn issue_id(id: u64) -> IssueId {
    IssueId(i64::try_from(id).unwrap())
}

/// A clock that stands at this moment until it is moved.
pub(crate) fn standing_at(moment: &str) -> Pace {
    Pace::Virtual(moment.parse::<DateTime<Utc>>().unwrap())
}

/// A fleet that holds everything, hears no webhooks, and whose next poll reads from now on.
pub(crate) async fn polling_only(jira: Config) -> TestFleet {
    let fleet = TestFleet::with(FleetOptions { jira, ..Default::default() }).await;
    fleet.backfill().await;
    fleet.lose_webhooks();
    let tenant = fleet.store.tenant(fleet.instance.tenant);
    tenant.advance_poll_mark(fleet.instance.id, Watermark(fleet.jira().now())).await.unwrap();
    fleet
}

/// Gives an issue another title.
pub(crate) fn rename(world: &World, key: &str, words: &str) {
    world.edit(key, |issue| issue.summary = words.to_owned()).unwrap();
}
