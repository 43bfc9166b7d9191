//! The one path of every write: it is announced in the audit log, then Jira is asked under the announcement's id, then what
//! Jira has now is put into the mirror together with the log's last word.
//!
//! No connection is held while Jira is asked. When Jira's answer never comes the log stays open, since nobody knows; when our
//! side fails after Jira said yes the caller is told so, and the issue is looked at again by the next worker. A log that was
//! left open is closed by the fleet's sweep, which looks for the mark; what came of a write under a caller's key is written
//! with the log's last word, so that the two cannot disagree.

use std::time::{Duration, Instant};

use chrono::Utc;
use domain::{
    Came, CommentId, Instance, InstanceState, Issue, IssueId, IssueRef, IssueSnapshot, Scope, Written, announced,
};
use jira::{Client, Mark};
use queue::Producer;
use store::{Begun, Claim, Deed, Ending, TenantStore, TenantTx};
use tracing::Instrument;

use super::{Caller, Context, Error, context::instance};

/// Whoever was held up for longer after announcing a write does not ask Jira for it any more.
const FRESH: Duration = Duration::from_secs(60);
/// How long asking Jira may take. Both together are less than what the sweep waits before it concludes anything.
const PATIENCE: Duration = Duration::from_secs(300);

/// A site that may be written to, and the way to its Jira.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) mirror: TenantStore,
    pub(crate) instance: Instance,
    pub(crate) jira: Client,
    producer: Producer,
    /// The right under which it is done once, where the caller has a key for that.
    claim: Option<Claim>,
}

/// What Jira did.
pub(crate) struct Landed {
    pub(crate) issue: IssueRef,
    pub(crate) comment: Option<CommentId>,
    pub(crate) left_out: Option<String>,
}

impl From<IssueRef> for Landed {
    fn from(issue: IssueRef) -> Self {
        Self { issue, comment: None, left_out: None }
    }
}

/// The site that a caller wants to write to.
pub(crate) async fn site(context: &Context, caller: &Caller, name: Option<&str>) -> Result<Site, Error> {
    caller.require(Scope::WriteIssues)?;
    let mirror = context.mirror(caller);
    let instance = instance(&mirror, name).await?;
    if instance.state != InstanceState::Active {
        let state = instance.state.name();
        return Err(Error::Conflict(format!("the site {} is {state}: nothing is written to it", instance.name)));
    }
    let credentials = way_in::credentials(&mirror, instance.id).await?;
    let jira = context.clients.client_as(&instance, credentials)?;
    Ok(Site { mirror, instance, jira, producer: context.producer.clone(), claim: None })
}

impl Site {
    /// The same under a right to do it once.
    pub(crate) fn under(self, claim: Claim) -> Self {
        Self { claim: Some(claim), ..self }
    }

    /// Does it. `ask` is given the operation's mark and asks Jira, once.
    pub(crate) async fn write<F>(&self, deed: Deed, ask: impl FnOnce(Mark) -> F) -> Result<Written, Error>
    where
        F: Future<Output = Result<Landed, jira::Error>>,
    {
        let announcing = Instant::now();
        let begun = self.begin(deed).await?;
        let operation = begun.id.0;
        if announcing.elapsed() > FRESH {
            self.not_done(&begun, None).await;
            return Err(Error::Unavailable("it could not be begun in time: ask again".to_owned()));
        }
        let answer = tokio::time::timeout(PATIENCE, ask(Mark::new(&operation.to_string())?)).await;
        match answer {
            Ok(Ok(landed)) => Ok(self.written(begun, landed).await),
            Ok(Err(jira::Error::Unknown { reason, settle, .. })) => {
                tracing::warn!(operation.id = %operation, reason, "nobody knows whether a write happened");
                Err(Error::Unknown { operation, settle: settle.to_owned() })
            }
            Ok(Err(error)) => {
                let error = Error::from(error);
                self.not_done(&begun, Some(&error)).await;
                Err(error)
            }
            Err(_) => {
                tracing::warn!(operation.id = %operation, "a write took too long, and nobody knows whether it happened");
                let settle = "look at the audit log in half an hour, when it has been found out".to_owned();
                Err(Error::Unknown { operation, settle })
            }
        }
    }

