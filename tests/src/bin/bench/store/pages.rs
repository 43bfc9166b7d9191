//! What is loaded: 20,000 made-up issues with three comments and five changelog entries each, read as from Jira.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use domain::IssueSnapshot;
use simulator::{Config, Parts};

/// Issues of one load.
pub(crate) const ISSUES: usize = 20_000;
/// Issues of a page, which is a transaction.
pub(crate) const PAGE: usize = 500;

const PROJECTS: usize = 10;

/// Snapshots in pages, the same for every subject.
#[derive(Clone)]
pub(crate) struct Pages(Arc<Vec<Vec<IssueSnapshot>>>);

impl Pages {
    pub(crate) fn make() -> Self {
        let parts = Parts::new(site(ISSUES / PROJECTS));
        let page = |texts: Vec<String>| -> Vec<IssueSnapshot> {
            let read =
                |text: &String| jira::snapshot_from_json(text, parts.end()).expect("the simulator writes as Jira");
            texts.iter().map(read).collect()
        };
        Self(Arc::new(parts.all(PAGE).map(|part| page(parts.issues(&part))).collect()))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[IssueSnapshot]> {
        self.0.iter().map(Vec::as_slice)
    }

    /// Every so many-th page: those of one of several writers whose share is settled before.
    pub(crate) fn share(&self, writer: usize, writers: usize) -> impl Iterator<Item = &[IssueSnapshot]> {
        self.iter().skip(writer).step_by(writers)
    }

    pub(crate) fn pile(&self) -> Arc<Pile> {
        Arc::new(Pile { pages: self.clone(), taken: AtomicUsize::new(0) })
    }

    /// Bytes of an issue's document, on average.
    pub(crate) fn bytes(&self) -> usize {
        let all = self.0.iter().flatten();
        all.map(|snapshot| snapshot.raw.as_str().len()).sum::<usize>() / ISSUES
    }
}

/// Pages that several writers work off: each takes the next when it has written one, as workers take jobs.
pub(crate) struct Pile {
    pages: Pages,
    taken: AtomicUsize,
}

impl Pile {
    pub(crate) fn take(&self) -> Option<&[IssueSnapshot]> {
        self.pages.0.get(self.taken.fetch_add(1, Ordering::Relaxed)).map(Vec::as_slice)
    }
}

/// A site with so many issues in each project. Worklogs are left out: the references do not write them.
pub(crate) fn site(issues: usize) -> Config {
    Config {
        projects: PROJECTS,
        issues,
        users: 40,
        comments_per_issue: 3..=3,
        histories_per_issue: 5..=5,
        worklogs_per_issue: 0..=0,
        ..Config::default()
    }
}
