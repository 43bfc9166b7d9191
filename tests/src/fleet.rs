//! A whole fleet in this process: gateway, worker and what they need, against a simulated Jira.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use domain::{Instance, InstanceId, Site, SiteRules};
use jira::{Atlassian, Budgets, Clients};
use listener::Listener;
use queue::{Compared, Job, Losses, Producer, QueueName};
use secrecy::SecretString;
use simulator::{Config, Simulator, World};
use store::{CacheConfig, CensusRow, Credentials, Login, NewInstance, Store};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use worker::{Applied, Settling};

use crate::{TestDatabase, cached_store_for, compare, database, queue_config, store_for};

/// What a test's fleet is made of.
#[derive(Clone, Debug)]
pub struct FleetOptions {
    /// The simulated Jira.
    pub jira: Config,
    /// How many requests a minute Jira takes from us.
    pub requests_per_minute: u32,
    /// After how long another worker takes over.
    pub lease: Duration,
    /// Whether a worker runs in this process: [`TestFleet::start_worker`] starts one later.
    pub worker: bool,
    /// Connections to PostgreSQL of a worker in this process. With one, whoever holds it while Jira is asked is found.
    pub connections: u32,
    /// When writes are settled whose end nobody told.
    pub settling: Settling,
}

impl Default for FleetOptions {
    fn default() -> Self {
        Self {
            jira: Config { issues: 60, ..Config::default() },
            requests_per_minute: 60_000,
            lease: Duration::from_secs(2),
            worker: true,
            connections: 1,
            settling: Settling::default(),
        }
    }
}

/// A fleet; everything in it ends when it is dropped.
pub struct TestFleet {
    /// The database, for processes of a test's own.
    pub database: TestDatabase,
    /// Where the queues are.
    pub queues: queue::Config,
    /// The mirror, by connections of the test's own.
    pub store: Store,
    /// The way to ask for work.
    pub producer: Producer,
    /// The one instance.
    pub instance: Instance,
    /// Where webhooks are taken.
    pub gateway: SocketAddr,
    /// The secret webhooks are signed with.
    pub webhook_secret: String,
    /// Told of every touched issue that was brought up to date.
    pub applied: mpsc::UnboundedReceiver<Applied>,
    simulator: Simulator,
    budgets: Budgets,
    applications: worker::Applications,
    options: FleetOptions,
    shutdown: CancellationToken,
    workers: Vec<(CancellationToken, JoinHandle<()>)>,
}

/// Beside the queues, as the processes keep it.
fn cache_in(queues: &queue::Config) -> CacheConfig {
    CacheConfig { url: queues.url.clone(), prefix: queues.prefix.clone() }
}

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at whether there is still work.
const SOONEST: Duration = Duration::from_millis(5);
const LATEST: Duration = Duration::from_millis(50);

impl TestFleet {
    /// A fleet with sixty issues, of which the mirror knows nothing yet.
    pub async fn start() -> Self {
        Self::with(FleetOptions::default()).await
    }

    /// A fleet of this make.
    pub async fn with(options: FleetOptions) -> Self {
        let jira = Config { observer: contract::observer(contract::Judge::Both), ..options.jira.clone() };
        Self::against(jira, options).await
    }

    /// The same, whose exchanges with Jira are not held against Jira's description: that takes longer than the exchanges.
    pub async fn judging_nothing(options: FleetOptions) -> Self {
        Self::against(options.jira.clone(), options).await
    }

    async fn against(jira: Config, options: FleetOptions) -> Self {
        let (database, queues) = (database().await, queue_config().await);
        let store = cached_store_for(&database, 4, cache_in(&queues)).await;
        let producer = Producer::connect(&queues).await.expect("Redis answers");
        let budgets = Budgets::connect(&queues.url, &queues.prefix).await.expect("Redis answers");
        let simulator = Simulator::start(jira).await.expect("the simulated Jira starts");
        let webhook_secret = "a secret of this test's".to_owned();
        let instance = register(&store, &simulator, &options, &webhook_secret).await;
        let shutdown = CancellationToken::new();
        let gateway = gateway(&database, &producer, &shutdown).await;
        simulator.world().set_webhook(&format!("http://{gateway}/webhooks/{}", instance.name), &webhook_secret);
        let (applications, applied) = mpsc::unbounded_channel();
        let mut fleet = Self {
            budgets,
            workers: Vec::new(),
            database,
            queues,
            store,
            producer,
            instance,
            gateway,
            webhook_secret,
            applied,
            simulator,
            applications,
            options,
            shutdown,
        };
        if fleet.options.worker {
            fleet.start_worker().await;
        }
        fleet
    }

