//! Jira's JSON to what the mirror means: the only place.
//!
//! An issue's own text is kept as it came, without what becomes rows of its own: changelog, comments, worklogs.

mod document;
mod issue;
mod listed;
mod people;
mod reference;
mod site;
mod sprint;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{
    Comment, CommentId, Field, History, HistoryId, Issue, IssueId, IssueLink, IssueSnapshot, Lifecycle, Project,
    RawJson, Sprint, User, Worklog, WorklogId, content_hash, storable_json,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Error, wire};

pub(crate) use document::Document;
pub(crate) use issue::link;
pub(crate) use listed::{comment, history, worklog};
pub(crate) use people::{Known, People};
pub(crate) use reference::{listed_status, status};
pub(crate) use site::{field, project};

/// More changelog entries than this are never embedded, and the oldest are the ones that are missing.
const EMBEDDED_HISTORIES: usize = 40;

/// Comments without a total are believed up to this many.
const EMBEDDED_COMMENTS: usize = 20;

/// Worklogs without a total are believed up to this many.
const EMBEDDED_WORKLOGS: usize = 20;

/// An issue's JSON as Jira writes it, with whatever comments, worklogs and changelog are embedded, as a snapshot. What Jira cut off
/// stays cut off: [`Client::hydrate`](crate::Client::hydrate) completes it.
pub fn snapshot_from_json(text: &str, observed_at: DateTime<Utc>) -> Result<IssueSnapshot, Error> {
    Ok(Draft::read(text)?.finish(observed_at))
}

/// A project's JSON as Jira lists it among the live ones.
pub fn project_from_json(text: &str) -> Result<Project, Error> {
    site::project(read(text, "a project")?, Lifecycle::Live)
}

/// A person's JSON as Jira lists it.
pub fn person_from_json(text: &str) -> Result<User, Error> {
    let person: wire::Person = read_object(text, "a person")?;
    person.into_user().ok_or_else(|| Error::malformed("a person without an account"))
}

/// A field's JSON as Jira lists it.
pub fn field_from_json(text: &str) -> Result<Field, Error> {
    site::field(read(text, "a field")?)
}

/// An issue that may still lack what Jira cut off.
#[derive(Debug)]
pub(crate) struct Draft {
    issue: Issue,
    links: Vec<IssueLink>,
    raw: RawJson,
    sprints: Vec<Sprint>,
    comments: BTreeMap<CommentId, Comment>,
    worklogs: BTreeMap<WorklogId, Worklog>,
    histories: BTreeMap<HistoryId, History>,
    people: People,
    /// Whether comments are missing.
    pub(crate) comments_cut: bool,
    /// Whether worklogs are missing.
    pub(crate) worklogs_cut: bool,
    /// Whether changelog entries are missing.
    pub(crate) changelog_cut: bool,
}

impl Draft {
    /// Reads an issue. Fails when something is missing without which it is no issue. Only the raw document keeps what
    /// columns cannot hold.
    pub(crate) fn read(exact: &str) -> Result<Self, Error> {
        let storable = storable_json(exact);
        let exact: Document<'_> = read(exact, "an issue")?;
        let storable = storable.as_deref().map(|text| read(text, "an issue")).transpose()?;
        Self::of(storable.as_ref().unwrap_or(&exact), &exact, Known::new())
    }

    /// The same of a document that was taken apart: as it can be stored, and as it came.
    pub(crate) fn of(document: &Document<'_>, exact: &Document<'_>, known: Known) -> Result<Self, Error> {
        let mut fields = wire::Fields::of(document.fields()?);
        let (links, comments, worklogs) = (fields.issuelinks.take(), fields.comment.take(), fields.worklog.take());
        let mut people = People::knowing(known);
        let mut issue = issue::issue(document.id()?, document.key(), fields, &mut people)?;
        let sprints = sprint::sprints(document.fields()?)?;
        issue.sprints = sprints.iter().map(|sprint| sprint.id).collect();
        let mut draft = Self {
            issue,
            links: links.unwrap_or_default().into_iter().filter_map(issue::link).collect(),
            raw: exact.raw()?,
            sprints,
            comments: BTreeMap::new(),
            worklogs: BTreeMap::new(),
            histories: BTreeMap::new(),
            people,
            comments_cut: false,
            worklogs_cut: false,
            changelog_cut: false,
        };
        draft.embed_comments(comments)?;
        draft.embed_worklogs(worklogs)?;
        draft.embed_changelog(document.changelog())?;
        Ok(draft)
    }

    /// The people who need not be read again.
    pub(crate) fn take_known(&mut self) -> Known {
        self.people.take_known()
    }

    pub(crate) fn id(&self) -> IssueId {
        self.issue.id
    }

    /// Adds comments; one that is there already is replaced.
    pub(crate) fn add_comments(&mut self, comments: Vec<wire::Comment<'_>>) -> Result<(), Error> {
        for wire in comments {
            let comment = comment(&wire, &mut self.people)?;
            self.comments.insert(comment.id, comment);
        }
        Ok(())
    }