    async fn begin(&self, deed: Deed) -> Result<Begun, Error> {
        let deed = match &self.claim {
            Some(claim) => deed.with(announced::CLAIM, claim),
            None => deed,
        };
        let mut tx = self.mirror.begin().await?;
        // Whoever was held up for very long finds it given to somebody else.
        if let Some(claim) = self.claim
            && !tx.holds_claim(claim).await?
        {
            return Err(Error::Running);
        }
        let begun = tx.audit_begin(deed.on(self.instance.id));
        tx.commit().await?;
        Ok(begun)
    }

    /// Jira said yes: whatever fails now is ours, and no reason to say no.
    async fn written(&self, begun: Begun, landed: Landed) -> Written {
        let mut begun = begun.saying(announced::ISSUE, landed.issue.id).saying(announced::KEY, &landed.issue.key);
        if let Some(comment) = landed.comment {
            begun = begun.saying(announced::COMMENT, comment);
        }
        let told = |issue: Option<Issue>| Written {
            operation: begun.id.0,
            mirrored: issue.is_some(),
            instance: self.instance.id,
            id: landed.issue.id,
            key: issue.as_ref().map_or_else(|| landed.issue.key.clone(), |issue| issue.key.clone()),
            comment: landed.comment,
            left_out: landed.left_out.clone(),
            issue,
        };
        match self.reflect(&begun, landed.issue.id, told).await {
            Ok(issue) => told(Some(issue)),
            Err(error) => {
                let (id, key) = (landed.issue.id, &landed.issue.key);
                tracing::warn!(operation.id = %begun.id, issue.key = %key, error.code = %format_args!("api.{}", error.code()), error = %error, "a write is not mirrored yet");
                let written = told(None);
                self.close(&begun, Ending::Done, Some(&Came::Done(Box::new(written.clone())))).await;
                self.look_again(id).await;
                written
            }
        }
    }

    /// Puts the issue as Jira has it now into the mirror, the end of the operation into the log, and what came of it under
    /// the caller's key, or none of it.
    async fn reflect(
        &self,
        begun: &Begun,
        id: IssueId,
        told: impl Fn(Option<Issue>) -> Written,
    ) -> Result<Issue, Error> {
        let snapshot: IssueSnapshot = self.jira.issue(id).await?.ok_or(Error::NotFound("issue"))?;
        let came = Came::Done(Box::new(told(Some(snapshot.issue.clone()))));
        let mut tx = self.mirror.begin().await?;
        tx.apply(self.instance.id, &[snapshot]).await?;
        tx.audit_complete(begun, Ending::Done);
        self.keep(&mut tx, Some(&came)).await?;
        tx.commit().await?;
        self.mirror.issue_by_id(self.instance.id, id).await?.ok_or(Error::NotFound("issue"))
    }

    async fn keep(&self, tx: &mut TenantTx, came: Option<&Came>) -> Result<(), store::Error> {
        match (self.claim, came) {
            (Some(claim), Some(came)) => tx.end_claim(claim, came).await,
            _ => Ok(()),
        }
    }

    async fn not_done(&self, begun: &Begun, why: Option<&Error>) {
        let came = match why {
            Some(Error::Refused { status, messages }) => {
                Some(Came::Refused { status: *status, messages: messages.clone() })
            }
            _ => None,
        };
        self.close(begun, Ending::NotDone, came.as_ref()).await;
    }

    /// A log that cannot be closed now stays open until the sweep.
    async fn close(&self, begun: &Begun, ending: Ending, came: Option<&Came>) {
        let closed = async {
            let mut tx = self.mirror.begin().await?;
            tx.audit_complete(begun, ending);
            self.keep(&mut tx, came).await?;
            tx.commit().await
        };
        match closed.await {
            // It was closed with what failed after it.
            Ok(()) | Err(store::Error::Conflict(_)) => {}
            Err(error) => {
                tracing::error!(operation.id = %begun.id, error.code = error.code(), error = %error, "the end of a write is not in the audit log yet");
            }
        }
    }

    async fn look_again(&self, id: IssueId) {
        if let Err(error) = self.producer.touch(self.instance.id, &[id], Utc::now()).await {
            tracing::warn!(issue.id = %id, error.code = error.code(), error = %error, "an issue could not be touched; the next poll finds it");
        }
    }
}

/// Does it to the end, also when nobody waits for it any more: a write that is broken off in the middle leaves its end unknown.
pub(crate) async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::spawn(work.in_current_span()).await;
    done.unwrap_or_else(|_| Err(Error::Broken("a write ended by a panic".to_owned())))
}
