//! A query bound to a site: names looked up, dates turned into instants, ready to be asked of each issue.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::{Clause, Complaint, Direction, Field, Op, Operand, time};
use crate::world::State;
use crate::world::catalogue::{IssueType, Priority, Status};
use crate::world::issue::{AccountId, Issue};
use crate::world::people::Person;

/// Accepts the issues every clause accepts.
pub(crate) struct Filter(Vec<Test>);

enum Test {
    Projects(HashSet<usize>, Op),
    Ids(HashSet<u64>, Op),
    /// Issues before or behind an id.
    IdAgainst(Op, u64),
    /// Issues of one project before or behind a number.
    NumberAgainst(Op, usize, u64),
    Statuses(Vec<Status>, Op),
    Labels(HashSet<String>, Op),
    Time(Field, Op, HashSet<i64>),
    Parents(HashSet<u64>, Op),
    Types(Vec<IssueType>, Op),
    Priorities(Vec<Priority>, Op),
    Accounts(Field, HashSet<AccountId>, Op),
    /// Words that all occur in the summary, in lower case.
    Words(Vec<String>),
    Has(Field, Op),
}

impl Filter {
    pub(super) fn new(clauses: &[Clause], site: &State, zone: Tz, now: DateTime<Utc>) -> Result<Self, Complaint> {
        let bound = clauses.iter().map(|clause| clause.bind(site, zone, now));
        bound.collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn accepts(&self, issue: &Issue) -> bool {
        self.0.iter().all(|test| test.accepts(issue))
    }
}

impl Clause {
    fn bind(&self, site: &State, zone: Tz, now: DateTime<Utc>) -> Result<Test, Complaint> {
        match (self.op, self.field) {
            (Op::Empty | Op::NotEmpty, Field::Parent | Field::Assignee | Field::Labels) => {
                return Ok(Test::Has(self.field, self.op));
            }
            (Op::Contains, Field::Text) => {
                let words = self.values.iter().flat_map(|value| value.text.split_whitespace());
                return Ok(Test::Words(words.map(|word| word.trim_matches('*').to_lowercase()).collect()));
            }
            (Op::Empty | Op::NotEmpty | Op::Contains, _) | (_, Field::Text) => return Err(self.wrong_operator()),
            _ => {}
        }
        if self.is_comparison() && !matches!(self.field, Field::Issue | Field::Created | Field::Updated) {
            return Err(self.wrong_operator());
        }
        match self.field {
            Field::Project => Ok(Test::Projects(self.each(|value| site.readable_project(&value.text))?, self.op)),
            Field::Status => Ok(Test::Statuses(self.each(|value| status(&value.text))?, self.op)),
            Field::Labels => Ok(Test::Labels(self.values.iter().map(|it| it.text.clone()).collect(), self.op)),
            Field::Issue if self.is_comparison() => self.bind_range(site),
            Field::Issue => {
                let known = self.values.iter().filter_map(|value| site.resolve(&value.text));
                Ok(Test::Ids(known.collect(), self.op))
            }
            Field::Parent => {
                let parent = |value: &Operand| site.visible(&value.text).map(|issue| issue.id);
                Ok(Test::Parents(self.each(parent)?, self.op))
            }
            Field::Type => {
                let is = |text: &str, kind: &IssueType| kind.id() == text || kind.name().eq_ignore_ascii_case(text);
                let kind = |value: &Operand| IssueType::ALL.into_iter().find(|kind| is(&value.text, kind));
                Ok(Test::Types(self.each(kind)?, self.op))
            }
            Field::Priority => {
                let is = |text: &str, it: &Priority| it.id() == text || it.name().eq_ignore_ascii_case(text);
                let priority = |value: &Operand| Priority::ALL.into_iter().find(|it| is(&value.text, it));
                Ok(Test::Priorities(self.each(priority)?, self.op))
            }
            Field::Assignee | Field::Reporter => {
                Ok(Test::Accounts(self.field, self.each(|value| account(site, value))?, self.op))
            }
            Field::Text => Err(self.wrong_operator()),
            Field::Created | Field::Updated => {
                let instants = self.each_date(zone, now)?;
                Ok(Test::Time(self.field, self.op, instants))
            }
        }
    }

    fn wrong_operator(&self) -> Complaint {
        format!("The operator is not supported by the '{}' field.", self.name)
    }

    fn is_comparison(&self) -> bool {
        !matches!(self.op, Op::In | Op::NotIn)
    }

    /// Looks every value up; one that does not exist spoils the query.
    fn each<T, C: FromIterator<T>>(&self, find: impl Fn(&Operand) -> Option<T>) -> Result<C, Complaint> {
        let missing =
            |value: &Operand| format!("The value '{}' does not exist for the field '{}'.", value.text, self.name);
        self.values.iter().map(|value| find(value).ok_or_else(|| missing(value))).collect()
    }

