//! Jira's JSON, private to this crate. Lenient: every member is optional, unknown ones are ignored, ids are texts or numbers.

use chrono::{DateTime, Utc};
use domain::{AccountId, EmailAddress, IssueId, User};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Error, convert::Document, lenient, lenient::Members};

/// One page of a search.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Search<'a> {
    #[serde(borrow)]
    pub(crate) issues: Option<Vec<Found<'a>>>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) next_page_token: Option<String>,
    #[serde(default, deserialize_with = "lenient::flag")]
    pub(crate) is_last: Option<bool>,
    pub(crate) warnings: Option<Vec<Warning>>,
}

/// That a search's result is not whole.
#[derive(Debug, Deserialize)]
pub(crate) struct Warning {
    #[serde(rename = "type", default, deserialize_with = "lenient::text")]
    pub(crate) kind: Option<String>,
}

/// One issue of a search.
#[derive(Debug, Deserialize)]
pub(crate) struct Found<'a> {
    #[serde(default, deserialize_with = "lenient::id")]
    id: Option<i64>,
    #[serde(borrow)]
    fields: Option<&'a RawValue>,
}

impl Found<'_> {
    pub(crate) fn id(&self) -> Result<IssueId, Error> {
        self.id.filter(|id| *id > 0).map(IssueId).ok_or_else(|| Error::malformed("a found issue without an id"))
    }

    pub(crate) fn updated(&self) -> Result<DateTime<Utc>, Error> {
        #[derive(Deserialize)]
        struct Fields {
            #[serde(default, deserialize_with = "lenient::time")]
            updated: Option<DateTime<Utc>>,
        }
        self.fields
            .and_then(|fields| serde_json::from_str::<Fields>(fields.get()).ok()?.updated)
            .ok_or_else(|| Error::malformed("a found issue without the time of its update"))
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Count {
    #[serde(default, deserialize_with = "lenient::id")]
    pub(crate) count: Option<i64>,
}

/// Issues asked for by id.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Bulk<'a> {
    #[serde(borrow)]
    pub(crate) issues: Option<Vec<Document<'a>>>,
    pub(crate) issue_errors: Option<Vec<IssueError>>,
}

/// An issue that Jira could not give this time. Not a word about whether it exists.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IssueError {
    #[serde(default, deserialize_with = "lenient::id")]
    pub(crate) id: Option<i64>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) error_message: Option<String>,
}

/// An issue's own fields.
#[derive(Debug, Default)]
pub(crate) struct Fields<'a> {
    pub(crate) summary: Option<String>,
    pub(crate) description: Option<&'a RawValue>,
    pub(crate) issuetype: Option<IssueType>,
    pub(crate) project: Option<Reference>,
    pub(crate) status: Option<Status>,
    pub(crate) priority: Option<Named>,
    pub(crate) resolution: Option<Named>,
    pub(crate) assignee: Option<&'a RawValue>,
    pub(crate) reporter: Option<&'a RawValue>,
    pub(crate) creator: Option<&'a RawValue>,
    pub(crate) labels: Option<Vec<String>>,
    pub(crate) parent: Option<Reference>,
    pub(crate) created: Option<DateTime<Utc>>,
    pub(crate) updated: Option<DateTime<Utc>>,
    pub(crate) resolutiondate: Option<DateTime<Utc>>,
    pub(crate) duedate: Option<String>,
    pub(crate) issuelinks: Option<Vec<Link>>,
    pub(crate) comment: Option<Comments<'a>>,
    pub(crate) worklog: Option<Worklogs<'a>>,
}

