//! The part of JQL a mirror needs: clauses joined by AND over what issues are filtered by, and an ORDER BY. Times are
//! read in the caller's zone, as Jira does.

mod filter;
pub(crate) mod lexer;
mod order;
mod parser;
mod time;

pub(crate) use filter::Filter;
pub(crate) use order::{Direction, Order, Place};
pub(crate) use parser::parse;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::world::State;

/// A refusal in Jira's words.
pub(crate) type Complaint = String;

/// A parsed query, not yet bound to a site.
#[derive(Debug)]
pub(crate) struct Query {
    clauses: Vec<Clause>,
    order: Order,
}

#[derive(Debug)]
struct Clause {
    field: Field,
    /// The name as written, for complaints.
    name: String,
    op: Op,
    values: Vec<Operand>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Project,
    Issue,
    Status,
    Labels,
    Created,
    Updated,
    Parent,
    Type,
    Priority,
    Assignee,
    Reporter,
    Text,
}

impl Field {
    fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "project" => Self::Project,
            "id" | "key" | "issue" | "issuekey" => Self::Issue,
            "status" => Self::Status,
            "labels" => Self::Labels,
            "created" | "createddate" => Self::Created,
            "updated" | "updateddate" => Self::Updated,
            "parent" => Self::Parent,
            "issuetype" | "type" => Self::Type,
            "priority" => Self::Priority,
            "assignee" => Self::Assignee,
            "reporter" => Self::Reporter,
            "summary" | "text" => Self::Text,
            _ => return None,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    In,
    NotIn,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// `~`: the words occur.
    Contains,
    Empty,
    NotEmpty,
}

#[derive(Debug)]
struct Operand {
    text: String,
    quoted: bool,
    /// `currentUser()`, `now()`.
    function: bool,
}

/// Whether a complaint is about names nobody knows, not about the form: an anonymous caller does not get to hear it.
pub(crate) fn is_about_names(complaint: &str) -> bool {
    !complaint.starts_with("Error in the JQL Query") && !complaint.starts_with("Unbounded JQL")
}

impl Query {
    /// Binds names and dates to the site as it stands.
    pub(crate) fn resolve(&self, site: &State, zone: Tz, now: DateTime<Utc>) -> Result<Filter, Complaint> {
        Filter::new(&self.clauses, site, zone, now)
    }

    pub(crate) fn order(&self) -> &Order {
        &self.order
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use proptest::prelude::*;

    use super::*;
    use crate::config::Config;
    use crate::world::World;

    fn count(world: &World, jql: &str) -> Result<usize, Complaint> {
        let site = world.read();
        let filter = parse(jql)?.resolve(&site, world.config().account_time_zone, world.now())?;
        Ok(site.searchable().filter(|issue| filter.accepts(issue)).count())
    }

    #[test]
    fn clauses_narrow_down() {
        let world = World::new(Config::default());
        let ids = world.issue_ids();
        let (first, tenth) = (ids[0], ids[9]);
        assert_eq!(count(&world, "project in (ACME, 10001, \"OPS\")").unwrap(), 300);
        assert_eq!(count(&world, "project = acme").unwrap() + count(&world, "project != ACME").unwrap(), 300);
        assert_eq!(count(&world, &format!("id >= {first} AND id < {tenth}")).unwrap(), 9);
        assert_eq!(count(&world, &format!("key in ({first}, {tenth}, NOPE-1)")).unwrap(), 2);
        assert_eq!(count(&world, "key = ACME-1").unwrap(), 1);
        let done = count(&world, "status = Done").unwrap();
        assert_eq!(done + count(&world, "status not in (10003)").unwrap(), 300);
        assert!(count(&world, "labels = 技術 order by created").unwrap() > 0);
        let (bugs, others) = (count(&world, "type = Bug").unwrap(), count(&world, "issuetype != 10004").unwrap());
        assert!(bugs > 0 && bugs + others == 300);
        let (kin, orphans) = (count(&world, "parent is not empty").unwrap(), count(&world, "parent is EMPTY").unwrap());
        assert!(kin > 0 && kin + orphans == 300);
        let child = world.read().issues.values().find_map(|issue| issue.parent).unwrap();
        assert!(count(&world, &format!("parent in ({child}, {first})")).unwrap() > 0);
        assert_eq!(count(&world, "assignee = currentUser() AND assignee is null").unwrap(), 0);
        assert!(count(&world, "created <= now() AND priority in (High, 3)").unwrap() > 0);
        assert!(count(&world, "summary ~ invoice").unwrap() > 0);
    }

    #[test]
    fn bare_words_are_looked_for_as_text() {
        let world = World::new(Config::default());
        assert_eq!(count(&world, "this is not jql"), Ok(0));
        assert!(count(&world, "invoice").unwrap() > 0);
        assert!(count(&world, "project").is_err());
    }

    #[test]
    fn refusals_use_the_recorded_words() {
        let complaint = |jql: &str| parse(jql).err().unwrap_or_default();
        assert!(complaint("order by key").starts_with("Unbounded JQL queries are not allowed here."));
        assert!(complaint("").starts_with("Unbounded JQL"));
        assert_eq!(
            complaint("summary ~ \"unclosed"),
            "Error in the JQL Query: The quoted string 'unclosed' has not been completed. (line 1, character 11)"
        );
        let world = World::new(Config::default());
        let unknown = count(&world, "project = FG").unwrap_err();
        assert_eq!(unknown, "The value 'FG' does not exist for the field 'project'.");
        assert!(count(&world, "updated >= yesterday").unwrap_err().starts_with("Date value 'yesterday'"));
        assert!(count(&world, "wishes = 3").is_err());
        assert_eq!(complaint("id = made()"), "Unable to find JQL function 'made()'.");
        assert!(count(&world, "parent = NOPE-1").is_err());
        let eight = "project = ACME order by id, key, created, updated, id, key, created, updated";
        assert!(complaint(eight).contains("maximum number of fields"));
    }

    /// Everything the grammar knows, and some things it does not.
    const PARTS: &str = "project key updated parent summary ACME ACME-1 10001 -5m \"2026-02-30\" ' in not is empty and \
                         order by desc = != <= > ~ ( ) , now currentUser ü 🦀";

    proptest! {
        #[test]
        fn no_row_of_words_and_signs_makes_it_panic(places in proptest::collection::vec(0..31_usize, 0..12)) {
            let world = World::new(Config { issues: 3, ..Config::default() });
            let parts: Vec<&str> = places.iter().filter_map(|place| PARTS.split_whitespace().nth(*place)).collect();
            let _ = count(&world, &parts.join(" "));
        }
    }

    #[test]
    fn no_input_makes_the_parser_panic() {
        for jql in [
            "(",
            ")",
            "project",
            "project in",
            "project in (",
            "project in (,)",
            "= =",
            "order",
            "order by",
            "project = A order by",
            "project = A order by created,",
            "project = A project = B",
            "\"",
            "'",
            "\\",
            "id > 99999999999999999999999",
            "updated > -99999999999999999999m",
            "updated > 9999999999999999999",
            "key > ACME-99999999999999999999",
            "🦀 = 🦀",
            "project not",
            "parent is",
            "parent is not",
            "id = now(",
            "summary ~",
            "is is is",
            "updated >= \"2026-13-45 99:99\"",
        ] {
            let world = World::new(Config { issues: 3, ..Config::default() });
            let _ = count(&world, jql);
        }
    }
}
