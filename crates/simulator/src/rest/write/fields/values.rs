//! The value of each field as requests write it, and Jira's words where it is none.

use chrono::NaiveDate;
use serde_json::Value;

use super::{Context, Step, Verb, no_text};
use crate::rest::comments::too_long;
use crate::world::boards::Sprint;
use crate::world::catalogue::{IssueType, POINTS_FIELD, Priority, SEVERITIES, SEVERITY_FIELD, SPRINT_FIELD};
use crate::world::issue::AccountId;
use crate::world::people::Shape;
use crate::world::text::Text;
use crate::world::{adf, releases};

/// Most characters of a summary.
const SUMMARY: usize = 255;

impl Context<'_> {
    pub(super) fn value(&self, name: &str, verb: Verb, value: &Value) -> Result<Step, String> {
        match name {
            "summary" => summary(value),
            "description" => {
                let text = self.text(value)?;
                Ok(Box::new(move |issue| issue.description.clone_from(&text)))
            }
            "environment" => {
                let text = self.text(value)?;
                Ok(Box::new(move |issue| issue.environment.clone_from(&text)))
            }
            "issuetype" => self.kind(value),
            "priority" => priority(value),
            "assignee" => {
                let who = self.account(value)?;
                Ok(Box::new(move |issue| issue.assignee.clone_from(&who)))
            }
            "reporter" => {
                let who = self.account(value)?.ok_or("Reporter is required.")?;
                Ok(Box::new(move |issue| issue.reporter.clone_from(&who)))
            }
            "labels" => labels(verb, value),
            "duedate" => due(value),
            "parent" => self.parent(value),
            "fixVersions" | "versions" | "components" => self.listed(name, verb, value),
            "resolution" => resolution(value),
            _ => self.custom(name, verb, value),
        }
    }

    fn custom(&self, name: &str, verb: Verb, value: &Value) -> Result<Step, String> {
        match name {
            POINTS_FIELD => {
                let points = optional(value, Value::as_f64).ok_or("Operation value must be a number")?;
                Ok(Box::new(move |issue| issue.story_points = points))
            }
            SPRINT_FIELD => {
                // An issue is put into one sprint by its number; the closed ones it was in stay.
                let known = |id: &u32| Sprint::exists(*id, self.site.projects.len());
                let number = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok()).filter(known);
                let sprint = optional(value, number).ok_or("Number value expected as the Sprint id.")?;
                let keep = verb == Verb::Add;
                Ok(Box::new(move |issue| {
                    issue.sprints.retain(|id| keep || Sprint::of(*id).state == "closed");
                    issue.sprints.extend(sprint.filter(|id| !issue.sprints.contains(id)));
                }))
            }
            SEVERITY_FIELD => {
                let place = optional(value, severity).ok_or("Specify a valid 'id' or 'name' for Severity")?;
                Ok(Box::new(move |issue| issue.severity = place))
            }
            _ => Err(format!("Field '{name}' cannot be set. It is not on the appropriate screen, or unknown.")),
        }
    }

    fn text(&self, value: &Value) -> Result<Option<Text>, String> {
        if value.is_null() {
            return Ok(None);
        }
        let text = match (self.shape, value) {
            (Shape::V3, value) if adf::is_document(value) => Text::Document(value.clone().into()),
            (Shape::V2, Value::String(words)) => Text::Written(words.clone()),
            _ => return Err(no_text(self.shape)),
        };
        if text.wiki().chars().count() > self.most {
            return Err(too_long(self.most));
        }
        // A text without content is none: Jira answers `null` for it.
        let empty = match value {
            Value::String(words) => words.trim().is_empty(),
            document => document["content"].as_array().is_none_or(Vec::is_empty),
        };
        Ok(Some(text).filter(|_| !empty))
    }

    fn kind(&self, value: &Value) -> Result<Step, String> {
        let kind = named(value, IssueType::ALL, IssueType::id, IssueType::name);
        let kind = kind.ok_or("The issue type selected is invalid.")?;
        // Sub-tasks become standard issues, and the other way round, by a conversion with a screen of its own.
        if (kind == IssueType::Subtask) != (self.kind == IssueType::Subtask) {
            return Err("The issue type selected is invalid.".into());
        }
        Ok(Box::new(move |issue| issue.issue_type = kind))
    }

    fn account(&self, value: &Value) -> Result<Option<AccountId>, String> {
        if value.is_null() {
            return Ok(None);
        }
        let id = value.get("accountId").or_else(|| value.get("id")).ok_or("data was not an object")?;
        match id.as_str() {
            None if id.is_null() => Ok(None),
            None => Err("The accountId must be a string.".into()),
            Some("-1") => Ok(self.site.projects.get(self.place).map(|project| project.lead.clone())),
            Some(id) => {
                let person = self.site.people.iter().find(|person| &*person.account_id == id && person.active);
                let person = person.ok_or_else(|| format!("User '{id}' does not exist."))?;
                Ok(Some(person.account_id.clone()))
            }
        }
    }

    /// Parents are one level up; those of sub-tasks are in the same project.
    fn parent(&self, value: &Value) -> Result<Step, String> {
        let unfit = "Given parent issue does not belong to appropriate hierarchy.";
        if value.is_null() {
            if self.kind == IssueType::Subtask {
                return Err(unfit.into());
            }
            return Ok(Box::new(|issue| issue.parent = None));
        }
        let id = value["id"].as_str().or_else(|| value["key"].as_str()).unwrap_or_default();
        let parent = self.site.visible(id).ok_or_else(|| format!("Could not find issue by id or key: '{id}'."))?;
        let same = self.kind != IssueType::Subtask || parent.project == self.place;
        let own = self.issue.is_some_and(|issue| issue.id == parent.id);
        if parent.issue_type.level() != self.kind.level() + 1 || !same || own {
            return Err(unfit.into());
        }
        let id = parent.id;
        Ok(Box::new(move |issue| issue.parent = Some(id)))
    }

    fn listed(&self, name: &str, verb: Verb, value: &Value) -> Result<Step, String> {
        let (word, known) = match name {
            "components" => ("Component", releases::components(self.place)),
            _ => ("Version", releases::versions(self.place)),
        };
        let one = |value: &Value| {
            let text = value["id"].as_str().or_else(|| value["name"].as_str()).unwrap_or_default();
            let is = |id: &&u64| id.to_string() == text || releases::name(**id) == Some(text);
            known.iter().find(is).copied().ok_or_else(|| format!("{word} name '{text}' is not valid"))
        };
        let ids: Vec<u64> = match (verb, value) {
            (Verb::Set, Value::Array(all)) => all.iter().map(one).collect::<Result<_, _>>()?,
            (Verb::Set, _) => return Err("data was not an array".into()),
            _ => vec![one(value)?],
        };
        let field = name.to_owned();
        Ok(Box::new(move |issue| {
            let list = match field.as_str() {
                "components" => &mut issue.components,
                "versions" => &mut issue.affects_versions,
                _ => &mut issue.fix_versions,
            };
            merge(list, verb, &ids);
        }))
    }
}

