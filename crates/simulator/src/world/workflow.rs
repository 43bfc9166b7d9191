//! The workflow of every project: which transitions lead from a status, and what their screens hold.

use super::catalogue::Status;

/// A way from one status to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Transition {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    /// `None` leads from everywhere.
    from: Option<Status>,
    pub(crate) to: Status,
    /// Screens have the resolution on them.
    pub(crate) has_screen: bool,
}

const TRANSITIONS: [Transition; 6] = [
    step("11", "Start progress", Status::ToDo, Status::InProgress),
    step("21", "Ask for review", Status::InProgress, Status::InReview),
    Transition { id: "31", name: "Done", from: None, to: Status::Done, has_screen: true },
    step("41", "Stop progress", Status::InProgress, Status::ToDo),
    step("51", "Back to work", Status::InReview, Status::InProgress),
    step("61", "Reopen", Status::Done, Status::ToDo),
];

const fn step(id: &'static str, name: &'static str, from: Status, to: Status) -> Transition {
    Transition { id, name, from: Some(from), to, has_screen: false }
}

impl Transition {
    /// Whether it leads from every status.
    pub(crate) fn is_global(&self) -> bool {
        self.from.is_none()
    }
}

/// What can be done with an issue in this status; nothing leads to where it already is.
pub(crate) fn from(status: Status) -> impl Iterator<Item = &'static Transition> {
    TRANSITIONS.iter().filter(move |it| it.to != status && it.from.is_none_or(|from| from == status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_way_out_and_no_way_to_itself() {
        for status in Status::ALL {
            assert!(from(status).count() > 0);
            assert!(from(status).all(|way| way.to != status));
        }
        assert!(from(Status::ToDo).all(|way| way.id != "21"), "review is asked for after the start");
    }
}
