//! Values of options that are one of a few: completion lists them, and a misspelt one is told the nearest.

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

/// One of the things a key may be allowed.
pub(crate) fn scope() -> impl TypedValueParser<Value = Scope> {
    PossibleValuesParser::new(Scope::ALL.map(Scope::name)).try_map(|text| text.parse::<Scope>())
}
