//! The faults of a command, collected field by field.

use std::collections::BTreeMap;

use super::RichText;
use crate::{AccountId, Invalid, IssueKey, ProjectKey, RawJson, search::Handle, storable_json};

/// Characters of a summary.
const LONGEST_SUMMARY: usize = 255;
/// Characters of a name, a label or an account.
const LONGEST_NAME: usize = 255;
/// Labels, and other fields.
const MOST: usize = 100;

/// Fields that have a place of their own in every command, or that no command may touch.
pub(super) const OWN: [&str; 13] = [
    "assignee",
    "comment",
    "description",
    "duedate",
    "issuetype",
    "labels",
    "parent",
    "priority",
    "project",
    "resolution",
    "status",
    "summary",
    "key",
];

/// What was found so far.
#[derive(Default)]
pub(super) struct Faults(Vec<Invalid>);

impl Faults {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn end(self) -> Result<(), Vec<Invalid>> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }

    pub(super) fn add(&mut self, field: impl Into<String>, why: impl Into<String>) {
        self.0.push(Invalid::new(field, why));
    }

    pub(super) fn project(&mut self, field: &str, key: &str) {
        if let Err(fault) = key.parse::<ProjectKey>() {
            self.add(field, fault.why);
        }
    }

    pub(super) fn issue(&mut self, field: &str, key: &str) {
        if let Err(fault) = key.parse::<IssueKey>() {
            self.add(field, fault.why);
        }
    }

    pub(super) fn handle(&mut self, field: &str, handle: &Handle) {
        if let Handle::Name(name) = handle {
            self.name(field, name);
        }
    }

    pub(super) fn account(&mut self, field: &str, account: Option<&AccountId>) {
        if let Some(AccountId(account)) = account {
            self.name(field, account);
        }
    }

    pub(super) fn summary(&mut self, summary: &str) {
        let fits = !summary.trim().is_empty() && summary.chars().count() <= LONGEST_SUMMARY;
        if !fits || summary.contains(['\n', '\r', '\0']) {
            self.add("summary", format!("must be one line of 1 to {LONGEST_SUMMARY} characters"));
        }
    }

    pub(super) fn text(&mut self, field: &str, text: Option<&RichText>) {
        if let Some(Err(fault)) = text.map(|text| text.check(field)) {
            self.0.push(fault);
        }
    }

    pub(super) fn document(&mut self, field: &str, text: Option<&RichText>) {
        if let Some(Err(fault)) = text.map(|text| text.document().check(field)) {
            self.0.push(fault);
        }
    }

    pub(super) fn labels(&mut self, labels: &[String]) {
        if labels.len() > MOST {
            self.add("labels", format!("must be at most {MOST}"));
        }
        for (n, label) in labels.iter().enumerate() {
            let fits = !label.is_empty() && label.chars().count() <= LONGEST_NAME;
            if !fits || label.contains(|c: char| c.is_whitespace() || c == '\0') {
                self.add(format!("labels.{n}"), format!("must be 1 to {LONGEST_NAME} characters without blanks"));
            }
        }
    }

    pub(super) fn fields(&mut self, fields: &BTreeMap<String, RawJson>) {
        if fields.len() > MOST {
            self.add("fields", format!("must be at most {MOST}"));
        }
        for id in fields.keys() {
            let shown: String = id.chars().take(60).collect();
            if !is_field_id(id) {
                self.add(format!("fields.{shown}"), "must be named by Jira's id of the field, as `customfield_10010`");
            } else if OWN.contains(&id.as_str()) {
                self.add(format!("fields.{shown}"), "has a place of its own, or cannot be set");
            }
        }
    }

    pub(super) fn values(&mut self, fields: &BTreeMap<String, RawJson>) {
        for (id, _) in fields.iter().filter(|(_, value)| storable_json(value.as_str()).is_some()) {
            self.add(format!("fields.{id}"), "must have no NUL");
        }
    }

    fn name(&mut self, field: &str, name: &str) {
        if name.is_empty() || name.chars().count() > LONGEST_NAME || name.contains('\0') {
            self.add(field, format!("must be 1 to {LONGEST_NAME} characters"));
        }
    }
}

/// Whether it may be Jira's id of a field (`customfield_10010`, `fixVersions`), which a name (`Story points`) is not.
fn is_field_id(id: &str) -> bool {
    id.starts_with(|first: char| first.is_ascii_lowercase())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
