//! The lines of a page of figures, and the part of PromQL that says which of them it is about.

use std::collections::BTreeMap;

/// One line of a page without its figure.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
}

/// What a query asks for: `jirafleet_queue_depth{state="dead"}`.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Selector {
    name: String,
    /// Label, operator, text.
    matchers: Vec<(String, String, String)>,
}

/// A line of a page; comments are none.
pub(super) fn series(line: &str) -> Option<Series> {
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let end = line.find(['{', ' ']).expect("a line has a figure");
    let labels = line[end..].strip_prefix('{').map(|rest| pairs(rest).0).unwrap_or_default();
    let labels = labels.into_iter().map(|(label, _, value)| (label, value)).collect();
    Some(Series { name: line[..end].to_owned(), labels })
}

/// All selectors of our metrics in a text.
pub(super) fn selectors(text: &str) -> Vec<Selector> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("jirafleet_") {
        let rest = &text[at..];
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(rest.len());
        let matchers = rest[end..].strip_prefix('{').map(|rest| pairs(rest).0).unwrap_or_default();
        found.push(Selector { name: rest[..end].to_owned(), matchers });
    }
    found
}

/// What stands between braces, from behind the first: label, operator, value; and what follows. A value may hold braces.
fn pairs(mut rest: &str) -> (Vec<(String, String, String)>, &str) {
    let mut found = Vec::new();
    while let Some((left, right)) = rest.split_once('"') {
        if let Some(end) = left.find('}') {
            return (found, &rest[end + 1..]);
        }
        let left = left.trim_start_matches([',', ' ']);
        let (label, operator) = left.split_at(left.find(['=', '!']).expect("a label is compared"));
        let (value, after) = right.split_once('"').expect("a value ends");
        found.push((label.to_owned(), operator.to_owned(), value.to_owned()));
        rest = after;
    }
    (found, rest)
}

impl Selector {
    /// Whether this series is among what is asked for.
    pub(super) fn takes(&self, series: &Series) -> bool {
        self.name == series.name
            && self.matchers.iter().all(|(label, operator, text)| {
                let value = series.labels.get(label).map(String::as_str).unwrap_or_default();
                match operator.as_str() {
                    "=" => value == text,
                    "!=" => value != text,
                    "=~" => is_like(text, value),
                    "!~" => !is_like(text, value),
                    other => panic!("{other} compares nothing"),
                }
            })
    }
}

/// The regular expressions that are used: `a|b`, `.*` at an end, and `.` for any letter.
fn is_like(pattern: &str, value: &str) -> bool {
    let is_same = |one: &str, value: &str| {
        one.len() == value.len() && one.chars().zip(value.chars()).all(|(one, letter)| one == '.' || one == letter)
    };
    pattern.split('|').any(|one| match one.strip_suffix(".*") {
        Some(start) => value.get(..start.len()).is_some_and(|value| is_same(start, value)),
        None => is_same(one, value),
    })
}

#[test]
fn lines_and_selectors_are_read() {
    let line = series(r#"a_seconds_bucket{route="/issues/{key}",le="0.1"} 3"#).unwrap();
    let labels: Vec<_> = line.labels.iter().map(|(label, value)| (label.as_str(), value.as_str())).collect();
    assert_eq!((line.name.as_str(), labels), ("a_seconds_bucket", vec![("le", "0.1"), ("route", "/issues/{key}")]));
    assert!(series("# HELP a b").is_none() && series("a 1").unwrap().labels.is_empty());
    let asked = selectors(r#"sum(rate(jirafleet_a{x="1",y=~"b|c.*"}[5m])) / sum(jirafleet_b) by (x)"#);
    assert_eq!(
        asked.iter().map(|one| (one.name.as_str(), one.matchers.len())).collect::<Vec<_>>(),
        [("jirafleet_a", 2), ("jirafleet_b", 0)]
    );
    let takes = |line| asked[0].takes(&series(line).unwrap());
    assert!(takes(r#"jirafleet_a{x="1",y="cd"} 0"#) && takes(r#"jirafleet_a{x="1",y="b"} 0"#));
    assert!(is_like("2..|3..", "304") && !is_like("2..", "20") && !is_like("4..", "304"));
    assert!(!takes(r#"jirafleet_a{x="1",y="a"} 0"#) && !takes(r#"jirafleet_a{y="b"} 0"#));
}
