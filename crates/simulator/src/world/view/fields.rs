//! Which fields were asked for, and each field of an issue as JSON.

use std::collections::HashSet;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::parts::{CommentsView, WorklogsView};
use super::related::{LinkView, Mini};
use super::{Extent, Lens, meta};
use crate::world::boards::Sprint;
use crate::world::catalogue::{FIELDS, Field, POINTS_FIELD, RANK_FIELD, SEVERITY_FIELD, SPRINT_FIELD, Status, Weight};
use crate::world::issue::Issue;
use crate::world::people::Shape;
use crate::world::releases;
use crate::world::text::Text;

/// The fields an answer holds, decided once per request.
pub(crate) struct Selection {
    wanted: Vec<&'static Field>,
    only_id: bool,
}

impl Selection {
    /// What a `fields` parameter asks for: names, `*all`, `*navigable`, `-name`. An empty list means `fallback`.
    pub(crate) fn parse(asked: &[String], fallback: &str) -> Self {
        let fallback = [fallback.to_owned()];
        let asked = if asked.is_empty() { &fallback } else { asked };
        let names = || asked.iter().flat_map(|part| part.split(',')).map(str::trim).filter(|name| !name.is_empty());
        let without: HashSet<&str> = names().filter_map(|name| name.strip_prefix('-')).collect();
        let with: HashSet<&str> = names().filter(|name| !name.starts_with('-')).collect();
        // Exclusions alone are taken from the navigable fields.
        let navigable = with.contains("*navigable") || with.is_empty();
        let takes = |field: &Field| {
            let base = with.contains("*all") || (navigable && field.weight == Weight::Navigable);
            (base || with.contains(field.id)) && !without.contains(field.id)
        };
        let only_id = !with.is_empty() && with.iter().all(|name| *name == "id");
        Self { wanted: FIELDS.iter().filter(|field| takes(field)).collect(), only_id }
    }

    pub(crate) fn all() -> Self {
        Self { wanted: FIELDS.iter().collect(), only_id: false }
    }

    /// Nothing but the id: items are `{"id":".."}`.
    pub(crate) fn only_id(&self) -> bool {
        self.only_id
    }

    /// Whether there is any field besides id and key; such pages are short.
    pub(crate) fn any(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// Ids of the selected fields.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &'static str> {
        self.wanted.iter().map(|field| field.id)
    }

    /// Ids and schemas of the selected fields (`expand=schema`).
    pub(crate) fn schemas(&self) -> Map<String, Value> {
        self.wanted.iter().map(|field| (field.id.to_owned(), meta::schema(field))).collect()
    }

    /// The selected fields as HTML (`expand=renderedFields`); only rich text has any.
    pub(crate) fn rendered(&self, issue: &Issue) -> Map<String, Value> {
        let html = |text: &Option<Text>| text.as_ref().map(|text| format!("<p>{}</p>", escape(&text.wiki())));
        let value = |field: &Field| match field.id {
            "description" => json!(html(&issue.description)),
            "environment" => json!(html(&issue.environment)),
            _ => Value::Null,
        };
        self.wanted.iter().map(|field| (field.id.to_owned(), value(field))).collect()
    }

    /// Ids and display names of the selected fields (`expand=names`).
    pub(crate) fn names(&self) -> Map<String, Value> {
        self.wanted.iter().map(|field| (field.id.to_owned(), json!(field.name))).collect()
    }
}

/// The `fields` object of an issue.
pub(super) struct FieldsView<'a> {
    pub(super) lens: Lens<'a>,
    pub(super) issue: &'a Issue,
    pub(super) extent: &'a Extent<'a>,
}

impl Serialize for FieldsView<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        for field in &self.extent.fields.wanted {
            if self.lens.is_broken(self.issue, field.id) {
                continue;
            }
            map.serialize_key(field.id)?;
            self.own(field.id, &mut map)?;
        }
        map.end()
    }
}

type Done<M> = Result<(), <M as SerializeMap>::Error>;

