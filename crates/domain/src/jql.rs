//! JQL, as far as a mirror can answer it: parsed, printed in one canonical form, and turned into a question.
//!
//! Jira's own rules hold: `!=` and `NOT IN` do not match what has no value, `NOT` reverses the tests inside, names are
//! compared without regard to case, times without a zone are in the asker's. What asks about the past (`WAS`, `CHANGED`) is refused.

mod error;
mod field;
mod lexer;
mod meaning;
mod moment;
mod parser;
mod print;

#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

pub use error::JqlError;

use crate::{AccountId, search::Question, search::Sort};
use field::Field;
use moment::Moment;

/// A query that could be parsed: every field is known, and every operator and value is one that the field takes. Its
/// `Display` is its canonical form.
#[derive(Clone, Debug)]
pub struct Query {
    clause: Option<Clause>,
    order: Vec<Sort>,
}

/// Who asks, when and where: what a query leaves open.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// What `-7d` counts from.
    pub now: DateTime<Utc>,
    /// The zone in which days begin.
    pub zone: Tz,
    /// `currentUser()`; a query that says it is refused where nobody is known.
    pub account: Option<AccountId>,
}

/// Parts of a query.
#[derive(Clone, Debug)]
enum Clause {
    And(Vec<Clause>),
    Or(Vec<Clause>),
    Not(Box<Clause>),
    Term(Term),
}

/// A comparison.
#[derive(Clone, Debug)]
struct Term {
    field: Field,
    operator: Operator,
    /// One, unless the operator takes a list.
    values: Vec<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equals,
    NotEquals,
    Less,
    AtMost,
    More,
    AtLeast,
    Has,
    HasNot,
    In,
    NotIn,
    Is,
    IsNot,
}

/// A value, and the character where it stands.
#[derive(Clone, Debug)]
struct Value {
    at: usize,
    kind: ValueKind,
}

#[derive(Clone, Debug)]
enum ValueKind {
    Empty,
    Text(String),
    CurrentUser,
    Time(Moment),
}

impl Query {
    /// Characters of a query.
    pub const LONGEST: usize = 10_000;

    /// Parses a query. An empty one asks for everything.
    pub fn parse(text: &str) -> Result<Self, JqlError> {
        parser::parse(text)
    }

    /// The order that the query asks for; empty where it asks for none.
    pub fn order(&self) -> &[Sort] {
        &self.order
    }

    /// What the query asks for, here and now.
    pub fn question(&self, surroundings: &Surroundings) -> Result<Question, JqlError> {
        let condition = meaning::condition(self.clause.as_ref(), surroundings)?;
        let asker = surroundings.account.as_ref().map_or("", |account| account.0.as_str());
        let asked = format!("{self}\n{}\n{asker}", surroundings.zone);
        Ok(Question::new(condition, self.order.clone(), &asked))
    }
}
