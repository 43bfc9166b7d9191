//! Webhooks that hold no issue: worklogs, links, projects, people. The thing itself stands under its own key.

use serde_json::{Value, json};

use super::issue::{Issue, Link, Side, Worklog};
use super::people::{Shape, in_issue};
use super::view::Lens;
use super::view::parts::WorklogView;
use super::{State, World};
use crate::webhooks::Delivery;

impl World {
    pub(super) fn tell_worklog(&self, state: &State, event: &'static str, issue: &Issue, worklog: Option<&Worklog>) {
        let lens = Lens::new(state, &self.config, Shape::V2);
        let view = worklog.map(|worklog| WorklogView { lens, issue: issue.id, worklog });
        self.tell_of(event, "worklog", || serde_json::to_value(view).unwrap_or_default());
    }

    pub(super) fn tell_link(&self, event: &'static str, issue: u64, link: &Link) {
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
        self.tell_of(event, "issueLink", || link);
    }

    pub(super) fn tell_project(&self, state: &State, event: &'static str, place: usize) {
        let Some(project) = state.projects.get(place) else { return };
        let deck = state.cards.of(Shape::V2);
        self.tell_of(event, "project", || {
            json!({
                "self": format!("{}/project/{}", deck.base, project.id),
                "id": project.id.parse::<u64>().unwrap_or(0), "key": project.key, "name": project.name,
                "avatarUrls": {}, "projectLead": deck.person(&project.lead), "assigneeType": "UNASSIGNED",
            })
        });
    }

    pub(super) fn tell_user(&self, state: &State, event: &'static str, account: &str) {
        let Some(person) = state.people.iter().find(|person| &*person.account_id == account) else { return };
        let base = &state.cards.of(Shape::V2).base;
        self.tell_of(event, "user", || in_issue(base, person));
    }

    fn tell_of(&self, event: &'static str, what: &str, body: impl FnOnce() -> Value) {
        if self.outbox.has_receiver() {
            let at = self.now().timestamp_millis();
            let body = json!({"timestamp": at, "webhookEvent": event, what: body()}).to_string();
            let identifier = format!("{:032x}", rand::random::<u128>());
            self.outbox.post(&Delivery { identifier, event, body: body.into() });
        }
    }
}
