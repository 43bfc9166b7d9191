//! One issue by its id or key, and what hangs on it; many issues by no more than their times.

use std::{collections::BTreeSet, fmt};

use chrono::{DateTime, Utc};
use domain::{History, IssueId, IssueKey, IssueLink, IssueSnapshot, Status};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    Client, Error, answer::Answer, convert, lenient, meta::present, paging::Listing, reference::read, request::Request,
    wire,
};

/// As many issues as one question may ask for when it asks for single fields only; sites that do not know this yet take
/// fewer.
const MANY: usize = 1000;
const FEW: usize = 100;

/// What an issue goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IssueName {
    /// Stable.
    Id(IssueId),
    /// Also one that the issue had before it was moved.
    Key(IssueKey),
}

impl From<IssueId> for IssueName {
    fn from(id: IssueId) -> Self {
        Self::Id(id)
    }
}

impl From<IssueKey> for IssueName {
    fn from(key: IssueKey) -> Self {
        Self::Key(key)
    }
}

impl fmt::Display for IssueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Key(key) => key.fmt(f),
        }
    }
}

/// When issues were updated last: each that was asked for is in exactly one of the three lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpdateTimes {
    /// In the order of their ids.
    pub issues: Vec<(IssueId, DateTime<Utc>)>,
    /// Jira does not show them to us. The answer was proven to be ours.
    pub absent: Vec<IssueId>,
    /// Jira could not give them, with its reason. They may well exist.
    pub failed: Vec<(IssueId, String)>,
    /// When the first question was sent: a lower bound of the instant at which all this was true.
    pub observed_at: DateTime<Utc>,
}

/// A way from where an issue stands to another status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// What Jira is told.
    pub id: String,
    /// As the service account's language shows it.
    pub name: String,
    /// Where it leads.
    pub to: Option<Status>,
    /// Whether fields or a comment can be given with it.
    pub has_screen: bool,
    /// The fields of its screen, and whether it is refused without them.
    pub fields: Vec<(String, bool)>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Question<'a> {
    issue_ids_or_keys: &'a [String],
    fields: [&'static str; 1],
}

impl Client {
    /// An issue, whole, as Jira's store has it now; `None` where there is none that the account may see. The key it comes
    /// with is another one than was asked for when the issue was moved.
    pub async fn issue(&self, name: impl Into<IssueName>) -> Result<Option<IssueSnapshot>, Error> {
        let name = name.into();
        let request = Request::get(self.at(&format!("/rest/api/3/issue/{name}")), "/issue/{id}").with(&[
            ("fields", "*all"),
            ("expand", "changelog"),
            ("failFast", "true"),
        ]);
        let Some(answer) = present(self.send(request).await)? else { return Ok(None) };
        let draft = answer.tell(convert::Draft::read(&answer.text))?;
        if let IssueName::Id(id) = name
            && id != draft.id()
        {
            return Err(answer.malformed("another issue than the one that was asked for"));
        }
        self.completed(draft, answer.sent_at).await
    }

    /// When issues were updated last, by their ids, up to a thousand in one question.
    pub async fn update_times(&self, ids: &[IssueId]) -> Result<UpdateTimes, Error> {
        let ids: Vec<IssueId> = ids.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        let (mut times, mut rest, mut size) = (UpdateTimes::default(), ids.as_slice(), MANY);
        times.observed_at = Utc::now();
        while !rest.is_empty() {
            let (asked, later) = rest.split_at(size.min(rest.len()));
            match self.times(asked, &mut times).await {
                // The larger number is newer than some sites.
                Err(Error::Refused { status: 400, .. }) if asked.len() > FEW => size = FEW,
                answer => {
                    answer?;
                    rest = later;
                }
            }
        }
        Ok(times)
    }

    /// The whole changelog of one issue, oldest first; `None` where the account may not see the issue.
    pub async fn changelog(&self, issue: IssueId) -> Result<Option<Vec<History>>, Error> {
        let listing = Listing {
            route: "/issue/{id}/changelog",
            path: &format!("/rest/api/3/issue/{issue}/changelog"),
            parameters: &[],
            size: 100,
            lists: &["values"],
        };
        let entry = |raw: &RawValue| convert::history(read(raw, "a changelog entry")?, &mut convert::People::default());
        present(self.all(&listing, entry).await)
    }

