//! A filter: a form with a field for everything that issues can be asked for. Also the JSON of our interfaces.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::{
    Attribute::{self, Assignee, Label, Parent, Priority, Project, Reporter, Resolution, Sprint, Status, Type},
    Condition, FieldTest, Handle, Place, Relation, Sense, Test, TimeAttribute, words_asked,
};
use crate::{AccountId, InstanceId, Invalid, RawJson, SprintId, StatusCategory, storable_json};

/// What issues are wanted. Fields are joined by "and", the values of one field by "or"; a field left empty asks nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IssueFilter {
    /// Sites; all of the tenant's where empty.
    pub instances: Vec<InstanceId>,
    /// Ids, keys or names.
    pub projects: Vec<Handle>,
    /// Ids or names.
    pub statuses: Vec<Handle>,
    /// Any of the three that statuses are sorted into.
    pub categories: Vec<StatusCategory>,
    /// Ids or names.
    pub types: Vec<Handle>,
    /// Ids or names.
    pub priorities: Vec<Handle>,
    /// Ids or names; `null` is "unresolved".
    pub resolutions: Vec<Option<Handle>>,
    /// Accounts; `null` is "nobody".
    pub assignees: Vec<Option<AccountId>>,
    /// Accounts.
    pub reporters: Vec<AccountId>,
    /// At least one of them.
    pub labels_any: Vec<String>,
    /// All of them.
    pub labels_all: Vec<String>,
    /// Ids, or keys that they have or had.
    pub parents: Vec<Handle>,
    /// Ids of sprints that the issue is or was in.
    pub sprints: Vec<SprintId>,
    /// When it was made.
    pub created: Range<DateTime<Utc>>,
    /// When it was changed last.
    pub updated: Range<DateTime<Utc>>,
    /// When it was resolved.
    pub resolved: Range<DateTime<Utc>>,
    /// When it is due.
    pub due: Range<NaiveDate>,
    /// Words that its summary or description has; a star at the end of one leaves it open.
    pub text: Option<String>,
    /// Custom fields.
    pub fields: Vec<FieldFilter>,
}

/// From a time on, and before another. Either may be absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Range<T> {
    /// The earliest.
    pub from: Option<T>,
    /// The first that is too late.
    pub before: Option<T>,
}

impl<T> Default for Range<T> {
    fn default() -> Self {
        Self { from: None, before: None }
    }
}

/// What a custom field must be: exactly one of the two is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldFilter {
    /// Its id (`customfield_10010`) or its name.
    pub field: String,
    /// One of these texts; see [`FieldTest::OneOf`].
    #[serde(default)]
    pub equals: Vec<String>,
    /// JSON that its JSON contains.
    #[serde(default)]
    pub contains: Option<RawJson>,
}

/// Values of one field, and custom fields.
const MOST_VALUES: usize = 100;
/// Characters of a name, and of words.
const LONGEST_TEXT: usize = 500;
/// Bytes of JSON to be contained.
const LONGEST_JSON: usize = 1_000;

