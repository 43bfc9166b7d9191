//! A random day: Jira sites that change in every way Jira knows, webhooks that get lost, servers that restart, workers that
//! are killed. After a quiet moment the mirror must equal each site, field by field.

mod crew;
mod people;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use domain::{Instance, Site, SiteRules, TenantId};
use listener::Listener;
use queue::{Job, Producer, QueueName};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use servers::PrivateServers;
use simulator::{Config, Mischief, Simulator, World};
use store::{Credentials, Login, NewInstance, Store};
use tokio_util::sync::CancellationToken;

use crate::{compare, private_servers, servers::open_at};
use crew::Crew;
use people::People;

/// How long the mirror may take to come to rest.
const PATIENCE: Duration = Duration::from_secs(300);

/// What kind of day it is.
#[derive(Clone, Debug)]
pub struct Options {
    /// The same seed makes the same changes.
    pub seed: u64,
    /// Jira sites.
    pub sites: usize,
    /// Issues of each at dawn.
    pub issues: usize,
    /// Changes in all, bulk edits not counted.
    pub edits: usize,
    /// How many issues a bulk edit changes; there are two of them.
    pub bulk: usize,
    /// Changes a second.
    pub pace: u32,
    /// The longest the search index lags behind.
    pub index_lag: Duration,
    /// Worker processes.
    pub workers: usize,
    /// How often one of them is killed.
    pub kill_every: Duration,
    /// The program whose workers and scheduler are run.
    pub program: PathBuf,
}

/// How the day went.
#[derive(Clone, Debug)]
pub struct Report {
    /// Changes made.
    pub edits: usize,
    /// Workers killed.
    pub kills: usize,
    /// Issues that were compared.
    pub compared: usize,
    /// Where mirror and Jira say different things; an issue that the mirror falsely calls deleted is among them.
    pub differences: Vec<String>,
    /// Jobs given up.
    pub dead: u64,
    /// Requests that the sites were sent.
    pub requests: u64,
    /// From the last change until the mirror was at rest.
    pub settled_in: Duration,
}

/// One Jira site and its instance.
struct Place {
    simulator: Simulator,
    instance: Instance,
}

/// Everything that outlives a worker.
struct House {
    servers: PrivateServers,
    store: Store,
    producer: Producer,
    places: Vec<Place>,
    shutdown: CancellationToken,
}

/// Lives through a day.
pub async fn live(options: &Options) -> Report {
    let mut house = House::build(options).await;
    let mut crew = Crew::hire(options, &house.servers);
    for place in &house.places {
        let job = Job::Backfill { instance: place.instance.id, projects: Vec::new(), since: None };
        house.producer.enqueue(job).await.expect("Redis answers");
    }
    house.come_to_rest().await;
    let mut dice = StdRng::seed_from_u64(options.seed);
    let mut people: Vec<People> =
        house.places.iter().map(|place| People::at(place.world(), options.bulk, dice.random())).collect();
    house.disturb();
    let edits = house.work(options, &mut people, &mut crew, &mut dice).await;
    let evening = Instant::now();
    house.calm_down(&mut people);
    crew.replace_the_dead();
    house.come_to_rest().await;
    house.look_again().await;
    let settled_in = evening.elapsed();
    crew.dismiss();
    house.report(edits, crew.kills, settled_in).await
}

impl Place {
    fn world(&self) -> std::sync::Arc<World> {
        self.simulator.world()
    }
}

impl House {
    async fn build(options: &Options) -> Self {
        let servers = private_servers().await;
        migration::up(&servers.owner_url()).await.expect("the migrations run");
        let store = open_at(&servers.app_url(), 4).await;
        let queues = queue::Config { url: servers.redis_url(), prefix: crew::PREFIX.to_owned() };
        let producer = Producer::connect(&queues).await.expect("Redis answers");
        let shutdown = CancellationToken::new();
        let tenant = store.system().create_tenant("day").await.expect("a new tenant").id;
        let gateway = gateway(&servers, &producer, &shutdown).await;
        let mut places = Vec::new();
        for number in 0..options.sites {
            places.push(place(&store, tenant, options, (number, &gateway)).await);
        }
        Self { servers, store, producer, places, shutdown }
    }

    fn disturb(&self) {
        let delay = Duration::from_millis(500);
        let mischief = Mischief { duplicates: 0.3, drops: 0.1, forgeries: 0.01, delay };
        self.places.iter().for_each(|place| place.world().set_mischief(mischief));
    }

