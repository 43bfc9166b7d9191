//! A search in plain Rust, one issue at a time: what the store's answers are held against.

use std::cmp::Ordering;

use domain::{
    Issue, IssueKey,
    search::{
        Attribute, Condition, Direction, FieldTest, Handle, Place, Question, Relation, Sense, Sort, SortKey, Test,
        TimeAttribute, Word, WordEnd, words,
    },
};
use serde_json::Value;

use super::{Found, sample::Shelved};

pub(crate) fn answer(issues: &[Shelved], question: &Question) -> Found {
    let passes = |issue: &&Shelved| issue.visible && passes(question.condition(), issue, issues);
    let mut found: Vec<&Shelved> = issues.iter().filter(passes).collect();
    found.sort_by(|one, other| compare(one, other, question.order()));
    found.into_iter().map(|issue| (issue.instance, issue.snapshot.issue.id.0)).collect()
}

fn compare(one: &Shelved, other: &Shelved, order: &[Sort]) -> Ordering {
    let turned = |ordering: Ordering, direction| match direction {
        Direction::Ascending => ordering,
        Direction::Descending => ordering.reverse(),
    };
    let (a, b) = (&one.snapshot.issue, &other.snapshot.issue);
    for sort in order {
        let direction = sort.direction;
        let ordering = match sort.by {
            SortKey::Updated => turned(a.updated_at.cmp(&b.updated_at), direction),
            SortKey::Created => turned(a.created_at.cmp(&b.created_at), direction),
            SortKey::Id => turned((a.id, one.instance).cmp(&(b.id, other.instance)), direction),
            SortKey::Key => turned(key_parts(&a.key).cmp(&key_parts(&b.key)), direction),
            SortKey::Resolved => with_none_last(a.resolved_at, b.resolved_at, direction),
            SortKey::Due => with_none_last(a.due_on, b.due_on, direction),
            SortKey::Priority => {
                let rank = |issue: &Issue| issue.priority.as_ref().map(|priority| -priority.id);
                with_none_last(rank(a), rank(b), direction)
            }
        };
        if ordering != Ordering::Equal {
            return ordering;
        }
    }
    let last = order.last().unwrap().direction;
    turned((a.id, one.instance.0.as_bytes()).cmp(&(b.id, other.instance.0.as_bytes())), last)
}

fn with_none_last<T: Ord>(a: Option<T>, b: Option<T>, direction: Direction) -> Ordering {
    match (a, b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) if direction == Direction::Ascending => a.cmp(&b),
        (Some(a), Some(b)) => b.cmp(&a),
    }
}

fn key_parts(key: &IssueKey) -> (String, i64) {
    let (project, number) = key.as_str().rsplit_once('-').unwrap();
    (project.to_owned(), number.parse().unwrap())
}

fn passes(condition: &Condition, issue: &Shelved, all: &[Shelved]) -> bool {
    match condition {
        Condition::All(parts) => parts.iter().all(|part| passes(part, issue, all)),
        Condition::Any(parts) => parts.iter().any(|part| passes(part, issue, all)),
        Condition::Test(test) => passes_test(test, issue, all),
    }
}

fn passes_test(test: &Test, shelved: &Shelved, all: &[Shelved]) -> bool {
    let issue = &shelved.snapshot.issue;
    match test {
        Test::Instance(instances) => instances.contains(&shelved.instance),
        Test::OneOf { attribute, sense, values } => {
            let held = held(*attribute, shelved, all);
            let same: fn(&Handle, &Handle) -> bool = if *attribute == Attribute::Label { PartialEq::eq } else { is };
            let hit = values.iter().any(|value| held.iter().any(|one| same(one, value)));
            !held.is_empty() && hit == (*sense == Sense::Is)
        }
        Test::Empty { attribute, sense } => held(*attribute, shelved, all).is_empty() == (*sense == Sense::Is),
        Test::Time { attribute, relation, at } => {
            let time = match attribute {
                TimeAttribute::Created => Some(issue.created_at),
                TimeAttribute::Updated => Some(issue.updated_at),
                TimeAttribute::Resolved => issue.resolved_at,
            };
            time.is_some_and(|time| stands(time.cmp(at), *relation))
        }
        Test::Due { relation, on } => issue.due_on.is_some_and(|day| stands(day.cmp(on), *relation)),
        Test::Words { place, sense, words } => {
            let has = words.iter().all(|word| has_word(issue, *place, word));
            let there = *place != Place::Description || issue.description.is_some();
            has == (*sense == Sense::Is) && (there || *sense == Sense::Is)
        }
        Test::Field { field, sense, test } => {
            fields(field).iter().any(|id| passes_field(custom(shelved, id), *sense, test))
        }
    }
}

fn stands(ordering: Ordering, relation: Relation) -> bool {
    match relation {
        Relation::Equal => ordering.is_eq(),
        Relation::NotEqual => ordering.is_ne(),
        Relation::Less => ordering.is_lt(),
        Relation::AtMost => ordering.is_le(),
        Relation::More => ordering.is_gt(),
        Relation::AtLeast => ordering.is_ge(),
    }
}

