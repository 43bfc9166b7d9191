//! Operations: writes to Jira on a caller's behalf, each known by the audit line that announced it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{CommentId, InstanceId, Issue, IssueId, IssueKey};

/// A write that Jira took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Written {
    /// Names the write in the audit log and, as its mark, in Jira.
    pub operation: Uuid,
    /// Whether the mirror shows it already. Where not, it will within moments; it must not be asked for again.
    pub mirrored: bool,
    /// The site.
    pub instance: InstanceId,
    /// The issue.
    pub id: IssueId,
    /// Its key.
    pub key: IssueKey,
    /// The comment, where one was made.
    pub comment: Option<CommentId>,
    /// What was asked along with it and was not done, and why.
    pub left_out: Option<String>,
    /// The issue as it is now, where it is mirrored.
    pub issue: Option<Issue>,
}

/// What came of an operation, as it is kept for whoever asks again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Came {
    /// Jira took it.
    Done(Box<Written>),
    /// Jira understood and said no.
    Refused {
        /// Jira's own status.
        status: u16,
        /// Jira's sentences.
        messages: Vec<String>,
    },
    /// Jira's answer never came.
    Unknown {
        /// The operation.
        operation: Uuid,
        /// How to find out.
        settle: String,
    },
}

/// Under which names the announcement of an operation says what has to be known to find out its end, when whoever
/// announced it did not tell.
pub mod announced {
    /// Jira's number of the project in which an issue is made.
    pub const PROJECT: &str = "project_id";
    /// Jira's number of the issue that is changed, or that was made.
    pub const ISSUE: &str = "issue_id";
    /// The key that it has.
    pub const KEY: &str = "issue_key";
    /// The fields that are changed, with commas between.
    pub const FIELDS: &str = "fields";
    /// Whether a comment goes along.
    pub const WITH_COMMENT: &str = "with_comment";
    /// The comment that was made.
    pub const COMMENT: &str = "comment_id";
    /// Under which right to do it once, where the caller has a key for that.
    pub const CLAIM: &str = "claim";
}
