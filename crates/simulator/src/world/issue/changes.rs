//! What the changelog says about the way from one state of an issue to the next.

use chrono::NaiveDate;

use super::{AccountId, Change, Issue, Words};
use crate::world::catalogue::{POINTS_FIELD, SEVERITIES, SEVERITY_FIELD, SPRINT_FIELD, Status};
use crate::world::releases;
use crate::world::text::Text;

/// The changelog items that lead from one state to the other.
pub(crate) fn between(old: &Issue, new: &Issue) -> Vec<Change> {
    let mut items = Vec::new();
    if old.summary != new.summary {
        items.push(plain("summary", "summary", Some(old.summary.clone()), Some(new.summary.clone())));
    }
    if old.description != new.description {
        let wiki = |text: &Option<Text>| text.as_ref().map(Text::wiki);
        items.push(plain("description", "description", wiki(&old.description), wiki(&new.description)));
    }
    if old.status != new.status {
        items.push(named("status", (old.status.id(), old.status.name()), (new.status.id(), new.status.name())));
        items.extend(resolution(old.status, new.status));
    }
    if old.priority != new.priority {
        let (from, to) = (old.priority, new.priority);
        items.push(named("priority", (from.id(), from.name()), (to.id(), to.name())));
    }
    if old.issue_type != new.issue_type {
        let (from, to) = (old.issue_type, new.issue_type);
        items.push(named("issuetype", (from.id(), from.name()), (to.id(), to.name())));
    }
    if old.assignee != new.assignee {
        let words = |who: &Option<AccountId>| who.as_deref().map(|id| Words::from(id.to_owned()));
        let (from, to) = (words(&old.assignee), words(&new.assignee));
        // Whoever renders the entry puts the names in: they live with the people, not here.
        items.push(Change { field: "assignee", field_id: Some("assignee"), from, from_text: None, to, to_text: None });
    }
    if old.reporter != new.reporter {
        let words = |who: &AccountId| Some(Words::from(who.to_string()));
        let (from, to) = (words(&old.reporter), words(&new.reporter));
        items.push(Change { field: "reporter", field_id: Some("reporter"), from, from_text: None, to, to_text: None });
    }
    if old.labels != new.labels {
        items.push(plain("labels", "labels", Some(old.labels.join(" ")), Some(new.labels.join(" "))));
    }
    items.extend(dates_and_custom_fields(old, new));
    items.extend(listed_objects("Fix Version", "fixVersions", (&old.fix_versions, &new.fix_versions)));
    items.extend(listed_objects("Version", "versions", (&old.affects_versions, &new.affects_versions)));
    items.extend(listed_objects("Component", "components", (&old.components, &new.components)));
    items
}

/// One item per version or component that came or went.
fn listed_objects(field: &'static str, id: &'static str, (old, new): (&[u64], &[u64])) -> Vec<Change> {
    let words = |id: u64| (Some(Words::from(id.to_string())), releases::name(id).map(Words::from));
    let gone = old.iter().filter(|id| !new.contains(id)).map(|gone| {
        let (from, from_text) = words(*gone);
        Change { field, field_id: Some(id), from, from_text, to: None, to_text: None }
    });
    let come = new.iter().filter(|id| !old.contains(id)).map(|come| {
        let (to, to_text) = words(*come);
        Change { field, field_id: Some(id), from: None, from_text: None, to, to_text }
    });
    gone.chain(come).collect()
}

fn dates_and_custom_fields(old: &Issue, new: &Issue) -> Vec<Change> {
    let mut items = Vec::new();
    if old.due != new.due {
        let day = |due: Option<NaiveDate>| due.map(|day| day.to_string());
        items.push(plain("duedate", "duedate", day(old.due), day(new.due)));
    }
    if old.story_points != new.story_points {
        let points = |value: Option<f64>| value.map(|points| points.to_string());
        items.push(plain("Story point estimate", POINTS_FIELD, points(old.story_points), points(new.story_points)));
    }
    if old.environment != new.environment {
        let wiki = |text: &Option<Text>| text.as_ref().map(Text::wiki);
        items.push(plain("environment", "environment", wiki(&old.environment), wiki(&new.environment)));
    }
    if old.severity != new.severity {
        let name = |at: Option<usize>| at.and_then(|at| SEVERITIES.get(at)).map(|name| (*name).to_owned());
        items.push(plain("Severity", SEVERITY_FIELD, name(old.severity), name(new.severity)));
    }
    if old.sprints != new.sprints {
        let (from, to) = (listed(&old.sprints, ""), listed(&new.sprints, ""));
        let (from_text, to_text) = (listed(&old.sprints, "Sprint "), listed(&new.sprints, "Sprint "));
        items.push(Change { field: "Sprint", field_id: Some(SPRINT_FIELD), from, from_text, to, to_text });
    }
    if old.parent != new.parent {
        let id = |parent: Option<u64>| parent.map(|id| Words::from(id.to_string()));
        let (from, to) = (id(old.parent), id(new.parent));
        items.push(Change {
            field: "IssueParentAssociation",
            field_id: None,
            from,
            from_text: None,
            to,
            to_text: None,
        });
    }
    items
}

fn plain(field: &'static str, id: &'static str, from: Option<String>, to: Option<String>) -> Change {
    let (from_text, to_text) = (from.map(Words::from), to.map(Words::from));
    Change { field, field_id: Some(id), from: None, from_text, to: None, to_text }
}

fn named(field: &'static str, from: (&'static str, &'static str), to: (&'static str, &'static str)) -> Change {
    Change {
        field,
        field_id: Some(field),
        from: Some(from.0.into()),
        from_text: Some(from.1.into()),
        to: Some(to.0.into()),
        to_text: Some(to.1.into()),
    }
}

fn resolution(from: Status, to: Status) -> Option<Change> {
    let done = || (Some(Words::from("10000")), Some(Words::from("Done")));
    let ((from, from_text), (to, to_text)) = match (from == Status::Done, to == Status::Done) {
        (false, true) => ((None, None), done()),
        (true, false) => (done(), (None, None)),
        _ => return None,
    };
    Some(Change { field: "resolution", field_id: Some("resolution"), from, from_text, to, to_text })
}

fn listed(sprints: &[u32], before: &str) -> Option<Words> {
    let words: Vec<String> = sprints.iter().map(|id| format!("{before}{id}")).collect();
    Some(words.join(", ").into())
}
