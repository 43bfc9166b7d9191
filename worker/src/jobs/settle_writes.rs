//! Find out in Jira what became of writes whose end nobody told, because the process died or the answer never came. Nothing
//! is sent again: what was made or changed carries the operation's mark, and what carries no mark was not done.

use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use domain::{Came, CommentId, History, InstanceId, IssueId, IssueSnapshot, ProjectId, Written, announced};
use jira::{Client, Mark, Priority};
use queue::Outcome;
use store::{AuditEntry, Begun, Claim, Ending, TenantStore};
use uuid::Uuid;

use crate::{Settling, context::Context, failure::Failure};

/// What was announced longer ago is left to operators.
pub(super) const OLDEST: TimeDelta = TimeDelta::days(30);
/// What nobody can be made to tell within this time stays unknown.
const LATEST: TimeDelta = TimeDelta::days(1);
/// Writes that are looked at in one go, and for how long; the next sweep goes on.
const MOST: u32 = 1000;
const LONGEST: Duration = Duration::from_secs(180);
/// By so much Jira's clock may differ from ours.
const SKEW: TimeDelta = TimeDelta::minutes(2);

/// What Jira shows of a write.
enum Found {
    /// It was done.
    Done(Done),
    /// It was not done.
    NotDone,
    /// Nobody can tell.
    Nothing,
    /// Too early to tell.
    NotYet,
}

struct Done {
    issue: IssueId,
    comment: Option<CommentId>,
    left_out: Option<String>,
}

/// Whether a line announces a write to Jira.
pub(super) fn is_write(entry: &AuditEntry) -> bool {
    entry.action.starts_with("issue.")
}

pub(super) fn count(ending: Ending) {
    metrics::counter!("jirafleet_writes_settled_total", "outcome" => ending.name()).increment(1);
}

/// Shows the figures before anything happens.
pub(super) fn show() {
    for ending in [Ending::Done, Ending::NotDone, Ending::Unknown] {
        metrics::counter!("jirafleet_writes_settled_total", "outcome" => ending.name()).increment(0);
    }
}

pub(crate) async fn run(ctx: &Context, instance: InstanceId) -> Result<Outcome, Failure> {
    // At rest: the sweeps after it is active again ask for it.
    let Some(site) = ctx.site(instance).await? else { return Ok(Outcome::Done) };
    let desk = Desk {
        instance,
        jira: site.jira(Priority::Upkeep),
        tenant: ctx.store.tenant(site.instance.tenant),
        settling: ctx.settling,
    };
    let (now, begun) = (Utc::now(), Instant::now());
    let span = now - OLDEST..now - ctx.settling.given_up;
    for entry in desk.tenant.audit_left_open(&span, Some(instance), MOST).await? {
        if begun.elapsed() > LONGEST {
            break;
        }
        if is_write(&entry) {
            desk.settle(&entry).await?;
        }
    }
    Ok(Outcome::Done)
}

/// One site, and what is needed to settle its writes.
struct Desk {
    instance: InstanceId,
    jira: Client,
    tenant: TenantStore,
    settling: Settling,
}

impl Desk {
    async fn settle(&self, entry: &AuditEntry) -> Result<(), Failure> {
        let Some(begun) = entry.to_begun() else { return Ok(()) };
        let is_late = entry.at < Utc::now() - LATEST;
        let (found, shown) = match self.find(entry, &begun).await {
            // About this one write: another try may do, the others go on.
            Err(error @ (jira::Error::Refused { .. } | jira::Error::Malformed { .. } | jira::Error::Invalid(_))) => {
                tracing::warn!(operation.id = %begun.id, error.code = error.code(), %error, "what became of a write could not be found out yet");
                (if is_late { Found::Nothing } else { Found::NotYet }, None)
            }
            found => found?,
        };
        let ending = match &found {
            Found::NotYet => return Ok(()),
            Found::Done(_) => Ending::Done,
            Found::NotDone => Ending::NotDone,
            Found::Nothing => Ending::Unknown,
        };
        match self.end(begun, (found, shown), ending).await {
            // Somebody else ended it meanwhile.
            Err(Failure::Store(store::Error::Conflict(_))) => return Ok(()),
            ended => ended?,
        }
        tracing::info!(operation.id = %entry.id, action = %entry.action, outcome = ending.name(), "a write was settled");
        count(ending);
        Ok(())
    }

    /// What Jira shows of a write, with the issue where it was read for that.
    async fn find(&self, entry: &AuditEntry, begun: &Begun) -> Result<(Found, Option<IssueSnapshot>), jira::Error> {
        let mark = Mark::new(&begun.id.to_string())?;
        let found = match (entry.action.as_str(), number(begun, announced::PROJECT), number(begun, announced::ISSUE)) {
            ("issue.create", Some(project), _) => self.find_made(entry, ProjectId(project), &mark).await?,
            ("issue.comment", _, Some(issue)) => self.find_said(IssueId(issue), &mark).await?,
            ("issue.update" | "issue.transition", _, Some(issue)) => {
                let Some(shown) = self.jira.issue(IssueId(issue)).await? else { return Ok((Found::Nothing, None)) };
                return Ok((self.find_changed(entry, begun, &shown, &mark).await?, Some(shown)));
            }
            // Of a release that announced less, or of a newer one.
            _ if entry.at < Utc::now() - LATEST => Found::Nothing,
            _ => Found::NotYet,
        };
        Ok((found, None))
    }

