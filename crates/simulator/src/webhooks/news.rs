//! Events beside issues and their comments, for a script to send: sprints, projects, people, versions, boards, work
//! logs, attachments, links, properties, and whatever Jira may think of next. Each under its own key, as Jira has them.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::payload::{Event, Thing};
use crate::world::boards::Sprint;
use crate::world::catalogue::IssueType;
use crate::world::edits::EditError;
use crate::world::issue::{AccountId, Issue};
use crate::world::people::{Project, Shape};
use crate::world::view::Lens;
use crate::world::{State, World};

/// What an event sent by `World::emit` is about.
#[derive(Clone, Debug)]
pub enum About {
    /// `worklog_created` ..: the issue's id or key, the work log's id, the time spent. Told without the issue.
    Worklog(String, u64, u64),
    /// `attachment_created` ..: the issue's id or key, the attachment's id and file name. Told without the issue.
    Attachment(String, u64, String),
    /// `issuelink_created` ..: the ends, by id or key. Told without the issues, and whatever the filter.
    Link(String, String),
    /// `issue_property_set` ..: the issue's id or key, the property's key.
    Property(String, String),
    /// `sprint_started` ..: a sprint's id.
    Sprint(u32),
    /// `board_updated` ..: a board's id.
    Board(u32),
    /// `project_updated` ..: a project's id or key.
    Project(String),
    /// `user_updated` ..
    User(AccountId),
    /// `jira:version_released` ..: the project's id or key, the version's id and name.
    Version(String, u64, String),
    /// `jira:version_deleted` by a merge: the project's id or key, the version that is gone and the one that stays.
    Merge(String, u64, u64),
    /// `issuetype_updated` ..
    IssueType(IssueType),
    /// Anything else, under this key.
    Other(&'static str, Value),
}

impl World {
    /// Sends an event to whoever registered for it. Nothing in the store changes, and the name is not checked: the list
    /// of Jira's events is open.
    pub fn emit(&self, event: &str, about: &About) -> Result<(), EditError> {
        let site = self.read();
        let lens = Lens::new(&site, self.config(), Shape::Webhook);
        let thing = about.thing(lens, self.now())?;
        self.outbox.publish(self, &site, &Event::thing(event, thing));
        Ok(())
    }
}

impl About {
    fn thing<'a>(&self, lens: Lens<'a>, now: DateTime<Utc>) -> Result<Thing<'a>, EditError> {
        let site = lens.state;
        Ok(match self {
            Self::Worklog(on, id, seconds) => {
                about_issue(find(site, on)?, "worklog", |issue| worklog(lens, issue, (*id, *seconds), now))
            }
            Self::Attachment(on, id, name) => {
                about_issue(find(site, on)?, "attachment", |issue| attachment(lens, issue, (*id, name), now))
            }
            Self::Link(from, to) => plain("issueLink", link(find(site, from)?, find(site, to)?)),
            Self::Property(on, key) => property(lens, find(site, on)?, key),
            Self::Sprint(id) => named("sprint", Sprint::of(*id).agile(host(lens)), "sprint.id", id.to_string()),
            Self::Board(id) => named("board", board(lens, *id), "board.id", id.to_string()),
            Self::Project(of) => about_project(lens, find_project(site, of)?),
            Self::User(account) => user(lens, account),
            Self::Version(of, id, name) => about_version(lens, find_project(site, of)?, *id, name),
            Self::Merge(of, gone, stays) => merge(lens, find_project(site, of)?, *gone, *stays),
            Self::IssueType(kind) => plain("issuetype", issue_type(lens, *kind)),
            Self::Other(key, value) => plain(key, value.clone()),
        })
    }
}

fn find<'a>(site: &'a State, id_or_key: &str) -> Result<&'a Issue, EditError> {
    let found = site.resolve(id_or_key).and_then(|id| site.issues.get(&id));
    found.map(|issue| &**issue).ok_or_else(|| EditError::NoSuchIssue(id_or_key.to_owned()))
}

fn find_project<'a>(site: &'a State, id_or_key: &str) -> Result<&'a Project, EditError> {
    let found = site.project(id_or_key).and_then(|place| site.projects.get(place));
    found.ok_or_else(|| EditError::NoSuchProject(id_or_key.to_owned()))
}

fn plain(key: &'static str, value: Value) -> Thing<'static> {
    Thing { entries: vec![(key, value)], issue: None, variables: Vec::new() }
}

fn named(key: &'static str, value: Value, variable: &'static str, text: String) -> Thing<'static> {
    Thing { variables: vec![(variable, text)], ..plain(key, value) }
}

/// Filters look at the issue, but the body does not hold it.
fn about_issue<'a>(issue: &'a Issue, key: &'static str, value: impl FnOnce(&Issue) -> Value) -> Thing<'a> {
    Thing { entries: vec![(key, value(issue))], issue: Some(issue), variables: Vec::new() }
}

fn worklog(lens: Lens<'_>, issue: &Issue, (id, seconds): (u64, u64), now: DateTime<Utc>) -> Value {
    let author = json!(lens.person(&issue.reporter));
    json!({
        "self": format!("{}/issue/{}/worklog/{id}", lens.deck.base, issue.id), "id": id.to_string(),
        "issueId": issue.id.to_string(), "author": author, "updateAuthor": author, "comment": "",
        "created": lens.time(now), "updated": lens.time(now), "started": lens.time(now),
        "timeSpent": format!("{}m", seconds / 60), "timeSpentSeconds": seconds,
    })
}

