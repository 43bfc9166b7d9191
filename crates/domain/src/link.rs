//! Links between issues.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::IssueRef;

/// One link, as seen from one of its two ends. The far end may not be mirrored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IssueLink {
    /// The same number at both ends.
    pub id: i64,
    /// Jira's number of the kind of link.
    pub type_id: i64,
    /// Such as `Blocks`.
    pub type_name: String,
    /// Which end the other issue is.
    pub direction: LinkDirection,
    /// The issue at the far end.
    pub other: IssueRef,
}

/// Which end of a link the other issue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LinkDirection {
    /// Jira listed it as `inwardIssue`.
    Inward,
    /// Jira listed it as `outwardIssue`.
    Outward,
}

impl LinkDirection {
    /// Its stable name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Inward => "inward",
            Self::Outward => "outward",
        }
    }

    /// The reverse of [`name`](Self::name).
    pub fn from_name(name: &str) -> Self {
        if name == "inward" { Self::Inward } else { Self::Outward }
    }
}