impl<'a> Fields<'a> {
    /// Of two members with one name the last counts.
    pub(crate) fn of(members: &Members<'a>) -> Self {
        let mut fields = Self::default();
        for (name, value) in &members.0 {
            match name.as_ref() {
                "summary" => fields.summary = lenient::spelled(value),
                "description" => fields.description = lenient::present(value),
                "issuetype" => fields.issuetype = lenient::shaped(value),
                "project" => fields.project = lenient::shaped(value),
                "status" => fields.status = lenient::shaped(value),
                "priority" => fields.priority = lenient::shaped(value),
                "resolution" => fields.resolution = lenient::shaped(value),
                "assignee" => fields.assignee = Some(value),
                "reporter" => fields.reporter = Some(value),
                "creator" => fields.creator = Some(value),
                "labels" => fields.labels = lenient::spelled_list(value),
                "parent" => fields.parent = lenient::shaped(value),
                "created" => fields.created = lenient::timed(value),
                "updated" => fields.updated = lenient::timed(value),
                "resolutiondate" => fields.resolutiondate = lenient::timed(value),
                "duedate" => fields.duedate = lenient::spelled(value),
                "issuelinks" => fields.issuelinks = lenient::shaped_list(value),
                "comment" => fields.comment = lenient::shaped(value),
                "worklog" => fields.worklog = lenient::shaped(value),
                _ => {}
            }
        }
        fields
    }
}

/// A project or another issue.
#[derive(Debug, Deserialize)]
pub(crate) struct Reference {
    #[serde(default, deserialize_with = "lenient::id")]
    pub(crate) id: Option<i64>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) key: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Named {
    #[serde(default, deserialize_with = "lenient::id")]
    pub(crate) id: Option<i64>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct IssueType {
    #[serde(default, deserialize_with = "lenient::id")]
    pub(crate) id: Option<i64>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) name: Option<String>,
    #[serde(default, deserialize_with = "lenient::flag")]
    pub(crate) subtask: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    #[serde(default, deserialize_with = "lenient::id")]
    pub(crate) id: Option<i64>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) name: Option<String>,
    #[serde(default, deserialize_with = "lenient::object")]
    pub(crate) status_category: Option<Reference>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Link {
    #[serde(default, deserialize_with = "lenient::id")]
    pub(crate) id: Option<i64>,
    #[serde(rename = "type", default, deserialize_with = "lenient::object")]
    pub(crate) kind: Option<Named>,
    #[serde(default, deserialize_with = "lenient::object")]
    pub(crate) inward_issue: Option<Reference>,
    #[serde(default, deserialize_with = "lenient::object")]
    pub(crate) outward_issue: Option<Reference>,
}

/// Comments, embedded in an issue or a page of them. Embedded ones are cut off without a word; `total` tells.
#[derive(Debug, Deserialize)]
pub(crate) struct Comments<'a> {
    #[serde(default, deserialize_with = "lenient::id")]
    pub(crate) total: Option<i64>,
    #[serde(borrow)]
    pub(crate) comments: Option<Vec<Comment<'a>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Comment<'a> {
    #[serde(default, deserialize_with = "lenient::id")]
    pub(crate) id: Option<i64>,
    #[serde(borrow)]
    pub(crate) author: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) update_author: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) body: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) visibility: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "lenient::flag")]
    pub(crate) jsd_public: Option<bool>,
    #[serde(default, deserialize_with = "lenient::id")]
    pub(crate) parent_id: Option<i64>,
    #[serde(default, deserialize_with = "lenient::time")]
    pub(crate) created: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "lenient::time")]
    pub(crate) updated: Option<DateTime<Utc>>,
}

/// Worklogs embedded in an issue: the newest 20 at most. The field is absent where time tracking is switched off.
#[derive(Debug, Deserialize)]
pub(crate) struct Worklogs<'a> {
    #[serde(default, deserialize_with = "lenient::id")]
    pub(crate) total: Option<i64>,
    #[serde(borrow)]
    pub(crate) worklogs: Option<Vec<Worklog<'a>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Worklog<'a> {
    #[serde(default, deserialize_with = "lenient::id")]
    pub(crate) id: Option<i64>,
    #[serde(default, deserialize_with = "lenient::id")]
    pub(crate) issue_id: Option<i64>,
    #[serde(borrow)]
    pub(crate) author: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) update_author: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "lenient::time")]
    pub(crate) started: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "lenient::id")]
    pub(crate) time_spent_seconds: Option<i64>,
    #[serde(borrow)]
    pub(crate) comment: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) visibility: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "lenient::time")]
    pub(crate) created: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "lenient::time")]
    pub(crate) updated: Option<DateTime<Utc>>,
}

