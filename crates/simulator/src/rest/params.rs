//! Query parameters: repeated ones, comma lists, and numbers that are refused when they are none.

use axum::extract::Query;
use axum::http::{StatusCode, Uri};

use super::answer::Refusal;

/// The query string of a request, in order.
#[derive(Default)]
pub(super) struct Params {
    pairs: Vec<(String, String)>,
    path: String,
}

impl Params {
    pub(super) fn of(uri: &Uri) -> Self {
        let pairs = Query::try_from_uri(uri).map_or_else(|_| Vec::new(), |Query(pairs)| pairs);
        Self { pairs, path: uri.path().to_owned() }
    }

    /// The first value of a parameter.
    pub(super) fn one(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Every value of a parameter, repeated or in a comma list.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let values = self.pairs.iter().filter(|(key, _)| key == name);
        let parts = values.flat_map(|(_, value)| value.split(','));
        parts.map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    /// Whether a comma list such as `expand` names this word.
    pub(super) fn names(&self, name: &str, word: &str) -> bool {
        self.list(name).iter().any(|part| part == word)
    }

    /// A whole number; anything else is refused with a problem document.
    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let Some(text) = self.one(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| Refusal::Problem {
            status: StatusCode::BAD_REQUEST,
            detail: format!("Failed to convert '{name}' with value: '{text}'"),
            path: self.path.clone(),
        })
    }

    /// `startAt` and `maxResults`, both at least 0, the latter at most `cap`.
    pub(super) fn page(&self, default: usize, cap: usize) -> Result<(usize, usize), Refusal> {
        let natural = |value: Option<i64>| value.map(|value| usize::try_from(value).unwrap_or(0));
        let start = natural(self.number("startAt")?).unwrap_or(0);
        let most = natural(self.number("maxResults")?).unwrap_or(default);
        Ok((start, most.min(cap)))
    }
}

/// The part of a list a page holds; an empty one behind the end.
pub(super) fn slice<T>(all: &[T], start: usize, most: usize) -> &[T] {
    let end = start.saturating_add(most).min(all.len());
    all.get(start..end).unwrap_or_default()
}
