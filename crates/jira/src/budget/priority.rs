//! How urgent a question is, and what Jira limits by itself.

/// How urgent a question is: who may take the last of the budget.
///
/// A backfill always leaves one question, so that one that somebody waits for never stands behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Somebody is waiting: may use everything.
    Live,
    /// The poll: leaves a tenth.
    Poll,
    /// Housekeeping: leaves a fifth.
    Upkeep,
    /// Backfills: leave three tenths, and one question at least.
    Bulk,
}

impl Priority {
    pub(crate) const ALL: [Self; 4] = [Self::Live, Self::Poll, Self::Upkeep, Self::Bulk];

    /// Its place in the order, the most urgent first.
    pub(super) fn rank(self) -> u32 {
        match self {
            Self::Live => 0,
            Self::Poll => 1,
            Self::Upkeep => 2,
            Self::Bulk => 3,
        }
    }

    /// Its name in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Poll => "poll",
            Self::Upkeep => "upkeep",
            Self::Bulk => "bulk",
        }
    }
}

/// What is done to a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Read.
    Get,
    /// Ask with a body, or make.
    Post,
    /// Replace.
    Put,
    /// Remove.
    Delete,
}

impl Verb {
    /// As HTTP spells it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// What Jira limits by itself, whoever asks: one endpoint of a site under one verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    verb: Verb,
    route: &'static str,
}

impl Endpoint {
    /// An endpoint by its route, with placeholders.
    pub const fn new(verb: Verb, route: &'static str) -> Self {
        Self { verb, route }
    }

    pub(crate) const fn verb(self) -> Verb {
        self.verb
    }

    pub(crate) const fn route(self) -> &'static str {
        self.route
    }

    /// How many questions a second Jira takes there in the long run. The size of its bucket is not published, so this is
    /// what we keep to.
    pub(crate) fn per_second(self) -> u32 {
        match (self.verb, self.route) {
            (Verb::Get, "/issue/{id}") | (Verb::Post, "/search/approximate-count") => 150,
            (Verb::Get, "/issue/{id}/changelog") => 200,
            (Verb::Get | Verb::Post, _) => 100,
            (Verb::Put | Verb::Delete, _) => 50,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_keep_to_what_jira_grants() {
        assert_eq!(Endpoint::new(Verb::Post, "/search/jql").per_second(), 100);
        assert_eq!(Endpoint::new(Verb::Get, "/issue/{id}").per_second(), 150);
        assert_eq!(Endpoint::new(Verb::Put, "/issue/{id}").per_second(), 50);
    }
}