    /// The simulated Jira's inside.
    pub fn jira(&self) -> std::sync::Arc<World> {
        self.simulator.world()
    }

    /// Silences the simulated Jira: whatever happens from now on, no webhook tells.
    pub fn lose_webhooks(&self) {
        self.jira().clear_webhook();
    }

    /// Requests that the simulated Jira was sent so far.
    pub fn requests(&self) -> u64 {
        self.jira().requests().total
    }

    /// The simulated Jira's address.
    pub fn site(&self) -> String {
        self.simulator.url()
    }

    /// A process's own clients; the simulated Jira is Atlassian's gateway and auth server, too.
    pub fn clients(&self) -> Clients {
        let atlassian = Atlassian { gateway: self.site(), auth: self.site() };
        Clients::new(self.budgets.clone()).with_atlassian(atlassian)
    }

    /// Another instance at the same simulated Jira, of which nobody tells but polls.
    pub async fn add_instance(&self, name: &str, poll_interval: u64) -> InstanceId {
        let secret = self.webhook_secret.as_str();
        let new = new_instance(name, &self.simulator, &self.options, secret, Duration::from_secs(poll_interval));
        self.store.tenant(self.instance.tenant).add_instance(new).await.expect("a new instance").id
    }

    /// A tenant of its own with an instance of the same name at the same simulated Jira.
    pub async fn add_tenant(&self, name: &str, poll_interval: u64) -> Instance {
        let tenant = self.store.system().create_tenant(name).await.expect("a new tenant");
        let secret = self.webhook_secret.as_str();
        let new = new_instance(name, &self.simulator, &self.options, secret, Duration::from_secs(poll_interval));
        self.store.tenant(tenant.id).add_instance(new).await.expect("a new instance")
    }

    /// Starts another worker.
    pub async fn start_worker(&mut self) {
        let shutdown = self.shutdown.child_token();
        let worker = worker::Worker {
            store: cached_store_for(&self.database, self.options.connections, cache_in(&self.queues)).await,
            producer: self.producer.clone(),
            queues: self.queues.clone(),
            clients: self.clients(),
            options: worker::Options {
                slots: QueueName::ALL.into_iter().map(|queue| (queue, 4)).collect(),
                name: format!("worker-{}", self.workers.len()),
                lease: self.options.lease,
                grace: Duration::from_secs(5),
                applications: Some(self.applications.clone()),
                settling: self.options.settling,
            },
        };
        let token = shutdown.clone();
        let handle = tokio::spawn(async move {
            if let Err(error) = worker::run(worker, token).await {
                panic!("{error}");
            }
        });
        self.workers.push((shutdown, handle));
    }

    /// Stops all workers in good order.
    pub async fn stop_workers(&mut self) {
        for (shutdown, handle) in self.workers.drain(..) {
            shutdown.cancel();
            handle.await.expect("the worker ends well");
        }
    }

    /// Copies everything and waits until that is done.
    pub async fn backfill(&self) {
        let job = Job::Backfill { instance: self.instance.id, projects: Vec::new(), since: None };
        self.producer.enqueue(job).await.expect("Redis answers");
        self.drain().await;
    }

    /// Asks Jira what was updated and waits until that is in the mirror.
    pub async fn poll(&self) {
        let job = Job::PollUpdates { instance: self.instance.id, page: None };
        self.producer.enqueue(job).await.expect("Redis answers");
        self.drain().await;
    }

    /// Calls the roll of every project and waits until that is done.
    pub async fn census(&self) {
        self.ask_for_census(Compared::Ids, Losses::Hold).await;
    }

    /// The same, as an operator would ask for it.
    pub async fn ask_for_census(&self, compared: Compared, losses: Losses) {
        let job = Job::Census { instance: self.instance.id, projects: Vec::new(), compared, losses };
        self.producer.enqueue(job).await.expect("Redis answers");
        self.drain().await;
    }

    /// Compares so many issues with Jira, puts right what drifted, and waits until that is done.
    pub async fn reconcile(&self, sample: u32) {
        self.producer.enqueue(Job::Reconcile { instance: self.instance.id, sample }).await.expect("Redis answers");
        self.drain().await;
    }

