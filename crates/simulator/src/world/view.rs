//! Writes issues out as Jira does: the fields asked for, lists cut where Jira cuts them, times in the caller's zone.
//! Serialised straight from the records, since thousands of issues a second have to be served beside the fleet.

pub(crate) mod fields;
pub(crate) mod meta;
pub(crate) mod parts;
pub(crate) mod related;

use chrono::{DateTime, Datelike, Offset, Timelike, Utc};
use chrono_tz::Tz;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

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
    /// Most worklogs embedded, the newest.
    pub(crate) worklogs: usize,
    /// What was asked for besides the fields.
    extras: Option<&'a Extras>,
    /// Scripted troubles do not exist for the test oracle.
    untroubled: bool,
}

impl<'a> Lens<'a> {
    pub(crate) fn new(state: &'a State, config: &Config, shape: Shape) -> Self {
        let (deck, zone, worklogs) = (state.cards.of(shape), config.account_time_zone, config.embedded_worklog_cap);
        Self { state, deck, shape, zone, worklogs, extras: None, untroubled: false }
    }

    /// The same, with what an answer holds besides the fields.
    pub(crate) fn with(self, extras: &'a Extras) -> Self {
        Self { extras: Some(extras), ..self }
    }

    /// Whether a field of an issue cannot be loaded.
    pub(crate) fn is_broken(self, issue: &Issue, field: &str) -> bool {
        !self.untroubled && self.state.troubles.is_broken(issue.id, field)
    }

    /// `2026-02-03T10:11:12.345+0100`: milliseconds, the caller's offset, no colon.
    pub(crate) fn time(self, at: DateTime<Utc>) -> impl Serialize {
        Time(at, self.zone)
    }
}

struct Time(DateTime<Utc>, Tz);

impl Time {
    /// Written digit by digit: a whole issue holds dozens of times, and format strings are read anew for each.
    fn digits(&self) -> [u8; 28] {
        let local = self.0.with_timezone(&self.1);
        let offset = local.offset().fix().local_minus_utc() / 60;
        let mut text = *b"0000-00-00T00:00:00.000+0000";
        let mut put = |at: usize, width: usize, mut number: u32| {
            for digit in text[at..at + width].iter_mut().rev() {
                *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
                number /= 10;
            }
        };
        put(0, 4, local.year().unsigned_abs());
        put(5, 2, local.month());
        put(8, 2, local.day());
        put(11, 2, local.hour());
        put(14, 2, local.minute());
        put(17, 2, local.second());
        put(20, 3, local.timestamp_subsec_millis());
        put(24, 4, offset.unsigned_abs() / 60 * 100 + offset.unsigned_abs() % 60);
        if offset < 0 {
            text[23] = b'-';
        }
        text
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(std::str::from_utf8(&self.digits()).unwrap_or_default())
    }
}

/// What an answer holds besides the fields of its issues: the words of `expand`, and entity properties.
#[derive(Default)]
pub(crate) struct Extras {
    words: Vec<String>,
    pub(crate) properties: Vec<String>,
}

impl Extras {
    /// From the parts of `expand`, each a word or a comma list, and the names of properties.
    pub(crate) fn new(expand: &[String], properties: Vec<String>) -> Self {
        let words = expand.iter().flat_map(|part| part.split(',')).map(|word| word.trim().to_owned());
        Self { words: words.filter(|word| !word.is_empty()).collect(), properties }
    }

    /// Whether `expand` names this word.
    pub(crate) fn has(&self, word: &str) -> bool {
        self.words.iter().any(|it| it == word)
    }

    /// The same without the words that a list of issues answers once for all of them.
    pub(crate) fn of_each(&self) -> Self {
        let words = self.words.iter().filter(|word| *word != "names" && *word != "schema");
        Self { words: words.cloned().collect(), properties: self.properties.clone() }
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
            self.extras(&mut map)?;
            return map.end();
        }
        map.serialize_entry("expand", EXPAND)?;
        map.serialize_entry("id", &issue.id.to_string())?;
        // Webhooks leave the word `issue` out of the link (facts 6.4).
        let link = if lens.shape == Shape::Webhook { "" } else { "issue/" };
        map.serialize_entry("self", &format_args!("{}/{link}{}", lens.deck.base, issue.id))?;
        map.serialize_entry("key", &issue.key)?;
        if let Some(most) = extent.histories {
            map.serialize_entry("changelog", &ChangelogView { lens: *lens, issue, most })?;
        }
        if extent.fields.any() {
            map.serialize_entry("fields", &FieldsView { lens: *lens, issue, extent })?;
        }
        self.extras(&mut map)?;
        map.end()
    }
}

impl IssueView<'_> {
    fn extras<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let Self { lens, issue, extent } = self;
        let Some(extras) = lens.extras else { return Ok(()) };
        if !extras.properties.is_empty() {
            let asked = issue.properties.iter().filter(|(key, _)| extras.properties.contains(key));
            map.serialize_entry("properties", &asked.collect::<std::collections::BTreeMap<_, _>>())?;
        }
        let entries: [(&str, &dyn Fn() -> Value); 7] = [
            ("names", &|| Value::Object(extent.fields.names())),
            ("schema", &|| Value::Object(extent.fields.schemas())),
            ("transitions", &|| Value::Array(meta::transitions(*lens, issue, meta::Screens::Hidden))),
            ("operations", &|| json!({"linkGroups": []})),
            ("editmeta", &|| meta::edit_screen(*lens, issue)),
            ("renderedFields", &|| Value::Object(extent.fields.rendered(issue))),
            ("versionedRepresentations", &|| json!({"summary": {"1": issue.summary}})),
        ];
        for (word, value) in entries.into_iter().filter(|(word, _)| extras.has(word)) {
            map.serialize_entry(word, &value())?;
        }
        Ok(())
    }
}

/// The whole issue, nothing cut off.
pub(crate) fn whole(state: &State, config: &Config, issue: &Issue) -> Value {
    all_of(state, config, issue, |view| serde_json::to_value(view).unwrap_or_default())
}

/// The same as text, as an answer would hold it.
pub(crate) fn whole_text(state: &State, config: &Config, issue: &Issue) -> String {
    all_of(state, config, issue, |view| serde_json::to_string(view).unwrap_or_default())
}

fn all_of<T>(state: &State, config: &Config, issue: &Issue, write: impl FnOnce(&IssueView<'_>) -> T) -> T {
    let fields = Selection::all();
    let extent = Extent { fields: &fields, comments: usize::MAX, histories: Some(usize::MAX) };
    let lens = Lens { worklogs: usize::MAX, untroubled: true, ..Lens::new(state, config, Shape::V3) };
    write(&IssueView { lens, issue, extent: &extent })
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    #[test]
    fn times_are_written_as_jira_writes_them() {
        let zones = [Tz::Europe__Berlin, Tz::America__St_Johns, Tz::Asia__Kathmandu, Tz::UTC, Tz::Pacific__Apia];
        for millis in [0, 1_774_747_799_999, 1_774_747_800_000, 1_793_062_799_001, 951_782_400_000] {
            let at = Utc.timestamp_millis_opt(millis).single().unwrap_or_default();
            for zone in zones {
                let expected = at.with_timezone(&zone).format("%Y-%m-%dT%H:%M:%S%.3f%z").to_string();
                assert_eq!(std::str::from_utf8(&Time(at, zone).digits()), Ok(expected.as_str()));
            }
        }
    }
}
