//! Queries that are read, refused and printed.

use proptest::prelude::*;

use super::*;
use crate::search::{Condition, Test};

fn around() -> Surroundings {
    Surroundings {
        now: DateTime::from_timestamp(1_790_000_000, 0).expect("in range"),
        zone: Tz::UTC,
        account: Some(AccountId("mia".to_owned())),
    }
}

fn printed(text: &str) -> String {
    Query::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).to_string()
}

fn refused(text: &str) -> (usize, String) {
    let error = Query::parse(text).expect_err(text);
    (error.at, error.what)
}

#[test]
fn queries_are_read_as_jira_reads_them() {
    for (text, canonical) in [
        ("", ""),
        ("project=ACME", r#"project = "ACME""#),
        (
            "PROJECT = acme and status != 'In Progress' or type = Bug",
            r#"(project = "acme" AND status != "In Progress") OR type = "Bug""#,
        ),
        ("not (a_b = 1)", "error"),
        ("NOT key = ACME-7 AND ! id in (ACME-8, 9)", r#"NOT key = "ACME-7" AND NOT key IN ("ACME-8", "9")"#),
        ("labels not in (a, \"b c\") && assignee is empty", r#"labels NOT IN ("a", "b c") AND assignee IS EMPTY"#),
        ("assignee in (currentUser(), EMPTY)", "assignee IN (currentUser(), EMPTY)"),
        ("updated >= -7d order by updated DESC, key", "updated >= -10080m ORDER BY updated DESC, key ASC"),
        ("order by created", "ORDER BY created ASC"),
        ("created > startOfDay(-1) & due <= endOfWeek()", r#"created > startOfDay("-1d") AND due <= endOfWeek()"#),
        ("created < '2026/02/28 13:45'", r#"created < "2026-02-28 13:45:00""#),
        ("text ~ \"log* out\" and description !~ x", r#"text ~ "log* out" AND description !~ "x""#),
        ("cf[10010] = Blue or \"Story Points\" in (3, 5)", r#"cf[10010] = "Blue" OR "Story Points" IN ("3", "5")"#),
        (r#"summary ~ "say \"hi\" \u00e9\\""#, r#"summary ~ "say \"hi\" é\\""#),
        ("resolution = Unresolved", r#"resolution = "Unresolved""#),
    ] {
        if canonical == "error" {
            refused(text);
        } else {
            assert_eq!(printed(text), canonical, "{text}");
            assert_eq!(printed(canonical), canonical);
        }
    }
}

#[test]
fn errors_say_where_and_what() {
    for (text, at, what) in [
        ("asignee = mia", 1, "the nearest is `assignee`"),
        ("project = ACME AND (status = Done", 34, "expected `)`"),
        ("project ACME", 9, "expected = !="),
        ("summary ~ \"unclosed", 11, "no end"),
        ("status was Done", 8, "not supported"),
        ("status changed", 8, "not supported"),
        ("project = ACME status = Done", 16, "expected AND"),
        ("created > yesterday", 11, "is no time"),
        ("summary = a", 9, "takes ~ and !~"),
        ("key > ACME-1", 5, "takes ="),
        ("assignee is mia", 13, "take EMPTY"),
        ("assignee in membersOf(x)", 13, "`membersOf`"),
        ("statusCategory = Open", 18, "\"To Do\""),
        ("text ~ '--'", 8, "a letter or a digit"),
        ("sprint = 'Sprint 1'", 10, "numbers"),
        ("fixVersion = 1", 1, "not mirrored"),
        ("order by summary", 10, "only be sorted"),
        ("labels = \\q", 10, "backslash"),
        ("a\0", 2, "NUL"),
    ] {
        let refusal = refused(text);
        assert_eq!(refusal.0, at, "{text}: {refusal:?}");
        assert!(refusal.1.contains(what), "{text}: {refusal:?}");
    }
    assert!(refused(&"(".repeat(9_000)).1.contains("deep"));
    assert!(refused(&"not ".repeat(2_000)).1.contains("deep"));
    assert!(refused(&"a".repeat(Query::LONGEST + 1)).1.contains("at most"));
    assert!(refused(&vec!["key=A-1"; 600].join(" or ")).1.contains("comparisons"));
}

#[test]
fn a_negation_reverses_the_tests_inside() {
    let of = |text: &str| Query::parse(text).expect(text).question(&around()).expect(text).condition().clone();
    for (one, other) in [
        ("not (status = Done or assignee = mia)", "status != Done and assignee != mia"),
        ("not not key = ACME-1", "key = ACME-1"),
        ("not updated > -1d", "updated <= -1d"),
        ("not labels in (a, empty)", "labels not in (a) and labels is not empty"),
        ("not due = 2026-02-01", "due != 2026-02-01"),
    ] {
        let (one, other) = (flat(of(one)), flat(of(other)));
        assert!(one.len() == other.len() && one.iter().all(|test| other.contains(test)), "{one:?} {other:?}");
    }
}

/// The tests of a condition.
fn flat(condition: Condition) -> Vec<Test> {
    match condition {
        Condition::All(parts) | Condition::Any(parts) => parts.into_iter().flat_map(flat).collect(),
        Condition::Test(test) => vec![test],
    }
}

#[test]
fn nobody_is_no_current_user() {
    let query = Query::parse("assignee = currentUser()").expect("a query");
    let error = query.question(&Surroundings { account: None, ..around() }).expect_err("nobody asks");
    assert_eq!(error.at, 12);
}

#[test]
fn a_query_keeps_its_fingerprint_while_time_passes() {
    let query = Query::parse("updated > -1d").expect("a query");
    let later = Surroundings { now: around().now + chrono::TimeDelta::minutes(1), ..around() };
    let fingerprint = |around: &Surroundings| query.question(around).expect("a question").fingerprint();
    assert_eq!(fingerprint(&around()), fingerprint(&later));
    assert_ne!(fingerprint(&around()), fingerprint(&Surroundings { account: None, ..around() }));
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z]{1,6}".prop_map(|word| word),
        "\\PC{1,8}".prop_map(|text| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))),
        Just("empty".to_owned()),
        Just("currentUser()".to_owned()),
        Just("-3d".to_owned()),
        Just("startOfMonth(-1)".to_owned()),
        Just("'2026-02-28 10:00'".to_owned()),
        Just("Done".to_owned()),
    ]
}

fn term() -> impl Strategy<Value = String> {
    let field = prop::sample::select(vec![
        "project",
        "status",
        "assignee",
        "labels",
        "created",
        "due",
        "text",
        "description",
        "cf[10]",
        "\"A b\"",
        "statusCategory",
    ]);
    let operator = prop::sample::select(vec!["=", "!=", "<", ">=", "~", "!~", "is", "is not", "in", "not in"]);
    (field, operator, prop::collection::vec(text(), 1..4)).prop_map(|(field, operator, values)| match operator {
        "in" | "not in" => format!("{field} {operator} ({})", values.join(", ")),
        "is" | "is not" => format!("{field} {operator} empty"),
        _ => format!("{field} {operator} {}", values[0]),
    })
}

fn query() -> impl Strategy<Value = String> {
    term().prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|one| format!("not ({one})")),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" and "))),
            prop::collection::vec(inner, 2..4).prop_map(|parts| parts.join(" or ")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_printed_is_read_as_the_same(text in query()) {
        if let Ok(query) = Query::parse(&text) {
            let printed = query.to_string();
            let again = Query::parse(&printed).map_err(|error| TestCaseError::fail(format!("{printed}: {error}")))?;
            prop_assert_eq!(again.to_string(), printed);
            let (one, other) = (query.question(&around()), again.question(&around()));
            if let (Ok(one), Ok(other)) = (one, other) {
                prop_assert_eq!(one.condition(), other.condition());
            }
        }
    }

    #[test]
    fn no_text_is_too_strange(text in "[\\PC\\n]{0,80}") {
        if let Ok(query) = Query::parse(&text) {
            prop_assert!(Query::parse(&query.to_string()).is_ok());
            let _ = query.question(&around());
        }
    }

    #[test]
    fn no_row_of_pieces_is_too_strange(pieces in prop::collection::vec(prop::sample::select(vec![
        "project", "=", "!=", "(", ")", ",", "and", "or", "not", "in", "is", "empty", "order", "by", "created", ">", "-1d",
        "'a'", "startOfDay", "assignee", "was", "\\", "\"", "!", "~",
    ]), 0..14)) {
        let _ = Query::parse(&pieces.join(" "));
    }
}