fn is(held: &Handle, wanted: &Handle) -> bool {
    match (held, wanted) {
        (Handle::Name(held), Handle::Name(wanted)) => held == wanted || held.to_lowercase() == wanted.to_lowercase(),
        _ => held == wanted,
    }
}

/// Everything an attribute can be asked for by.
fn held(attribute: Attribute, shelved: &Shelved, all: &[Shelved]) -> Vec<Handle> {
    let issue = &shelved.snapshot.issue;
    let name = |text: &str| Handle::Name(text.to_owned());
    let both = |id: i64, text: &str| vec![Handle::Id(id), name(text)];
    let person = |who: &Option<domain::AccountId>| who.iter().map(|who| name(&who.0)).collect::<Vec<_>>();
    match attribute {
        Attribute::Issue => vec![Handle::Id(issue.id.0), name(issue.key.as_str())],
        Attribute::Project => {
            let (key, title) = if issue.project.0 == 10000 { ("ACME", "The Company") } else { ("OPS", "Operations") };
            vec![Handle::Id(issue.project.0), name(key), name(title)]
        }
        Attribute::Status => both(issue.status.id, &issue.status.name),
        Attribute::Category => vec![name(issue.status.category.name())],
        Attribute::Type => both(issue.issue_type.id, &issue.issue_type.name),
        Attribute::Priority => issue.priority.iter().flat_map(|one| both(one.id, &one.name)).collect(),
        Attribute::Resolution => issue.resolution.iter().flat_map(|one| both(one.id, &one.name)).collect(),
        Attribute::Assignee => person(&issue.assignee),
        Attribute::Reporter => person(&issue.reporter),
        Attribute::Creator => person(&issue.creator),
        Attribute::Label => issue.labels.iter().map(|label| name(label)).collect(),
        Attribute::Sprint => issue.sprints.iter().map(|sprint| Handle::Id(sprint.0)).collect(),
        Attribute::Description => issue.description.iter().map(|_| Handle::Id(0)).collect(),
        Attribute::Resolved => issue.resolved_at.iter().map(|_| Handle::Id(0)).collect(),
        Attribute::Due => issue.due_on.iter().map(|_| Handle::Id(0)).collect(),
        Attribute::Parent => {
            let Some(parent) = &issue.parent else { return Vec::new() };
            let of_site = all.iter().filter(|other| other.instance == shelved.instance);
            let key = of_site.filter(|other| other.snapshot.issue.id == parent.id);
            let keys = key.map(|other| name(other.snapshot.issue.key.as_str()));
            [Handle::Id(parent.id.0)].into_iter().chain(keys).collect()
        }
    }
}

fn has_word(issue: &Issue, place: Place, wanted: &Word) -> bool {
    let description = issue.description.as_ref().map(domain::plain_text).unwrap_or_default();
    let (summary, description) = (words(&issue.summary), words(&description));
    let held: Vec<_> = match place {
        Place::Summary => summary.collect(),
        Place::Description => description.collect(),
        Place::Anywhere => summary.chain(description).collect(),
    };
    held.iter().any(|word| match wanted.end {
        WordEnd::Here => *word == wanted.text,
        WordEnd::Open => word.starts_with(&wanted.text),
    })
}

fn fields(field: &str) -> Vec<String> {
    let ids: &[&str] = match field.to_lowercase().as_str() {
        "colour" => &["customfield_1", "customfield_3"],
        "team" => &["customfield_2"],
        id if id.starts_with("customfield_") => return vec![field.to_owned()],
        _ => &[],
    };
    ids.iter().map(|&id| id.to_owned()).collect()
}

fn custom(shelved: &Shelved, id: &str) -> Option<Value> {
    let raw: Value = shelved.snapshot.raw.read().unwrap();
    raw["fields"].get(id).filter(|value| !value.is_null()).cloned()
}

fn passes_field(value: Option<Value>, sense: Sense, test: &FieldTest) -> bool {
    let Some(value) = value else { return *test == FieldTest::Empty && sense == Sense::Is };
    let hit = match test {
        FieldTest::Empty => false,
        FieldTest::Contains(json) => contains(&value, &json.read().unwrap()),
        FieldTest::OneOf(texts) => texts.iter().any(|text| says(&value, text)),
    };
    hit == (sense == Sense::Is)
}

/// Whether a value is a text, alone or in a list.
fn says(value: &Value, text: &str) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| !item.is_array() && says(item, text)),
        Value::String(own) => own == text,
        Value::Number(number) => text.parse::<f64>().is_ok_and(|text| number.as_f64() == Some(text)),
        Value::Object(members) => {
            ["value", "name", "id", "key", "accountId"].iter().any(|member| members.get(*member) == Some(&text.into()))
        }
        _ => false,
    }
}

/// PostgreSQL's `@>`.
fn contains(value: &Value, wanted: &Value) -> bool {
    match (value, wanted) {
        (Value::Object(held), Value::Object(wanted)) => {
            wanted.iter().all(|(name, wanted)| held.get(name).is_some_and(|held| contains(held, wanted)))
        }
        (Value::Array(held), Value::Array(wanted)) => {
            wanted.iter().all(|wanted| held.iter().any(|held| contains(held, wanted)))
        }
        _ => value == wanted,
    }
}
