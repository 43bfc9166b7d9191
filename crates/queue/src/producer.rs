//! The door through which everything is asked for. Short waits: whoever asks has a caller of its own.

use std::{fmt, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use redis::{FromRedisValue, RedisResult, ScriptInvocation, aio::ConnectionManager};

use crate::{
    Config, Envelope, Error, Job, JobId, QueueName,
    connection::Connector,
    keys::Keys,
    metric,
    scripts::{ENQUEUE, RECORDS},
    touched::millis,
    unique::{Claim, UniqueKey},
};

/// How long one command may take.
const RESPONSE: Duration = Duration::from_secs(1);

/// How long a whole request may take, with making a connection and trying again: a gateway must say "busy" within two seconds.
const PATIENCE: Duration = Duration::from_millis(1_800);

/// The answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enqueued {
    /// It waits now, under this id.
    New(JobId),
    /// The same was asked for before and is still pending, or unfinished: nothing was added.
    Already {
        /// The job that was there first.
        id: Option<JobId>,
        /// When that was asked for.
        since: Option<DateTime<Utc>>,
    },
}

impl Enqueued {
    fn from_claim(claim: &str, id: JobId) -> Self {
        if claim.is_empty() {
            return Self::New(id);
        }
        Self::already(claim)
    }

    pub(crate) fn already(claim: &str) -> Self {
        let claim = Claim::parse(claim);
        Self::Already { id: claim.map(|claim| claim.id), since: claim.map(|claim| claim.since) }
    }
}

/// Asks for jobs and looks at the queues. Cheap to clone; one connection that mends itself is shared by all clones.
#[derive(Clone)]
pub struct Producer {
    connection: ConnectionManager,
    keys: Arc<[Keys; 3]>,
    trace_parent: Option<String>,
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").finish_non_exhaustive()
    }
}

impl Producer {
    /// Connects, and makes sure that Redis answers.
    pub async fn connect(config: &Config) -> Result<Self, Error> {
        let producer = Self::lazy(config)?;
        producer.ping().await?;
        Ok(producer)
    }

    /// The same without asking Redis anything: it may be away still. Must be called within a tokio runtime.
    pub fn lazy(config: &Config) -> Result<Self, Error> {
        let connection = Connector::new(config)?.managed(RESPONSE)?;
        let [live, bulk, upkeep] = QueueName::ALL.map(|queue| Keys::new(config, queue));
        Ok(Self { connection, keys: Arc::new([live?, bulk?, upkeep?]), trace_parent: None })
    }

    /// The same door for requests that belong to a trace (`traceparent` of W3C).
    #[must_use]
    pub fn traced(&self, trace_parent: Option<String>) -> Self {
        Self { trace_parent, ..self.clone() }
    }

    /// Whether Redis answers.
    pub async fn ping(&self) -> Result<(), Error> {
        self.ask(|mut connection| async move { redis::cmd("PING").query_async(&mut connection).await }).await
    }

    /// Asks for a job now, unless the same is pending or unfinished.
    pub async fn enqueue(&self, job: Job) -> Result<Enqueued, Error> {
        self.enqueue_in(job, Duration::ZERO).await
    }

    /// Asks for a job after a delay.
    pub async fn enqueue_in(&self, job: Job, delay: Duration) -> Result<Enqueued, Error> {
        let queue = job.policy().queue;
        let envelope = Envelope::new(job, Utc::now(), self.trace_parent.clone());
        let answers = self.add(queue, std::slice::from_ref(&envelope), delay).await?;
        answers.into_iter().next().ok_or_else(|| Error::Unreadable("Redis answered for no job".to_owned()))
    }

    /// Asks for many, in few round trips; the answers are in the order of the jobs. On an error some may have been added:
    /// asking again adds no second ones.
    pub async fn enqueue_all(&self, jobs: Vec<Job>) -> Result<Vec<Enqueued>, Error> {
        let now = Utc::now();
        let mut answers: Vec<Option<Enqueued>> = vec![None; jobs.len()];
        let mut waiting: [(Vec<usize>, Vec<Envelope>); 3] = Default::default();
        for (place, job) in jobs.into_iter().enumerate() {
            let (places, envelopes) = &mut waiting[job.policy().queue as usize];
            places.push(place);
            envelopes.push(Envelope::new(job, now, self.trace_parent.clone()));
        }
        for (queue, (places, envelopes)) in QueueName::ALL.into_iter().zip(&waiting) {
            for (places, envelopes) in places.chunks(RECORDS).zip(envelopes.chunks(RECORDS)) {
                let added = self.add(queue, envelopes, Duration::ZERO).await?;
                places.iter().zip(added).for_each(|(place, answer)| answers[*place] = Some(answer));
            }
        }
        Ok(answers.into_iter().flatten().collect())
    }

    async fn add(&self, queue: QueueName, envelopes: &[Envelope], delay: Duration) -> Result<Vec<Enqueued>, Error> {
        let keys = self.keys(queue);
        let mut script = ENQUEUE.key(&keys.stream);
        script.key(&keys.delayed).key(&keys.wake);
        for (index, envelope) in envelopes.iter().enumerate() {
            let unique = UniqueKey::of(envelope, keys);
            script.key(&unique.key);
            script.arg(envelope.encode()?).arg(index + 4).arg(&unique.value);
            script.arg(millis(unique.life.saturating_add(delay))).arg(millis(delay));
        }
        let claims: Vec<String> = self.run(&script).await?;
        let answers = claims.iter().zip(envelopes).map(|(claim, envelope)| Enqueued::from_claim(claim, envelope.id));
        let answers: Vec<Enqueued> = answers.collect();
        for (answer, envelope) in answers.iter().zip(envelopes) {
            metric::enqueued(queue, envelope.job.kind(), matches!(answer, Enqueued::New(_)));
        }
        Ok(answers)
    }

    pub(crate) fn keys(&self, queue: QueueName) -> &Keys {
        &self.keys[queue as usize]
    }

    pub(crate) fn trace_parent(&self) -> Option<&String> {
        self.trace_parent.as_ref()
    }

    /// Runs a script that may safely run twice.
    pub(crate) async fn run<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, Error> {
        self.ask(|mut connection| async move { script.invoke_async(&mut connection).await }).await
    }

    /// Asks Redis, once more if the connection was found broken (the first command after Redis restarted finds it so).
    pub(crate) async fn ask<T, F>(&self, command: impl Fn(ConnectionManager) -> F) -> Result<T, Error>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let twice = async {
            match command(self.connection.clone()).await {
                Err(error) if error.is_connection_dropped() => command(self.connection.clone()).await,
                answer => answer,
            }
        };
        let answer = tokio::time::timeout(PATIENCE, twice).await.map_err(|_| Error::TimedOut(PATIENCE))?;
        answer.map_err(Error::from)
    }
}
