//! Pages of ids, in the order of creation or since a watermark. A short page means nothing; only Jira ends a listing.

use chrono::{DateTime, NaiveDate, Utc};
use domain::{IssueId, ProjectId};
use serde::Serialize;

use crate::{
    Client, Error,
    answer::Answer,
    jql::{Jql, OrderBy},
    request::Request,
    wire,
};

/// As many as Jira gives when only ids are asked for; it gives fewer when it likes.
const PAGE: u32 = 5000;

/// More pages than this no search for single issues has.
const PAGES: usize = 100;

/// One page of a project's issues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdPage {
    /// In the order of creation.
    pub ids: Vec<IssueId>,
    /// The way to the next page; `None` at the end.
    pub next: Option<String>,
}

/// One page of what was updated since a watermark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdatedPage {
    /// In the order of their update, each with the time of it.
    pub issues: Vec<(IssueId, DateTime<Utc>)>,
    /// The way to the next page; `None` at the end.
    pub next: Option<String>,
    /// When Jira was asked: by our clock or by Jira's, whichever is behind.
    pub asked_at: DateTime<Utc>,
}

/// The closed schema of a search: Jira refuses any other member.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Question<'a> {
    jql: &'a str,
    max_results: u32,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    fields: &'a [&'a str],
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<&'a str>,
}

impl Client {
    /// A page of the ids of a project's issues, created on or after `since` (UTC), up to 5000.
    pub async fn issue_ids(
        &self,
        project: ProjectId,
        since: Option<NaiveDate>,
        token: Option<&str>,
    ) -> Result<IdPage, Error> {
        let jql = since.into_iter().fold(Jql::project(project), Jql::created_since).oldest_first(OrderBy::Created);
        let answer = self.search(&jql, &[], token).await?;
        let page = answer.tell(page(&answer, token))?;
        let ids = answer.tell(page.issues.iter().map(wire::Found::id).collect())?;
        Ok(IdPage { ids, next: page.next })
    }

    /// A page of what was updated at `from` or later, on the whole site.
    pub async fn updated_since(&self, from: DateTime<Utc>, token: Option<&str>) -> Result<UpdatedPage, Error> {
        let jql = Jql::updated_since(from).oldest_first(OrderBy::Updated);
        let answer = self.search(&jql, &["updated"], token).await?;
        let page = answer.tell(page(&answer, token))?;
        let issues = answer.tell(page.issues.iter().map(|found| Ok((found.id()?, found.updated()?))).collect())?;
        Ok(UpdatedPage { issues, next: page.next, asked_at: answer.asked_at() })
    }

    /// How many issues Jira thinks a project has: an estimate, and as stale as its index.
    pub async fn approximate_count(&self, project: ProjectId) -> Result<u64, Error> {
        #[derive(Serialize)]
        struct Question {
            jql: String,
        }
        let question = Question { jql: Jql::project(project).unordered() };
        let route = "/search/approximate-count";
        let answer = self
            .send(Request::reading_post(self.at("/rest/api/3/search/approximate-count"), route, &question)?)
            .await?;
        let count: wire::Count = answer.read("a count")?;
        count
            .count
            .and_then(|count| u64::try_from(count).ok())
            .ok_or_else(|| answer.malformed("a count without a number"))
    }

    /// All issues that a search finds, page by page; for searches that find few.
    pub(crate) async fn search_ids(&self, jql: &str) -> Result<Vec<IssueId>, Error> {
        let (mut ids, mut token) = (Vec::new(), None);
        for _ in 0..PAGES {
            let answer = self.search(jql, &[], token.as_deref()).await?;
            let page = answer.tell(page(&answer, token.as_deref()))?;
            ids.extend(answer.tell(page.issues.iter().map(wire::Found::id).collect::<Result<Vec<_>, _>>())?);
            token = page.next;
            if token.is_none() {
                return Ok(ids);
            }
        }
        Err(Error::malformed("the pages of a search do not end").about(&self.asked("/search/jql")))
    }

