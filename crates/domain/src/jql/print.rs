//! A query in its canonical form, which means the same and is parsed into the same.

use std::fmt::{self, Display, Formatter, Write};

use super::{Clause, Field, Operator, Query, Term, Value, ValueKind};

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(clause) = &self.clause {
            clause.fmt(f)?;
        }
        for (n, sort) in self.order.iter().enumerate() {
            let lead = match (n, &self.clause) {
                (0, None) => "ORDER BY ",
                (0, Some(_)) => " ORDER BY ",
                _ => ", ",
            };
            write!(f, "{lead}{sort}")?;
        }
        Ok(())
    }
}

impl Display for Clause {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Or(parts) => joined(parts, " OR ", f),
            Self::And(parts) => joined(parts, " AND ", f),
            Self::Not(inner) => {
                f.write_str("NOT ")?;
                inside(inner, f)
            }
            Self::Term(term) => term.fmt(f),
        }
    }
}

fn joined(parts: &[Clause], between: &str, f: &mut Formatter<'_>) -> fmt::Result {
    for (n, part) in parts.iter().enumerate() {
        if n > 0 {
            f.write_str(between)?;
        }
        inside(part, f)?;
    }
    Ok(())
}

fn inside(clause: &Clause, f: &mut Formatter<'_>) -> fmt::Result {
    match clause {
        Clause::And(_) | Clause::Or(_) => write!(f, "({clause})"),
        Clause::Not(_) | Clause::Term(_) => clause.fmt(f),
    }
}

impl Display for Term {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match (self.field.name(), self.field.number(), &self.field) {
            (Some(name), ..) => f.write_str(name)?,
            (_, Some(number), _) => write!(f, "cf[{number}]")?,
            (_, _, Field::Custom(name)) => quoted(name, f)?,
            _ => return Err(fmt::Error),
        }
        write!(f, " {} ", self.operator.name())?;
        if !matches!(self.operator, Operator::In | Operator::NotIn) {
            return self.values[0].fmt(f);
        }
        f.write_char('(')?;
        for (n, value) in self.values.iter().enumerate() {
            if n > 0 {
                f.write_str(", ")?;
            }
            value.fmt(f)?;
        }
        f.write_char(')')
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ValueKind::Empty => f.write_str("EMPTY"),
            ValueKind::CurrentUser => f.write_str("currentUser()"),
            ValueKind::Time(moment) => moment.fmt(f),
            ValueKind::Text(text) => quoted(text, f),
        }
    }
}

/// Every text in quotes: no word can then be taken for one of JQL's own.
fn quoted(text: &str, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_char('"')?;
    for letter in text.chars() {
        match letter {
            '"' | '\\' => write!(f, "\\{letter}")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            letter => f.write_char(letter)?,
        }
    }
    f.write_char('"')
}

impl Operator {
    /// As JQL writes it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Equals => "=",
            Self::NotEquals => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
            Self::Has => "~",
            Self::HasNot => "!~",
            Self::In => "IN",
            Self::NotIn => "NOT IN",
            Self::Is => "IS",
            Self::IsNot => "IS NOT",
        }
    }
}
