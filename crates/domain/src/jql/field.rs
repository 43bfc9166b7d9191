//! The fields that a query may name.

use crate::search::{Attribute, Place, SortKey, TimeAttribute};

/// A field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// Compared with names, keys or numbers.
    Listed(Attribute),
    /// Compared with times.
    Time(TimeAttribute),
    /// Compared with days.
    Due,
    /// Searched for words.
    Words(Place),
    /// Made by the site's administrators: an id or a name.
    Custom(String),
}

/// Names in lower case; the first one of a field is the one it is printed with.
const FIELDS: [(&str, Field); 37] = [
    ("project", Field::Listed(Attribute::Project)),
    ("key", Field::Listed(Attribute::Issue)),
    ("issuekey", Field::Listed(Attribute::Issue)),
    ("issue", Field::Listed(Attribute::Issue)),
    ("id", Field::Listed(Attribute::Issue)),
    ("status", Field::Listed(Attribute::Status)),
    ("statusCategory", Field::Listed(Attribute::Category)),
    ("type", Field::Listed(Attribute::Type)),
    ("issuetype", Field::Listed(Attribute::Type)),
    ("priority", Field::Listed(Attribute::Priority)),
    ("resolution", Field::Listed(Attribute::Resolution)),
    ("assignee", Field::Listed(Attribute::Assignee)),
    ("reporter", Field::Listed(Attribute::Reporter)),
    ("creator", Field::Listed(Attribute::Creator)),
    ("labels", Field::Listed(Attribute::Label)),
    ("label", Field::Listed(Attribute::Label)),
    ("parent", Field::Listed(Attribute::Parent)),
    ("epic link", Field::Listed(Attribute::Parent)),
    ("sprint", Field::Listed(Attribute::Sprint)),
    ("created", Field::Time(TimeAttribute::Created)),
    ("createdDate", Field::Time(TimeAttribute::Created)),
    ("updated", Field::Time(TimeAttribute::Updated)),
    ("updatedDate", Field::Time(TimeAttribute::Updated)),
    ("resolved", Field::Time(TimeAttribute::Resolved)),
    ("resolutiondate", Field::Time(TimeAttribute::Resolved)),
    ("due", Field::Due),
    ("duedate", Field::Due),
    ("text", Field::Words(Place::Anywhere)),
    ("summary", Field::Words(Place::Summary)),
    ("description", Field::Words(Place::Description)),
    ("parentEpic", Field::Listed(Attribute::Parent)),
    ("issue type", Field::Listed(Attribute::Type)),
    ("status category", Field::Listed(Attribute::Category)),
    ("due date", Field::Due),
    ("date created", Field::Time(TimeAttribute::Created)),
    ("date updated", Field::Time(TimeAttribute::Updated)),
    ("resolution date", Field::Time(TimeAttribute::Resolved)),
];

/// Fields of Jira's that a mirror does not have.
const NOT_HERE: [&str; 14] = [
    "affectedversion",
    "attachments",
    "category",
    "comment",
    "component",
    "filter",
    "fixversion",
    "issuelinktype",
    "lastviewed",
    "level",
    "timespent",
    "voter",
    "watcher",
    "worklogdate",
];

/// The field of a name that stood without quotes, else why there is none.
pub(super) fn plain(name: &str) -> Result<Field, String> {
    if let Some(field) = known(name) {
        return Ok(field);
    }
    if NOT_HERE.iter().any(|other| name.eq_ignore_ascii_case(other)) {
        return Err(format!("`{name}` is not mirrored as a field that can be searched"));
    }
    let near = |(known, _): &(&'static str, Field)| {
        (strsim::normalized_damerau_levenshtein(&known.to_lowercase(), &name.to_lowercase()), *known)
    };
    let nearest = FIELDS.iter().map(near).max_by(|one, other| one.0.total_cmp(&other.0));
    let hint = nearest.map(|(_, known)| known).unwrap_or_default();
    let name = super::lexer::short(name);
    Err(format!(
        "there is no field `{name}`; the nearest is `{hint}`, and a custom field is written \"{name}\" or cf[10010]"
    ))
}

/// The field of a name that stood in quotes: one of Jira's own, else a custom one.
pub(super) fn quoted(name: &str) -> Field {
    known(name).unwrap_or_else(|| Field::Custom(name.to_owned()))
}

fn known(name: &str) -> Option<Field> {
    let own = FIELDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, field)| field.clone());
    own.or_else(|| custom_id(name).map(|number| Field::Custom(format!("customfield_{number}"))))
}

/// The number in `cf[10010]` or `customfield_10010`.
fn custom_id(name: &str) -> Option<u64> {
    let lower = name.to_ascii_lowercase();
    let bracketed = lower.strip_prefix("cf[").and_then(|rest| rest.strip_suffix(']'));
    let digits = bracketed.or_else(|| lower.strip_prefix("customfield_"))?;
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

impl Field {
    /// The name it is printed with; `None` for a custom field.
    pub(super) fn name(&self) -> Option<&'static str> {
        FIELDS.iter().find(|(_, field)| field == self).map(|(name, _)| *name)
    }

    /// The number of a custom field that was named by it.
    pub(super) fn number(&self) -> Option<u64> {
        if let Self::Custom(id) = self { custom_id(id) } else { None }
    }

    /// What an order by it sorts by. Jira's `id` is another name of the key.
    pub(super) fn sort_key(&self) -> Option<SortKey> {
        match self {
            Self::Listed(Attribute::Issue) => Some(SortKey::Key),
            Self::Listed(Attribute::Priority) => Some(SortKey::Priority),
            Self::Time(TimeAttribute::Created) => Some(SortKey::Created),
            Self::Time(TimeAttribute::Updated) => Some(SortKey::Updated),
            Self::Time(TimeAttribute::Resolved) => Some(SortKey::Resolved),
            Self::Due => Some(SortKey::Due),
            _ => None,
        }
    }
}
