//! A condition in SQL. What an issue lacks makes a test unknown, which is not true, also where the test is reversed.

use std::collections::BTreeMap;

use domain::search::{
    Attribute, Condition, FieldTest, Handle, Place, Relation, Sense, Test, TimeAttribute, Word, WordEnd,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Statement, known, known::Known};

/// Says the condition. Every part stands in parentheses or is a single comparison.
pub(super) fn render(condition: &Condition, known: &Known, out: &mut Statement) {
    match condition {
        Condition::All(parts) if parts.is_empty() => _ = out.say("true"),
        Condition::Any(parts) if parts.is_empty() => _ = out.say("false"),
        Condition::All(parts) => join(parts, " AND ", known, out),
        Condition::Any(parts) => join(parts, " OR ", known, out),
        Condition::Test(test) => render_test(test, known, out),
    }
}

fn join(parts: &[Condition], between: &'static str, known: &Known, out: &mut Statement) {
    out.say("(").join(parts, between, |part, out| render(part, known, out)).say(")");
}

fn render_test(test: &Test, known: &Known, out: &mut Statement) {
    match test {
        Test::Instance(instances) => {
            out.say("i.instance_id = ANY (").bind(instances.iter().map(|id| id.0).collect::<Vec<_>>()).say(")");
        }
        Test::OneOf { attribute, sense, values } => one_of(*attribute, *sense, values, known, out),
        Test::Empty { attribute, sense } => empty(*attribute, *sense, out),
        Test::Time { attribute, relation, at } => {
            out.say(time(*attribute)).say(sign(*relation)).bind(*at);
        }
        Test::Due { relation, on } => _ = out.say("i.due_on").say(sign(*relation)).bind(*on),
        Test::Words { place, sense, words } => has_words(*place, *sense, words, out),
        Test::Field { field, sense, test } => has_field(&known.fields(field), *sense, test, out),
    }
}

fn one_of(attribute: Attribute, sense: Sense, values: &[Handle], known: &Known, out: &mut Statement) {
    let (ids, names) = parted(values);
    // A reversed test also fails where there is no value to compare.
    if sense == Sense::IsNot {
        empty(attribute, Sense::IsNot, out);
        out.say(" AND NOT ");
    }
    match attribute {
        Attribute::Project => {
            let places = values.iter().flat_map(|handle| known.projects(handle)).collect();
            at_places("i.project_id", places, out);
        }
        Attribute::Issue => by_key("i.id", &ids, &names, known, out),
        Attribute::Parent => by_key("i.parent_id", &ids, &names, known, out),
        Attribute::Status => named("i.status_id", "lower(i.status_name)", &ids, &names, out),
        Attribute::Type => named("i.type_id", "lower(i.type_name)", &ids, &names, out),
        Attribute::Priority => named("i.priority_id", "lower(i.priority_name)", &ids, &names, out),
        Attribute::Resolution => named("i.resolution_id", "lower(i.resolution_name)", &ids, &names, out),
        Attribute::Category => texts("i.status_category", &names, out),
        Attribute::Assignee => texts("i.assignee", &names, out),
        Attribute::Reporter => texts("i.reporter", &names, out),
        Attribute::Creator => texts("i.creator", &names, out),
        Attribute::Label => _ = out.say("i.labels && ").bind(names).say("::text[]"),
        Attribute::Sprint => _ = out.say("i.sprint_ids && ").bind(ids).say("::bigint[]"),
        // These are only ever asked whether they are there.
        Attribute::Description | Attribute::Resolved | Attribute::Due => _ = out.say("false"),
    }
}

fn empty(attribute: Attribute, sense: Sense, out: &mut Statement) {
    let column = match attribute {
        Attribute::Issue => "i.id",
        Attribute::Project => "i.project_id",
        Attribute::Status => "i.status_id",
        Attribute::Category => "i.status_category",
        Attribute::Type => "i.type_id",
        Attribute::Priority => "i.priority_id",
        Attribute::Resolution => "i.resolution_id",
        Attribute::Assignee => "i.assignee",
        Attribute::Reporter => "i.reporter",
        Attribute::Creator => "i.creator",
        Attribute::Parent => "i.parent_id",
        Attribute::Description => "i.description",
        Attribute::Resolved => "i.resolved_at",
        Attribute::Due => "i.due_on",
        Attribute::Label => "nullif(i.labels, '{}')",
        Attribute::Sprint => "nullif(i.sprint_ids, '{}')",
    };
    out.say(column).say(if sense == Sense::Is { " IS NULL" } else { " IS NOT NULL" });
}

