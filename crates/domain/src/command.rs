//! What people and programs want done to issues: each command names every field at fault at once, before anybody is asked.
//! What is no such command is told apart from what is one that Jira would not take. Also the JSON of our interfaces.

mod parts;
mod tenant;
mod text;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

pub use tenant::{ChangeTenant, CreateTenant};
pub use text::RichText;

use crate::{AccountId, Invalid, RawJson, search::Handle};
use parts::Faults;

/// An issue to be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateIssue {
    /// The site, by its id or name; the tenant's only one where absent.
    #[serde(default)]
    pub instance: Option<String>,
    /// The project's key.
    pub project: String,
    /// Task, Bug ..: Jira's number of it, or its name.
    pub issue_type: Handle,
    /// One line, 255 characters at most.
    pub summary: String,
    /// What it is about.
    #[serde(default)]
    pub description: Option<RichText>,
    /// Without blanks.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Whose it is to be; whoever the project names where absent.
    #[serde(default)]
    pub assignee: Option<AccountId>,
    /// Jira's number of it, or its name.
    #[serde(default)]
    pub priority: Option<Handle>,
    /// The key of the epic or task that it is part of.
    #[serde(default)]
    pub parent: Option<String>,
    /// A date without a zone.
    #[serde(default)]
    pub due_on: Option<NaiveDate>,
    /// Other fields by Jira's ids (`customfield_10010`), in Jira's own form.
    #[serde(default)]
    pub fields: BTreeMap<String, RawJson>,
}

/// Changes of one issue, all or none of them. A field that is left out stays; `null` empties one that may be empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UpdateIssue {
    /// One line, 255 characters at most.
    #[serde(deserialize_with = "something", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    pub summary: Option<String>,
    /// What it is about.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<RichText>)]
    pub description: Option<Option<RichText>>,
    /// All of them, without blanks.
    #[serde(deserialize_with = "something", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<String>)]
    pub labels: Option<Vec<String>>,
    /// Whose it is to be; `null` is nobody's.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<AccountId>)]
    pub assignee: Option<Option<AccountId>>,
    /// Jira's number of it, or its name.
    #[serde(deserialize_with = "something", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Handle)]
    pub priority: Option<Handle>,
    /// A date without a zone.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<NaiveDate>)]
    pub due_on: Option<Option<NaiveDate>>,
    /// Other fields by Jira's ids (`customfield_10010`), in Jira's own form.
    pub fields: BTreeMap<String, RawJson>,
}

/// A move to another status, by one of the two: where to, or by which transition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TransitionIssue {
    /// The status: Jira's number of it, or its name.
    pub to: Option<Handle>,
    /// Jira's id of the transition, which is valid from the issue's present status only.
    pub transition: Option<String>,
    /// Why it is finished: Jira's number of it, or its name.
    pub resolution: Option<Handle>,
    /// A comment to go along.
    pub comment: Option<RichText>,
    /// Other fields of the transition's screen by Jira's ids, in Jira's own form.
    pub fields: BTreeMap<String, RawJson>,
}

/// A comment to be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddComment {
    /// What it says.
    pub body: RichText,
}

impl CreateIssue {
    /// Fields that no command takes among the others: they have a place of their own, or nobody may set them.
    pub const OWN: [&str; 13] = parts::OWN;

    /// Names every field at fault.
    pub fn validate(&self) -> Result<(), Vec<Invalid>> {
        let mut faults = Faults::default();
        faults.project("project", &self.project);
        faults.handle("issue_type", &self.issue_type);
        faults.summary(&self.summary);
        faults.text("description", self.description.as_ref());
        faults.labels(&self.labels);
        faults.account("assignee", self.assignee.as_ref());
        self.priority.iter().for_each(|priority| faults.handle("priority", priority));
        self.parent.iter().for_each(|parent| faults.issue("parent", parent));
        faults.fields(&self.fields);
        faults.end()
    }

    /// Names every field that Jira would not take, as far as that can be known without asking.
    pub fn suits_jira(&self) -> Result<(), Vec<Invalid>> {
        let mut faults = Faults::default();
        faults.document("description", self.description.as_ref());
        faults.values(&self.fields);
        faults.end()
    }
}

impl UpdateIssue {
    /// Names every field at fault; so it does when nothing is to be changed.
    pub fn validate(&self) -> Result<(), Vec<Invalid>> {
        let mut faults = Faults::default();
        if *self == Self::default() {
            faults.add("", "must change at least one field");
        }
        self.summary.iter().for_each(|summary| faults.summary(summary));
        faults.text("description", self.description.iter().flatten().next());
        self.labels.iter().for_each(|labels| faults.labels(labels));
        faults.account("assignee", self.assignee.iter().flatten().next());
        self.priority.iter().for_each(|priority| faults.handle("priority", priority));
        faults.fields(&self.fields);
        faults.end()
    }

    /// Names every field that Jira would not take, as far as that can be known without asking.
    pub fn suits_jira(&self) -> Result<(), Vec<Invalid>> {
        let mut faults = Faults::default();
        faults.document("description", self.description.iter().flatten().next());
        faults.values(&self.fields);
        faults.end()
    }
}

