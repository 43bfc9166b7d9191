//! Reads JQL: clauses joined by AND, then an ORDER BY.

use super::lexer::{self, Token};
use super::{Clause, Complaint, Direction, Field, Op, Operand, Order, Query};

/// Reads a query; one without any restriction is refused.
pub(crate) fn parse(text: &str) -> Result<Query, Complaint> {
    let mut parser = Parser { tokens: lexer::split(text)?, at: 0 };
    if let Some(words) = parser.bare_words() {
        let operand = Operand { text: words, quoted: true, function: false };
        let clause = Clause { field: Field::Text, name: "text".into(), op: Op::Contains, values: vec![operand] };
        return Ok(Query { clauses: vec![clause], order: Order::newest_first() });
    }
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

/// What follows an operator.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operands {
    One,
    List,
    None,
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn clause(&mut self) -> Result<Clause, Complaint> {
        let name = self.name()?;
        let field = Field::named(&name)
            .ok_or_else(|| format!("Field '{name}' does not exist or you do not have permission to view it."))?;
        let (op, operands) = self.operator(&name)?;
        let values = match operands {
            Operands::One => vec![self.operand()?],
            Operands::List => self.list()?,
            Operands::None => Vec::new(),
        };
        Ok(Clause { field, name, op, values })
    }

    /// The operator, and what follows it.
    fn operator(&mut self, name: &str) -> Result<(Op, Operands), Complaint> {
        let found = match self.next() {
            Some(Token::Sign("=")) => (Op::In, Operands::One),
            Some(Token::Sign("!=")) => (Op::NotIn, Operands::One),
            Some(Token::Sign("<")) => (Op::Less, Operands::One),
            Some(Token::Sign("<=")) => (Op::LessOrEqual, Operands::One),
            Some(Token::Sign(">")) => (Op::Greater, Operands::One),
            Some(Token::Sign(">=")) => (Op::GreaterOrEqual, Operands::One),
            Some(Token::Sign("~")) => (Op::Contains, Operands::One),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("in") => (Op::In, Operands::List),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("not") => {
                self.expect_word("in")?;
                (Op::NotIn, Operands::List)
            }
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("is") => (self.emptiness()?, Operands::None),
            _ => return Err(format!("Error in the JQL Query: Expecting an operator after '{name}'.")),
        };
        Ok(found)
    }

    /// What follows `is`: `EMPTY`, `NULL`, or `NOT` before one of them.
    fn emptiness(&mut self) -> Result<Op, Complaint> {
        let not = self.is_word("not");
        self.at += usize::from(not);
        if !self.is_word("null") {
            self.expect_word("empty")?;
        } else {
            self.at += 1;
        }
        Ok(if not { Op::NotEmpty } else { Op::Empty })
    }

    /// Words without any sign or operator, which Jira takes for a text to look for.
    fn bare_words(&self) -> Option<String> {
        const MEANT: [&str; 6] = ["order", "and", "or", "not", "in", "is"];
        let words: Option<Vec<&str>> = self.tokens.iter().map(Token::word).collect();
        let words = words.filter(|words| !words.is_empty())?;
        let meant = |word: &&str| MEANT.iter().any(|it| it.eq_ignore_ascii_case(word));
        // `this is not jql` is a text, `parent is empty` is a clause.
        let is_clause = words.first().is_some_and(|first| Field::named(first).is_some());
        let is_text = words.len() == 1 || !words.iter().any(meant) || words.first().is_some_and(|it| !meant(it));
        (!is_clause && is_text).then(|| words.join(" "))
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

    /// The name of a field; in quotes when it has blanks.
    fn name(&mut self) -> Result<String, Complaint> {
        match self.next() {
            Some(Token::Word(name) | Token::Quoted(name)) => Ok(name),
            _ => Err("Error in the JQL Query: Expecting a field name.".into()),
        }
    }

    fn operand(&mut self) -> Result<Operand, Complaint> {
        match self.next() {
            Some(Token::Word(text)) => {
                let function = self.is_sign("(");
                if function {
                    self.at += 1;
                    self.expect_sign(")")?;
                    if !["currentUser", "now"].iter().any(|known| known.eq_ignore_ascii_case(&text)) {
                        return Err(format!("Unable to find JQL function '{text}()'."));
                    }
                }
                Ok(Operand { text, quoted: false, function })
            }
            Some(Token::Quoted(text)) => Ok(Operand { text, quoted: true, function: false }),
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
            let name = self.name()?;
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