/// The changelog embedded in an issue: the newest 40 at most.
#[derive(Debug, Deserialize)]
pub(crate) struct Changelog<'a> {
    #[serde(default, deserialize_with = "lenient::id")]
    pub(crate) total: Option<i64>,
    #[serde(borrow)]
    pub(crate) histories: Option<Vec<History<'a>>>,
}

/// One entry of a changelog: `id`, `author`, `created`, `items`, and rarer members that are kept too.
pub(crate) type History<'a> = lenient::Members<'a>;

/// A page of the changelogs of many issues. One issue's may be spread over pages.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BulkChangelogs<'a> {
    #[serde(borrow)]
    pub(crate) issue_change_logs: Option<Vec<IssueChangelog<'a>>>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) next_page_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IssueChangelog<'a> {
    #[serde(default, deserialize_with = "lenient::id")]
    pub(crate) issue_id: Option<i64>,
    #[serde(borrow)]
    pub(crate) change_histories: Option<Vec<History<'a>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Project {
    #[serde(default, deserialize_with = "lenient::id")]
    pub(crate) id: Option<i64>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) key: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) name: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) project_type_key: Option<String>,
    #[serde(default, deserialize_with = "lenient::flag")]
    pub(crate) archived: Option<bool>,
    #[serde(default, deserialize_with = "lenient::flag")]
    pub(crate) deleted: Option<bool>,
    #[serde(default, deserialize_with = "lenient::object")]
    pub(crate) lead: Option<Person>,
    #[serde(default, deserialize_with = "lenient::object")]
    pub(crate) insight: Option<Insight>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Insight {
    #[serde(default, deserialize_with = "lenient::id")]
    pub(crate) total_issue_count: Option<i64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Field {
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) name: Option<String>,
    #[serde(default, deserialize_with = "lenient::flag")]
    pub(crate) custom: Option<bool>,
    #[serde(default, deserialize_with = "lenient::object")]
    pub(crate) schema: Option<FieldSchema>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct FieldSchema {
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) custom: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServerInfo {
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) base_url: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) deployment_type: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) version: Option<String>,
    #[serde(default, deserialize_with = "lenient::time")]
    pub(crate) server_time: Option<DateTime<Utc>>,
}

/// A person, wherever one is named. Blank values are as good as none.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Person {
    #[serde(default, deserialize_with = "lenient::text")]
    account_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    display_name: Option<String>,
    #[serde(default, deserialize_with = "lenient::flag")]
    active: Option<bool>,
    #[serde(default, deserialize_with = "lenient::text")]
    account_type: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    time_zone: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    email_address: Option<String>,
}

impl Person {
    /// The person, if Jira says which account it is.
    pub(crate) fn into_user(self) -> Option<User> {
        Some(User {
            account: AccountId(filled(self.account_id)?),
            display_name: filled(self.display_name),
            active: self.active,
            account_type: filled(self.account_type),
            time_zone: filled(self.time_zone),
            email: self.email_address.as_deref().and_then(EmailAddress::new),
        })
    }
}

fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_without_an_account_is_nobody() {
        let person = |text: &str| serde_json::from_str::<Person>(text).expect("lenient").into_user();
        assert!(person(r#"{"accountId":"","displayName":"x"}"#).is_none());
        let mia =
            person(r#"{"accountId":"a1","displayName":"Mia","emailAddress":"","active":"true"}"#).expect("a user");
        assert_eq!((mia.display_name.as_deref(), mia.active, mia.email), (Some("Mia"), Some(true), None));
    }
}
