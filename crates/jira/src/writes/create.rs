//! Making issues.

use std::collections::BTreeMap;

use domain::{Invalid, IssueId, IssueRef, ProjectId, RawJson};
use serde_json::{Value, json};

use super::{Mark, text};
use crate::{Client, Error, budget::Verb, request::Request, wire};

/// An issue to be made.
#[derive(Clone, Debug)]
pub struct NewIssue {
    /// Where.
    pub project: ProjectId,
    /// Jira's number of its type.
    pub kind: i64,
    /// Its title.
    pub summary: String,
    /// Its labels.
    pub labels: Vec<String>,
    /// Other fields, by their ids; documents where Jira wants documents.
    pub fields: Vec<(String, RawJson)>,
    /// The operation that makes it.
    pub mark: Mark,
    /// Who can find it by that.
    pub visible: Visible,
}

/// Where a mark is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visible {
    /// On a label too: people see it, and a write whose answer never came can be found.
    Label,
    /// On a property only: nobody sees it, and it is found on issues that are known already.
    Property,
}

impl Client {
    /// Makes an issue. It can be read by its id at once, and searched for later.
    pub async fn create(&self, new: &NewIssue) -> Result<IssueRef, Error> {
        let fields = fields(new)?;
        let settle = match new.visible {
            Visible::Label => "to find out, search for the operation's label in some minutes, once the index knows it",
            Visible::Property => "to find out, look at the newest issues of the project for the operation's property",
        };
        let body = json!({ "fields": fields, "properties": [new.mark.property()] });
        let request = Request::once(Verb::Post, self.at("/rest/api/3/issue"), "/issue", settle).saying(&body)?;
        let answer = self.send(request).await?;
        let made: Result<wire::Reference, Error> = answer.read("the issue that was made");
        let made = made.ok().and_then(|made| Some(IssueRef { id: IssueId(made.id?), key: made.key?.parse().ok()? }));
        // It was made: who asks again makes another one.
        made.ok_or_else(|| {
            let reason = "it happened, but the answer does not name the issue".to_owned();
            Error::Unknown { asked: Box::new(answer.asked.clone()), reason, settle }
        })
    }
}

fn fields(new: &NewIssue) -> Result<BTreeMap<&str, RawJson>, Error> {
    let ours = |value: Value| RawJson::of(&value).map_err(|error| Error::unreadable("our own text", &error));
    let mut labels = new.labels.clone();
    if new.visible == Visible::Label {
        labels.push(new.mark.label());
    }
    let mut fields = BTreeMap::from([
        ("project", ours(json!({ "id": new.project.to_string() }))?),
        ("issuetype", ours(json!({ "id": new.kind.to_string() }))?),
        ("summary", ours(json!(new.summary))?),
        ("labels", ours(json!(labels))?),
    ]);
    text::fits("summary", &fields["summary"])?;
    text::check(&new.fields)?;
    for (name, value) in &new.fields {
        if fields.insert(name, value.clone()).is_some() {
            return Err(Invalid::new(format!("the field {name}"), "must be given once").into());
        }
    }
    Ok(fields)
}
