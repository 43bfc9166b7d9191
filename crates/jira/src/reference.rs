//! What a site sorts its issues by: statuses, types, priorities, kinds of link.
//!
//! Names are neither unique nor stable (each team-managed project brings its own), so everything goes by its id.

use std::collections::BTreeMap;

use domain::{Named, ProjectId, Status};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Client, Error, convert, lenient, paging::Listing, request::Request, wire};

/// A status of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteStatus {
    /// The status.
    pub status: Status,
    /// The one project that it belongs to; none where all may use it.
    pub project: Option<ProjectId>,
}

/// A type of issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteIssueType {
    /// Jira's number.
    pub id: i64,
    /// As the service account's language shows it.
    pub name: String,
    /// Whether issues of it are part of another one.
    pub subtask: bool,
    /// -1 for sub-tasks, 0 for most, 1 for epics, and more where a site has more levels.
    pub level: Option<i64>,
    /// The one project that it belongs to; none where all may use it.
    pub project: Option<ProjectId>,
}

/// A kind of link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkType {
    /// Jira's number.
    pub id: i64,
    /// Such as `Blocks`.
    pub name: String,
    /// How the link reads from the issue that it points to: `is blocked by`.
    pub inward: String,
    /// How it reads from the issue that it begins at: `blocks`.
    pub outward: String,
}

/// What belongs to one project only says so here.
#[derive(Deserialize)]
struct Scoped {
    #[serde(default, deserialize_with = "lenient::part")]
    scope: Option<Scope>,
}

#[derive(Deserialize)]
struct Scope {
    #[serde(default, deserialize_with = "lenient::part")]
    project: Option<wire::Reference>,
}

impl Client {
    /// All statuses, in the order of their ids. Jira keeps two lists of them, and neither holds all that is in the other;
    /// the second is for administrators, and without it the first must do.
    pub async fn statuses(&self) -> Result<Vec<SiteStatus>, Error> {
        let answer = self.send(Request::get(self.at("/rest/api/3/status"), "/status")).await?;
        let mut statuses = BTreeMap::new();
        for raw in answer.read::<Vec<&RawValue>>("the statuses")? {
            let wire = serde_json::from_str(raw.get()).map_err(|error| Error::unreadable("a status", &error));
            let status = answer.tell(wire)?;
            let status = convert::status(status).ok_or_else(|| answer.malformed("a status without an id"))?;
            statuses.insert(status.id, SiteStatus { status, project: project(raw) });
        }
        let listing = Listing {
            route: "/statuses/search",
            path: "/rest/api/3/statuses/search",
            parameters: &[],
            size: 200,
            lists: &["values"],
        };
        let read = |raw: &RawValue| Ok(SiteStatus { status: convert::listed_status(raw)?, project: project(raw) });
        match self.all(&listing, read).await {
            Err(Error::Refused { status: 403 | 404, .. }) => {}
            listed => {
                for listed in listed? {
                    statuses.entry(listed.status.id).or_insert(listed);
                }
            }
        }
        Ok(statuses.into_values().collect())
    }

    /// All types of issue that the account may see.
    pub async fn issue_types(&self) -> Result<Vec<SiteIssueType>, Error> {
        let answer = self.send(Request::get(self.at("/rest/api/3/issuetype"), "/issuetype")).await?;
        answer.tell(answer.read::<Vec<&RawValue>>("the issue types")?.into_iter().map(issue_type).collect())
    }

    /// All priorities, the most urgent first.
    pub async fn priorities(&self) -> Result<Vec<Named>, Error> {
        let listing = Listing {
            route: "/priority/search",
            path: "/rest/api/3/priority/search",
            parameters: &[],
            size: 50,
            lists: &["values"],
        };
        self.all(&listing, priority).await
    }

    /// All kinds of link; none where linking is switched off.
    pub async fn link_types(&self) -> Result<Vec<LinkType>, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct LinkTypes<'a> {
            #[serde(borrow)]
            issue_link_types: Vec<&'a RawValue>,
        }
        let answer = match self.send(Request::get(self.at("/rest/api/3/issueLinkType"), "/issueLinkType")).await {
            Err(error) if error.is_absence() => return Ok(Vec::new()),
            answer => answer?,
        };
        let found: LinkTypes<'_> = answer.read("the kinds of link")?;
        answer.tell(found.issue_link_types.into_iter().map(link_type).collect())
    }
}

/// An issue type, wherever one is described.
pub(crate) fn issue_type(raw: &RawValue) -> Result<SiteIssueType, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Level {
        #[serde(default, deserialize_with = "lenient::id")]
        hierarchy_level: Option<i64>,
    }
    let wire: wire::IssueType = read(raw, "an issue type")?;
    let level: Level = read(raw, "an issue type")?;
    Ok(SiteIssueType {
        id: wire.id.ok_or_else(|| Error::malformed("an issue type without an id"))?,
        name: wire.name.unwrap_or_default(),
        subtask: wire.subtask.unwrap_or(false),
        level: level.hierarchy_level,
        project: project(raw),
    })
}

fn priority(raw: &RawValue) -> Result<Named, Error> {
    let wire: wire::Named = read(raw, "a priority")?;
    let id = wire.id.ok_or_else(|| Error::malformed("a priority without an id"))?;
    Ok(Named { id, name: wire.name.unwrap_or_default() })
}

fn link_type(raw: &RawValue) -> Result<LinkType, Error> {
    #[derive(Deserialize)]
    struct Wire {
        #[serde(default, deserialize_with = "lenient::id")]
        id: Option<i64>,
        #[serde(default, deserialize_with = "lenient::text")]
        name: Option<String>,
        #[serde(default, deserialize_with = "lenient::text")]
        inward: Option<String>,
        #[serde(default, deserialize_with = "lenient::text")]
        outward: Option<String>,
    }
    let wire: Wire = read(raw, "a kind of link")?;
    Ok(LinkType {
        id: wire.id.ok_or_else(|| Error::malformed("a kind of link without an id"))?,
        name: wire.name.unwrap_or_default(),
        inward: wire.inward.unwrap_or_default(),
        outward: wire.outward.unwrap_or_default(),
    })
}

fn project(raw: &RawValue) -> Option<ProjectId> {
    let scoped: Scoped = serde_json::from_str(raw.get()).ok()?;
    scoped.scope?.project?.id.map(ProjectId)
}

pub(crate) fn read<'a, T: Deserialize<'a>>(raw: &'a RawValue, what: &str) -> Result<T, Error> {
    serde_json::from_str(raw.get()).map_err(|error| Error::unreadable(what, &error))
}