fn time(attribute: TimeAttribute) -> &'static str {
    match attribute {
        TimeAttribute::Created => "i.created_at",
        TimeAttribute::Updated => "i.updated_at",
        TimeAttribute::Resolved => "i.resolved_at",
    }
}

fn sign(relation: Relation) -> &'static str {
    match relation {
        Relation::Equal => " = ",
        Relation::NotEqual => " <> ",
        Relation::Less => " < ",
        Relation::AtMost => " <= ",
        Relation::More => " > ",
        Relation::AtLeast => " >= ",
    }
}

fn parted(values: &[Handle]) -> (Vec<i64>, Vec<String>) {
    let (mut ids, mut names) = (Vec::new(), Vec::new());
    for value in values {
        match value {
            Handle::Id(id) => ids.push(*id),
            Handle::Name(name) => names.push(name.clone()),
        }
    }
    (ids, names)
}

/// A single value is compared with `=`: only so an index is walked in the order of what follows in it.
fn numbers(column: &'static str, ids: &[i64], out: &mut Statement) {
    match ids {
        [id] => out.say(column).say(" = ").bind(*id),
        ids => out.say(column).say(" = ANY (").bind(ids.to_vec()).say(")"),
    };
}

fn texts(column: &'static str, names: &[String], out: &mut Statement) {
    match names {
        [name] => out.say(column).say(" = ").bind(name.as_str()),
        names => out.say(column).say(" = ANY (").bind(names.to_vec()).say(")"),
    };
}

fn named(id: &'static str, folded: &'static str, ids: &[i64], names: &[String], out: &mut Statement) {
    out.say("(");
    if !ids.is_empty() {
        numbers(id, ids, out);
    }
    if !ids.is_empty() && !names.is_empty() {
        out.say(" OR ");
    }
    match names {
        [] => {}
        [name] => _ = out.say(folded).say(" = lower(").bind(name.as_str()).say(")"),
        names => {
            let list = |name: &String, out: &mut Statement| _ = out.say("lower(").bind(name.as_str()).say(")");
            out.say(folded).say(" IN (").join(names, ", ", list).say(")");
        }
    }
    out.say(")");
}

/// Numbers count on every site, keys on those where they lead somewhere.
fn by_key(column: &'static str, ids: &[i64], keys: &[String], known: &Known, out: &mut Statement) {
    let places = keys.iter().flat_map(|key| known.issues(key)).copied().collect();
    if ids.is_empty() {
        return at_places(column, places, out);
    }
    out.say("(");
    numbers(column, ids, out);
    if !keys.is_empty() {
        out.say(" OR ");
        at_places(column, places, out);
    }
    out.say(")");
}

/// One comparison for each site.
fn at_places(column: &'static str, places: Vec<known::Place>, out: &mut Statement) {
    let mut by_instance: BTreeMap<Uuid, Vec<i64>> = BTreeMap::new();
    for (instance, id) in places {
        by_instance.entry(instance).or_default().push(id);
    }
    if by_instance.is_empty() {
        out.say("false");
        return;
    }
    let on_one_site = |(instance, ids): (Uuid, Vec<i64>), out: &mut Statement| {
        out.say("(i.instance_id = ").bind(instance).say(" AND ");
        numbers(column, &ids, out);
        out.say(")");
    };
    out.say("(").join(by_instance, " OR ", on_one_site).say(")");
}

fn has_words(place: Place, sense: Sense, words: &[Word], out: &mut Statement) {
    if sense == Sense::IsNot {
        if place == Place::Description {
            empty(Attribute::Description, Sense::IsNot, out);
            out.say(" AND ");
        }
        out.say("NOT ");
    }
    out.say("i.search @@ ").bind(words_query(place, words)).say("::tsquery");
}

