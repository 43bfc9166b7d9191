//! Writes issues out as Jira does: the fields asked for, lists cut where Jira cuts them, times in the caller's zone.
//! Serialised straight from the records, since thousands of issues a second have to be served beside the fleet.

pub(crate) mod fields;
pub(crate) mod parts;

use std::fmt;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use super::State;
use super::issue::Issue;
use super::people::{Deck, Shape};
use crate::config::Config;
use fields::{FieldsView, Selection};
use parts::ChangelogView;

/// What Jira says can be expanded, on every issue.
const EXPAND: &str = "renderedFields,names,schema,operations,editmeta,changelog,versionedRepresentations";

/// From where, for whom and in which spelling the site is looked at.
#[derive(Clone, Copy)]
pub(crate) struct Lens<'a> {
    pub(crate) state: &'a State,
    pub(crate) deck: &'a Deck,
    pub(crate) shape: Shape,
    pub(crate) zone: Tz,
}

impl<'a> Lens<'a> {
    pub(crate) fn new(state: &'a State, config: &Config, shape: Shape) -> Self {
        Self { state, deck: state.cards.of(shape), shape, zone: config.account_time_zone }
    }

    /// `2026-02-03T10:11:12.345+0100`: milliseconds, the caller's offset, no colon.
    pub(crate) fn time(self, at: DateTime<Utc>) -> impl Serialize {
        Time(at, self.zone)
    }
}

struct Time(DateTime<Utc>, Tz);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.with_timezone(&self.1).format("%Y-%m-%dT%H:%M:%S%.3f%z"))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// How much of an issue an answer holds.
pub(crate) struct Extent<'a> {
    pub(crate) fields: &'a Selection,
    /// Most comments embedded, the newest.
    pub(crate) comments: usize,
    /// Most changelog entries embedded, the newest; `None` embeds no changelog.
    pub(crate) histories: Option<usize>,
}

/// An issue, ready to be serialised.
pub(crate) struct IssueView<'a> {
    pub(crate) lens: Lens<'a>,
    pub(crate) issue: &'a Issue,
    pub(crate) extent: &'a Extent<'a>,
}

impl Serialize for IssueView<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self { lens, issue, extent } = self;
        let mut map = to.serialize_map(None)?;
        if extent.fields.only_id() {
            map.serialize_entry("id", &issue.id.to_string())?;
            return map.end();
        }
        map.serialize_entry("expand", EXPAND)?;
        map.serialize_entry("id", &issue.id.to_string())?;
        // Webhooks leave the word `issue` out of the link (facts 6.4).
        let link = if lens.shape == Shape::V2 { "" } else { "issue/" };
        map.serialize_entry("self", &format_args!("{}/{link}{}", lens.deck.base, issue.id))?;
        map.serialize_entry("key", &issue.key)?;
        if let Some(most) = extent.histories {
            map.serialize_entry("changelog", &ChangelogView { lens: *lens, issue, most })?;
        }
        if extent.fields.any() {
            map.serialize_entry("fields", &FieldsView { lens: *lens, issue, extent })?;
        }
        map.end()
    }
}

/// The whole issue, nothing cut off.
pub(crate) fn whole(state: &State, config: &Config, issue: &Issue) -> Value {
    let fields = Selection::all();
    let extent = Extent { fields: &fields, comments: usize::MAX, histories: Some(usize::MAX) };
    let view = IssueView { lens: Lens::new(state, config, Shape::V3), issue, extent: &extent };
    serde_json::to_value(view).unwrap_or_default()
}
