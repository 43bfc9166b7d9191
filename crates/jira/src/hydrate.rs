//! Ids to snapshots: one bulk question, then what Jira cut off.
//!
//! Jira's store is asked, not its search index, which may not know a change yet. An issue that makes Jira stumble is found
//! by halving and set aside; the others go on.

mod batch;

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, Utc};
use domain::{IssueId, IssueSnapshot};
use serde::Serialize;
use tokio::time::Instant;

use crate::{
    Client, Error, Priority, convert::Draft, paging::Listing, reference::read, request::Request, retry::RETRIES, wire,
};
use batch::Batch;

/// As many issues as one question may ask for with everything in them.
const BATCH: usize = 100;

/// How many stumbling questions are asked before it counts as Jira's trouble and not as one issue's.
const STUMBLES: usize = 16;

/// For how long one batch is completed. A job has a minute, and what a hundred long lists cost may take longer than that: what
/// is whole by then must not be asked for again.
const STEP: Duration = Duration::from_secs(20);

/// No batch has more changelog entries than this many pages hold.
const PAGES: usize = 1000;

/// What became of the issues that were asked for: each is in exactly one of the four lists.
#[derive(Clone, Debug, Default)]
pub struct Hydrated {
    /// Whole, in the order of their ids.
    pub snapshots: Vec<IssueSnapshot>,
    /// Jira does not show them to us: deleted, hidden or moved away. The answer was proven to be ours.
    pub absent: Vec<IssueId>,
    /// Jira could not give them, with its reason. They may well exist.
    pub failed: Vec<(IssueId, String)>,
    /// Jira shows them, and there was no time or budget left to read all that belongs to them. Whoever asks for these again
    /// gets at least one of them whole.
    pub late: Vec<IssueId>,
    /// A lower bound of the instant at which all this was true.
    pub observed_at: DateTime<Utc>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BulkQuestion {
    issue_ids_or_keys: Vec<String>,
    fields: [&'static str; 1],
    expand: [&'static str; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChangelogQuestion<'a> {
    issue_ids_or_keys: &'a [String],
    max_results: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<&'a str>,
}

impl Client {
    /// What Jira says now about these issues, whole. One question per hundred, and a few more where something was cut off.
    pub async fn hydrate(&self, ids: &[IssueId]) -> Result<Hydrated, Error> {
        let ids: Vec<IssueId> = ids.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        let mut hydrated = Hydrated::default();
        let mut began = None;
        for ids in ids.chunks(BATCH) {
            let batch = self.batch(ids).await?;
            began = began.or(batch.began);
            batch.settle(ids, &mut hydrated);
        }
        hydrated.observed_at = began.unwrap_or_else(Utc::now);
        Ok(hydrated)
    }

    /// The same, for as long as it takes: nothing is late.
    pub async fn hydrate_all(&self, ids: &[IssueId]) -> Result<Hydrated, Error> {
        let mut all = self.hydrate(ids).await?;
        while !all.late.is_empty() {
            let late = std::mem::take(&mut all.late);
            let Hydrated { snapshots, absent, failed, late, .. } = self.hydrate(&late).await?;
            all.snapshots.extend(snapshots);
            all.absent.extend(absent);
            all.failed.extend(failed);
            all.late = late;
        }
        all.snapshots.sort_by_key(|snapshot| snapshot.issue.id);
        Ok(all)
    }

    async fn batch(&self, ids: &[IssueId]) -> Result<Batch, Error> {
        let mut batch = Batch::default();
        self.halving(Part::Issues, (ids.to_vec(), RETRIES), &mut batch).await?;
        let again: Vec<IssueId> = batch.failed.keys().copied().collect();
        // Jira calls its errors about single issues passing: asked once more, and what fails then has failed.
        if !again.is_empty() && batch.began.is_some() {
            self.halving(Part::Issues, (again, 0), &mut batch).await?;
        }
        self.complete(&mut batch).await?;
        match batch.throttled.take() {
            Some(error) if batch.drafts.is_empty() => Err(error),
            _ => Ok(batch),
        }
    }

    /// One issue that was read by itself, with what Jira cut off.
    pub(crate) async fn completed(&self, draft: Draft, sent_at: DateTime<Utc>) -> Result<Option<IssueSnapshot>, Error> {
        let id = draft.id();
        let mut batch = Batch::of(draft, sent_at);
        self.complete(&mut batch).await?;
        if let Some(error) = batch.throttled {
            return Err(error);
        }
        match batch.failed.remove(&id) {
            Some(reason) => Err(Error::malformed(format!("issue {id} could not be completed: {reason}"))),
            None => Ok(batch.drafts.remove(&id).map(|(draft, sent_at)| draft.finish(sent_at))),
        }
    }

    async fn complete(&self, batch: &mut Batch) -> Result<(), Error> {
        let until = Instant::now() + STEP;
        let cut = batch.cut(|draft| draft.changelog_cut);
        if !cut.is_empty() {
            match self.halving(Part::Changelogs, (cut.clone(), RETRIES), batch).await {
                // Not every site has the bulk route, or lets everybody use it.
                Err(Error::Refused { .. } | Error::Gone { .. }) => {
                    self.each(Piece::Changelog, cut, batch, until).await?;
                }
                Err(error) => self.postpone(&cut, batch, error)?,
                Ok(()) => {}
            }
        }
        let cut = batch.cut(|draft| draft.comments_cut);
        self.each(Piece::Comments, cut, batch, until).await?;
        let cut = batch.cut(|draft| draft.worklogs_cut);
        self.each(Piece::Worklogs, cut, batch, until).await
    }

    /// Completes one issue after the other, the first of them in any case. One that Jira cannot complete fails alone.
    async fn each(&self, piece: Piece, ids: Vec<IssueId>, batch: &mut Batch, until: Instant) -> Result<(), Error> {
        for (place, &id) in ids.iter().enumerate() {
            if place > 0 && Instant::now() >= until {
                batch.postpone(&ids[place..]);
                return Ok(());
            }
            let answer = match piece {
                Piece::Changelog => self.ask_changelog(id, batch).await,
                Piece::Comments => self.ask_comments(id, batch).await,
                Piece::Worklogs => self.ask_worklogs(id, batch).await,
            };
            match answer {
                Err(error @ (Error::Refused { .. } | Error::Malformed { .. })) => batch.fail(id, error.to_string()),
                Err(error) if is_about_content(&error) => batch.fail(id, error.to_string()),
                Err(error) => return self.postpone(&ids[place..], batch, error),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    /// Whoever somebody waits for goes on with what is whole. Everybody else waits until there is budget for a whole batch,
    /// since asking twice for the rest costs more.
    fn postpone(&self, ids: &[IssueId], batch: &mut Batch, error: Error) -> Result<(), Error> {
        if !matches!(error, Error::Throttled { .. }) || self.priority != Priority::Live {
            return Err(error);
        }
        batch.postpone(ids);
        batch.throttled = Some(error);
        Ok(())
    }

    /// Asks, halving the question for as long as Jira stumbles over it. The first question may be tried again so many times;
    /// its halves are not, since most of them will do.
    async fn halving(&self, part: Part, first: (Vec<IssueId>, u32), batch: &mut Batch) -> Result<(), Error> {
        let mut stumbles = 0;
        let mut open = vec![first];
        while let Some((ids, retries)) = open.pop() {
            let answer = match part {
                Part::Issues => self.ask_issues(&ids, retries, batch).await,
                Part::Changelogs => self.ask_changelogs(&ids, retries, batch).await,
            };
            let Err(error) = answer else { continue };
            stumbles += 1;
            // Everything fails, down to the last issue: that is no one issue's fault.
            let all = ids.len() == 1 && open.is_empty() && batch.began.is_none() && !batch.failed.is_empty();
            if !is_about_content(&error) || stumbles > STUMBLES || all {
                return Err(error);
            }
            if let [id] = ids[..] {
                batch.fail(id, error.to_string());
            } else {
                let (left, right) = ids.split_at(ids.len() / 2);
                open.extend([(right.to_vec(), 0), (left.to_vec(), 0)]);
            }
        }
        Ok(())
    }

    async fn ask_issues(&self, ids: &[IssueId], retries: u32, batch: &mut Batch) -> Result<(), Error> {
        let question = BulkQuestion { issue_ids_or_keys: texts(ids), fields: ["*all"], expand: ["changelog"] };
        let request = Request::reading_post(self.at("/rest/api/3/issue/bulkfetch"), "/issue/bulkfetch", &question)?;
        let answer = self.send(request.with_retries(retries)).await?;
        let what = "issues asked for by id";
        let bulk: wire::Bulk<'_> = answer.read_exact(what)?;
        let storable = answer.storable.as_ref().map(|_| answer.read::<wire::Bulk<'_>>(what)).transpose()?;
        let storable = storable.and_then(|bulk| bulk.issues).unwrap_or_default();
        // Only a list that is there can say who is absent from it.
        let issues = bulk.issues.ok_or_else(|| answer.malformed("issues asked for by id, without a list of issues"))?;
        batch.began.get_or_insert(answer.sent_at);
        batch.failed.retain(|id, _| !ids.contains(id));
        for (place, exact) in issues.iter().enumerate() {
            let document = storable.get(place).unwrap_or(exact);
            answer.tell(batch.take((document, exact), ids, answer.sent_at))?;
            // A page takes tens of milliseconds, in which this task's other half and its neighbours would stand still.
            tokio::task::yield_now().await;
        }
        for error in bulk.issue_errors.unwrap_or_default() {
            let id = error.id.map(IssueId).ok_or_else(|| answer.malformed("an error about an issue without its id"))?;
            if ids.contains(&id) {
                batch.fail(id, error.error_message.unwrap_or_else(|| "Jira gave no reason".to_owned()));
            }
        }
        Ok(())
    }

    async fn ask_changelogs(&self, ids: &[IssueId], retries: u32, batch: &mut Batch) -> Result<(), Error> {
        let (texts, mut token) = (texts(ids), None);
        for _ in 0..PAGES {
            let question =
                ChangelogQuestion { issue_ids_or_keys: &texts, max_results: 1000, next_page_token: token.as_deref() };
            let url = self.at("/rest/api/3/changelog/bulkfetch");
            let request = Request::reading_post(url, "/changelog/bulkfetch", &question)?;
            let answer = self.send(request.with_retries(retries)).await?;
            let page: wire::BulkChangelogs<'_> = answer.read("changelogs")?;
            let logs = page.issue_change_logs.ok_or_else(|| answer.malformed("changelogs without a list"))?;
            for log in logs {
                answer.tell(batch.add_histories(log))?;
            }
            let next = page.next_page_token.filter(|next| !next.is_empty());
            if next.is_none() {
                return Ok(());
            }
            if next == token {
                break;
            }
            token = next;
        }
        Err(Error::malformed("the pages of a changelog do not end"))
    }

    /// The whole changelog of one issue.
    async fn ask_changelog(&self, id: IssueId, batch: &mut Batch) -> Result<(), Error> {
        let Some((draft, _)) = batch.drafts.get_mut(&id) else { return Ok(()) };
        let listing = Listing {
            route: "/issue/{id}/changelog",
            path: &format!("/rest/api/3/issue/{id}/changelog"),
            parameters: &[],
            size: 100,
            lists: &["values"],
        };
        let entries = self.all(&listing, |raw| Ok(raw.to_owned())).await?;
        let entries = entries.iter().map(|raw| read(raw, "a changelog entry")).collect::<Result<_, _>>()?;
        draft.add_histories(entries)
    }

    /// All comments of one issue: they replace those that were embedded.
    async fn ask_comments(&self, id: IssueId, batch: &mut Batch) -> Result<(), Error> {
        let Some((draft, _)) = batch.drafts.get_mut(&id) else { return Ok(()) };
        let listing = Listing {
            route: "/issue/{id}/comment",
            path: &format!("/rest/api/3/issue/{id}/comment"),
            parameters: &[("orderBy", "created")],
            size: 100,
            lists: &["comments"],
        };
        let comments = self.all(&listing, |raw| Ok(raw.to_owned())).await?;
        draft.forget_comments();
        let comments = comments.iter().map(|raw| read(raw, "a comment")).collect::<Result<_, _>>()?;
        draft.add_comments(comments)
    }

    /// All worklogs of one issue: they replace those that were embedded.
    async fn ask_worklogs(&self, id: IssueId, batch: &mut Batch) -> Result<(), Error> {
        let Some((draft, _)) = batch.drafts.get_mut(&id) else { return Ok(()) };
        let listing = Listing {
            route: "/issue/{id}/worklog",
            path: &format!("/rest/api/3/issue/{id}/worklog"),
            parameters: &[],
            size: 5000,
            lists: &["worklogs"],
        };
        let worklogs = self.all(&listing, |raw| Ok(raw.to_owned())).await?;
        draft.forget_worklogs();
        let worklogs = worklogs.iter().map(|raw| read(raw, "a worklog")).collect::<Result<_, _>>()?;
        draft.add_worklogs(worklogs)
    }
}

/// What is asked for.
#[derive(Clone, Copy)]
enum Part {
    Issues,
    Changelogs,
}

/// What one issue is completed with.
#[derive(Clone, Copy)]
enum Piece {
    Changelog,
    Comments,
    Worklogs,
}

/// Whether what was asked for may be the reason: Jira stumbles over single issues with a 500, and some answers are too large.
fn is_about_content(error: &Error) -> bool {
    matches!(error, Error::Unavailable { status: Some(500), .. } | Error::TooLarge { .. })
}

fn texts(ids: &[IssueId]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}