/// PostgreSQL's notation of a question for words. They are letters and digits, so nothing needs an escape.
fn words_query(place: Place, words: &[Word]) -> String {
    let word = |word: &Word| {
        let end = if word.end == WordEnd::Open { ":*" } else { "" };
        let text = &word.text;
        match place {
            Place::Anywhere => format!("('{text}'{end} | '={text}'{end})"),
            Place::Summary => format!("'={text}'{end}"),
            Place::Description => format!("'{text}'{end}"),
        }
    };
    words.iter().map(word).collect::<Vec<_>>().join(" & ")
}

/// Of several fields that share a name, one that passes is enough.
fn has_field(ids: &[String], sense: Sense, test: &FieldTest, out: &mut Statement) {
    if ids.is_empty() {
        out.say("false");
        return;
    }
    out.say("(").join(ids, " OR ", |id, out| one_field(id, sense, test, out)).say(")");
}

fn one_field(id: &str, sense: Sense, test: &FieldTest, out: &mut Statement) {
    if let FieldTest::Empty = test {
        let not = if sense == Sense::Is { "NOT " } else { "" };
        out.say(not).say("coalesce(i.custom ? ").bind(id).say(", false)");
        return;
    }
    if sense == Sense::IsNot {
        out.say("(i.custom ? ").bind(id).say(" AND NOT ");
    }
    let contains = |document: String, out: &mut Statement| _ = out.say("i.custom @> ").bind(document).say("::jsonb");
    out.say("(").join(wanted(id, test), " OR ", contains).say(")");
    if sense == Sense::IsNot {
        out.say(")");
    }
}

/// Every document of which one must be contained.
fn wanted(id: &str, test: &FieldTest) -> Vec<String> {
    match test {
        FieldTest::Empty => Vec::new(),
        FieldTest::Contains(json) => vec![format!("{{{}:{}}}", Value::from(id), json.as_str())],
        FieldTest::OneOf(values) => {
            values.iter().flat_map(|value| forms(value)).map(|form| json!({ id: form }).to_string()).collect()
        }
    }
}

/// The forms in which Jira tells a value, alone and in a list.
fn forms(value: &str) -> Vec<Value> {
    let members = ["value", "name", "id", "key", "accountId"];
    let mut alone: Vec<Value> = members.iter().map(|member| json!({ *member: value })).collect();
    alone.push(Value::from(value));
    let number = value.parse::<i64>().map(Value::from).or_else(|_| value.parse::<f64>().map(Value::from));
    alone.extend(number.ok().filter(Value::is_number));
    let listed: Vec<Value> = alone.iter().map(|form| json!([form])).collect();
    alone.into_iter().chain(listed).collect()
}

#[cfg(test)]
mod tests {
    use domain::search::words_asked;

    use super::*;

    #[test]
    fn values_are_bound_and_never_said() {
        let evil = "'; DROP TABLE mirror.issues; --".to_owned();
        let values = vec![Handle::Name(evil.clone()), Handle::Id(7)];
        let attributes = [Attribute::Status, Attribute::Label, Attribute::Assignee, Attribute::Project];
        let tests = attributes.into_iter().flat_map(|attribute| {
            [Sense::Is, Sense::IsNot].map(|sense| Test::OneOf { attribute, sense, values: values.clone() })
        });
        let field =
            Test::Field { field: "customfield_1".to_owned(), sense: Sense::IsNot, test: FieldTest::OneOf(vec![evil]) };
        let parts = tests.chain([field]).map(Condition::Test).collect();
        let mut out = Statement::new("");
        render(&Condition::Any(parts), &Known::default(), &mut out);
        assert!(!out.text().contains("DROP") && !out.text().contains("customfield"), "{}", out.text());
    }

    #[test]
    fn words_are_looked_for_where_they_are_asked() {
        let words = words_asked("Log* in");
        assert_eq!(words_query(Place::Anywhere, &words), "('log':* | '=log':*) & ('in' | '=in')");
        assert_eq!(words_query(Place::Summary, &words), "'=log':* & '=in'");
        assert_eq!(words_query(Place::Description, &words), "'log':* & 'in'");
    }

    #[test]
    fn a_value_is_found_in_each_of_jiras_forms() {
        let forms = forms("5");
        assert!(forms.contains(&json!(5)) && forms.contains(&json!("5")) && forms.contains(&json!([{ "value": "5" }])));
        assert_eq!(super::forms("NaN").len(), 12);
    }
}