    /// What became of the last census of each project, by the projects' keys.
    pub async fn censuses(&self) -> BTreeMap<String, CensusRow> {
        let rows = self.store.tenant(self.instance.tenant).census_rows(self.instance.id).await;
        rows.expect("PostgreSQL answers").into_iter().map(|row| (row.project_key.clone(), row)).collect()
    }

    /// Waits until all webhooks are answered and every queue is empty: nothing ready, running or delayed.
    pub async fn drain(&self) {
        self.drain_within(PATIENCE).await;
    }

    /// The same with a patience of one's own.
    pub async fn drain_within(&self, patience: Duration) {
        self.jira().webhooks_idle().await;
        let idle = async {
            let began = Instant::now();
            loop {
                match self.producer.is_idle().await {
                    Ok(true) => break,
                    // On a busy machine Redis may take longer than a gateway would wait for it.
                    Err(error) if !error.is_passing() => panic!("{error}"),
                    // Whoever looks every few milliseconds takes a twentieth of the machine whose work is measured.
                    _ => tokio::time::sleep((began.elapsed() / 20).clamp(SOONEST, LATEST)).await,
                }
            }
        };
        if tokio::time::timeout(patience, idle).await.is_err() {
            panic!("the queues did not empty: {}", self.depths().await);
        }
    }

    /// How many jobs were given up on.
    pub async fn dead(&self) -> u64 {
        let mut dead = 0;
        for queue in QueueName::ALL {
            dead += self.producer.depth(queue).await.expect("Redis answers").dead;
        }
        dead
    }

    /// One issue as the mirror holds it; `None` when it is not visible.
    pub async fn row(&self, key: &str) -> Option<domain::Issue> {
        let key = key.parse().expect("a valid key");
        self.store.tenant(self.instance.tenant).issue_by_key(self.instance.id, &key).await.expect("PostgreSQL answers")
    }

    /// Asserts that the mirror holds exactly what the simulated Jira holds inside, past its index and its routes.
    pub async fn assert_mirror_equals_jira(&self) {
        let tenant = self.store.tenant(self.instance.tenant);
        let differences = compare(&self.jira(), &tenant, &self.instance).await;
        assert!(differences.is_empty(), "mirror and Jira differ: {differences:#?}");
    }

    async fn depths(&self) -> String {
        let mut text = String::new();
        for queue in QueueName::ALL {
            text += &format!("{queue:?}: {:?}; ", self.producer.depth(queue).await);
        }
        text
    }
}

impl Drop for TestFleet {
    fn drop(&mut self) {
        self.shutdown.cancel();
        contract::assert_kept();
    }
}

async fn register(store: &Store, simulator: &Simulator, options: &FleetOptions, secret: &str) -> Instance {
    let tenant = store.system().create_tenant("acme").await.expect("a new tenant");
    let new = new_instance("acme", simulator, options, secret, Duration::from_secs(300));
    store.tenant(tenant.id).add_instance(new).await.expect("a new instance")
}

fn new_instance(
    name: &str,
    simulator: &Simulator,
    options: &FleetOptions,
    secret: &str,
    poll_interval: Duration,
) -> NewInstance {
    let rules = SiteRules { insecure: vec!["127.0.0.1".to_owned()] };
    NewInstance {
        name: name.to_owned(),
        site: Site::parse(&simulator.url(), &rules).expect("a loopback site"),
        credentials: Credentials::Basic(Login {
            email: options.jira.email.clone(),
            token: SecretString::from(options.jira.token.clone()),
        }),
        webhook_secret: SecretString::from(secret.to_owned()),
        poll_interval,
        requests_per_minute: options.requests_per_minute,
    }
}

async fn gateway(database: &TestDatabase, producer: &Producer, shutdown: &CancellationToken) -> SocketAddr {
    let listener = Listener::bind(([127, 0, 0, 1], 0).into()).await.expect("a free port");
    let address = listener.local_addr();
    let gateway = ingest_gateway::Gateway {
        listener,
        store: store_for(database, 1).await,
        producer: producer.clone(),
        limits: ingest_gateway::Limits::default(),
    };
    let shutdown = shutdown.clone();
    tokio::spawn(async move {
        if let Err(error) = ingest_gateway::serve(gateway, shutdown).await {
            panic!("{error}");
        }
    });
    address
}
