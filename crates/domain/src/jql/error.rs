//! Why a query cannot be answered.

/// What is wrong with a query, where, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("JQL, character {at}: {what}")]
pub struct JqlError {
    /// Counted from 1.
    pub at: usize,
    /// A sentence without a full stop.
    pub what: String,
}

impl JqlError {
    pub(super) fn new(at: usize, what: impl Into<String>) -> Self {
        Self { at, what: what.into() }
    }
}
