//! What hangs on issues: comments, worklogs, changelogs, links. An issue's snapshot lists all of them, so what it does not list goes.
//!
//! Rows that are held as they are told are left alone. A new issue's row was made in this transaction, so nothing can hang on it
//! yet: a page of new ones is added without looking (a third less work, and no plan that was made while the table was small and
//! walks it when it has grown).
//! The statements leave the planner no choice (a lookup by key for each issue, `OFFSET 0` keeps it so): while a table is
//! young there are no statistics, and its guesses walk everything. The issue's row is locked, so a row's place stays.

mod changelogs;
mod comments;
mod links;
mod worklogs;

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
};

use domain::{Change, Comment, History, InstanceId, IssueId, IssueLink, TenantId, Worklog};
use sea_orm::sqlx::{Postgres, postgres::PgArguments, query::Query};

use super::Sighting;
use crate::orm::sql_with_room;

/// Bytes that most rows take.
const ROW: usize = 500;

/// The children of a page's issues, and which of the issues may have had others.
pub(super) struct Family<'s> {
    known: Vec<i64>,
    comments: Vec<(i64, &'s Comment)>,
    worklogs: Vec<(i64, &'s Worklog)>,
    changes: Vec<Row<'s>>,
    links: Vec<(i64, i32, &'s IssueLink)>,
}

/// One row of a changelog: an entry with one of its changes, or with none under the number -1.
struct Row<'s> {
    issue: i64,
    history: &'s History,
    item_no: i32,
    change: Option<&'s Change>,
}

impl<'s> Family<'s> {
    /// The children of the issues that were written; `written` says for each whether its row is a new one.
    pub(super) fn of(news: &[&Sighting<'s>], written: &HashMap<IssueId, bool>) -> Self {
        let known = written.iter().filter(|(_, fresh)| !**fresh).map(|(id, _)| id.0).collect();
        let mut family =
            Self { known, comments: Vec::new(), worklogs: Vec::new(), changes: Vec::new(), links: Vec::new() };
        for sighting in news.iter().filter(|sighting| written.contains_key(&sighting.id())) {
            let (id, snapshot) = (sighting.id().0, sighting.snapshot);
            family.comments.extend(once(&snapshot.comments, |comment| comment.id).map(|comment| (id, comment)));
            family.worklogs.extend(once(&snapshot.worklogs, |worklog| worklog.id).map(|worklog| (id, worklog)));
            family
                .changes
                .extend(once(&snapshot.changelog, |history| history.id).flat_map(|history| rows(id, history)));
            let links = once(&snapshot.links, |link| (link.id, link.direction.name()));
            family.links.extend((0..).zip(links).map(|(position, link)| (id, position, link)));
        }
        family
    }
}

/// Pages that shift while they are read can show a thing twice; a statement may write a row only once.
fn once<T, K: Eq + Hash>(all: &[T], key: impl Fn(&T) -> K) -> impl Iterator<Item = &T> {
    let mut known = HashSet::new();
    all.iter().filter(move |one| known.insert(key(one)))
}

fn rows(issue: i64, history: &History) -> Vec<Row<'_>> {
    if history.changes.is_empty() {
        return vec![Row { issue, history, item_no: -1, change: None }];
    }
    let changes = (0..).zip(&history.changes);
    changes.map(|(item_no, change)| Row { issue, history, item_no, change: Some(change) }).collect()
}

/// A statement that is ready to be said: its rows are made already.
pub(super) type Ready = Query<'static, Postgres, PgArguments>;

impl Family<'_> {
    /// What must be said of the children, a statement a table.
    pub(super) fn statements(&self, tenant: TenantId, instance: InstanceId) -> Vec<Ready> {
        let of = |texts, rows: usize| {
            let needed = rows > 0 || !self.known.is_empty();
            needed.then(|| self.begin(texts, tenant, instance, rows))
        };
        let statements = [
            of(comments::TEXTS, self.comments.len()).map(|begun| comments::rows(begun, &self.comments)),
            of(worklogs::TEXTS, self.worklogs.len()).map(|begun| worklogs::rows(begun, &self.worklogs)),
            of(changelogs::TEXTS, self.changes.len()).map(|begun| changelogs::rows(begun, &self.changes)),
            of(links::TEXTS, self.links.len()).map(|begun| links::rows(begun, &self.links)),
        ];
        statements.into_iter().flatten().collect()
    }

    /// The statement that a family needs, with the three parameters that all of them begin with. The first text is for issues
    /// whose rows are new.
    fn begin(&self, texts: [&'static str; 2], tenant: TenantId, instance: InstanceId, rows: usize) -> Ready {
        let [add, replace] = texts;
        let text = if self.known.is_empty() { add } else { replace };
        sql_with_room(text, rows * ROW).bind(tenant.0).bind(instance.0).bind(self.known.clone())
    }
}