    /// No more faults; the index has caught up, and nothing is archived any more: that is no part of what is compared.
    fn calm_down(&self, people: &mut [People]) {
        for place in &self.places {
            place.world().set_mischief(Mischief::default());
            place.world().clear_faults();
            place.world().settle_index();
        }
        for people in people {
            people.clean_up();
        }
    }

    /// Makes the day's changes, at a steady pace, and its accidents.
    async fn work(&mut self, options: &Options, people: &mut [People], crew: &mut Crew, dice: &mut StdRng) -> usize {
        let mut pace = tokio::time::interval(Duration::from_secs(1) / options.pace);
        let mut next_kill = Instant::now() + options.kill_every;
        for done in 0..options.edits {
            pace.tick().await;
            let at = dice.random_range(0..people.len());
            people[at].change_something();
            if Instant::now() >= next_kill {
                crew.lose_one(dice);
                next_kill = Instant::now() + options.kill_every;
            }
            if done == options.edits / 3 {
                self.servers.restart_redis().await.expect("Redis comes back");
            }
            if done == options.edits * 2 / 3 {
                self.servers.restart_postgres().await.expect("PostgreSQL comes back");
            }
            if done == options.edits / 4 || done == options.edits / 2 {
                people[at].edit_many();
            }
        }
        options.edits
    }

    /// One poll with its overlap, and one census of every site.
    async fn look_again(&self) {
        for kind in ["poll", "census"] {
            for place in &self.places {
                let instance = place.instance.id;
                let job = match kind {
                    "poll" => Job::PollUpdates { instance, page: None },
                    _ => Job::Census {
                        instance,
                        projects: Vec::new(),
                        compared: queue::Compared::default(),
                        losses: queue::Losses::default(),
                    },
                };
                self.producer.enqueue(job).await.expect("Redis answers");
            }
            self.come_to_rest().await;
        }
    }

    async fn come_to_rest(&self) {
        for place in &self.places {
            place.world().webhooks_idle().await;
        }
        let idle = async {
            let mut tick = tokio::time::interval(Duration::from_millis(20));
            while !matches!(self.producer.is_idle().await, Ok(true)) {
                tick.tick().await;
            }
        };
        tokio::time::timeout(PATIENCE, idle).await.expect("the queues become empty");
    }

    async fn report(&self, edits: usize, kills: usize, settled_in: Duration) -> Report {
        let (mut compared, mut differences, mut requests) = (0, Vec::new(), 0);
        for place in &self.places {
            let tenant = self.store.tenant(place.instance.tenant);
            compared += place.world().issue_count();
            differences.extend(compare(&place.world(), &tenant, &place.instance).await);
            requests += place.world().requests().total;
        }
        let mut dead = 0;
        for queue in QueueName::ALL {
            dead += self.producer.depth(queue).await.expect("Redis answers").dead;
        }
        Report { edits, kills, compared, differences, dead, requests, settled_in }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

async fn place(store: &Store, tenant: TenantId, options: &Options, (number, gateway): (usize, &str)) -> Place {
    let config = Config {
        seed: options.seed.wrapping_add(number as u64),
        issues: options.issues,
        projects: 4,
        index_lag: Duration::ZERO..=options.index_lag,
        ..Config::default()
    };
    let (email, token) = (config.email.clone(), config.token.clone());
    let simulator = Simulator::start(config).await.expect("the simulated Jira starts");
    let rules = SiteRules { insecure: vec!["127.0.0.1".to_owned()] };
    let (name, secret) = (format!("day-{number}"), format!("secret {number}"));
    let new = NewInstance {
        name: name.clone(),
        site: Site::parse(&simulator.url(), &rules).expect("a loopback site"),
        credentials: Credentials::Basic(Login { email, token: token.into() }),
        webhook_secret: secret.clone().into(),
        poll_interval: Duration::from_secs(10),
        requests_per_minute: 60_000,
    };
    let instance = store.tenant(tenant).add_instance(new).await.expect("a new instance");
    simulator.world().set_webhook(&format!("{gateway}/webhooks/{name}"), &secret);
    Place { simulator, instance }
}

async fn gateway(servers: &PrivateServers, producer: &Producer, shutdown: &CancellationToken) -> String {
    let listener = Listener::bind(([127, 0, 0, 1], 0).into()).await.expect("a free port");
    let address = listener.local_addr();
    let gateway = ingest_gateway::Gateway {
        listener,
        store: open_at(&servers.app_url(), 2).await,
        producer: producer.clone(),
        limits: ingest_gateway::Limits::default(),
    };
    let shutdown = shutdown.clone();
    tokio::spawn(async move { ingest_gateway::serve(gateway, shutdown).await });
    format!("http://{address}")
}
