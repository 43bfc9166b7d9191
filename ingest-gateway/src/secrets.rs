//! The webhook secret of each instance, asked of PostgreSQL and remembered for a while.
//!
//! Names that belong to nobody are remembered too, and the number of all is bounded: whoever invents names costs a
//! look-up each, but no memory.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use domain::{InstanceId, TenantId, valid_name};
use secrecy::SecretString;
use store::Store;
use uuid::Uuid;

/// For how long an answer is used without asking again. A rotated secret works within this.
const REMEMBERED: Duration = Duration::from_secs(60);

/// An answer younger than this is not doubted, however wrong a signature looks: it bounds the look-ups that forged
/// signatures can cause.
const FRESH: Duration = Duration::from_secs(1);

/// For how long an old answer may stand in while PostgreSQL is away.
const STALE: Duration = Duration::from_secs(3600);

/// How long a look-up may take.
const PATIENCE: Duration = Duration::from_millis(1500);

/// For how long PostgreSQL is not asked again after it did not answer: webhooks need not wait one by one for what is away.
const AWAY: Duration = Duration::from_secs(2);

/// How many names are remembered, existing or not.
const CAPACITY: usize = 10_000;

/// An instance that may send webhooks.
pub(crate) struct Sender {
    pub(crate) instance: InstanceId,
    /// What the body may be signed with, the newest first; two while one is being replaced.
    pub(crate) secrets: Vec<SecretString>,
    /// What an app's own webhooks prove themselves with.
    pub(crate) app: Option<SecretString>,
}

/// Who goes by a name; `None`: nobody.
pub(crate) type Answer = Option<Arc<Sender>>;

/// PostgreSQL could not be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Away {
    /// It did not say in time.
    #[error("no answer within {} ms", PATIENCE.as_millis())]
    Late,
    /// It was away a moment ago, and is left alone for now.
    #[error("PostgreSQL was away a moment ago")]
    Still,
    /// It said no, or what it said cannot be used.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Away {
    /// Its stable name in logs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Late | Self::Still => "store.unavailable",
            Self::Store(error) => error.code(),
        }
    }

    /// Whether it says something about PostgreSQL and not just about one instance.
    fn is_general(&self) -> bool {
        match self {
            Self::Late | Self::Still => true,
            Self::Store(error) => error.is_transient(),
        }
    }
}

/// Secrets by the name or id that stands in the webhook's URL.
pub(crate) struct Secrets {
    store: Store,
    memory: RwLock<Memory>,
}

/// An answer of some age.
#[derive(Clone)]
pub(crate) struct Remembered {
    pub(crate) answer: Answer,
    asked: Instant,
}

impl Remembered {
    /// Whether asking again is not worth it yet.
    pub(crate) fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.asked) < FRESH
    }

    /// Whether it may be used without asking again.
    pub(crate) fn is_current(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.asked) < REMEMBERED
    }
}

impl Secrets {
    /// Remembers nothing yet.
    pub(crate) fn new(store: Store) -> Self {
        Self { store, memory: RwLock::default() }
    }

    /// The last answer for a name, unless it is too old even as a stand-in.
    pub(crate) fn remembered(&self, name: &str, now: Instant) -> Option<Remembered> {
        self.memory.read().unwrap_or_else(PoisonError::into_inner).get(name, now)
    }

    /// Asks PostgreSQL and remembers what it says. Names that cannot exist are not asked for.
    pub(crate) async fn ask(&self, name: &str, now: Instant) -> Result<Answer, Away> {
        if valid_name("instance", name).is_err() {
            return Ok(None);
        }
        if self.memory.read().unwrap_or_else(PoisonError::into_inner).is_away(now) {
            return Err(Away::Still);
        }
        let answer = tokio::time::timeout(PATIENCE, self.look_up(name)).await.unwrap_or(Err(Away::Late));
        let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
        match &answer {
            Ok(answer) => memory.put(name, answer.clone(), now),
            Err(error) if error.is_general() => memory.away_at = Some(now),
            Err(_) => {}
        }
        answer
    }

    /// The same questions for a name that nobody has, so that the time they take tells nothing.
    async fn look_up(&self, name: &str) -> Result<Answer, Away> {
        let system = self.store.system();
        let mut found = system.instance_by_name(name).await?;
        if let (None, Ok(id)) = (&found, name.parse()) {
            found = system.instance(id).await?;
        }
        let (tenant, instance) = found.map_or_else(nobody, |instance| (instance.tenant, instance.id));
        match self.store.tenant(tenant).webhook_keys(instance).await {
            Ok(keys) => Ok(Some(Arc::new(Sender { instance, secrets: keys.secrets, app: keys.app }))),
            Err(store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn nobody() -> (TenantId, InstanceId) {
    (TenantId(Uuid::nil()), InstanceId(Uuid::nil()))
}

#[derive(Default)]
struct Memory {
    names: HashMap<Box<str>, Remembered>,
    /// When PostgreSQL last failed to answer.
    away_at: Option<Instant>,
}

impl Memory {
    fn is_away(&self, now: Instant) -> bool {
        self.away_at.is_some_and(|at| now.saturating_duration_since(at) < AWAY)
    }

    fn get(&self, name: &str, now: Instant) -> Option<Remembered> {
        let found = self.names.get(name)?;
        (now.saturating_duration_since(found.asked) < STALE).then(|| found.clone())
    }

    fn put(&mut self, name: &str, answer: Answer, now: Instant) {
        if self.names.len() >= CAPACITY && !self.names.contains_key(name) {
            self.make_room(now);
        }
        self.names.insert(name.into(), Remembered { answer, asked: now });
    }

    /// What nobody asked for again goes first, then names of nobody; should there be that many instances, all.
    fn make_room(&mut self, now: Instant) {
        self.names.retain(|_, known| known.answer.is_some() && now.saturating_duration_since(known.asked) < STALE);
        if self.names.len() >= CAPACITY {
            self.names.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn someone() -> Answer {
        Some(Arc::new(Sender { instance: InstanceId::generate(), secrets: vec!["s".into()], app: None }))
    }

    #[test]
    fn an_answer_ages() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        memory.put("acme", someone(), now);
        let after = |seconds| {
            memory.get("acme", now + Duration::from_secs(seconds)).map(|known| {
                let now = now + Duration::from_secs(seconds);
                (known.is_fresh(now), known.is_current(now))
            })
        };
        assert_eq!(after(0), Some((true, true)));
        assert_eq!(after(1), Some((false, true)));
        assert_eq!(after(59), Some((false, true)));
        assert_eq!(after(60), Some((false, false)));
        assert_eq!(after(3600), None);
    }

    #[test]
    fn what_is_away_is_left_alone_for_a_moment() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        assert!(!memory.is_away(now));
        memory.away_at = Some(now);
        assert!(memory.is_away(now + Duration::from_secs(1)));
        assert!(!memory.is_away(now + AWAY));
    }

    #[test]
    fn invented_names_never_push_out_instances_nor_fill_the_memory() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        memory.put("acme", someone(), now);
        for number in 0..3 * CAPACITY {
            memory.put(&format!("nobody-{number}"), None, now);
            assert!(memory.names.len() <= CAPACITY);
        }
        assert!(memory.get("acme", now).is_some_and(|known| known.answer.is_some()));
    }

    #[test]
    fn a_memory_full_of_instances_starts_again() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        for number in 0..=CAPACITY {
            memory.put(&format!("instance-{number}"), someone(), now);
        }
        assert_eq!(memory.names.len(), 1);
    }
}
