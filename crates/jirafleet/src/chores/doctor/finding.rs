//! What one check found, and in which state that is.

use std::fmt::Display;

use chrono::TimeDelta;
use serde::Serialize;

use crate::output;

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Ok,
    Warning,
    Failure,
    Skipped,
}

impl State {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failure => "failure",
            Self::Skipped => "skipped",
        }
    }
}

/// What one check found.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    /// Its stable name.
    pub(super) check: &'static str,
    /// Of which instance, queue or view, where there are several.
    pub(super) of: Option<String>,
    pub(super) state: State,
    pub(super) found: String,
    /// Why that matters.
    pub(super) why: Option<String>,
    /// What to do.
    pub(super) next: Option<String>,
}

impl output::Row for Finding {
    const SCHEMA: &'static str = "jirafleet.doctor/1";
}

impl Finding {
    pub(super) fn ok(check: &'static str, found: impl Display) -> Self {
        Self { check, of: None, state: State::Ok, found: found.to_string(), why: None, next: None }
    }

    pub(super) fn warning(check: &'static str, found: impl Display, why: impl Display, next: impl Display) -> Self {
        let (why, next) = (Some(why.to_string()), Some(next.to_string()));
        Self { state: State::Warning, why, next, ..Self::ok(check, found) }
    }

    pub(super) fn failure(check: &'static str, found: impl Display, why: impl Display, next: impl Display) -> Self {
        Self { state: State::Failure, ..Self::warning(check, found, why, next) }
    }

    /// Not looked at, since something else is wrong or not there.
    pub(super) fn skipped(check: &'static str, because: impl Display) -> Self {
        Self { state: State::Skipped, ..Self::ok(check, because) }
    }

    pub(super) fn of(self, what: impl Display) -> Self {
        Self { of: Some(what.to_string()), ..self }
    }

    /// The check and what it is of.
    pub(super) fn title(&self) -> String {
        match &self.of {
            Some(of) => format!("{} ({of})", self.check),
            None => self.check.to_owned(),
        }
    }
}

/// All of these, not looked at for one reason.
pub(super) fn all_skipped(checks: &[&'static str], because: impl Display) -> Vec<Finding> {
    checks.iter().map(|check| Finding::skipped(check, &because)).collect()
}

/// Seconds by which clocks may differ without a word, and without harm.
const CLOCK: (i64, i64) = (2, 30);

/// Judges another machine's clock by how far it is ahead of ours.
pub(super) fn clock(check: &'static str, whose: &str, ahead: TimeDelta) -> Finding {
    let off = ahead.abs();
    let way = if ahead < TimeDelta::zero() { "behind" } else { "ahead of" };
    let found = format!("{whose} clock is {:.3} s {way} this machine's", off.as_seconds_f64());
    let why = "leases, budgets and watermarks compare times of several machines";
    let next = "let every machine follow one time server (`timedatectl set-ntp true`)";
    match off.num_seconds() {
        seconds if seconds >= CLOCK.1 => Finding::failure(check, found, why, next),
        seconds if seconds >= CLOCK.0 => Finding::warning(check, found, why, next),
        _ => Finding::ok(check, found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_may_differ_a_little() {
        let state = |milliseconds| clock("postgres.clock", "PostgreSQL's", TimeDelta::milliseconds(milliseconds)).state;
        for (off, expected) in [(0, State::Ok), (1_900, State::Ok), (2_000, State::Warning), (31_000, State::Failure)] {
            assert_eq!((state(off), state(-off)), (expected, expected), "{off} ms");
        }
        let behind = clock("redis.clock", "Redis's", TimeDelta::seconds(-40));
        assert_eq!(behind.found, "Redis's clock is 40.000 s behind this machine's");
    }
}
