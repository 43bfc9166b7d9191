//! What an issue must be to be found, in a form without a general "not": every test says itself whether it is one of
//! something or has a value that is none of it. An empty value passes neither, as in Jira.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use utoipa::ToSchema;

use super::Word;
use crate::{InstanceId, RawJson};

/// A tree of tests.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Each of them; of none, everything passes.
    All(Vec<Condition>),
    /// At least one of them; of none, nothing passes.
    Any(Vec<Condition>),
    /// One test.
    Test(Test),
}

/// One thing that an issue is or is not.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// It lives in one of these.
    Instance(Vec<InstanceId>),
    /// The attribute is one of the values (of a list: has one of them), or has a value and is none of them.
    OneOf {
        /// Which.
        attribute: Attribute,
        /// One of them, or none of them.
        sense: Sense,
        /// Never empty.
        values: Vec<Handle>,
    },
    /// The attribute has no value, or has one.
    Empty {
        /// Which.
        attribute: Attribute,
        /// Has none, or has one.
        sense: Sense,
    },
    /// A time stands in a relation to another one.
    Time {
        /// Which.
        attribute: TimeAttribute,
        /// How it stands.
        relation: Relation,
        /// To what.
        at: DateTime<Utc>,
    },
    /// The day it is due stands in a relation to another one.
    Due {
        /// How it stands.
        relation: Relation,
        /// To what.
        on: NaiveDate,
    },
    /// Its text has all of these words, or has not.
    Words {
        /// Where.
        place: Place,
        /// Has all, or lacks one.
        sense: Sense,
        /// Never empty.
        words: Vec<Word>,
    },
    /// A field that the site's administrators made.
    Field {
        /// Its id (`customfield_10010`), else its name, which several fields may have.
        field: String,
        /// Passes, or has a value that does not.
        sense: Sense,
        /// What of it.
        test: FieldTest,
    },
}

/// Whether a test is to succeed or to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sense {
    /// It is so.
    Is,
    /// It is not so.
    IsNot,
}

impl Sense {
    /// The other one.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::Is => Self::IsNot,
            Self::IsNot => Self::Is,
        }
    }
}

/// What tests look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Attribute {
    /// The issue itself: its id, or a key that it has or had.
    Issue,
    /// By id, key or name.
    Project,
    /// By id or name.
    Status,
    /// By the names of [`StatusCategory`](crate::StatusCategory).
    Category,
    /// By id or name.
    Type,
    /// By id or name.
    Priority,
    /// By id or name.
    Resolution,
    /// By account.
    Assignee,
    /// By account.
    Reporter,
    /// By account.
    Creator,
    /// A list; letter by letter.
    Label,
    /// By id, or a key that it has or had.
    Parent,
    /// A list, by id.
    Sprint,
    /// Whether it has one.
    Description,
    /// Whether it was resolved.
    Resolved,
    /// Whether it has a day.
    Due,
}

/// The times of an issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeAttribute {
    /// When it was made.
    Created,
    /// When it was changed last.
    Updated,
    /// When it was resolved; most were not.
    Resolved,
}

/// How one value stands to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// The same.
    Equal,
    /// Another one.
    NotEqual,
    /// Earlier.
    Less,
    /// Earlier or the same.
    AtMost,
    /// Later.
    More,
    /// Later or the same.
    AtLeast,
}

impl Relation {
    /// The one that holds exactly where this one does not.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::Less => Self::AtLeast,
            Self::AtMost => Self::More,
            Self::More => Self::AtMost,
            Self::AtLeast => Self::Less,
        }
    }
}

/// Where words are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Summary or description.
    Anywhere,
    /// The line.
    Summary,
    /// Its first part.
    Description,
}

/// A thing by its number or by its name. In JSON a number is an id and a text is a name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Handle {
    /// Jira's number.
    Id(#[serde(deserialize_with = "whole")] i64),
    /// A name, key, label or account. Names of things that have an id are compared without regard to case.
    Name(String),
}

/// To JSON, 7.0 is as whole a number as 7.
fn whole<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    let number = serde_json::Number::deserialize(from)?;
    let fraction = || number.as_f64().filter(|number| number.fract() == 0.0);
    let whole = number.as_i64().or_else(|| format!("{:.0}", fraction()?).parse().ok());
    whole.ok_or_else(|| D::Error::custom("must be a whole number"))
}

/// What is asked of a custom field.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldTest {
    /// It is one of these texts, or a list with one of them. A text is the value itself or its `value`, `name`, `id`, `key`
    /// or `accountId`.
    OneOf(Vec<String>),
    /// Its JSON contains this JSON.
    Contains(RawJson),
    /// It has no value.
    Empty,
}
