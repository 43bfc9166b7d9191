//! The part of JQL a mirror needs: clauses joined by AND over project, id, key, status, labels, created and updated,
//! and an ORDER BY. Times are read in the caller's zone, as Jira does.

mod filter;
pub(crate) mod lexer;
mod order;
mod time;

pub(crate) use filter::Filter;
pub(crate) use order::{Direction, Order, Place};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::world::State;
use lexer::Token;

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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    In,
    NotIn,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug)]
struct Operand {
    text: String,
    quoted: bool,
}

/// Reads a query; one without any restriction is refused.
pub(crate) fn parse(text: &str) -> Result<Query, Complaint> {
    let mut parser = Parser { tokens: lexer::split(text)?, at: 0 };
    let mut clauses = Vec::new();
    while !parser.at_end() && !parser.is_word("order") {
        if !clauses.is_empty() {
            parser.expect_word("and")?;
        }
        clauses.push(parser.clause()?);
    }
    let order = parser.order()?;
    if clauses.is_empty() {
        return Err("Unbounded JQL queries are not allowed here. Please add a search restriction to your query.".into());
    }
    Ok(Query { clauses, order })
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

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn clause(&mut self) -> Result<Clause, Complaint> {
        let name = self.operand()?.text;
        let field = match name.to_ascii_lowercase().as_str() {
            "project" => Field::Project,
            "id" | "key" | "issue" | "issuekey" => Field::Issue,
            "status" => Field::Status,
            "labels" => Field::Labels,
            "created" | "createddate" => Field::Created,
            "updated" | "updateddate" => Field::Updated,
            _ => return Err(format!("Field '{name}' does not exist or you do not have permission to view it.")),
        };
        let (op, list) = self.operator(&name)?;
        let values = if list { self.list()? } else { vec![self.operand()?] };
        Ok(Clause { field, name, op, values })
    }

    /// The operator, and whether a list follows.
    fn operator(&mut self, name: &str) -> Result<(Op, bool), Complaint> {
        let found = match self.next() {
            Some(Token::Sign("=")) => (Op::In, false),
            Some(Token::Sign("!=")) => (Op::NotIn, false),
            Some(Token::Sign("<")) => (Op::Less, false),
            Some(Token::Sign("<=")) => (Op::LessOrEqual, false),
            Some(Token::Sign(">")) => (Op::Greater, false),
            Some(Token::Sign(">=")) => (Op::GreaterOrEqual, false),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("in") => (Op::In, true),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("not") => {
                self.expect_word("in")?;
                (Op::NotIn, true)
            }
            _ => return Err(format!("Error in the JQL Query: Expecting an operator after '{name}'.")),
        };
        Ok(found)
    }

    fn list(&mut self) -> Result<Vec<Operand>, Complaint> {
        self.expect_sign("(")?;
        let mut values = vec![self.operand()?];
        while self.is_sign(",") {
            self.at += 1;
            values.push(self.operand()?);
        }
        self.expect_sign(")")?;
        Ok(values)
    }

    fn operand(&mut self) -> Result<Operand, Complaint> {
        match self.next() {
            Some(Token::Word(text)) => Ok(Operand { text, quoted: false }),
            Some(Token::Quoted(text)) => Ok(Operand { text, quoted: true }),
            _ => Err("Error in the JQL Query: Expecting either a value, list or function.".into()),
        }
    }

    fn order(&mut self) -> Result<Order, Complaint> {
        if self.at_end() {
            return Ok(Order::newest_first());
        }
        self.expect_word("order")?;
        self.expect_word("by")?;
        let mut order = Order::empty();
        loop {
            let name = self.operand()?.text;
            let direction = if self.is_word("desc") { Direction::Descending } else { Direction::Ascending };
            if self.is_word("desc") || self.is_word("asc") {
                self.at += 1;
            }
            order.then(&name, direction)?;
            if self.at_end() {
                return Ok(order);
            }
            self.expect_sign(",")?;
        }
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn at_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.tokens.get(self.at), Some(Token::Word(found)) if found.eq_ignore_ascii_case(word))
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.tokens.get(self.at), Some(Token::Sign(found)) if *found == sign)
    }

    fn expect_word(&mut self, word: &str) -> Result<(), Complaint> {
        let found = self.is_word(word);
        self.at += 1;
        found.then_some(()).ok_or_else(|| format!("Error in the JQL Query: Expecting '{}'.", word.to_uppercase()))
    }

    fn expect_sign(&mut self, sign: &str) -> Result<(), Complaint> {
        let found = self.is_sign(sign);
        self.at += 1;
        found.then_some(()).ok_or_else(|| format!("Error in the JQL Query: Expecting '{sign}'."))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
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
            "updated >= \"2026-13-45 99:99\"",
        ] {
            let world = World::new(Config { issues: 3, ..Config::default() });
            let _ = count(&world, jql);
        }
    }
}
