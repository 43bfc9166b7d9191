//! What webhooks tell of worklogs, links, projects and people: the thing itself, under its own key, and no issue.

use serde_json::json;

use super::issue::{Issue, Link, Side, Worklog};
use super::people::{Shape, in_issue};
use super::view::Lens;
use super::view::parts::WorklogView;
use super::{State, World};
use crate::webhooks::payload::{Event, Thing};

impl World {
    pub(super) fn tell_worklog(&self, state: &State, event: &'static str, issue: &Issue, worklog: Option<&Worklog>) {
        let lens = Lens::new(state, &self.config, Shape::Webhook);
        let view = worklog.map(|worklog| WorklogView { lens, issue: issue.id, worklog });
        let entries = vec![("worklog", serde_json::to_value(view).unwrap_or_default())];
        self.tell_of(state, event, Thing { entries, issue: Some(issue), variables: Vec::new() });
    }

    pub(super) fn tell_link(&self, state: &State, event: &'static str, issue: u64, link: &Link) {
        let (source, destination) = match link.side {
            Side::Outward => (issue, link.other),
            Side::Inward => (link.other, issue),
        };
        let (id, name, inward, outward) = link.kind.words();
        let kind = json!({
            "id": id.parse::<u64>().unwrap_or(0), "name": name, "outwardName": outward, "inwardName": inward,
            "isSubTaskLinkType": false, "isSystemLinkType": false,
        });
        let link = json!({
            "id": link.id, "sourceIssueId": source, "destinationIssueId": destination, "issueLinkType": kind,
            "systemLink": false,
        });
        // Whatever the filter: links are told to everybody.
        self.tell_of(state, event, Thing { entries: vec![("issueLink", link)], issue: None, variables: Vec::new() });
    }

    pub(super) fn tell_project(&self, state: &State, event: &'static str, place: usize) {
        let Some(project) = state.projects.get(place) else { return };
        let deck = state.cards.of(Shape::Webhook);
        let told = json!({
            "self": format!("{}/project/{}", deck.base, project.id), "id": project.id.parse::<u64>().unwrap_or(0),
            "key": project.key, "name": project.name, "avatarUrls": {}, "projectLead": deck.person(&project.lead),
            "assigneeType": "admin.assignee.type.unassigned",
        });
        let variables = vec![("project.id", project.id.clone()), ("project.key", project.key.clone())];
        self.tell_of(state, event, Thing { entries: vec![("project", told)], issue: None, variables });
    }

    pub(super) fn tell_user(&self, state: &State, event: &'static str, account: &str) {
        let Some(person) = state.people.iter().find(|person| &*person.account_id == account) else { return };
        let base = &state.cards.of(Shape::Webhook).base;
        let variables = vec![("modifiedUser.accountId", account.to_owned())];
        self.tell_of(state, event, Thing { entries: vec![("user", in_issue(base, person))], issue: None, variables });
    }

    fn tell_of(&self, state: &State, event: &'static str, thing: Thing<'_>) {
        self.outbox.publish(self, state, &Event::thing(event, thing));
    }
}