impl TransitionIssue {
    /// Names every field at fault.
    pub fn validate(&self) -> Result<(), Vec<Invalid>> {
        let mut faults = Faults::default();
        if self.to.is_some() == self.transition.is_some() {
            faults.add("to", "must be given, or else `transition`, and not both");
        }
        self.to.iter().for_each(|to| faults.handle("to", to));
        if let Some(id) = &self.transition
            && (id.is_empty() || id.len() > 20 || !id.bytes().all(|byte| byte.is_ascii_digit()))
        {
            faults.add("transition", "must be a number of up to 20 digits, as a text");
        }
        self.resolution.iter().for_each(|resolution| faults.handle("resolution", resolution));
        faults.text("comment", self.comment.as_ref());
        faults.fields(&self.fields);
        faults.end()
    }

    /// Names every field that Jira would not take, as far as that can be known without asking.
    pub fn suits_jira(&self) -> Result<(), Vec<Invalid>> {
        let mut faults = Faults::default();
        faults.document("comment", self.comment.as_ref());
        faults.values(&self.fields);
        faults.end()
    }
}

impl AddComment {
    /// Names every field at fault.
    pub fn validate(&self) -> Result<(), Vec<Invalid>> {
        let mut faults = Faults::default();
        faults.text("body", Some(&self.body));
        faults.end()
    }

    /// Names what Jira would not take, as far as that can be known without asking.
    pub fn suits_jira(&self) -> Result<(), Vec<Invalid>> {
        let mut faults = Faults::default();
        faults.document("body", Some(&self.body));
        if faults.is_empty() && self.body.document().nodes().is_empty() {
            faults.add("body", "must say something");
        }
        faults.end()
    }
}

/// What is there and says something: for what is left out or given, but never `null`.
fn something<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// What is there, be it `null`: only what is left out is not given.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(faults: Result<(), Vec<Invalid>>) -> Vec<String> {
        faults.expect_err("it has faults").into_iter().map(|fault| fault.what).collect()
    }

    #[test]
    fn every_field_at_fault_is_named_at_once() {
        let create: CreateIssue = serde_json::from_str(
            r#"{"project":"7","issue_type":"","summary":" ","labels":["a b"],"parent":"ACME","assignee":"",
                "description":{"markdown":"a","adf":{}},"fields":{"summary":"x","Team":1}}"#,
        )
        .expect("JSON of a command");
        let expected = [
            "project",
            "issue_type",
            "summary",
            "description",
            "labels.0",
            "assignee",
            "parent",
            "fields.Team",
            "fields.summary",
        ];
        assert_eq!(named(create.validate()), expected);
        assert_eq!(named(UpdateIssue::default().validate()), [""]);
        assert_eq!(named(TransitionIssue::default().validate()), ["to"]);
    }

    #[test]
    fn a_number_is_an_id_however_it_is_written() {
        let to = |json: &str| serde_json::from_str::<TransitionIssue>(&format!(r#"{{"to":{json}}}"#)).map(|it| it.to);
        for (json, id) in [("7", 7), ("7.0", 7), ("-7.0e2", -700), ("9007199254740993", 9_007_199_254_740_993)] {
            assert_eq!(to(json).expect("an id"), Some(Handle::Id(id)), "{json}");
        }
        assert_eq!(to("\"7\"").expect("a name"), Some(Handle::Name("7".to_owned())));
        assert!(to("7.5").is_err() && to("1e30").is_err() && to("true").is_err());
    }

    #[test]
    fn null_empties_and_silence_keeps() {
        let update: UpdateIssue = serde_json::from_str(r#"{"assignee":null}"#).expect("JSON of a command");
        assert_eq!((update.assignee.clone(), update.due_on), (Some(None), None));
        assert!(update.validate().is_ok());
        assert!(serde_json::from_str::<UpdateIssue>(r#"{"status":"Done"}"#).is_err());
        for lasting in ["summary", "labels", "priority"] {
            assert!(serde_json::from_str::<UpdateIssue>(&format!(r#"{{"{lasting}":null}}"#)).is_err(), "{lasting}");
        }
    }

    #[test]
    fn a_comment_says_something_that_jira_takes() {
        let comment = |markdown: &str| AddComment { body: RichText::markdown(markdown) };
        assert!(comment("*hello*").suits_jira().is_ok());
        for unfit in [" \n", "#", &"ä".repeat(40_000)] {
            assert!(comment(unfit).validate().is_ok(), "it is a comment");
            assert_eq!(named(comment(unfit).suits_jira()), ["body"]);
        }
        assert_eq!(named(comment(&"ä".repeat(140_000)).validate()), ["body"]);
        let of =
            |adf: &str| serde_json::from_str::<AddComment>(&format!(r#"{{"body":{{"adf":{adf}}}}}"#)).expect("JSON");
        let picture = r#"{"type":"doc","version":1,"content":[{"type":"mediaSingle","content":[{"type":"media"}]}]}"#;
        assert!(of(picture).suits_jira().is_ok(), "a picture alone says something");
        assert_eq!(named(of("7").suits_jira()), ["body"]);
    }

    #[test]
    fn what_jira_would_not_take_is_named_apart() {
        let create: CreateIssue = serde_json::from_str(
            r#"{"project":"ACME","issue_type":1,"summary":"x","description":{"adf":{"type":"doc"}},
                "fields":{"customfield_1":"\u0000","fixVersions":[]}}"#,
        )
        .expect("JSON of a command");
        assert!(create.validate().is_ok());
        assert_eq!(named(create.suits_jira()), ["description", "fields.customfield_1"]);
    }
}
