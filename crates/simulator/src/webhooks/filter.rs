//! Which issues a webhook is for: the small part of JQL that Jira allows there.

use crate::jql::lexer::{self, Token};
use crate::world::State;
use crate::world::issue::Issue;

/// A filter; no text at all accepts everything.
#[derive(Clone, Debug)]
pub(crate) enum Filter {
    Everything,
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Clause { field: Field, values: Vec<String>, wanted: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Issue,
    Project,
    Type,
    Status,
    Priority,
    Assignee,
    Reporter,
}

impl Filter {
    /// Reads a filter, or says in Jira's way what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { tokens: lexer::split(text)?, at: 0 };
        if parser.tokens.is_empty() {
            return Ok(Self::Everything);
        }
        let filter = parser.any()?;
        if parser.at < parser.tokens.len() {
            return Err("Error in the JQL Query: Expecting either 'OR' or 'AND'.".into());
        }
        Ok(filter)
    }

    pub(super) fn accepts(&self, site: &State, issue: &Issue) -> bool {
        match self {
            Self::Everything => true,
            Self::All(parts) => parts.iter().all(|part| part.accepts(site, issue)),
            Self::Any(parts) => parts.iter().any(|part| part.accepts(site, issue)),
            Self::Clause { field, values, wanted } => {
                let names = field.names(site, issue);
                let named = |value: &String| names.iter().any(|name| name.eq_ignore_ascii_case(value));
                values.iter().any(named) == *wanted
            }
        }
    }
}

impl Field {
    fn of(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "issuekey" | "key" | "issue" | "id" => Some(Self::Issue),
            "project" => Some(Self::Project),
            "issuetype" | "type" => Some(Self::Type),
            "status" => Some(Self::Status),
            "priority" => Some(Self::Priority),
            "assignee" => Some(Self::Assignee),
            "reporter" => Some(Self::Reporter),
            _ => None,
        }
    }

    /// Everything the value of an issue can be called by.
    fn names(self, site: &State, issue: &Issue) -> Vec<String> {
        let pair = |id: &str, name: &str| vec![id.to_owned(), name.to_owned()];
        match self {
            Self::Issue => vec![issue.id.to_string(), issue.key.clone()],
            Self::Project => site
                .projects
                .get(issue.project)
                .map_or_else(Vec::new, |it| vec![it.id.clone(), it.key.clone(), it.name.clone()]),
            Self::Type => pair(issue.issue_type.id(), issue.issue_type.name()),
            Self::Status => pair(issue.status.id(), issue.status.name()),
            Self::Priority => pair(issue.priority.id(), issue.priority.name()),
            Self::Assignee => vec![issue.assignee.as_deref().unwrap_or("empty").to_owned()],
            Self::Reporter => vec![issue.reporter.to_string()],
        }
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn any(&mut self) -> Result<Filter, String> {
        let mut parts = vec![self.all()?];
        while self.skip_word("or") {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::Any(parts) })
    }

    fn all(&mut self) -> Result<Filter, String> {
        let mut parts = vec![self.part()?];
        while self.skip_word("and") {
            parts.push(self.part()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::All(parts) })
    }

    fn part(&mut self) -> Result<Filter, String> {
        if !self.skip_sign("(") {
            return self.clause();
        }
        let inner = self.any()?;
        self.expect(")")?;
        Ok(inner)
    }

    fn clause(&mut self) -> Result<Filter, String> {
        let name = self.value()?;
        let field = Field::of(&name).ok_or_else(|| format!("The clause {name} is unsupported"))?;
        let (wanted, list) = if self.skip_sign("=") {
            (true, false)
        } else if self.skip_sign("!=") {
            (false, false)
        } else if self.skip_word("in") {
            (true, true)
        } else if self.skip_word("not") && self.skip_word("in") {
            (false, true)
        } else {
            return Err(format!("The operator behind the clause {name} is unsupported"));
        };
        let values = if list { self.list()? } else { vec![self.value()?] };
        Ok(Filter::Clause { field, values, wanted })
    }

    fn list(&mut self) -> Result<Vec<String>, String> {
        self.expect("(")?;
        let mut values = vec![self.value()?];
        while self.skip_sign(",") {
            values.push(self.value()?);
        }
        self.expect(")")?;
        Ok(values)
    }

    fn value(&mut self) -> Result<String, String> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        match token {
            Some(Token::Word(text) | Token::Quoted(text)) => Ok(text),
            _ => Err("Error in the JQL Query: Expecting either a value, list or function.".into()),
        }
    }

    fn expect(&mut self, sign: &str) -> Result<(), String> {
        self.skip_sign(sign).then_some(()).ok_or_else(|| format!("Error in the JQL Query: Expecting '{sign}'."))
    }

    fn skip_sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Sign(found)) if *found == sign);
        self.at += usize::from(found);
        found
    }

    fn skip_word(&mut self, word: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Word(found)) if found.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::config::Config;
    use crate::world::World;
    use proptest::prelude::*;

    fn count(world: &World, jql: &str) -> usize {
        let (site, filter) = (world.read(), Filter::parse(jql).unwrap());
        site.issues.values().filter(|issue| filter.accepts(&site, issue)).count()
    }

    #[test]
    fn filters_choose_issues() {
        let world = World::new(Config { issues: 90, ..Config::default() });
        assert_eq!(count(&world, ""), 90);
        assert_eq!(count(&world, "project in (ACME, web)") + count(&world, "project NOT IN (ACME, WEB)"), 90);
        assert_eq!(
            count(&world, "project = ACME and (status = Done or status != 10003)"),
            count(&world, "project=ACME")
        );
        assert_eq!(count(&world, "issueKey = acme-1"), 1);
        let bugs = count(&world, "issuetype = Bug and priority in (High, 1) or reporter = nobody");
        assert!(bugs > 0 && bugs < 90);
    }

    #[test]
    fn what_jira_does_not_allow_is_refused() {
        assert_eq!(Filter::parse("watchCount > 3").unwrap_err(), "The clause watchCount is unsupported");
        for jql in ["project ~ A", "project = A B", "project in A", "(project = A", "project not A", "and", "project ="]
        {
            assert!(Filter::parse(jql).is_err(), "{jql}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(project|status|in|not|and|or|[=!()~, \"'a-z]){0,24}") {
            let _ = Filter::parse(&text);
        }
    }
}