    async fn find_made(&self, entry: &AuditEntry, project: ProjectId, mark: &Mark) -> Result<Found, jira::Error> {
        let made = self.jira.find_issues(project, mark).await?;
        if made.len() > 1 {
            tracing::error!(error.code = "write.doubled", operation.id = %entry.id, issues = made.len(), "one write made several issues");
        }
        let wait = self.settling.given_up + self.settling.indexed;
        Ok(match made.first() {
            Some(issue) => Found::Done(Done { issue: *issue, comment: None, left_out: None }),
            None if entry.at < Utc::now() - wait => Found::NotDone,
            None => Found::NotYet,
        })
    }

    async fn find_said(&self, issue: IssueId, mark: &Mark) -> Result<Found, jira::Error> {
        let said = self.jira.find_comments(issue, mark).await?;
        Ok(match said.as_deref() {
            None => Found::Nothing,
            Some([]) => Found::NotDone,
            Some([comment, ..]) => Found::Done(Done { issue, comment: Some(*comment), left_out: None }),
        })
    }

    /// An edit or a move is told by the changelog, with the mark beside it. Where our account changed the same without any
    /// mark, a site may have dropped it: then nobody can tell.
    async fn find_changed(
        &self,
        entry: &AuditEntry,
        begun: &Begun,
        shown: &IssueSnapshot,
        mark: &Mark,
    ) -> Result<Found, jira::Error> {
        if shown.changelog.iter().any(|change| mark.is_beside(change)) {
            return self.with_comment(begun, shown.issue.id, mark).await.map(Found::Done);
        }
        let ours = self.jira.known_account();
        let is_like = |change: &History| {
            change.created_at > entry.at - SKEW
                && change.author.as_ref() == ours
                && !Mark::any_beside(change)
                && change.changes.iter().any(|change| concerns(begun, change.field_id.as_deref()))
        };
        Ok(if shown.changelog.iter().any(is_like) { Found::Nothing } else { Found::NotDone })
    }

    async fn with_comment(&self, begun: &Begun, issue: IssueId, mark: &Mark) -> Result<Done, jira::Error> {
        if begun.said(announced::WITH_COMMENT).is_none() {
            return Ok(Done { issue, comment: None, left_out: None });
        }
        let comment = self.jira.find_comments(issue, mark).await?.and_then(|said| said.first().copied());
        let left_out = comment.is_none().then(|| "the comment: nobody knows whether it was made".to_owned());
        Ok(Done { issue, comment, left_out })
    }

    /// Puts the issue as Jira has it now into the mirror, the end into the log, and what came of it under the caller's key,
    /// or nothing of that.
    async fn end(
        &self,
        begun: Begun,
        (found, shown): (Found, Option<IssueSnapshot>),
        ending: Ending,
    ) -> Result<(), Failure> {
        let claim = begun.said(announced::CLAIM).and_then(|claim| claim.parse().ok()).map(Claim);
        let issue = match &found {
            Found::Done(done) => Some(done.issue),
            _ => number(&begun, announced::ISSUE).map(IssueId),
        };
        let snapshot = match (shown, issue) {
            (None, Some(issue)) => self.jira.issue(issue).await?,
            (shown, _) => shown,
        };
        let operation = begun.id.0;
        let mut tx = self.tenant.begin().await?;
        if let Some(snapshot) = &snapshot {
            tx.apply(self.instance, std::slice::from_ref(snapshot)).await?;
        }
        let mut begun = begun;
        if let Found::Done(Done { issue, comment, .. }) = &found {
            begun = begun.saying(announced::ISSUE, issue);
            if let Some(comment) = comment {
                begun = begun.saying(announced::COMMENT, comment);
            }
        }
        if let Some(snapshot) = &snapshot {
            begun = begun.saying(announced::KEY, &snapshot.issue.key);
        }
        tx.audit_complete(&begun.saying("settled_by", "sweep"), ending);
        match (claim, found, snapshot) {
            (Some(claim), Found::Done(done), Some(snapshot)) => {
                let came = Came::Done(Box::new(written(operation, self.instance, done, snapshot.issue)));
                tx.end_claim(claim, &came).await?;
            }
            (Some(claim), Found::NotDone, _) => tx.release_claim(claim).await?,
            // It stays taken: nothing is done twice.
            (Some(claim), _, _) => {
                let settle = "nobody can tell any more: look at the issue".to_owned();
                tx.end_claim(claim, &Came::Unknown { operation, settle }).await?;
            }
            _ => {}
        }
        Ok(tx.commit().await?)
    }
}

fn written(operation: Uuid, instance: InstanceId, done: Done, issue: domain::Issue) -> Written {
    let Done { issue: id, comment, left_out } = done;
    let key = issue.key.clone();
    Written { operation, mirrored: true, instance, id, key, comment, left_out, issue: Some(issue) }
}

fn number(begun: &Begun, name: &str) -> Option<i64> {
    begun.said(name)?.parse().ok()
}

/// Whether an announced change is about this field; a move is about the status.
fn concerns(begun: &Begun, field: Option<&str>) -> bool {
    let announced = begun.said(announced::FIELDS).unwrap_or("status");
    field.is_some_and(|field| announced.split(',').any(|one| one == field))
}
