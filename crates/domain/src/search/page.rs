//! One portion of an answer, and the way to the next.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{AccountId, InstanceId, Invalid, Issue, IssueId};

/// Which portion of an answer is wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PageRequest {
    /// How much.
    pub limit: Limit,
    /// Where the last page ended; the first page where absent.
    pub after: Option<Cursor>,
    /// Whether the whole answer is counted.
    pub counting: Counting,
}

/// How many items a page has at most: 1 to 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Limit(u32);

/// Whether the whole answer is counted, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counting {
    /// It is not.
    #[default]
    Skipped,
    /// It is, as far as this.
    UpTo(u32),
}

/// A portion of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Page<T, C = Cursor> {
    /// In the answer's order.
    pub items: Vec<T>,
    /// Where the next page begins; absent on the last one.
    pub next: Option<C>,
    /// How long the whole answer is, if that was asked.
    pub total: Option<Total>,
}

/// How long an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Total {
    /// So long.
    Exactly(u64),
    /// Longer than this: nobody counted on.
    MoreThan(u64),
}

/// An issue in a listing, without its description, and where it lives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Listed {
    /// The site.
    pub instance: InstanceId,
    /// Its description is left out.
    #[serde(flatten)]
    pub issue: Issue,
}

/// The place of one issue in the answer to one question. It holds nothing that the answer did not show, but whoever hands it
/// to strangers should sign it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// The question's fingerprint.
    pub question: String,
    /// What the issue is sorted by, a value for each key of the order.
    pub values: Vec<SortValue>,
    /// The issue.
    pub id: IssueId,
    /// Its site.
    pub instance: InstanceId,
}

/// The place of one person in a list of names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NameCursor {
    /// As it is displayed.
    pub name: String,
    /// Whose it is.
    pub account: AccountId,
}

/// What an issue is sorted by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SortValue {
    /// A time; absent where the issue has none.
    Time(Option<DateTime<Utc>>),
    /// A day; absent where the issue has none.
    Day(Option<NaiveDate>),
    /// A number; absent where the issue has none.
    Number(Option<i64>),
    /// A project's key and a number in it.
    Key(String, i64),
}

impl Limit {
    /// The most that a page has.
    pub const MOST: u32 = 200;

    /// Refuses none and more than [`MOST`](Self::MOST).
    pub fn new(limit: u32) -> Result<Self, Invalid> {
        if (1..=Self::MOST).contains(&limit) {
            return Ok(Self(limit));
        }
        Err(Invalid::new("limit", format!("must be 1 to {}", Self::MOST)))
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0
    }
}

/// Fifty.
impl Default for Limit {
    fn default() -> Self {
        Self(50)
    }
}

impl TryFrom<u32> for Limit {
    type Error = Invalid;

    fn try_from(limit: u32) -> Result<Self, Invalid> {
        Self::new(limit)
    }
}

impl From<Limit> for u32 {
    fn from(limit: Limit) -> Self {
        limit.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_one_to_two_hundred() {
        assert!(Limit::new(0).is_err() && Limit::new(201).is_err());
        assert_eq!(serde_json::from_str::<Limit>("200").map(Limit::get).ok(), Some(200));
        assert!(serde_json::from_str::<Limit>("500").is_err());
    }

    #[test]
    fn a_cursor_survives_json() {
        let cursor = Cursor {
            question: "0".repeat(32),
            values: vec![SortValue::Time(None), SortValue::Key("ACME".to_owned(), 7), SortValue::Number(Some(-1))],
            id: IssueId(7),
            instance: InstanceId::generate(),
        };
        let text = serde_json::to_string(&cursor).expect("JSON");
        assert_eq!(serde_json::from_str::<Cursor>(&text).ok(), Some(cursor));
        assert!(serde_json::from_str::<Cursor>(&text.replace("\"id\"", "\"di\"")).is_err());
    }
}
