//! The door through which everything is asked for. Short waits: whoever asks has a caller of its own.

use std::{fmt, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use redis::{FromRedisValue, RedisResult, ScriptInvocation, aio::ConnectionManager};

use crate::{
    Config, Envelope, Error, Job, JobId, QueueName,
    connection::{self, Managed},
    keys::Keys,
    metric,
    scripts::{ENQUEUE, RECORDS},
    touched::millis,
    unique::{Claim, Unique, UniqueKey},
};

/// How long one command may take.
const RESPONSE: Duration = Duration::from_secs(1);

/// How long a whole request may take, with making a connection and trying again: a gateway must say "busy" within two seconds.
const PATIENCE: Duration = Duration::from_millis(1_800);

/// Jobs of one instance that wait in its own line, beyond its share, before more are refused. With unique keys an instance
/// of the most issues comes nowhere near it; what does is a loop.
pub(crate) const LINE: usize = 100_000;

/// When asking again is worth it after a refusal.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// Steps of a large request that are under way at once.
const STEPS: usize = 3;

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

/// The span of a request for jobs, for as long as it is kept.
pub(crate) fn sending(queue: QueueName, count: usize) -> tracing::Span {
    tracing::debug_span!(
        "send",
        otel.kind = "producer",
        messaging.system = "redis",
        messaging.operation.type = "send",
        messaging.destination.name = queue.as_str(),
        messaging.batch.message_count = count,
    )
}

/// Asks for jobs and looks at the queues. Cheap to clone; one connection that mends itself is shared by all clones.
#[derive(Clone)]
pub struct Producer {
    connection: Managed,
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
        let connection = Managed::new(connection::connector(config)?, RESPONSE);
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
        let envelope = Envelope::new(job, Utc::now(), self.trace_parent());
        let answers = self.add(queue, std::slice::from_ref(&envelope), delay).await?;
        answers.into_iter().next().ok_or_else(|| Error::Unreadable("Redis answered for no job".to_owned()))
    }

    /// Asks for many, in few round trips; the answers are in the order of the jobs. On an error some may have been added:
    /// asking again adds no second ones.
    pub async fn enqueue_all(&self, jobs: Vec<Job>) -> Result<Vec<Enqueued>, Error> {
        let (now, trace_parent) = (Utc::now(), self.trace_parent());
        let mut answers: Vec<Option<Enqueued>> = vec![None; jobs.len()];
        let mut waiting: [(Vec<usize>, Vec<Envelope>); 3] = Default::default();
        for (place, job) in jobs.into_iter().enumerate() {
            let (places, envelopes) = &mut waiting[job.policy().queue as usize];
            places.push(place);
            envelopes.push(Envelope::new(job, now, trace_parent.clone()));
        }
        for (queue, (places, envelopes)) in QueueName::ALL.into_iter().zip(&waiting) {
            // While Redis works at one step, the next one is written.
            let mut steps = Vec::with_capacity(envelopes.len().div_ceil(RECORDS));
            for envelopes in envelopes.chunks(RECORDS) {
                // Boxed: what awaits this is nested so deeply that the compiler gives up otherwise.
                steps.push(self.add(queue, envelopes, Duration::ZERO).boxed());
            }
            let added: Vec<Vec<Enqueued>> = stream::iter(steps).buffered(STEPS).try_collect().await?;
            places.iter().zip(added.into_iter().flatten()).for_each(|(place, answer)| answers[*place] = Some(answer));
        }
        Ok(answers.into_iter().flatten().collect())
    }

    async fn add(&self, queue: QueueName, envelopes: &[Envelope], delay: Duration) -> Result<Vec<Enqueued>, Error> {
        let (keys, _span) = (self.keys(queue), sending(queue, envelopes.len()));
        if delay.is_zero() && envelopes.iter().all(|envelope| envelope.job.policy().unique == Unique::Never) {
            return self.append(queue, envelopes).await;
        }
        let mut script = ENQUEUE.key(&keys.stream);
        script.key(&keys.delayed).key(&keys.wake).arg(LINE);
        let mut count = 3;
        for envelope in envelopes {
            let unique = UniqueKey::of(envelope, keys);
            let index = unique.is_shared().then(|| {
                script.key(&unique.key).key(&unique.line);
                count += 2;
                count - 1
            });
            script.arg(envelope.encode()?).arg(index.unwrap_or(0)).arg(&unique.value);
            script.arg(millis(unique.life.saturating_add(delay))).arg(millis(delay));
        }
        script.key(&keys.shares).key(&keys.share).key(&keys.lines);
        let claims: Vec<String> = self.run(&script).await?;
        let answers = claims.iter().zip(envelopes).map(|(claim, envelope)| Enqueued::from_claim(claim, envelope.id));
        let answers: Vec<Enqueued> = answers.collect();
        for (answer, envelope) in answers.iter().zip(envelopes) {
            metric::enqueued(queue, envelope.job.kind(), matches!(answer, Enqueued::New(_)));
        }
        if claims.iter().any(|claim| claim == "!") {
            return Err(Error::Full { queue, retry_after: RETRY_AFTER });
        }
        Ok(answers)
    }

    /// The same for jobs without unique keys, which need no script. Asked again after a broken connection, some may be there
    /// twice.
    async fn append(&self, queue: QueueName, envelopes: &[Envelope]) -> Result<Vec<Enqueued>, Error> {
        let stream = &self.keys(queue).stream;
        let mut pipe = redis::Pipeline::with_capacity(envelopes.len());
        for envelope in envelopes {
            pipe.cmd("XADD").arg(stream).arg("*").arg("e").arg(envelope.encode()?).ignore();
        }
        let pipe = &pipe;
        self.ask(|mut connection| async move { pipe.query_async::<()>(&mut connection).await }).await?;
        for envelope in envelopes {
            metric::enqueued(queue, envelope.job.kind(), true);
        }
        Ok(envelopes.iter().map(|envelope| Enqueued::New(envelope.id)).collect())
    }

    pub(crate) fn keys(&self, queue: QueueName) -> &Keys {
        &self.keys[queue as usize]
    }

    /// The trace that was given, else the one of the span in which this is asked.
    pub(crate) fn trace_parent(&self) -> Option<String> {
        self.trace_parent.clone().or_else(trace_context::current)
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
            match command(self.connection.get().await?).await {
                Err(error) if self.connection.is_mended(&error) => command(self.connection.get().await?).await,
                answer => answer,
            }
        };
        let answer = tokio::time::timeout(PATIENCE, twice).await.map_err(|_| Error::TimedOut(PATIENCE))?;
        answer.map_err(Error::from)
    }
}
