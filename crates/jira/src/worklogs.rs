//! Time that people wrote down, and the two feeds that tell of changes to it.

use chrono::{DateTime, Utc};
use domain::{IssueId, Worklog};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    Client, Error,
    convert::{People, worklog},
    lenient,
    meta::present,
    paging::Listing,
    reference::read,
    request::Request,
    wire,
};

/// As many as one question may ask for by id.
const BATCH: usize = 1000;

/// More pages than this no feed has.
const PAGES: usize = 10_000;

/// Which entries were changed, or which deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorklogChanges {
    /// Each with the time of it, oldest first.
    pub worklogs: Vec<(i64, DateTime<Utc>)>,
    /// From where to go on. Jira leaves out the last minute.
    pub until: DateTime<Utc>,
}

#[derive(Serialize)]
struct Question<'a> {
    ids: &'a [i64],
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feed {
    values: Option<Vec<Change>>,
    #[serde(default, deserialize_with = "lenient::id")]
    until: Option<i64>,
    #[serde(default, deserialize_with = "lenient::text")]
    next_page: Option<String>,
    #[serde(default, deserialize_with = "lenient::flag")]
    last_page: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    #[serde(default, deserialize_with = "lenient::id")]
    worklog_id: Option<i64>,
    #[serde(default, deserialize_with = "lenient::time")]
    updated_time: Option<DateTime<Utc>>,
}

impl Client {
    /// All entries of an issue, which embeds 20 of them; `None` where the account may not see it.
    pub async fn worklogs_of(&self, issue: IssueId) -> Result<Option<Vec<Worklog>>, Error> {
        let listing = Listing {
            route: "/issue/{id}/worklog",
            path: &format!("/rest/api/3/issue/{issue}/worklog"),
            parameters: &[],
            size: 5000,
            lists: &["worklogs"],
        };
        present(self.all(&listing, |raw| worklog(&read(raw, "a worklog")?, &mut People::default())).await)
    }

    /// These entries, each with the issue that was worked on. Those that are gone, and those that the account may not see,
    /// are left out.
    pub async fn worklogs(&self, ids: &[i64]) -> Result<Vec<(Option<IssueId>, Worklog)>, Error> {
        let mut worklogs = Vec::new();
        for ids in ids.chunks(BATCH) {
            let url = self.at("/rest/api/3/worklog/list");
            let answer = self.send(Request::reading_post(url, "/worklog/list", &Question { ids })?).await?;
            for raw in answer.read::<Vec<&RawValue>>("worklogs by their ids")? {
                let wire: wire::Worklog<'_> = answer.tell(read(raw, "a worklog"))?;
                let issue = wire.issue_id.map(IssueId);
                worklogs.push((issue, answer.tell(worklog(&wire, &mut People::default()))?));
            }
        }
        Ok(worklogs)
    }

    /// Which entries were written or changed since.
    pub async fn worklogs_updated(&self, since: DateTime<Utc>) -> Result<WorklogChanges, Error> {
        self.feed("/rest/api/3/worklog/updated", "/worklog/updated", since).await
    }

    /// Which entries were deleted since.
    pub async fn worklogs_deleted(&self, since: DateTime<Utc>) -> Result<WorklogChanges, Error> {
        self.feed("/rest/api/3/worklog/deleted", "/worklog/deleted", since).await
    }

    /// Follows a feed to its last page, by the links that Jira gives.
    async fn feed(&self, path: &str, route: &'static str, since: DateTime<Utc>) -> Result<WorklogChanges, Error> {
        let mut changes = WorklogChanges { worklogs: Vec::new(), until: since };
        let mut request = Request::get(self.at(path), route).with(&[("since", &since.timestamp_millis().to_string())]);
        for _ in 0..PAGES {
            let address = request.url.clone();
            let answer = self.send(request).await?;
            let feed: Feed = answer.read("a page of worklog changes")?;
            let values = feed.values.ok_or_else(|| answer.malformed("a page of worklog changes without changes"))?;
            for change in values {
                let change = change.worklog_id.zip(change.updated_time);
                changes.worklogs.push(change.ok_or_else(|| answer.malformed("a change of no worklog, or at no time"))?);
            }
            let until = feed.until.and_then(DateTime::from_timestamp_millis);
            changes.until = until.map_or(changes.until, |until| until.max(changes.until));
            let next = feed.next_page.filter(|next| !next.is_empty() && feed.last_page != Some(true));
            let Some(next) = next else { return Ok(changes) };
            let next = reqwest::Url::parse(&next).map_err(|_| answer.malformed("a next page that is no address"))?;
            if next == address {
                return Err(answer.malformed("a feed gave the same next page twice"));
            }
            request = Request::get(next, route);
        }
        Err(Error::malformed("the pages of a feed do not end").about(&self.asked(route)))
    }
}
