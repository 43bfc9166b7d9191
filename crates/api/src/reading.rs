//! Reading requests: queries in which every parameter is known, and texts of theirs that become values.

use std::str::FromStr;

use axum::{extract::FromRequestParts, http::request::Parts};
use domain::{
    Invalid,
    search::{Direction, Limit, Sort, SortKey},
};
use serde::de::DeserializeOwned;

use crate::{
    problem::Problem,
    usecases::{Error, Paging},
};

/// The query of a request.
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        serde_html_form::from_str(query).map(Self).map_err(|error| Problem::Query(error.to_string()))
    }
}

/// Values read from texts; what is no value is collected.
#[derive(Default)]
pub(crate) struct Reader {
    faults: Vec<Invalid>,
}

impl Reader {
    /// A value that may be absent.
    pub(crate) fn one<T: FromStr>(&mut self, name: &str, text: Option<&str>, why: &str) -> Option<T> {
        let read = text?.parse();
        if read.is_err() {
            self.faults.push(Invalid::new(name, why));
        }
        read.ok()
    }

    /// Several values.
    pub(crate) fn all<T: FromStr>(&mut self, name: &str, texts: &[String], why: &str) -> Vec<T> {
        texts.iter().filter_map(|text| self.one(name, Some(text), why)).collect()
    }

    /// A page's length and beginning.
    pub(crate) fn paging(&mut self, limit: Option<&str>, cursor: Option<String>) -> Paging {
        let limit = match limit.map(|text| text.parse().ok().and_then(|limit| Limit::new(limit).ok())) {
            Some(None) => {
                self.faults.push(Invalid::new("limit", format!("must be 1 to {}", Limit::MOST)));
                Limit::default()
            }
            Some(Some(limit)) => limit,
            None => Limit::default(),
        };
        Paging { limit, cursor }
    }

    /// An order as `-updated,key`: a minus goes down.
    pub(crate) fn order(&mut self, text: Option<&str>) -> Vec<Sort> {
        let parts = text.into_iter().flat_map(|text| text.split(','));
        let order: Option<Vec<Sort>> = parts.map(sort).collect();
        order.unwrap_or_else(|| {
            let why = "must be keys of updated, created, resolved, due, key, id, priority, joined by commas, each with a \
                       minus in front to go down";
            self.faults.push(Invalid::new("sort", why));
            Vec::new()
        })
    }

    /// Whether a flag is set.
    pub(crate) fn flag(&mut self, name: &str, text: Option<&str>) -> bool {
        self.one(name, text, "must be true or false").unwrap_or(false)
    }

    /// One more thing that is wrong.
    pub(crate) fn fault(&mut self, name: &str, why: &str) {
        self.faults.push(Invalid::new(name, why));
    }

    /// Refuses all that was wrong, at once.
    pub(crate) fn end(self) -> Result<(), Error> {
        if self.faults.is_empty() { Ok(()) } else { Err(Error::Invalid(self.faults)) }
    }
}

fn sort(text: &str) -> Option<Sort> {
    let (name, direction) = match text.strip_prefix('-') {
        Some(name) => (name, Direction::Descending),
        None => (text, Direction::Ascending),
    };
    let keys = [
        SortKey::Updated,
        SortKey::Created,
        SortKey::Resolved,
        SortKey::Due,
        SortKey::Key,
        SortKey::Id,
        SortKey::Priority,
    ];
    keys.into_iter().find(|key| key.name() == name).map(|by| Sort { by, direction })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_wrong_is_named() {
        let mut reader = Reader::default();
        assert_eq!(reader.one::<i64>("sprint", Some("x"), "must be a number"), None);
        assert_eq!(reader.order(Some("-updated,key")).len(), 2);
        assert!(reader.order(Some("colour")).is_empty());
        reader.paging(Some("0"), None);
        let Err(Error::Invalid(faults)) = reader.end() else { panic!("there are faults") };
        let named: Vec<&str> = faults.iter().map(|fault| fault.what.as_str()).collect();
        assert_eq!(named, ["sprint", "sort", "limit"]);
    }
}