fn merge<T: Clone + PartialEq>(list: &mut Vec<T>, verb: Verb, values: &[T]) {
    match verb {
        Verb::Set => *list = values.to_vec(),
        Verb::Add => {
            for value in values {
                if !list.contains(value) {
                    list.push(value.clone());
                }
            }
        }
        Verb::Remove => list.retain(|it| !values.contains(it)),
    }
}

/// `None` when the value is neither null nor what `read` understands.
fn optional<T>(value: &Value, read: impl Fn(&Value) -> Option<T>) -> Option<Option<T>> {
    if value.is_null() { Some(None) } else { read(value).map(Some) }
}

fn summary(value: &Value) -> Result<Step, String> {
    let text = value.as_str().ok_or("Operation value must be a string")?.trim().to_owned();
    if text.is_empty() {
        return Err("You must specify a summary of the issue.".into());
    }
    if text.contains(['\n', '\r']) {
        return Err("The summary is invalid because it contains newline characters.".into());
    }
    if text.chars().count() > SUMMARY {
        return Err(format!("Summary must be less than {SUMMARY} characters."));
    }
    Ok(Box::new(move |issue| issue.summary.clone_from(&text)))
}

fn priority(value: &Value) -> Result<Step, String> {
    let found = named(value, Priority::ALL, Priority::id, Priority::name);
    let priority = found.ok_or("The priority selected is invalid.")?;
    Ok(Box::new(move |issue| issue.priority = priority))
}

/// One of `all`, by `{"id":".."}` or `{"name":".."}`.
fn named<T: Copy, const N: usize>(
    value: &Value,
    all: [T; N],
    id: impl Fn(T) -> &'static str,
    name: impl Fn(T) -> &'static str,
) -> Option<T> {
    let by_name = |it: T| value["name"].as_str().is_some_and(|wanted| wanted.eq_ignore_ascii_case(name(it)));
    all.into_iter().find(|it| value["id"] == id(*it) || by_name(*it))
}

fn labels(verb: Verb, value: &Value) -> Result<Step, String> {
    let one = |value: &Value| match value.as_str() {
        None => Err("string expected".to_owned()),
        Some(label) if label.contains(char::is_whitespace) => {
            Err(format!("The label '{label}' contains spaces which is invalid."))
        }
        Some(label) if label.chars().count() > SUMMARY => {
            Err(format!("The label '{label}' exceeds the maximum length for single label of {SUMMARY} characters."))
        }
        Some(label) => Ok(label.to_owned()),
    };
    let labels: Vec<String> = match (verb, value) {
        (Verb::Set, Value::Array(all)) => all.iter().map(one).collect::<Result<_, _>>()?,
        (Verb::Set, _) => return Err("data was not an array".into()),
        _ => vec![one(value)?],
    };
    Ok(Box::new(move |issue| merge(&mut issue.labels, verb, &labels)))
}

fn due(value: &Value) -> Result<Step, String> {
    let day = |value: &Value| value.as_str().and_then(|day| NaiveDate::parse_from_str(day, "%Y-%m-%d").ok());
    let day = optional(value, day).ok_or("Error parsing date string: the format is yyyy-MM-dd")?;
    Ok(Box::new(move |issue| issue.due = day))
}

/// There is one resolution, and its status sets it.
fn resolution(value: &Value) -> Result<Step, String> {
    let right = value["name"].as_str().is_some_and(|name| name.eq_ignore_ascii_case("Done")) || value["id"] == "10000";
    if right { Ok(Box::new(|_| {})) } else { Err("The resolution selected is invalid.".into()) }
}

fn severity(value: &Value) -> Option<usize> {
    let id = |place: usize| (10_020 + place).to_string();
    let is = |place: &usize| value["id"] == id(*place) || value["value"] == SEVERITIES[*place];
    (0..SEVERITIES.len()).find(is)
}
