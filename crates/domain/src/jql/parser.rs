//! From JQL's pieces to its clauses. `NOT` binds closest, then `AND`, then `OR`.

use super::{
    Clause, Field, JqlError, Operator, Query, Term, Value, ValueKind, field,
    lexer::{self, Token, TokenKind},
    moment::{self, Moment},
};
use crate::search::{Attribute, Direction, Place, Question, Sort};

/// Parentheses and negations inside each other.
const DEEPEST: usize = 50;
/// Comparisons in one query, and values in one list.
const MOST: usize = 500;

pub(super) fn parse(text: &str) -> Result<Query, JqlError> {
    let mut parser = Parser { tokens: lexer::split(text)?, next: 0, depth: 0, terms: 0 };
    let clause = if parser.at_order() || parser.peek().kind == TokenKind::End { None } else { Some(parser.any()?) };
    let order = parser.order()?;
    let rest = parser.peek();
    if rest.kind != TokenKind::End {
        return Err(JqlError::new(rest.at, format!("expected AND, OR, ORDER BY or the end, not {}", rest.kind.name())));
    }
    Ok(Query { clause, order })
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
    terms: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        // The last token is the end, which is never passed.
        &self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn takes(&mut self, signs: [&str; 2], word: &str) -> bool {
        let kind = &self.peek().kind;
        let hit = kind.is(word) || matches!(kind, TokenKind::Sign(sign) if signs.contains(sign));
        self.next += usize::from(hit);
        hit
    }

    fn any(&mut self) -> Result<Clause, JqlError> {
        let mut parts = vec![self.all()?];
        while self.takes(["||", "|"], "or") {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Clause::Or(parts) })
    }

    fn all(&mut self) -> Result<Clause, JqlError> {
        let mut parts = vec![self.one()?];
        while self.takes(["&&", "&"], "and") {
            parts.push(self.one()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Clause::And(parts) })
    }

    fn one(&mut self) -> Result<Clause, JqlError> {
        let token = self.peek();
        let at = token.at;
        if token.kind.is("not") || token.kind == TokenKind::Sign("!") {
            self.next += 1;
            return self.deeper(at, |parser| Ok(Clause::Not(Box::new(parser.one()?))));
        }
        if token.kind != TokenKind::Sign("(") {
            return self.term();
        }
        self.next += 1;
        let inner = self.deeper(at, Self::any)?;
        self.expect(")")?;
        Ok(inner)
    }

    fn deeper<T>(&mut self, at: usize, read: impl FnOnce(&mut Self) -> Result<T, JqlError>) -> Result<T, JqlError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(JqlError::new(at, format!("parentheses and NOT nest at most {DEEPEST} deep")));
        }
        let read = read(self)?;
        self.depth -= 1;
        Ok(read)
    }

    fn expect(&mut self, sign: &'static str) -> Result<(), JqlError> {
        let token = self.take();
        if token.kind == TokenKind::Sign(sign) {
            return Ok(());
        }
        Err(JqlError::new(token.at, format!("expected `{sign}`, not {}", token.kind.name())))
    }

    fn term(&mut self) -> Result<Clause, JqlError> {
        let (at, field) = self.field()?;
        self.terms += 1;
        if self.terms > MOST {
            return Err(JqlError::new(at, format!("a query has at most {MOST} comparisons")));
        }
        let (at, operator) = self.operator()?;
        must_take(&field, operator, at)?;
        let values = match operator {
            Operator::In | Operator::NotIn => self.list(&field)?,
            _ => vec![self.value(&field)?],
        };
        if matches!(operator, Operator::Is | Operator::IsNot) {
            must_be_empty(&values[0])?;
        }
        Ok(Clause::Term(Term { field, operator, values }))
    }

    fn field(&mut self) -> Result<(usize, Field), JqlError> {
        let token = self.take();
        match &token.kind {
            TokenKind::Quoted(name) => Ok((token.at, field::quoted(name))),
            TokenKind::Word(name) => Ok((token.at, field::plain(name).map_err(|why| JqlError::new(token.at, why))?)),
            other => Err(JqlError::new(token.at, format!("expected a field, not {}", other.name()))),
        }
    }

    fn operator(&mut self) -> Result<(usize, Operator), JqlError> {
        let token = self.take();
        let operator = match &token.kind {
            TokenKind::Sign("=") => Operator::Equals,
            TokenKind::Sign("!=") => Operator::NotEquals,
            TokenKind::Sign("<") => Operator::Less,
            TokenKind::Sign("<=") => Operator::AtMost,
            TokenKind::Sign(">") => Operator::More,
            TokenKind::Sign(">=") => Operator::AtLeast,
            TokenKind::Sign("~") => Operator::Has,
            TokenKind::Sign("!~") => Operator::HasNot,
            kind if kind.is("in") => Operator::In,
            kind if kind.is("not") && self.peek().kind.is("in") => {
                self.next += 1;
                Operator::NotIn
            }
            kind if kind.is("is") && self.peek().kind.is("not") => {
                self.next += 1;
                Operator::IsNot
            }
            kind if kind.is("is") => Operator::Is,
            kind if kind.is("was") || kind.is("changed") => {
                return Err(JqlError::new(
                    token.at,
                    format!("{} asks about the past, which is not supported: read the issue's changelog", kind.name()),
                ));
            }
            other => {
                let known = "= != < <= > >= ~ !~ IN, NOT IN, IS or IS NOT";
                return Err(JqlError::new(token.at, format!("expected {known}, not {}", other.name())));
            }
        };
        Ok((token.at, operator))
    }

    fn list(&mut self, field: &Field) -> Result<Vec<Value>, JqlError> {
        self.expect("(")?;
        let mut values = vec![self.value(field)?];
        while self.peek().kind == TokenKind::Sign(",") {
            self.next += 1;
            values.push(self.value(field)?);
            if values.len() > MOST {
                return Err(JqlError::new(self.peek().at, format!("a list has at most {MOST} values")));
            }
        }
        self.expect(")")?;
        Ok(values)
    }

    fn value(&mut self, field: &Field) -> Result<Value, JqlError> {
        let token = self.take();
        let at = token.at;
        let kind = match token.kind {
            TokenKind::Word(word) if self.peek().kind == TokenKind::Sign("(") => self.function(at, &word, field)?,
            TokenKind::Word(word) if is_empty_word(&word) => ValueKind::Empty,
            TokenKind::Word(text) | TokenKind::Quoted(text) => literal(at, field, text)?,
            other => return Err(JqlError::new(at, format!("expected a value, not {}", other.name()))),
        };
        Ok(Value { at, kind })
    }

    fn function(&mut self, at: usize, name: &str, field: &Field) -> Result<ValueKind, JqlError> {
        self.expect("(")?;
        let argument = match self.peek().kind.clone() {
            TokenKind::Word(text) | TokenKind::Quoted(text) => {
                self.next += 1;
                Some(text)
            }
            _ => None,
        };
        self.expect(")")?;
        let person = matches!(field, Field::Listed(Attribute::Assignee | Attribute::Reporter | Attribute::Creator));
        if name.eq_ignore_ascii_case("currentUser") && person && argument.is_none() {
            return Ok(ValueKind::CurrentUser);
        }
        let timed = matches!(field, Field::Time(_) | Field::Due);
        let moment = if timed { Moment::function(name, argument.as_deref()) } else { None };
        moment.map(ValueKind::Time).ok_or_else(|| {
            let name = lexer::short(name);
            JqlError::new(at, format!("the function `{name}` is not known here, or not with this argument"))
        })
    }

    fn at_order(&self) -> bool {
        let following = self.tokens.get(self.next + 1);
        self.peek().kind.is("order") && following.is_some_and(|token| token.kind.is("by"))
    }

    fn order(&mut self) -> Result<Vec<Sort>, JqlError> {
        let mut order = Vec::new();
        if !self.at_order() {
            return Ok(order);
        }
        self.next += 2;
        loop {
            order.push(self.sort()?);
            if self.peek().kind != TokenKind::Sign(",") {
                return Ok(order);
            }
            if order.len() == Question::LONGEST_ORDER {
                let what = format!("ORDER BY takes at most {} fields", Question::LONGEST_ORDER);
                return Err(JqlError::new(self.peek().at, what));
            }
            self.next += 1;
        }
    }

    fn sort(&mut self) -> Result<Sort, JqlError> {
        let (at, field) = self.field()?;
        let sortable = "sorted by key, created, updated, resolved, due and priority";
        let by = field.sort_key().ok_or_else(|| JqlError::new(at, format!("an answer can only be {sortable}")))?;
        let direction = if self.peek().kind.is("desc") { Direction::Descending } else { Direction::Ascending };
        if self.peek().kind.is("desc") || self.peek().kind.is("asc") {
            self.next += 1;
        }
        Ok(Sort { by, direction })
    }
}