impl FieldsView<'_> {
    /// Fields whose value is kept in the issue itself.
    fn own<M: SerializeMap>(&self, field: &str, map: &mut M) -> Done<M> {
        let (lens, issue) = (self.lens, self.issue);
        match field {
            "summary" => map.serialize_value(&issue.summary),
            "description" => self.text(issue.description.as_ref(), map),
            "issuetype" => map.serialize_value(&lens.deck.issue_type(issue.issue_type)),
            "project" => map.serialize_value(&lens.deck.project(issue.project)),
            "status" => map.serialize_value(&lens.deck.status(issue.status)),
            "priority" => map.serialize_value(&lens.deck.priority(issue.priority)),
            "assignee" => map.serialize_value(&issue.assignee.as_deref().map(|who| lens.person(who))),
            "reporter" => map.serialize_value(&lens.person(&issue.reporter)),
            "creator" => map.serialize_value(&lens.person(&issue.creator)),
            "created" => map.serialize_value(&lens.time(issue.created)),
            "updated" => map.serialize_value(&lens.time(issue.updated)),
            "statuscategorychangedate" => map.serialize_value(&lens.time(issue.category_changed)),
            "resolutiondate" => map.serialize_value(&issue.resolved.map(|at| lens.time(at))),
            "duedate" => map.serialize_value(&issue.due),
            "labels" => map.serialize_value(&issue.labels),
            "parent" => map.serialize_value(&issue.parent.and_then(|id| Mini::of(lens, id))),
            "subtasks" => map.serialize_value(&self.subtasks()),
            "issuelinks" => map.serialize_value(&self.links()),
            "comment" => map.serialize_value(&CommentsView { lens, issue, most: self.extent.comments }),
            "worklog" => map.serialize_value(&WorklogsView { lens, issue, most: lens.worklogs }),
            "environment" => self.text(issue.environment.as_ref(), map),
            "fixVersions" => map.serialize_value(&self.versions(&issue.fix_versions)),
            "versions" => map.serialize_value(&self.versions(&issue.affects_versions)),
            "components" => map.serialize_value(&self.components()),
            POINTS_FIELD => map.serialize_value(&issue.story_points),
            SPRINT_FIELD => map.serialize_value(&self.sprints()),
            RANK_FIELD => map.serialize_value(&format_args!("0|i{:05}:", issue.id)),
            other => self.fixed(other, map),
        }
    }

    /// Fields this site never fills in, or derives; they are there because real answers are full of them.
    fn fixed<M: SerializeMap>(&self, field: &str, map: &mut M) -> Done<M> {
        let nothing: [(); 0] = [];
        match field {
            "attachment" => map.serialize_value(&nothing),
            "resolution" => map.serialize_value(&self.resolution()),
            SEVERITY_FIELD => map.serialize_value(&self.severity()),
            "votes" => map.serialize_value(constant(r#"{"votes":0,"hasVoted":false}"#)),
            "watches" => map.serialize_value(constant(r#"{"watchCount":1,"isWatching":false}"#)),
            "workratio" => map.serialize_value(&-1),
            "progress" | "aggregateprogress" => map.serialize_value(constant(r#"{"progress":0,"total":0}"#)),
            "timetracking" => map.serialize_value(&self.time_spent()),
            "issuerestriction" => map.serialize_value(constant(r#"{"issuerestrictions":{},"shouldDisplay":false}"#)),
            _ => map.serialize_value(&None::<()>),
        }
    }

    fn text<M: SerializeMap>(&self, text: Option<&Text>, map: &mut M) -> Done<M> {
        match self.lens.shape {
            Shape::V3 => map.serialize_value(&text.map(Text::adf)),
            Shape::V2 | Shape::Webhook => map.serialize_value(&text.map(Text::wiki)),
        }
    }

    fn subtasks(&self) -> Vec<Mini<'_>> {
        self.issue.subtasks.iter().filter_map(|id| Mini::of(self.lens, *id)).collect()
    }

    /// Links to issues the caller cannot see are left out.
    fn links(&self) -> Vec<LinkView<'_>> {
        self.issue.links.iter().filter_map(|link| LinkView::of(self.lens, link)).collect()
    }

    fn sprints(&self) -> Option<Vec<Sprint>> {
        let sprints = &self.issue.sprints;
        (!sprints.is_empty()).then(|| sprints.iter().map(|id| Sprint::of(*id)).collect())
    }

    fn resolution(&self) -> Option<Value> {
        (self.issue.status == Status::Done).then(|| meta::resolution(&self.lens.deck.base))
    }

    fn severity(&self) -> Option<Value> {
        self.issue.severity.and_then(|place| meta::severity(&self.lens.deck.base, place))
    }

    fn versions(&self, ids: &[u64]) -> Vec<Value> {
        ids.iter().map(|id| releases::version_json(&self.lens.deck.base, *id, None)).collect()
    }

    fn components(&self) -> Vec<Value> {
        self.issue.components.iter().map(|id| releases::component_json(&self.lens.deck.base, *id)).collect()
    }

    fn time_spent(&self) -> Value {
        let seconds: u64 = self.issue.worklogs.iter().map(|worklog| worklog.seconds).sum();
        if seconds == 0 { json!({}) } else { json!({"timeSpentSeconds": seconds, "timeSpent": duration(seconds)}) }
    }
}

/// A value that is the same in every issue; building it for each would take as long as writing it.
fn constant(text: &'static str) -> &'static RawValue {
    serde_json::from_str(text).expect("a constant is JSON")
}

/// Seconds as Jira writes them, such as `2h 15m`.
pub(crate) fn duration(seconds: u64) -> String {
    match (seconds / 3600, seconds % 3600 / 60) {
        (0, minutes) => format!("{minutes}m"),
        (hours, 0) => format!("{hours}h"),
        (hours, minutes) => format!("{hours}h {minutes}m"),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(asked: &[&str], fallback: &str) -> Vec<&'static str> {
        let asked: Vec<String> = asked.iter().map(|name| (*name).to_owned()).collect();
        Selection::parse(&asked, fallback).wanted.iter().map(|field| field.id).collect()
    }

    #[test]
    fn names_stars_and_exclusions_select() {
        assert_eq!(ids(&["summary,updated", "status"], "id"), ["summary", "status", "updated"]);
        assert_eq!(ids(&["*all"], "id").len(), FIELDS.len());
        assert!(!ids(&["*navigable"], "id").contains(&"comment"));
        assert!(ids(&["*navigable", "comment"], "id").contains(&"comment"));
        assert!(!ids(&["*all", "-description"], "id").contains(&"description"));
        assert!(ids(&["id", "key"], "id").is_empty());
    }

    #[test]
    fn nothing_but_the_id_is_the_default_of_search() {
        assert!(Selection::parse(&[], "id").only_id());
        assert!(!Selection::parse(&["key".into()], "id").only_id());
        assert!(!Selection::parse(&["-comment".into()], "*all").only_id());
    }
}