impl IssueFilter {
    /// Names every field at fault.
    pub fn validate(&self) -> Result<(), Vec<Invalid>> {
        let mut faults = Vec::new();
        self.check_lists(&mut faults);
        check_range("created", &self.created, &mut faults);
        check_range("updated", &self.updated, &mut faults);
        check_range("resolved", &self.resolved, &mut faults);
        check_range("due", &self.due, &mut faults);
        if let Some(text) = &self.text {
            check_text("text", text, &mut faults);
            if words_asked(text).is_empty() {
                faults.push(Invalid::new("text", "must have a letter or a digit"));
            }
        }
        for field in &self.fields {
            field.check(&mut faults);
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// What the filter asks for. Of a filter that is not valid, something that is not what was meant.
    pub fn condition(&self) -> Condition {
        let mut all = Vec::new();
        if !self.instances.is_empty() {
            all.push(Condition::Test(Test::Instance(self.instances.clone())));
        }
        all.extend(
            [(Project, &self.projects), (Status, &self.statuses), (Type, &self.types)].into_iter().filter_map(one_of),
        );
        all.extend([(Priority, &self.priorities), (Parent, &self.parents)].into_iter().filter_map(one_of));
        let named = |names: Vec<&str>| names.into_iter().map(|name| Handle::Name(name.to_owned())).collect::<Vec<_>>();
        let categories = named(self.categories.iter().map(|category| category.name()).collect());
        let reporters = named(self.reporters.iter().map(|account| account.0.as_str()).collect());
        let labels = named(self.labels_any.iter().map(String::as_str).collect());
        let sprints = self.sprints.iter().map(|sprint| Handle::Id(sprint.0)).collect();
        let lists = [(Attribute::Category, &categories), (Reporter, &reporters), (Label, &labels), (Sprint, &sprints)];
        all.extend(lists.into_iter().filter_map(one_of));
        all.extend(self.labels_all.iter().map(|label| is(Label, vec![Handle::Name(label.clone())])));
        let assignees = self.assignees.iter().map(|who| who.as_ref().map(|account| Handle::Name(account.0.clone())));
        all.extend(one_or_none(Assignee, assignees.collect()));
        all.extend(one_or_none(Resolution, self.resolutions.clone()));
        all.extend(in_time(TimeAttribute::Created, &self.created));
        all.extend(in_time(TimeAttribute::Updated, &self.updated));
        all.extend(in_time(TimeAttribute::Resolved, &self.resolved));
        all.extend(bounds(&self.due).map(|(relation, on)| Condition::Test(Test::Due { relation, on })));
        all.extend(self.text.iter().map(|text| {
            Condition::Test(Test::Words { place: Place::Anywhere, sense: Sense::Is, words: words_asked(text) })
        }));
        all.extend(self.fields.iter().map(FieldFilter::condition));
        Condition::All(all)
    }

    fn check_lists(&self, faults: &mut Vec<Invalid>) {
        let lengths = [
            ("instances", self.instances.len()),
            ("projects", self.projects.len()),
            ("statuses", self.statuses.len()),
            ("categories", self.categories.len()),
            ("types", self.types.len()),
            ("priorities", self.priorities.len()),
            ("resolutions", self.resolutions.len()),
            ("assignees", self.assignees.len()),
            ("reporters", self.reporters.len()),
            ("labels_any", self.labels_any.len()),
            ("labels_all", self.labels_all.len()),
            ("parents", self.parents.len()),
            ("sprints", self.sprints.len()),
            ("fields", self.fields.len()),
        ];
        let long = lengths.into_iter().filter(|(_, length)| *length > MOST_VALUES);
        faults.extend(long.map(|(name, _)| Invalid::new(name, format!("must have at most {MOST_VALUES} values"))));
        let handles = [
            ("projects", &self.projects),
            ("statuses", &self.statuses),
            ("types", &self.types),
            ("priorities", &self.priorities),
            ("parents", &self.parents),
        ];
        for (name, handles) in handles {
            for handle in handles {
                check_handle(name, handle, faults);
            }
        }
        for handle in self.resolutions.iter().flatten() {
            check_handle("resolutions", handle, faults);
        }
        for (name, accounts) in [
            ("assignees", self.assignees.iter().flatten().collect::<Vec<_>>()),
            ("reporters", self.reporters.iter().collect()),
        ] {
            for account in accounts {
                check_text(name, &account.0, faults);
            }
        }
        for (name, labels) in [("labels_any", &self.labels_any), ("labels_all", &self.labels_all)] {
            for label in labels {
                check_text(name, label, faults);
            }
        }
    }
}

impl FieldFilter {
    fn check(&self, faults: &mut Vec<Invalid>) {
        let name = format!("fields.{}", self.field.chars().take(60).collect::<String>());
        check_text(&name, &self.field, faults);
        if self.equals.is_empty() == self.contains.is_none() {
            faults.push(Invalid::new(&name, "must have either `equals` or `contains`"));
        }
        if self.equals.len() > MOST_VALUES {
            faults.push(Invalid::new(&name, format!("must have at most {MOST_VALUES} values")));
        }
        for value in &self.equals {
            check_text(&name, value, faults);
        }
        let fits = |json: &RawJson| json.as_str().len() <= LONGEST_JSON && storable_json(json.as_str()).is_none();
        if !self.contains.as_ref().is_none_or(fits) {
            faults.push(Invalid::new(&name, format!("must have at most {LONGEST_JSON} bytes of JSON, without NUL")));
        }
    }

    fn condition(&self) -> Condition {
        let test = match &self.contains {
            Some(json) => FieldTest::Contains(json.clone()),
            None => FieldTest::OneOf(self.equals.clone()),
        };
        Condition::Test(Test::Field { field: self.field.clone(), sense: Sense::Is, test })
    }
}

fn check_handle(name: &str, handle: &Handle, faults: &mut Vec<Invalid>) {
    if let Handle::Name(text) = handle {
        check_text(name, text, faults);
    }
}

fn check_text(name: &str, text: &str, faults: &mut Vec<Invalid>) {
    if text.is_empty() || text.chars().count() > LONGEST_TEXT || text.contains('\0') {
        faults.push(Invalid::new(name, format!("must be 1 to {LONGEST_TEXT} characters, without NUL")));
    }
}

fn check_range<T: PartialOrd + Datelike>(name: &str, range: &Range<T>, faults: &mut Vec<Invalid>) {
    if [&range.from, &range.before].into_iter().flatten().any(|value| !(1..=9999).contains(&value.year())) {
        faults.push(Invalid::new(name, "must lie in the years 1 to 9999"));
    }
    if let (Some(from), Some(before)) = (&range.from, &range.before)
        && from >= before
    {
        faults.push(Invalid::new(name, "must have `from` earlier than `before`"));
    }
}

fn is(attribute: Attribute, values: Vec<Handle>) -> Condition {
    Condition::Test(Test::OneOf { attribute, sense: Sense::Is, values })
}

fn one_of((attribute, values): (Attribute, &Vec<Handle>)) -> Option<Condition> {
    (!values.is_empty()).then(|| is(attribute, values.clone()))
}

/// Of values among which "none" is one.
fn one_or_none(attribute: Attribute, values: Vec<Option<Handle>>) -> Option<Condition> {
    let none = values.contains(&None).then_some(Condition::Test(Test::Empty { attribute, sense: Sense::Is }));
    let known: Vec<Handle> = values.into_iter().flatten().collect();
    let known = one_of((attribute, &known));
    match (known, none) {
        (Some(known), Some(none)) => Some(Condition::Any(vec![known, none])),
        (known, none) => known.or(none),
    }
}

fn in_time(attribute: TimeAttribute, range: &Range<DateTime<Utc>>) -> impl Iterator<Item = Condition> {
    bounds(range).map(move |(relation, at)| Condition::Test(Test::Time { attribute, relation, at }))
}

fn bounds<T: Copy>(range: &Range<T>) -> impl Iterator<Item = (Relation, T)> {
    let from = range.from.map(|value| (Relation::AtLeast, value));
    let before = range.before.map(|value| (Relation::Less, value));
    from.into_iter().chain(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_at_fault_is_named() {
        let filter: IssueFilter = serde_json::from_str(
            r#"{"labels_all":[""],"text":"--","fields":[{"field":"Team"}],
                "due":{"from":"2026-02-02","before":"2026-02-02"},"statuses":["Open",3]}"#,
        )
        .expect("JSON of a filter");
        let faults = filter.validate().expect_err("it has faults");
        let mut named: Vec<&str> = faults.iter().map(|fault| fault.what.as_str()).collect();
        named.sort_unstable();
        assert_eq!(named, ["due", "fields.Team", "labels_all", "text"]);
        assert!(serde_json::from_str::<IssueFilter>(r#"{"label":["a"]}"#).is_err());
    }

    #[test]
    fn nobody_is_a_value_among_others() {
        let filter: IssueFilter = serde_json::from_str(r#"{"assignees":["mia",null]}"#).expect("JSON of a filter");
        let Condition::All(all) = filter.condition() else { panic!("a filter asks for all of its fields") };
        let [Condition::Any(any)] = &all[..] else { panic!("one field is asked for: {all:?}") };
        assert_eq!(any.len(), 2);
        assert_eq!(IssueFilter::default().condition(), Condition::All(Vec::new()));
    }
}