fn is_empty_word(word: &str) -> bool {
    word.eq_ignore_ascii_case("empty") || word.eq_ignore_ascii_case("null")
}

fn must_take(field: &Field, operator: Operator, at: usize) -> Result<(), JqlError> {
    use Operator::{AtLeast, AtMost, Equals, Has, HasNot, In, Is, IsNot, Less, More, NotEquals, NotIn};
    let (takes, which): (&[Operator], _) = match field {
        Field::Words(Place::Description) => (&[Has, HasNot, Is, IsNot], "~, !~, IS and IS NOT"),
        Field::Words(_) => (&[Has, HasNot], "~ and !~"),
        Field::Time(_) | Field::Due => (
            &[Equals, NotEquals, Less, AtMost, More, AtLeast, In, NotIn, Is, IsNot],
            "=, !=, <, <=, >, >=, IN, NOT IN, IS and IS NOT",
        ),
        Field::Listed(_) | Field::Custom(_) => {
            (&[Equals, NotEquals, In, NotIn, Is, IsNot], "=, !=, IN, NOT IN, IS and IS NOT")
        }
    };
    if takes.contains(&operator) {
        return Ok(());
    }
    Err(JqlError::new(at, format!("this field takes {which} here, not {}", operator.name())))
}

fn must_be_empty(value: &Value) -> Result<(), JqlError> {
    match value.kind {
        ValueKind::Empty => Ok(()),
        _ => Err(JqlError::new(value.at, "IS and IS NOT take EMPTY")),
    }
}

fn literal(at: usize, field: &Field, text: String) -> Result<ValueKind, JqlError> {
    match field {
        Field::Time(_) | Field::Due => match moment::Moment::literal(&text) {
            Some(moment) => Ok(ValueKind::Time(moment)),
            None => {
                let text = lexer::short(&text);
                let forms = "\"2026-02-28\", \"2026-02-28 13:45\", -7d, \"-1w 2d\" or startOfDay()";
                Err(JqlError::new(at, format!("`{text}` is no time; write {forms}")))
            }
        },
        Field::Words(_) if crate::search::words_asked(&text).is_empty() => {
            Err(JqlError::new(at, "a text to look for has a letter or a digit"))
        }
        Field::Listed(Attribute::Category) if super::meaning::category(&text).is_none() => {
            Err(JqlError::new(at, "a status category is \"To Do\", \"In Progress\" or Done"))
        }
        Field::Listed(Attribute::Sprint) if text.parse::<i64>().is_err() => {
            Err(JqlError::new(at, "sprints are known by their numbers"))
        }
        _ => Ok(ValueKind::Text(text)),
    }
}