    fn each_date(&self, zone: Tz, now: DateTime<Utc>) -> Result<HashSet<i64>, Complaint> {
        let read = |value: &Operand| {
            if value.function && value.text.eq_ignore_ascii_case("now") {
                return Ok(now.timestamp_millis());
            }
            time::instant(&value.text, value.quoted, zone, now).ok_or_else(|| {
                format!(
                    "Date value '{}' for field '{}' is invalid. Valid formats include: 'yyyy/MM/dd HH:mm', \
                     'yyyy-MM-dd HH:mm', 'yyyy/MM/dd', 'yyyy-MM-dd', or a period format e.g. '-5d', '4w 2d'.",
                    value.text, self.name
                )
            })
        };
        self.values.iter().map(read).collect()
    }

    /// `id >= 10007` compares ids; `key >= ACME-7` compares numbers within that project.
    fn bind_range(&self, site: &State) -> Result<Test, Complaint> {
        let text = self.values.first().map(|value| value.text.as_str()).unwrap_or_default();
        if let Ok(id) = text.parse() {
            return Ok(Test::IdAgainst(self.op, id));
        }
        let parts = text.rsplit_once('-').and_then(|(key, number)| Some((site.project(key)?, number.parse().ok()?)));
        let (project, number) =
            parts.ok_or_else(|| format!("An issue with key '{text}' does not exist for field '{}'.", self.name))?;
        Ok(Test::NumberAgainst(self.op, project, number))
    }
}

impl Test {
    fn accepts(&self, issue: &Issue) -> bool {
        match self {
            Self::Projects(projects, op) => op.holds_among(projects.contains(&issue.project)),
            Self::Ids(ids, op) => op.holds_among(ids.contains(&issue.id)),
            Self::IdAgainst(op, id) => op.holds(issue.id.cmp(id)),
            Self::NumberAgainst(op, project, number) => {
                issue.project == *project && op.holds(issue.number().cmp(number))
            }
            Self::Statuses(statuses, op) => op.holds_among(statuses.contains(&issue.status)),
            Self::Labels(labels, op) => op.holds_among(issue.labels.iter().any(|label| labels.contains(label))),
            Self::Parents(ids, op) => op.holds_among(issue.parent.is_some_and(|parent| ids.contains(&parent))),
            Self::Types(kinds, op) => op.holds_among(kinds.contains(&issue.issue_type)),
            Self::Priorities(priorities, op) => op.holds_among(priorities.contains(&issue.priority)),
            Self::Accounts(field, accounts, op) => {
                let who = if *field == Field::Assignee { issue.assignee.as_ref() } else { Some(&issue.reporter) };
                op.holds_among(who.is_some_and(|who| accounts.contains(who)))
            }
            Self::Words(words) => {
                let summary = issue.summary.to_lowercase();
                words.iter().all(|word| summary.contains(word))
            }
            Self::Has(field, op) => {
                let empty = match field {
                    Field::Parent => issue.parent.is_none(),
                    Field::Assignee => issue.assignee.is_none(),
                    _ => issue.labels.is_empty(),
                };
                empty == (*op == Op::Empty)
            }
            Self::Time(field, op, instants) => {
                let at = if *field == Field::Created { issue.created } else { issue.updated }.timestamp_millis();
                match op {
                    Op::In | Op::NotIn => op.holds_among(instants.contains(&at)),
                    _ => instants.iter().all(|instant| op.holds(at.cmp(instant))),
                }
            }
        }
    }
}

impl Op {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
            Self::In => order.is_eq(),
            Self::NotIn => order.is_ne(),
            Self::Contains | Self::Empty | Self::NotEmpty => false,
        }
    }

    fn holds_among(self, found: bool) -> bool {
        found != (self == Self::NotIn)
    }
}

fn account(site: &State, value: &Operand) -> Option<AccountId> {
    if value.function {
        return value.text.eq_ignore_ascii_case("currentUser").then(|| site.service_account());
    }
    let is = |person: &&Person| *person.account_id == *value.text;
    site.people.iter().find(is).map(|person| person.account_id.clone())
}

fn status(text: &str) -> Option<Status> {
    Status::ALL.into_iter().find(|status| status.id() == text || status.name().eq_ignore_ascii_case(text))
}

impl State {
    /// What searches see: index entries of issues that still exist, are not archived and not hidden, by ascending id.
    pub(crate) fn searchable(&self) -> impl Iterator<Item = &Issue> {
        self.index.seen().values().map(Arc::as_ref).filter(|issue| self.is_visible(issue.id))
    }

    /// The same from behind an id on, in either direction.
    pub(crate) fn searchable_from(
        &self,
        behind: Option<u64>,
        direction: Direction,
    ) -> Box<dyn Iterator<Item = &Issue> + '_> {
        let seen = self.index.seen();
        let visible = |issue: &&Issue| self.is_visible(issue.id);
        match direction {
            Direction::Ascending => {
                let from = behind.map_or(0, |id| id.saturating_add(1));
                Box::new(seen.range(from..).map(|(_, issue)| &**issue).filter(visible))
            }
            Direction::Descending => {
                let to = behind.unwrap_or(u64::MAX);
                Box::new(seen.range(..to).rev().map(|(_, issue)| &**issue).filter(visible))
            }
        }
    }

    fn is_visible(&self, id: u64) -> bool {
        self.issues.get(&id).is_some_and(|issue| !issue.archived && self.sees(issue))
    }
}
