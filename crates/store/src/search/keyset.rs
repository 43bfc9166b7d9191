//! The order of an answer in SQL, and what comes after a cursor.
//!
//! Every order ends with the issue's id and its site, so no two issues are equal in it and a place in it is exact.

use domain::search::{Cursor, Direction, Listed, Question, Sort, SortKey, SortValue};

use super::{Statement, foreign};
use crate::Error;

/// One expression that is sorted by.
struct Term {
    by: By,
    direction: Direction,
}

#[derive(Clone, Copy)]
enum By {
    Value(SortKey),
    ProjectKey,
    Number,
    Id,
    Instance,
}

/// The expressions of one order.
pub(super) struct Keyset {
    keys: Vec<Sort>,
    terms: Vec<Term>,
}

impl Keyset {
    /// The last key says which way issues follow that are equal in all of them. What follows an id sorts nothing.
    pub(super) fn of(order: &[Sort]) -> Self {
        let end = order.iter().position(|sort| sort.by == SortKey::Id).map_or(order.len(), |at| at + 1);
        let keys = order[..end].to_vec();
        let mut terms = Vec::new();
        for Sort { by, direction } in keys.iter().copied() {
            let parts: &[By] = match by {
                SortKey::Key => &[By::ProjectKey, By::Number],
                SortKey::Id => &[],
                _ => &[By::Value(by)],
            };
            terms.extend(parts.iter().map(|by| Term { by: *by, direction }));
        }
        let direction = keys.last().map_or(Direction::Descending, |sort| sort.direction);
        terms.extend([By::Id, By::Instance].map(|by| Term { by, direction }));
        Self { keys, terms }
    }

    pub(super) fn check(&self, cursor: &Cursor, question: &Question) -> Result<(), Error> {
        let fits = cursor.question == question.fingerprint()
            && cursor.values.len() == self.keys.len()
            && self.keys.iter().zip(&cursor.values).all(|(sort, value)| is_of(sort.by, value));
        if fits { Ok(()) } else { Err(foreign(cursor)) }
    }

    pub(super) fn cursor(&self, question: &Question, last: &Listed) -> Cursor {
        Cursor {
            question: question.fingerprint(),
            values: self.keys.iter().map(|sort| value_of(sort.by, last)).collect(),
            id: last.issue.id,
            instance: last.instance,
        }
    }

    pub(super) fn order_by(&self, out: &mut Statement) {
        out.join(&self.terms, ", ", |term, out| {
            out.say(term.expression()).say(if term.direction == Direction::Ascending { " ASC" } else { " DESC" });
        });
    }

    /// What follows a cursor: one comparison of rows where all goes one way, since an index serves that; else, the first
    /// term's bound, and for each term those that are equal in the terms before it.
    pub(super) fn after(&self, cursor: &Cursor, out: &mut Statement) {
        let direction = self.terms[0].direction;
        if self.terms.iter().all(|term| term.direction == direction) {
            out.say("(").join(&self.terms, ", ", |term, out| _ = out.say(term.expression())).say(")");
            out.say(beyond(direction))
                .say("(")
                .join(&self.terms, ", ", |term, out| self.bind(term, cursor, out))
                .say(")");
            return;
        }
        let first = &self.terms[0];
        out.say(first.expression()).say(if direction == Direction::Ascending { " >= " } else { " <= " });
        self.bind(first, cursor, out);
        out.say(" AND (");
        out.join(0..self.terms.len(), " OR ", |last, out| {
            out.say("(").join(0..=last, " AND ", |n, out| {
                let term = &self.terms[n];
                out.say(term.expression()).say(if n < last { " = " } else { beyond(term.direction) });
                self.bind(term, cursor, out);
            });
            out.say(")");
        });
        out.say(")");
    }

    fn bind(&self, term: &Term, cursor: &Cursor, out: &mut Statement) {
        match term.by {
            By::Id => _ = out.bind(cursor.id.0),
            By::Instance => _ = out.bind(cursor.instance.0),
            by => {
                let at = self.keys.iter().position(|sort| by.belongs_to(sort.by)).unwrap_or_default();
                term.bind_value(&cursor.values[at], out);
            }
        }
    }
}