    /// Adds worklogs; one that is there already is replaced.
    pub(crate) fn add_worklogs(&mut self, worklogs: Vec<wire::Worklog<'_>>) -> Result<(), Error> {
        for wire in worklogs {
            let worklog = worklog(&wire, &mut self.people)?;
            self.worklogs.insert(worklog.id, worklog);
        }
        Ok(())
    }

    /// Adds changelog entries. Those of one issue may come in several portions, and overlap.
    pub(crate) fn add_histories(&mut self, histories: Vec<wire::History<'_>>) -> Result<(), Error> {
        for wire in histories {
            let history = history(wire, &mut self.people)?;
            self.histories.insert(history.id, history);
        }
        Ok(())
    }

    /// Drops the embedded comments, before all of them are added.
    pub(crate) fn forget_comments(&mut self) {
        self.comments.clear();
    }

    /// Drops the embedded worklogs, before all of them are added.
    pub(crate) fn forget_worklogs(&mut self) {
        self.worklogs.clear();
    }

    /// The snapshot of what is here.
    pub(crate) fn finish(self, observed_at: DateTime<Utc>) -> IssueSnapshot {
        let comments: Vec<Comment> = self.comments.into_values().collect();
        let worklogs: Vec<Worklog> = self.worklogs.into_values().collect();
        let changelog: Vec<History> = self.histories.into_values().collect();
        IssueSnapshot {
            content_hash: content_hash(&self.raw, &comments, &worklogs, &changelog),
            issue: self.issue,
            comments,
            worklogs,
            changelog,
            links: self.links,
            sprints: self.sprints,
            people: self.people.into_named(),
            raw: self.raw,
            observed_at,
        }
    }

    fn embed_comments(&mut self, embedded: Option<wire::Comments<'_>>) -> Result<(), Error> {
        let Some(wire::Comments { total, comments: Some(comments) }) = embedded else {
            self.comments_cut = true;
            return Ok(());
        };
        self.add_comments(comments)?;
        let have = self.comments.len();
        self.comments_cut = total.map_or(have >= EMBEDDED_COMMENTS, |total| count(total) > have);
        Ok(())
    }

    /// An issue that tells nothing about worklogs has none: a site without time tracking leaves the field out.
    fn embed_worklogs(&mut self, embedded: Option<wire::Worklogs<'_>>) -> Result<(), Error> {
        let Some(wire::Worklogs { total, worklogs: Some(worklogs) }) = embedded else { return Ok(()) };
        self.add_worklogs(worklogs)?;
        let have = self.worklogs.len();
        self.worklogs_cut = total.map_or(have >= EMBEDDED_WORKLOGS, |total| count(total) > have);
        Ok(())
    }

    fn embed_changelog(&mut self, embedded: Option<wire::Changelog<'_>>) -> Result<(), Error> {
        let Some(wire::Changelog { total, histories: Some(histories) }) = embedded else {
            self.changelog_cut = true;
            return Ok(());
        };
        self.add_histories(histories)?;
        let have = self.histories.len();
        self.changelog_cut = have >= EMBEDDED_HISTORIES || total.is_some_and(|total| count(total) > have);
        Ok(())
    }
}

/// Reads a document of which we know the shape. Lists stand for no object, though serde would read one from a list.
fn read_object<'a, T: Deserialize<'a>>(text: &'a str, what: &str) -> Result<T, Error> {
    if text.trim_start().starts_with('{') {
        read(text, what)
    } else {
        Err(Error::malformed(format!("{what} is no object")))
    }
}

fn read<'a, T: Deserialize<'a>>(text: &'a str, what: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| Error::unreadable(what, &error))
}

fn nothing() -> RawJson {
    RawJson::from(RawValue::NULL.to_owned())
}

fn missing(id: i64, what: &str) -> Error {
    Error::malformed(format!("{id} without {what}"))
}

