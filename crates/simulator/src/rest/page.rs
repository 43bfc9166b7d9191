//! The page object most of Jira's lists come in.

use serde::Serialize;

/// One portion of a list; `nextPage` only when there is one.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page<T> {
    #[serde(rename = "self")]
    link: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page: Option<String>,
    start_at: usize,
    max_results: usize,
    total: usize,
    is_last: bool,
    values: Vec<T>,
}

impl<T> Page<T> {
    /// The portion of `total` things that begins at `start`; `link` is the list's address, up to its parameters.
    pub(super) fn new(link: &str, (start, most): (usize, usize), total: usize, values: Vec<T>) -> Self {
        let is_last = start.saturating_add(values.len()) >= total;
        let sign = if link.contains('?') { '&' } else { '?' };
        let at = |start: usize| format!("{link}{sign}startAt={start}&maxResults={most}");
        Self {
            link: at(start),
            next_page: (!is_last).then(|| at(start.saturating_add(values.len()))),
            start_at: start,
            max_results: most,
            total,
            is_last,
            values,
        }
    }
}
