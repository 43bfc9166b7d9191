//! Reading issues, and what hangs on them.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use domain::{
    Comment, CommentId, History, HistoryId, Instance, IssueId, IssueKey, IssueLink, Scope,
    jql::{self, JqlError},
    search::{Counting, IssueFilter, Listed, PageRequest, Question, Sort},
};
use store::TenantStore;

use super::{
    Caller, Context, Error, Listing, Paging,
    context::{choose, is_called},
    cursor::listing,
};

/// Issues are counted as far as this.
const COUNTED: u32 = 10_000;

/// What issues are wanted.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// Sites by their ids or names; all of the tenant's where empty.
    pub(crate) instances: Vec<String>,
    pub(crate) filter: IssueFilter,
    /// Joined to the filter by "and".
    pub(crate) jql: Option<String>,
    /// Wins over the query's own order.
    pub(crate) order: Vec<Sort>,
    pub(crate) counted: bool,
    pub(crate) paging: Paging,
}

/// One issue, as a caller names it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Name {
    Id(IssueId),
    Key(IssueKey),
}

impl Name {
    /// Takes Jira's number or a key.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        match text.parse() {
            Ok(id) => Ok(Self::Id(IssueId(id))),
            Err(_) => {
                let key = text.parse().map(Self::Key);
                key.map_err(|_| Error::invalid("issue", "must be Jira's number of an issue, or a key as ACME-7"))
            }
        }
    }
}

/// A page of issues, without their descriptions.
pub(crate) async fn search(
    context: &Context,
    caller: &Caller,
    mut wanted: Wanted,
    now: DateTime<Utc>,
) -> Result<Listing<Listed>, Error> {
    caller.require(Scope::ReadIssues)?;
    let mirror = context.mirror(caller);
    let zone = place(context, caller, &mut wanted).await?;
    let question = question(&wanted, now, zone)?;
    let counting = if wanted.counted { Counting::UpTo(COUNTED) } else { Counting::Skipped };
    let after = wanted.paging.after(&mirror, "issues")?;
    let request = PageRequest { limit: wanted.paging.limit, after, counting };
    listing(&mirror, "issues", mirror.issues().search(&question, &request).await?)
}

/// One issue, whole.
pub(crate) async fn show(context: &Context, caller: &Caller, site: Option<&str>, name: &Name) -> Result<Listed, Error> {
    caller.require(Scope::ReadIssues)?;
    let sites = context.sites(caller).await?;
    find(&context.mirror(caller), choose(&sites, site)?, name).await
}

/// Its comments, the oldest first.
pub(crate) async fn comments(context: &Context, caller: &Caller, part: Part<'_>) -> Result<Listing<Comment>, Error> {
    let (mirror, found) = part.found(context, caller).await?;
    let name = part.listing("comments", &found);
    let after: Option<CommentId> = part.paging.after(&mirror, &name)?;
    let page = mirror.issues().parts(found.instance, found.issue.id).comments(after, part.paging.limit).await?;
    listing(&mirror, &name, page)
}

/// Its changelog, the oldest entry first.
pub(crate) async fn changelog(context: &Context, caller: &Caller, part: Part<'_>) -> Result<Listing<History>, Error> {
    let (mirror, found) = part.found(context, caller).await?;
    let name = part.listing("changelog", &found);
    let after: Option<HistoryId> = part.paging.after(&mirror, &name)?;
    let page = mirror.issues().parts(found.instance, found.issue.id).changelog(after, part.paging.limit).await?;
    listing(&mirror, &name, page)
}

/// All of its links.
pub(crate) async fn links(context: &Context, caller: &Caller, part: Part<'_>) -> Result<Listing<IssueLink>, Error> {
    let (mirror, found) = part.found(context, caller).await?;
    let items = mirror.issues().parts(found.instance, found.issue.id).links().await?;
    Ok(Listing { items, next: None, total: None })
}

/// Which part of which issue is wanted.
pub(crate) struct Part<'r> {
    pub(crate) site: Option<&'r str>,
    pub(crate) issue: &'r Name,
    pub(crate) paging: Paging,
}

impl Part<'_> {
    async fn found(&self, context: &Context, caller: &Caller) -> Result<(TenantStore, Listed), Error> {
        let found = show(context, caller, self.site, self.issue).await?;
        Ok((context.mirror(caller), found))
    }

    fn listing(&self, what: &str, found: &Listed) -> String {
        format!("{what} {} {}", found.instance, found.issue.id)
    }
}

/// The issue as the mirror shows it; one that moved is found by its old keys, too.
pub(crate) async fn find(mirror: &TenantStore, site: &Instance, name: &Name) -> Result<Listed, Error> {
    let issue = match name {
        Name::Id(id) => mirror.issue_by_id(site.id, *id).await?,
        Name::Key(key) => mirror.issue_by_key(site.id, key).await?,
    };
    issue.map(|issue| Listed { instance: site.id, issue }).ok_or(Error::NotFound("issue"))
}

/// Puts the sites' ids into the filter; says in which zone days begin, which is the site's where there is one only.
async fn place(context: &Context, caller: &Caller, wanted: &mut Wanted) -> Result<Tz, Error> {
    if wanted.instances.is_empty() && wanted.jql.is_none() {
        return Ok(Tz::UTC);
    }
    let all = context.sites(caller).await?;
    for name in &wanted.instances {
        let found = all.iter().find(|one| is_called(one, name)).ok_or(Error::NotFound("instance"))?;
        wanted.filter.instances.push(found.id);
    }
    let asked: Vec<&Instance> = match wanted.filter.instances.as_slice() {
        [] => all.iter().collect(),
        ids => all.iter().filter(|one| ids.contains(&one.id)).collect(),
    };
    let [only] = asked[..] else { return Ok(Tz::UTC) };
    Ok(only.time_zone.as_deref().and_then(|zone| zone.parse().ok()).unwrap_or(Tz::UTC))
}

fn question(wanted: &Wanted, now: DateTime<Utc>, zone: Tz) -> Result<Question, Error> {
    let Some(text) = &wanted.jql else {
        return Question::of_filter(&wanted.filter, &wanted.order).map_err(Error::Invalid);
    };
    let surroundings = jql::Surroundings { now, zone, account: None };
    let query = jql::Query::parse(text).map_err(|error| refused(&error))?;
    let asked = query.question(&surroundings).map_err(|error| refused(&error))?;
    let order = if wanted.order.is_empty() { query.order() } else { &wanted.order };
    Ok(Question::of_filter(&wanted.filter, order).map_err(Error::Invalid)?.and(asked))
}

fn refused(error: &JqlError) -> Error {
    Error::invalid("jql", format!("cannot be answered: character {}: {}", error.at, error.what))
}
