//! An issue: what it is, and the rules that need nothing but itself.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{AccountId, IssueId, IssueKey, IssueRef, ProjectId, RawJson, SprintId, Status, StatusCategory};

/// One issue as the mirror knows it; also the JSON that our interfaces speak.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Issue {
    /// Stable.
    pub id: IssueId,
    /// Changes on a move.
    pub key: IssueKey,
    /// The project it is in now.
    pub project: ProjectId,
    /// One line.
    pub summary: String,
    /// An ADF document, or wiki text where Jira answered in its older form.
    pub description: Option<RawJson>,
    /// Task, Bug, Epic ..
    pub issue_type: IssueType,
    /// Where it stands.
    pub status: Status,
    /// Absent where the project has no priorities.
    pub priority: Option<Named>,
    /// Why it is finished; absent while it is not.
    pub resolution: Option<Named>,
    /// Who works on it.
    pub assignee: Option<AccountId>,
    /// Who asked for it.
    pub reporter: Option<AccountId>,
    /// Who typed it in.
    pub creator: Option<AccountId>,
    /// In Jira's order.
    pub labels: Vec<String>,
    /// Epic or parent task.
    pub parent: Option<IssueRef>,
    /// All sprints it was ever in.
    pub sprints: Vec<SprintId>,
    /// Jira's time of creation.
    pub created_at: DateTime<Utc>,
    /// Jira's time of the last change that it counts as one.
    pub updated_at: DateTime<Utc>,
    /// When it was resolved.
    pub resolved_at: Option<DateTime<Utc>>,
    /// A date without a zone.
    pub due_on: Option<NaiveDate>,
}

/// The type of an issue.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub struct IssueType {
    /// Jira's number.
    pub id: i64,
    /// Its name on the site.
    pub name: String,
    /// Whether issues of this type live under another one.
    pub subtask: bool,
}

/// A thing of which Jira tells an id and a name: a priority, a resolution.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub struct Named {
    /// Jira's number.
    pub id: i64,
    /// Its name on the site.
    pub name: String,
}

impl Issue {
    /// Whether work on it has ended.
    pub fn is_done(&self) -> bool {
        self.status.category == StatusCategory::Done
    }

    /// From creation to resolution; `None` while it is open.
    pub fn lead_time(&self) -> Option<TimeDelta> {
        self.resolved_at.map(|at| at - self.created_at)
    }
}