impl By {
    fn belongs_to(self, key: SortKey) -> bool {
        match self {
            Self::Value(own) => own == key,
            Self::ProjectKey | Self::Number => key == SortKey::Key,
            Self::Id | Self::Instance => false,
        }
    }
}

impl Term {
    /// Issues without a value are given the last of all values.
    fn expression(&self) -> &'static str {
        let ascending = self.direction == Direction::Ascending;
        match self.by {
            By::Value(SortKey::Updated) => "i.updated_at",
            By::Value(SortKey::Created) => "i.created_at",
            By::Value(SortKey::Resolved) if ascending => "coalesce(i.resolved_at, 'infinity')",
            By::Value(SortKey::Resolved) => "coalesce(i.resolved_at, '-infinity')",
            By::Value(SortKey::Due) if ascending => "coalesce(i.due_on, 'infinity')",
            By::Value(SortKey::Due) => "coalesce(i.due_on, '-infinity')",
            By::Value(SortKey::Priority) if ascending => "coalesce(-i.priority_id, 9223372036854775807)",
            By::Value(SortKey::Priority) => "coalesce(-i.priority_id, -9223372036854775807)",
            By::ProjectKey => "split_part(i.key, '-', 1) COLLATE \"C\"",
            By::Number => "split_part(i.key, '-', 2)::bigint",
            By::Id | By::Value(SortKey::Id | SortKey::Key) => "i.id",
            By::Instance => "i.instance_id",
        }
    }

    fn bind_value(&self, value: &SortValue, out: &mut Statement) {
        let ascending = self.direction == Direction::Ascending;
        match (value, self.by) {
            (SortValue::Time(time), _) => {
                let none = if ascending { "'infinity'::timestamptz" } else { "'-infinity'::timestamptz" };
                match time {
                    Some(time) => out.bind(*time),
                    None => out.say(none),
                };
            }
            (SortValue::Day(day), _) => {
                let none = if ascending { "'infinity'::date" } else { "'-infinity'::date" };
                match day {
                    Some(day) => out.bind(*day),
                    None => out.say(none),
                };
            }
            (SortValue::Number(number), _) => {
                let none = if ascending { i64::MAX } else { -i64::MAX };
                out.bind(number.map_or(none, i64::saturating_neg));
            }
            (SortValue::Key(project, _), By::ProjectKey) => _ = out.bind(project.as_str()),
            (SortValue::Key(_, number), _) => _ = out.bind(*number),
        }
    }
}

fn beyond(direction: Direction) -> &'static str {
    if direction == Direction::Ascending { " > " } else { " < " }
}

fn value_of(key: SortKey, last: &Listed) -> SortValue {
    let issue = &last.issue;
    match key {
        SortKey::Updated => SortValue::Time(Some(issue.updated_at)),
        SortKey::Created => SortValue::Time(Some(issue.created_at)),
        SortKey::Resolved => SortValue::Time(issue.resolved_at),
        SortKey::Due => SortValue::Day(issue.due_on),
        SortKey::Id => SortValue::Number(Some(issue.id.0)),
        SortKey::Priority => SortValue::Number(issue.priority.as_ref().map(|priority| priority.id)),
        SortKey::Key => {
            let (project, number) = issue.key.as_str().rsplit_once('-').unwrap_or_default();
            SortValue::Key(project.to_owned(), number.parse().unwrap_or_default())
        }
    }
}

fn is_of(key: SortKey, value: &SortValue) -> bool {
    match key {
        SortKey::Updated | SortKey::Created => matches!(value, SortValue::Time(Some(_))),
        SortKey::Resolved => matches!(value, SortValue::Time(_)),
        SortKey::Due => matches!(value, SortValue::Day(_)),
        SortKey::Id => matches!(value, SortValue::Number(Some(_))),
        SortKey::Priority => matches!(value, SortValue::Number(_)),
        SortKey::Key => matches!(value, SortValue::Key(..)),
    }
}
