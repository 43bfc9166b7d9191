//! JQL against the model, and against what its author meant.

use domain::{
    AccountId, Issue, StatusCategory,
    jql::{Query, Surroundings},
    search::words,
};
use rand::{RngExt, rngs::SmallRng, seq::IndexedRandom};

use super::{
    Found,
    sample::{Library, rng},
};
use crate::store::sample::at;

fn around() -> Surroundings {
    Surroundings { now: at(40), zone: chrono_tz::Europe::Berlin, account: Some(AccountId("mia".to_owned())) }
}

async fn found(library: &Library, text: &str) -> Found {
    let question = Query::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).question(&around()).unwrap();
    let found = library.walk(&library.mirror.tenant, &question, 50).await;
    assert_eq!(found, library.model(&question), "{text}");
    found
}

type Meant = fn(&Issue) -> bool;

#[tokio::test]
async fn queries_find_what_their_authors_mean() {
    let library = Library::new(240).await;
    let cases: [(&str, Meant); 18] = [
        ("", |_| true),
        ("project = acme", |issue| issue.project.0 == 10000),
        ("project != 'The Company' and project = 10001", |issue| issue.project.0 == 10001),
        ("status = 'IN PROGRESS'", |issue| issue.status.name.eq_ignore_ascii_case("in progress")),
        ("status != Open", |issue| issue.status.name != "Open"),
        ("statusCategory = Done", |issue| issue.status.category == StatusCategory::Done),
        ("assignee = currentUser()", |issue| issue.assignee.as_ref().is_some_and(|who| who.0 == "mia")),
        ("assignee != mia", |issue| issue.assignee.as_ref().is_some_and(|who| who.0 != "mia")),
        ("not assignee = mia", |issue| issue.assignee.as_ref().is_some_and(|who| who.0 != "mia")),
        ("assignee is empty or assignee not in (mia, ann)", |issue| {
            issue.assignee.as_ref().is_none_or(|who| who.0 != "mia" && who.0 != "ann")
        }),
        ("labels not in (red)", |issue| !issue.labels.is_empty() && issue.labels.iter().all(|label| label != "red")),
        ("labels = red and labels = Red", |issue| {
            ["red", "Red"].iter().all(|wanted| issue.labels.iter().any(|label| label == wanted))
        }),
        ("resolution = Unresolved", |issue| issue.resolution.is_none()),
        ("summary ~ 'log*' and summary !~ login", |issue| {
            let held: Vec<_> = words(&issue.summary).collect();
            held.iter().any(|word| word.starts_with("log")) && held.iter().all(|word| word != "login")
        }),
        ("description !~ alpha", |issue| {
            issue.description.as_ref().is_some_and(|text| words(&domain::plain_text(text)).all(|word| word != "alpha"))
        }),
        ("updated >= -20m and updated < -5m", |issue| (at(20)..at(35)).contains(&issue.updated_at)),
        ("due <= 2026-02-03", |issue| issue.due_on.is_some_and(|day| day.to_string().as_str() <= "2026-02-03")),
        ("sprint in (1, 2) or parent = 1", |issue| {
            issue.sprints.iter().any(|sprint| sprint.0 < 3)
                || issue.parent.as_ref().is_some_and(|parent| parent.id.0 == 1)
        }),
    ];
    for (text, meant) in cases {
        let mut found = found(&library, text).await;
        let visible = library.issues.iter().filter(|issue| issue.visible);
        let mut expected: Found = visible
            .filter(|issue| meant(&issue.snapshot.issue))
            .map(|issue| (issue.instance, issue.snapshot.issue.id.0))
            .collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{text}");
    }
}

const TERMS: [&str; 26] = [
    "project = ACME",
    "project not in (ops, none)",
    "key in (ACME-1, OPS-2, ACME-7)",
    "id = 5",
    "issuekey != ACME-4",
    "status in (open, 5)",
    "status not in ('in progress', Done)",
    "statusCategory != 'To Do'",
    "type = bug",
    "issuetype != 'Sub-task'",
    "priority = P1",
    "priority != P2",
    "priority is not empty",
    "resolution = fixed",
    "reporter in (ann, empty)",
    "creator is empty",
    "labels in ('größe', 'say \"hi\"')",
    "labels is empty",
    "parent is empty",
    "parent != 3",
    "sprint not in (1)",
    "created >= -40m",
    "resolved is not empty",
    "text ~ 'apfel alpha'",
    "\"Colour\" = Blue",
    "\"colour\" not in (Blue, 5)",
];

fn random_jql(depth: u32, rng: &mut SmallRng) -> String {
    let kind = if depth == 0 { 0 } else { rng.random_range(0..4) };
    if kind == 0 {
        return (*TERMS.choose(rng).unwrap()).to_owned();
    }
    let (one, other) = (random_jql(depth - 1, rng), random_jql(depth - 1, rng));
    match kind {
        1 => format!("({one}) AND ({other})"),
        2 => format!("({one} OR {other})"),
        _ => format!("NOT ({one})"),
    }
}

#[tokio::test]
async fn random_queries_find_what_a_model_finds() {
    let library = Library::new(200).await;
    let mut rng = rng(9);
    let mut hits = 0;
    for _ in 0..300 {
        let mut text = random_jql(3, &mut rng);
        text += *["", " ORDER BY created", " ORDER BY due DESC, priority, key DESC"].choose(&mut rng).unwrap();
        hits += usize::from(!found(&library, &text).await.is_empty());
    }
    assert!(hits > 100, "only {hits} queries found anything");
}