fn attachment(lens: Lens<'_>, issue: &Issue, (id, name): (u64, &str), now: DateTime<Utc>) -> Value {
    let base = &lens.deck.base;
    json!({
        "self": format!("{base}/attachment/{id}"), "id": id.to_string(), "filename": name,
        "author": lens.person(&issue.reporter), "created": lens.time(now), "size": 2048,
        "mimeType": "application/octet-stream", "content": format!("{base}/attachment/content/{id}"),
    })
}

fn link(from: &Issue, to: &Issue) -> Value {
    let kind = json!({
        "id": 10002, "name": "Duplicate", "outwardName": "duplicates", "inwardName": "is duplicated by",
        "isSubTaskLinkType": false, "isSystemLinkType": false,
    });
    let id = from.id + to.id;
    json!({"id": id, "sourceIssueId": from.id, "destinationIssueId": to.id, "issueLinkType": kind, "systemLink": false})
}

fn property<'a>(lens: Lens<'a>, issue: &'a Issue, key: &str) -> Thing<'a> {
    let link = format!("{}/issue/{}", lens.deck.base, issue.id);
    let short = json!({"id": issue.id.to_string(), "self": link, "key": issue.key});
    let property = json!({"key": key});
    Thing { entries: vec![("issue", short), ("property", property)], issue: Some(issue), variables: Vec::new() }
}

fn board(lens: Lens<'_>, id: u32) -> Value {
    json!({"id": id, "self": format!("{}/rest/agile/1.0/board/{id}", host(lens)), "name": format!("Board {id}"), "type": "scrum"})
}

/// The site's address, without the path of an API.
fn host(lens: Lens<'_>) -> &str {
    lens.deck.base.trim_end_matches("/rest/api/2")
}

/// Its id is a number here, and text everywhere else.
fn about_project(lens: Lens<'_>, project: &Project) -> Thing<'static> {
    let value = json!({
        "self": format!("{}/project/{}", lens.deck.base, project.id), "id": number(&project.id), "key": project.key,
        "name": project.name, "avatarUrls": {}, "projectLead": lens.person(&project.lead),
        "assigneeType": "admin.assignee.type.unassigned",
    });
    let variables = vec![("project.id", project.id.clone()), ("project.key", project.key.clone())];
    Thing { variables, ..plain("project", value) }
}

fn user(lens: Lens<'_>, account: &AccountId) -> Thing<'static> {
    named("user", json!(lens.person(account)), "modifiedUser.accountId", account.to_string())
}

fn about_version(lens: Lens<'_>, project: &Project, id: u64, name: &str) -> Thing<'static> {
    named("version", version(lens, project, id, name), "version.id", id.to_string())
}

fn merge(lens: Lens<'_>, project: &Project, gone: u64, stays: u64) -> Thing<'static> {
    let one = |id: u64| version(lens, project, id, &format!("Version {id}"));
    Thing {
        entries: vec![("version", one(gone)), ("mergedTo", one(stays))],
        issue: None,
        variables: vec![("version.id", gone.to_string()), ("mergedVersion.id", stays.to_string())],
    }
}

fn version(lens: Lens<'_>, project: &Project, id: u64, name: &str) -> Value {
    json!({
        "self": format!("{}/version/{id}", lens.deck.base), "id": id.to_string(), "name": name, "archived": false,
        "released": false, "projectId": number(&project.id),
    })
}

fn issue_type(lens: Lens<'_>, kind: IssueType) -> Value {
    json!(lens.deck.issue_type(kind))
}

fn number(id: &str) -> u64 {
    id.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::config::Config;

    #[test]
    fn each_thing_stands_under_its_own_key() {
        let world = World::new(Config { issues: 5, ..Config::default() });
        let site = world.read();
        let lens = Lens::new(&site, world.config(), Shape::Webhook);
        let all = |about: About| about.thing(lens, world.now()).unwrap().entries;
        let one = |about: About| all(about).remove(0);
        let (key, sprint) = one(About::Sprint(13));
        assert_eq!((key, &sprint["originBoardId"], &sprint["state"]), ("sprint", &json!(2), &json!("active")));
        assert!(sprint["self"].as_str().unwrap().ends_with(".atlassian.net/rest/agile/1.0/sprint/13"));
        assert_eq!(one(About::Project("ACME".into())).1["id"], 10_000);
        let issue = world.issue_id("ACME-1").unwrap();
        assert_eq!(one(About::Worklog("ACME-1".into(), 7, 60)).1["issueId"], issue.to_string());
        assert_eq!(one(About::User(world.service_account())).1["emailAddress"], Value::Null);
        let merged: Vec<_> = all(About::Merge("ACME".into(), 1, 2)).into_iter().map(|(key, _)| key).collect();
        assert_eq!(merged, ["version", "mergedTo"]);
        let property: Vec<_> =
            all(About::Property("ACME-1".into(), "seen".into())).into_iter().map(|it| it.0).collect();
        assert_eq!(property, ["issue", "property"]);
        let missing = About::Attachment("NOPE-1".into(), 1, "x".into()).thing(lens, world.now()).err();
        assert_eq!(missing, Some(EditError::NoSuchIssue("NOPE-1".into())));
    }
}
