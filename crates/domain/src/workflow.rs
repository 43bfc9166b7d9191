//! Statuses and the three categories that Jira sorts them into.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where an issue stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// Jira's number; names repeat across projects.
    pub id: i64,
    /// As the service account's language shows it.
    pub name: String,
    /// The one of three that rules are written against.
    pub category: StatusCategory,
}

/// Jira's own sorting of statuses; names are per site, categories are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StatusCategory {
    /// Not begun.
    New,
    /// Begun.
    Indeterminate,
    /// Finished.
    Done,
    /// Jira did not say.
    Undefined,
}

impl StatusCategory {
    /// From Jira's id (2, 4, 3; 1 is undefined). Ids are the same on every site, keys have been recorded wrong.
    pub fn from_id(id: i64) -> Self {
        match id {
            2 => Self::New,
            4 => Self::Indeterminate,
            3 => Self::Done,
            _ => Self::Undefined,
        }
    }

    /// Jira's key, which is also our name for it in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Indeterminate => "indeterminate",
            Self::Done => "done",
            Self::Undefined => "undefined",
        }
    }

    /// The reverse of [`name`](Self::name); anything else is undefined.
    pub fn from_name(name: &str) -> Self {
        match name {
            "new" => Self::New,
            "indeterminate" => Self::Indeterminate,
            "done" => Self::Done,
            _ => Self::Undefined,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_categories() {
        for id in 1..=4 {
            let category = StatusCategory::from_id(id);
            assert_eq!(StatusCategory::from_name(category.name()), category);
        }
    }
}
