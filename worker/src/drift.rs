//! Where mirror and Jira disagree, by what cause, and how it is put right. For the jobs, and for operators.

use std::collections::{BTreeMap, BTreeSet};

use domain::{InstanceId, IssueId, IssueKey, IssueSnapshot};
use jira::Hydrated;
use store::{Error, TenantStore};

/// The cause of a drift, as far as it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Jira shows it, the mirror does not: no webhook and no poll told of it.
    Missing,
    /// The mirror shows it, Jira does not: deleted, hidden or moved away, and nobody told of it.
    Extra,
    /// The mirror's copy is older: an update was lost.
    Stale,
    /// The same time of update, and yet another content: it changed without an update, or rows were changed by hand.
    Silent,
    /// The mirror's copy claims to be newer: rows were changed by hand, or Jira was restored from a backup.
    Ahead,
}

/// One issue in which mirror and Jira disagree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// Which.
    pub issue: IssueId,
    /// Its key in Jira, or in the mirror where Jira does not show it.
    pub key: IssueKey,
    /// The cause.
    pub kind: Kind,
    /// The parts that differ; empty where one side has none at all.
    pub parts: Vec<&'static str>,
}

impl Kind {
    /// Every cause.
    pub const ALL: [Self; 5] = [Self::Missing, Self::Extra, Self::Stale, Self::Silent, Self::Ahead];

    /// Its name in metrics, logs and listings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Stale => "stale",
            Self::Silent => "silent",
            Self::Ahead => "ahead",
        }
    }
}

/// Compares what Jira said with the mirror, field by field. What Jira could not give is nobody's drift, nor is a row that
/// was written after the question.
pub async fn find(tenant: &TenantStore, instance: InstanceId, answer: &Hydrated) -> Result<Vec<Drift>, Error> {
    let said = answer.snapshots.iter().map(|snapshot| snapshot.issue.id);
    let ids: Vec<IssueId> = said.chain(answer.absent.iter().copied()).collect();
    let rows = tenant.snapshots(instance, &ids).await?;
    let rows: BTreeMap<IssueId, IssueSnapshot> = rows.into_iter().map(|row| (row.issue.id, row)).collect();
    let told = answer.snapshots.iter().filter_map(|said| told(said, rows.get(&said.issue.id)));
    let absent = answer.absent.iter().filter_map(|id| rows.get(id)).filter(|row| row.observed_at < answer.observed_at);
    let extra = absent.map(|row| drift(row, Kind::Extra, Vec::new()));
    Ok(told.chain(extra).collect())
}

/// Lets Jira's word count for what drifted, in one transaction, and says how many issues agree with it now.
pub async fn repair(
    tenant: &TenantStore,
    instance: InstanceId,
    (answer, drifts): (&Hydrated, &[Drift]),
) -> Result<usize, Error> {
    if drifts.is_empty() {
        return Ok(0);
    }
    let drifted: BTreeSet<IssueId> = drifts.iter().map(|drift| drift.issue).collect();
    let of = |snapshot: &&IssueSnapshot| drifted.contains(&snapshot.issue.id);
    let snapshots: Vec<IssueSnapshot> = answer.snapshots.iter().filter(of).cloned().collect();
    let ids: Vec<IssueId> = snapshots.iter().map(|snapshot| snapshot.issue.id).collect();
    let absent: Vec<IssueId> = answer.absent.iter().filter(|id| drifted.contains(id)).copied().collect();
    let mut tx = tenant.begin().await?;
    tx.doubt(instance, &ids, answer.observed_at).await?;
    tx.apply(instance, &snapshots).await?;
    tx.mark_missing(instance, &absent, answer.observed_at).await?;
    tx.commit().await?;
    let left = find(tenant, instance, answer).await?;
    Ok(drifts.len().saturating_sub(left.len()))
}

fn told(said: &IssueSnapshot, row: Option<&IssueSnapshot>) -> Option<Drift> {
    let Some(row) = row else { return Some(drift(said, Kind::Missing, Vec::new())) };
    let parts = said.differences(row);
    if parts.is_empty() || row.observed_at > said.observed_at {
        return None;
    }
    let kind = match row.issue.updated_at.cmp(&said.issue.updated_at) {
        std::cmp::Ordering::Less => Kind::Stale,
        std::cmp::Ordering::Equal => Kind::Silent,
        std::cmp::Ordering::Greater => Kind::Ahead,
    };
    Some(drift(said, kind, parts))
}

fn drift(of: &IssueSnapshot, kind: Kind, parts: Vec<&'static str>) -> Drift {
    Drift { issue: of.issue.id, key: of.issue.key.clone(), kind, parts }
}