    async fn search(&self, jql: &str, fields: &[&str], token: Option<&str>) -> Result<Answer, Error> {
        let question = Question { jql, max_results: PAGE, fields, next_page_token: token };
        let request = Request::reading_post(self.at("/rest/api/3/search/jql"), "/search/jql", &question)?;
        self.send(request).await.map_err(|error| if token.is_some() { expired(error) } else { error })
    }
}

struct Page<'a> {
    issues: Vec<wire::Found<'a>>,
    next: Option<String>,
}

fn page<'a>(answer: &'a Answer, token: Option<&str>) -> Result<Page<'a>, Error> {
    complete(answer.read("a search")?, token)
}

/// Refuses what is not a whole page: the end is where Jira says so or gives no token; a warning means that the result was
/// cut; the same token twice would go round for ever.
fn complete<'a>(found: wire::Search<'a>, token: Option<&str>) -> Result<Page<'a>, Error> {
    if let Some(warning) = found.warnings.as_ref().and_then(|warnings| warnings.first()) {
        let kind = warning.kind.as_deref().unwrap_or("no type given");
        return Err(Error::malformed(format!("the search warns that its result is cut ({kind})")));
    }
    let issues = found.issues.ok_or_else(|| Error::malformed("a search without issues"))?;
    let next = found.next_page_token.filter(|_| found.is_last != Some(true)).filter(|next| !next.is_empty());
    if next.is_some() && next.as_deref() == token {
        return Err(Error::malformed("the search gave the same page token twice"));
    }
    Ok(Page { issues, next })
}

/// "The provided next page token is invalid or expired." is a 400 like any other.
fn expired(error: Error) -> Error {
    match error {
        Error::Refused { status: 400, messages, .. }
            if messages.iter().any(|text| text.to_lowercase().contains("page token")) =>
        {
            Error::TokenExpired
        }
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Asked;

    fn read(text: &str, token: Option<&str>) -> Result<(usize, Option<String>), Error> {
        let found = serde_json::from_str(text).expect("valid JSON");
        complete(found, token).map(|page| (page.issues.len(), page.next))
    }

    #[test]
    fn only_jira_ends_a_listing() {
        let more = r#"{"issues":[{"id":"1"}],"nextPageToken":"t2","isLast":false}"#;
        assert_eq!(read(more, Some("t1")).expect("a page"), (1, Some("t2".into())));
        let short = r#"{"issues":[],"nextPageToken":"t2"}"#;
        assert_eq!(read(short, None).expect("a page"), (0, Some("t2".into())));
        for last in [
            r#"{"issues":[],"isLast":true}"#,
            r#"{"issues":[],"nextPageToken":null}"#,
            r#"{"issues":[],"nextPageToken":"x","isLast":true}"#,
        ] {
            assert_eq!(read(last, None).expect("a page"), (0, None), "{last}");
        }
    }

    #[test]
    fn a_listing_that_is_not_whole_is_refused() {
        for (text, token) in [
            (r#"{"issues":[],"nextPageToken":"t1"}"#, Some("t1")),
            (r#"{"issues":[],"isLast":true,"warnings":[{"type":"CLAUSE_LIMIT_EXCEEDED"}]}"#, None),
            (r#"{"isLast":true}"#, None),
        ] {
            assert!(matches!(read(text, token), Err(Error::Malformed { .. })), "{text}");
        }
    }

    #[test]
    fn an_expired_token_is_told_from_other_refusals() {
        let asked = Asked { site: "https://acme.atlassian.net".into(), route: "/search/jql", trace: None };
        let refused = |text: &str| {
            let (asked, messages) = (Box::new(asked.clone()), vec![text.to_owned()]);
            Error::Refused { asked, status: 400, messages }
        };
        assert!(matches!(expired(refused("The provided next page token is invalid or expired.")), Error::TokenExpired));
        assert!(matches!(expired(refused("Error in the JQL Query")), Error::Refused { .. }));
    }
}
