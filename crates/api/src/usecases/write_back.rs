//! The one path of every write: it is announced in the audit log, then Jira is asked under the announcement's id, then what
//! Jira has now is put into the mirror together with the log's last word.
//!
//! No connection is held while Jira is asked. When Jira's answer never comes the log stays open, since nobody knows; when our
//! side fails after Jira said yes the caller is told so, and the issue is looked at again by the next worker.

use chrono::Utc;
use domain::{CommentId, Instance, InstanceId, InstanceState, Issue, IssueId, IssueKey, IssueRef, Scope};
use jira::{Client, Mark};
use queue::Producer;
use serde::{Deserialize, Serialize};
use store::{Begun, Deed, Ending, TenantStore};
use tracing::Instrument;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Caller, Context, Error, context::instance};

/// A site that may be written to, and the way to its Jira.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) mirror: TenantStore,
    pub(crate) instance: Instance,
    pub(crate) jira: Client,
    producer: Producer,
}

/// A write that Jira took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Written {
    /// Names the write in the audit log and, as its mark, in Jira.
    pub(crate) operation: Uuid,
    /// Whether the mirror shows it already. Where not, it will within moments; it must not be asked for again.
    pub(crate) mirrored: bool,
    /// The site.
    pub(crate) instance: InstanceId,
    /// The issue.
    pub(crate) id: IssueId,
    /// Its key.
    pub(crate) key: IssueKey,
    /// The comment, where one was made.
    pub(crate) comment: Option<CommentId>,
    /// What was asked along with it and was not done, and why.
    pub(crate) left_out: Option<String>,
    /// The issue as it is now, where it is mirrored.
    pub(crate) issue: Option<Issue>,
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
    Ok(Site { mirror, instance, jira, producer: context.producer.clone() })
}

impl Site {
    /// Does it. `ask` is given the operation's mark and asks Jira, once.
    pub(crate) async fn write<F>(&self, deed: Deed, ask: impl FnOnce(Mark) -> F) -> Result<Written, Error>
    where
        F: Future<Output = Result<Landed, jira::Error>>,
    {
        let begun = self.begin(deed).await?;
        let operation = begun.id.0;
        match ask(Mark::new(&operation.to_string())?).await {
            Ok(landed) => Ok(self.written(&begun, landed).await),
            Err(jira::Error::Unknown { reason, settle, .. }) => {
                tracing::warn!(operation.id = %operation, reason, "nobody knows whether a write happened");
                Err(Error::Unknown { operation, settle: settle.to_owned() })
            }
            Err(error) => {
                self.close(&begun, Ending::NotDone).await;
                Err(error.into())
            }
        }
    }

    async fn begin(&self, deed: Deed) -> Result<Begun, Error> {
        let mut tx = self.mirror.begin().await?;
        let begun = tx.audit_begin(deed.on(self.instance.id));
        tx.commit().await?;
        Ok(begun)
    }

    /// Jira said yes: whatever fails now is ours, and no reason to say no.
    async fn written(&self, begun: &Begun, landed: Landed) -> Written {
        let Landed { issue: IssueRef { id, key }, comment, left_out } = landed;
        let shown = self.reflect(begun, id).await;
        if let Err(error) = &shown {
            tracing::warn!(operation.id = %begun.id, issue.key = %key, error = %error, "a write is not mirrored yet");
            self.close(begun, Ending::Done).await;
            self.look_again(id).await;
        }
        let issue = shown.ok();
        Written {
            operation: begun.id.0,
            mirrored: issue.is_some(),
            instance: self.instance.id,
            id,
            key: issue.as_ref().map_or(key, |issue| issue.key.clone()),
            comment,
            left_out,
            issue,
        }
    }

    /// Puts the issue as Jira has it now into the mirror, and the end of the operation into the log, or neither.
    async fn reflect(&self, begun: &Begun, id: IssueId) -> Result<Issue, Error> {
        let snapshot = self.jira.issue(id).await?.ok_or(Error::NotFound("issue"))?;
        let mut tx = self.mirror.begin().await?;
        tx.apply(self.instance.id, &[snapshot]).await?;
        tx.audit_complete(begun, Ending::Done);
        tx.commit().await?;
        self.mirror.issue_by_id(self.instance.id, id).await?.ok_or(Error::NotFound("issue"))
    }

    /// A log that cannot be closed now stays open, and tells whoever looks for open ones.
    async fn close(&self, begun: &Begun, ending: Ending) {
        let closed = async {
            let mut tx = self.mirror.begin().await?;
            tx.audit_complete(begun, ending);
            tx.commit().await
        };
        match closed.await {
            // It was closed with what failed after it.
            Ok(()) | Err(store::Error::Conflict(_)) => {}
            Err(error) => {
                tracing::error!(operation.id = %begun.id, error = %error, "the end of a write is not in the audit log");
            }
        }
    }

    async fn look_again(&self, id: IssueId) {
        if let Err(error) = self.producer.touch(self.instance.id, &[id], Utc::now()).await {
            tracing::warn!(issue.id = %id, error = %error, "an issue could not be touched; the next poll finds it");
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