    /// The links of an issue; `None` where the account may not see it. Links to issues it may not see are left out.
    pub async fn links(&self, issue: IssueId) -> Result<Option<Vec<IssueLink>>, Error> {
        #[derive(Deserialize)]
        struct Linked {
            fields: Fields,
        }
        #[derive(Deserialize)]
        struct Fields {
            #[serde(default)]
            issuelinks: Vec<wire::Link>,
        }
        let request = Request::get(self.at(&format!("/rest/api/3/issue/{issue}")), "/issue/{id}")
            .with(&[("fields", "issuelinks"), ("failFast", "true")]);
        let Some(answer) = present(self.send(request).await)? else { return Ok(None) };
        let linked: Linked = answer.read("an issue's links")?;
        Ok(Some(linked.fields.issuelinks.into_iter().filter_map(convert::link).collect()))
    }

    /// Where an issue can go from where it stands; nowhere where the account may not move it, `None` where it may not see it.
    pub async fn transitions(&self, issue: IssueId) -> Result<Option<Vec<Transition>>, Error> {
        #[derive(Deserialize)]
        struct Transitions<'a> {
            #[serde(borrow)]
            transitions: Vec<&'a RawValue>,
        }
        let url = self.at(&format!("/rest/api/3/issue/{issue}/transitions"));
        let request = Request::get(url, "/issue/{id}/transitions").with(&[("expand", "transitions.fields")]);
        let Some(answer) = present(self.send(request).await)? else { return Ok(None) };
        let found: Transitions<'_> = answer.read("the transitions")?;
        answer.tell(found.transitions.into_iter().map(transition).collect()).map(Some)
    }

    async fn times(&self, ids: &[IssueId], times: &mut UpdateTimes) -> Result<(), Error> {
        let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let question = Question { issue_ids_or_keys: &texts, fields: ["updated"] };
        let url = self.at("/rest/api/3/issue/bulkfetch");
        let answer = self.send(Request::reading_post(url, "/issue/bulkfetch", &question)?).await?;
        answer.tell(sort_times(&answer, ids, times))
    }
}

fn sort_times(answer: &Answer, ids: &[IssueId], times: &mut UpdateTimes) -> Result<(), Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Found<'a> {
        #[serde(borrow)]
        issues: Option<Vec<wire::Found<'a>>>,
        issue_errors: Option<Vec<wire::IssueError>>,
    }
    let found: Found<'_> = answer.read("the times of issues")?;
    // Only a list that is there can say who is absent from it.
    let issues = found.issues.ok_or_else(|| Error::malformed("the times of issues, without a list of issues"))?;
    let mut open: BTreeSet<IssueId> = ids.iter().copied().collect();
    for issue in &issues {
        let id = issue.id()?;
        if open.remove(&id) {
            times.issues.push((id, issue.updated()?));
        }
    }
    for error in found.issue_errors.unwrap_or_default() {
        let id = error.id.map(IssueId).ok_or_else(|| Error::malformed("an error about an issue without its id"))?;
        if open.remove(&id) {
            times.failed.push((id, error.error_message.unwrap_or_else(|| "Jira gave no reason".to_owned())));
        }
    }
    times.absent.extend(open);
    Ok(())
}

fn transition(raw: &RawValue) -> Result<Transition, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire<'a> {
        #[serde(default, deserialize_with = "lenient::text")]
        id: Option<String>,
        #[serde(default, deserialize_with = "lenient::text")]
        name: Option<String>,
        #[serde(default, deserialize_with = "lenient::part")]
        to: Option<wire::Status>,
        #[serde(default, deserialize_with = "lenient::flag")]
        has_screen: Option<bool>,
        #[serde(borrow, default, deserialize_with = "lenient::part")]
        fields: Option<lenient::Members<'a>>,
    }
    #[derive(Deserialize)]
    struct Field {
        #[serde(default, deserialize_with = "lenient::flag")]
        required: Option<bool>,
    }
    let wire: Wire<'_> = read(raw, "a transition")?;
    let required = |value: &RawValue| {
        serde_json::from_str::<Field>(value.get()).ok().and_then(|field| field.required).unwrap_or(false)
    };
    let fields = wire.fields.map(|fields| fields.0).unwrap_or_default();
    Ok(Transition {
        id: wire.id.ok_or_else(|| Error::malformed("a transition without an id"))?,
        name: wire.name.unwrap_or_default(),
        to: wire.to.and_then(convert::status),
        has_screen: wire.has_screen.unwrap_or(false),
        fields: fields.into_iter().map(|(name, field)| (name.into_owned(), required(field))).collect(),
    })
}
