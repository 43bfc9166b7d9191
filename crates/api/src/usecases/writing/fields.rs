//! Fields in Jira's own form.

use domain::{AccountId, CreateIssue, RawJson, RichText, TransitionIssue, UpdateIssue, search::Handle};
use serde_json::{Value, json};

use crate::usecases::Error;

/// Fields with their values, by Jira's ids.
#[derive(Default)]
pub(super) struct Fields(Vec<(String, RawJson)>);

impl Fields {
    /// Those of a new issue that have no place of their own in the question.
    pub(super) fn of_create(command: &CreateIssue) -> Result<Self, Error> {
        let mut fields = Self::default();
        if let Some(text) = &command.description {
            fields.raw("description", document(text));
        }
        if let Some(account) = &command.assignee {
            fields.set("assignee", &person(Some(account)))?;
        }
        if let Some(priority) = &command.priority {
            fields.set("priority", &handle(priority))?;
        }
        if let Some(parent) = &command.parent {
            fields.set("parent", &json!({ "key": parent }))?;
        }
        if let Some(day) = command.due_on {
            fields.set("duedate", &json!(day))?;
        }
        fields.others(&command.fields);
        Ok(fields)
    }

    /// Those of an edit.
    pub(super) fn of_update(command: &UpdateIssue) -> Result<Self, Error> {
        let mut fields = Self::default();
        if let Some(summary) = &command.summary {
            fields.set("summary", &json!(summary))?;
        }
        match &command.description {
            Some(Some(text)) => fields.raw("description", document(text)),
            Some(None) => fields.set("description", &Value::Null)?,
            None => {}
        }
        if let Some(labels) = &command.labels {
            fields.set("labels", &json!(labels))?;
        }
        if let Some(account) = &command.assignee {
            fields.set("assignee", &person(account.as_ref()))?;
        }
        if let Some(priority) = &command.priority {
            fields.set("priority", &handle(priority))?;
        }
        if let Some(day) = command.due_on {
            fields.set("duedate", &json!(day))?;
        }
        fields.others(&command.fields);
        Ok(fields)
    }

    /// Those of a transition's screen.
    pub(super) fn of_transition(command: &TransitionIssue) -> Result<Self, Error> {
        let mut fields = Self::default();
        if let Some(resolution) = &command.resolution {
            fields.set("resolution", &handle(resolution))?;
        }
        fields.others(&command.fields);
        Ok(fields)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    pub(super) fn end(self) -> Vec<(String, RawJson)> {
        self.0
    }

    fn set(&mut self, name: &str, value: &Value) -> Result<(), Error> {
        let value = RawJson::of(value).map_err(|error| Error::Broken(error.to_string()))?;
        self.raw(name, value);
        Ok(())
    }

    fn raw(&mut self, name: &str, value: RawJson) {
        self.0.push((name.to_owned(), value));
    }

    fn others(&mut self, others: &std::collections::BTreeMap<String, RawJson>) {
        self.0.extend(others.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
}

fn document(text: &RichText) -> RawJson {
    text.document().to_json()
}

fn person(account: Option<&AccountId>) -> Value {
    account.map_or(Value::Null, |account| json!({ "accountId": account }))
}

/// Jira takes ids as texts.
fn handle(handle: &Handle) -> Value {
    match handle {
        Handle::Id(id) => json!({ "id": id.to_string() }),
        Handle::Name(name) => json!({ "name": name }),
    }
}