fn count(total: i64) -> usize {
    usize::try_from(total).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use domain::{SprintId, StatusCategory};

    use super::*;

    const ISSUE: &str = r#"{"expand":"x","id":"10001","key":"ACME-7","changelog":{"total":2,"histories":[
        {"id":"6","author":{"accountId":"a2"},"created":1790584137824,"items":[]},
        {"id":"5","author":{"accountId":"a1","displayName":"Mia"},"created":"2026-02-03T10:11:12.345+0100","historyMetadata":{"type":"t"},
         "items":[{"field":"Sprint","fieldId":"customfield_10020","fieldtype":"custom","from":"","fromString":null,"to":"38, 40","toString":"S","tmpToAccountId":"a9"}]}]},
        "fields":{"summary":"Größe \u0000","description":{"type":"doc","n":1.10},"issuetype":{"id":10001,"name":"Task","subtask":"false"},
        "project":{"id":"10000","key":"ACME"},"status":{"id":"3","name":"Fertig","statusCategory":{"id":3,"key":"new"}},"priority":{"id":"2","name":"High"},
        "assignee":{"accountId":"a1","emailAddress":"mia@example.com"},"labels":["a","b"],"parent":{"id":"10005","key":"ACME-5"},
        "created":"2026-01-01T09:00:00.000+0000","updated":"2026-01-02T09:00:00.000+0000","duedate":"2026-02-01",
        "customfield_10020":[{"id":7,"name":"S7","state":"closed","boardId":8},"com.atlassian.greenhopper.service.sprint.Sprint@38c6[id=9,rapidViewId=2,state=ACTIVE]"],
        "customfield_1":12345678901234567890.10,
        "issuelinks":[{"id":"1","type":{"id":"10000","name":"Blocks"},"inwardIssue":{"id":"10006","key":"ACME-6"}},{"id":"2","type":{"id":"10000","name":"Blocks"}}],
        "comment":{"total":1,"comments":[{"id":"3","author":{"accountId":"a3"},"body":{"type":"doc"},"created":"2026-01-01T09:00:00.000+0000","jsdPublic":true}]}}}"#;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000, 0).expect("in range")
    }

    #[test]
    fn an_issue_becomes_a_snapshot() {
        let snapshot = snapshot_from_json(ISSUE, now()).expect("an issue");
        let issue = &snapshot.issue;
        assert_eq!((issue.id.0, issue.key.as_str(), issue.project.0), (10001, "ACME-7", 10000));
        assert_eq!(issue.summary, "Größe \u{fffd}");
        assert_eq!(issue.status.category, StatusCategory::Done);
        assert_eq!(issue.sprints, [SprintId(7), SprintId(9)]);
        assert_eq!(issue.parent.as_ref().map(|parent| parent.id), Some(IssueId(10005)));
        assert_eq!(issue.due_on, chrono::NaiveDate::from_ymd_opt(2026, 2, 1));
        assert_eq!(snapshot.links.len(), 1, "a link whose far end is hidden is none");
        assert_eq!(snapshot.comments[0].updated_at, snapshot.comments[0].created_at);
        assert_eq!(snapshot.people.iter().map(|user| user.account.0.as_str()).collect::<Vec<_>>(), ["a1", "a2", "a3"]);
        let mia = &snapshot.people[0];
        assert!(mia.display_name.is_some() && mia.email.is_some(), "what was said in two places is known");
    }

    #[test]
    fn the_changelog_is_whole_and_in_order() {
        let changelog = snapshot_from_json(ISSUE, now()).expect("an issue").changelog;
        assert_eq!(changelog.iter().map(|entry| entry.id.0).collect::<Vec<_>>(), [5, 6]);
        assert!(changelog[1].changes.is_empty());
        let change = &changelog[0].changes[0];
        assert_eq!(
            (change.from.as_deref(), change.from_text.as_deref(), change.to.as_deref()),
            (Some(""), None, Some("38, 40"))
        );
        let more = change.more.as_ref().map(RawJson::as_str);
        assert_eq!(more, Some(r#"{"tmpToAccountId":"a9"}"#));
        let more = changelog[0].more.as_ref().map(RawJson::as_str);
        assert_eq!(more, Some(r#"{"historyMetadata":{"type":"t"}}"#));
    }

    #[test]
    fn the_raw_text_keeps_every_digit_and_loses_only_what_has_rows_of_its_own() {
        let raw = snapshot_from_json(ISSUE, now()).expect("an issue").raw;
        assert!(raw.as_str().contains("12345678901234567890.10") && raw.as_str().contains("\"n\":1.10"));
        assert!(!raw.as_str().contains("\"changelog\"") && raw.as_str().contains("\\u0000"));
        assert!(!raw.as_str().contains("\"comment\"") && raw.as_str().contains("\"labels\""));
        let members: crate::lenient::Members<'_> = raw.read().expect("an object");
        assert_eq!(members.0.len(), 4);
    }

    #[test]
    fn what_was_cut_off_is_noticed() {
        let draft = Draft::read(ISSUE).expect("an issue");
        assert!(!draft.comments_cut && !draft.changelog_cut);
        let cut = Draft::read(&ISSUE.replace("\"total\":1", "\"total\":120").replace("\"total\":2", "\"total\":41"));
        let cut = cut.expect("an issue");
        assert!(cut.comments_cut && cut.changelog_cut);
        let bare = Draft::read(&ISSUE.replace("\"changelog\":", "\"other\":").replace("\"comment\":", "\"other\":"));
        let bare = bare.expect("an issue");
        assert!(bare.comments_cut && bare.changelog_cut, "what was not told is unknown, not empty");
    }

    #[test]
    fn an_issue_without_its_essentials_is_refused() {
        for part in ["\"id\":\"10001\"", "\"key\":\"ACME-7\"", "\"status\":", "\"updated\":", "\"fields\":"] {
            let text = ISSUE.replacen(part, &part.replacen('"', "\"no", 1), 1);
            assert!(matches!(snapshot_from_json(&text, now()), Err(Error::Malformed { .. })), "{part}");
        }
    }

    #[test]
    fn odd_but_bearable_values_do_not_stop_an_issue() {
        let text = ISSUE.replace("{\"id\":\"2\",\"name\":\"High\"}", "\"High\"").replace("[\"a\",\"b\"]", "null");
        let issue = snapshot_from_json(&text, now()).expect("an issue").issue;
        assert!(issue.priority.is_none() && issue.labels.is_empty());
    }
}
