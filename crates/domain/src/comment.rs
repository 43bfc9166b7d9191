//! Comments.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{AccountId, CommentId, RawJson};

/// One comment of an issue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Comment {
    /// Stable.
    pub id: CommentId,
    /// Who wrote it; absent for people Jira no longer names.
    pub author: Option<AccountId>,
    /// Who changed it last.
    pub update_author: Option<AccountId>,
    /// An ADF document, or wiki text where Jira answered in its older form.
    pub body: RawJson,
    /// Group or role that may see it; absent when everybody may.
    pub visibility: Option<RawJson>,
    /// Service desk: whether the customer sees it.
    pub jsd_public: Option<bool>,
    /// The comment it answers.
    pub reply_to: Option<CommentId>,
    /// Jira's time of creation.
    pub created_at: DateTime<Utc>,
    /// Jira's time of the last change.
    pub updated_at: DateTime<Utc>,
}
