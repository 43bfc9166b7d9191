//! Who and what a site consists of: projects, people, fields, and who we are there.

use std::{collections::BTreeMap, ops::Deref};

use chrono::{DateTime, Utc};
use domain::{AccountId, Field, Lifecycle, Project, ProjectId, User};
use serde_json::value::RawValue;

use crate::{
    Client, Error, answer::Answer, convert, meta::present, paging::Listing, reference::read, request::Request, wire,
};

/// The most that Jira gives of projects at once.
const PROJECTS: usize = 100;

/// The most that Jira gives of people at once.
const PEOPLE: usize = 1000;

/// As many accounts as one address has room for.
const ACCOUNTS: usize = 100;

/// No site is larger than this many pages; beyond it, pages repeat themselves.
const PAGES: usize = 10_000;

/// The service account, as Jira sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Myself {
    /// The account that every answer must come from.
    pub account: AccountId,
    /// IANA name; in this zone Jira writes times.
    pub time_zone: Option<String>,
    /// Its name.
    pub display_name: Option<String>,
}

/// What a site says about itself, to anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerInfo {
    /// Its own address.
    pub base_url: Option<String>,
    /// `Cloud` where we are at home.
    pub deployment_type: Option<String>,
    /// Such as `1001.0.0-SNAPSHOT`.
    pub version: Option<String>,
    /// Jira's clock.
    pub server_time: Option<DateTime<Utc>>,
}

/// The people of a site.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Users {
    /// All of them, inactive and deleted ones and apps included.
    pub people: Vec<User>,
    /// Why Jira would not list them: the account may lack "Browse users and groups". People are then known from the issues
    /// that name them only.
    pub withheld: Option<String>,
}

impl Deref for Users {
    type Target = [User];

    fn deref(&self) -> &[User] {
        &self.people
    }
}

impl Myself {
    pub(crate) fn read(answer: &Answer) -> Result<Self, Error> {
        let person: wire::Person = answer.read("who we are")?;
        let user = person.into_user().ok_or_else(|| answer.malformed("who we are, without an account"))?;
        Ok(Self { account: user.account, time_zone: user.time_zone, display_name: user.display_name })
    }
}

impl Client {
    /// What the site says about itself.
    pub async fn server_info(&self) -> Result<ServerInfo, Error> {
        let answer = self.send(Request::get(self.at("/rest/api/3/serverInfo"), "/serverInfo")).await?;
        let info: wire::ServerInfo = answer.read("the server's description")?;
        Ok(ServerInfo {
            base_url: info.base_url,
            deployment_type: info.deployment_type,
            version: info.version,
            server_time: info.server_time,
        })
    }

    /// All projects that the account may see, in the order of their ids: live, archived and in the trash. Each state is asked
    /// for by itself, since answers do not always tell it. Who appears twice is what it was first: live before the others.
    pub async fn projects(&self) -> Result<Vec<Project>, Error> {
        let mut projects = BTreeMap::new();
        for lifecycle in [Lifecycle::Live, Lifecycle::Archived, Lifecycle::Deleted] {
            for project in self.projects_that_are(lifecycle).await? {
                projects.entry(project.id.0).or_insert(project);
            }
        }
        Ok(projects.into_values().collect())
    }

    /// Everybody that the site knows, as far as the account may see them.
    pub async fn users(&self) -> Result<Users, Error> {
        let mut people = Vec::new();
        for _ in 0..PAGES {
            let (start, size) = (people.len().to_string(), PEOPLE.to_string());
            let request = Request::get(self.at("/rest/api/3/users/search"), "/users/search")
                .with(&[("startAt", &start), ("maxResults", &size)]);
            let page = match self.send(request).await {
                // 403: not allowed; 409: Jira needed more than ten seconds. Both last.
                Err(error @ Error::Refused { status: 403 | 409, .. }) => {
                    tracing::warn!(error.code = error.code(), %error, "Jira does not list the site's people; only those named by issues are known");
                    return Ok(Users { people: Vec::new(), withheld: Some(error.to_string()) });
                }
                answer => answer?.read::<Vec<wire::Person>>("a page of people")?,
            };
            if page.is_empty() {
                break;
            }
            people.extend(page);
        }
        Ok(Users { people: people.into_iter().filter_map(wire::Person::into_user).collect(), withheld: None })
    }

    /// All fields of the site.
    pub async fn fields(&self) -> Result<Vec<Field>, Error> {
        let answer = self.send(Request::get(self.at("/rest/api/3/field"), "/field")).await?;
        answer.tell(answer.read::<Vec<&RawValue>>("the fields")?.into_iter().map(convert::field).collect())
    }

    /// A project by its id, in any state; `None` where there is none that the account may see.
    pub async fn project(&self, id: ProjectId) -> Result<Option<Project>, Error> {
        let request = Request::get(self.at(&format!("/rest/api/3/project/{id}")), "/project/{id}");
        let Some(answer) = present(self.send(request.with(&[("expand", "insight,lead")])).await)? else {
            return Ok(None);
        };
        answer.tell(convert::project(answer.read("a project")?, Lifecycle::Live)).map(Some)
    }

    /// These people, as far as Jira tells about them. Accounts that it does not know are left out.
    pub async fn users_by_account(&self, accounts: &[AccountId]) -> Result<Vec<User>, Error> {
        let mut people = Vec::new();
        for accounts in accounts.chunks(ACCOUNTS) {
            let parameters: Vec<_> = accounts.iter().map(|account| ("accountId", account.0.as_str())).collect();
            let listing = Listing {
                route: "/user/bulk",
                path: "/rest/api/3/user/bulk",
                parameters: &parameters,
                size: 200,
                lists: &["values"],
            };
            let person = |raw: &RawValue| read::<wire::Person>(raw, "a person").map(wire::Person::into_user);
            people.extend(self.all(&listing, person).await?.into_iter().flatten());
        }
        Ok(people)
    }

    async fn projects_that_are(&self, lifecycle: Lifecycle) -> Result<Vec<Project>, Error> {
        let listing = Listing {
            route: "/project/search",
            path: "/rest/api/3/project/search",
            parameters: &[("status", lifecycle.name()), ("expand", "insight,lead"), ("orderBy", "key")],
            size: PROJECTS,
            lists: &["values"],
        };
        self.all(&listing, |raw| convert::project(raw, lifecycle)).await
    }
}
