//! Values of options that are one of a few: completion lists them, and a misspelt one is told the nearest.

use chrono::NaiveDate;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use domain::Scope;
use queue::{Job, QueueName};

/// One of the queues.
pub(crate) fn queue() -> impl TypedValueParser<Value = QueueName> {
    PossibleValuesParser::new(QueueName::ALL.map(QueueName::as_str)).try_map(|text| text.parse::<QueueName>())
}

/// One of the kinds of jobs.
pub(crate) fn kind() -> PossibleValuesParser {
    PossibleValuesParser::new(Job::KINDS)
}

/// A day.
pub(crate) fn day(text: &str) -> Result<NaiveDate, &'static str> {
    text.parse().map_err(|_| "a day is written as 2026-02-03")
}

/// One of the things a key may be allowed.
pub(crate) fn scope() -> impl TypedValueParser<Value = Scope> {
    PossibleValuesParser::new(Scope::ALL.map(Scope::name)).try_map(|text| text.parse::<Scope>())
}
