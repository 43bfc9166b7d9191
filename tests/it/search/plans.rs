//! Which index answers which question, on tables with some thousand rows and statistics: the list in `docs/data-model.md`.

use chrono::TimeDelta;
use domain::{
    AccountId, InstanceId, SprintId,
    search::{
        Cursor, Direction, FieldFilter, Handle, IssueFilter, PageRequest, Question, Range, Sort, SortKey, SortValue,
    },
};
use sea_orm::{ConnectionTrait, Statement};
use store::TenantStore;

use crate::store::sample::{Mirror, at, connect, register};

/// Issues of each of two tenants.
const ISSUES: i64 = 6_000;

/// Ten projects, a fortieth of the issues blocked, a hundred and fifty people, words of very different frequency.
const FILL: &str = "
INSERT INTO mirror.issues (tenant_id, instance_id, id, key, project_id, summary, type_id, type_name, type_subtask,
    status_id, status_name, status_category, assignee, reporter, labels, parent_id, sprint_ids, created_at, updated_at,
    raw, content_hash, observed_at, seen_at, search, custom)
SELECT $1, $2, n, 'P' || n % 10 || '-' || n, 10000 + n % 10, 'issue ' || n, 1, 'Bug', false,
    1, CASE WHEN h % 40 = 0 THEN 'Blocked' WHEN h % 3 = 0 THEN 'Open' ELSE 'Done' END, 'new',
    'person' || h % 150, 'person' || (h / 7) % 150, ARRAY['label' || h % 200], n / 20, ARRAY[n / 50],
    $3::timestamptz + n * interval '1 minute', $3::timestamptz + n * interval '1 minute' + (h % 9000) * interval '1 minute',
    '{}', '\\x00', now(), now(),
    array_to_tsvector(ARRAY['=issue', 'all', 'some' || h % 20, 'rare' || h % 2000]),
    jsonb_build_object('customfield_1', jsonb_build_object('value', 'v' || h % 300))
FROM generate_series(1, $4::bigint) AS n, LATERAL (SELECT abs(hashint8(n)::bigint) AS h) AS mixed";

async fn fill(mirror: &Mirror, tenant: &TenantStore, instance: InstanceId) {
    let connection = mirror.as_tenant(&mirror.database.app_url).await;
    let tenant_sql = format!("SELECT set_config('app.current_tenant_id', '{}', true)", tenant.id());
    connection.execute_unprepared(&tenant_sql).await.unwrap();
    let values = [tenant.id().0.into(), instance.0.into(), at(0).into(), ISSUES.into()];
    connection
        .execute_raw(Statement::from_sql_and_values(connection.get_database_backend(), FILL, values))
        .await
        .unwrap();
    connection.commit().await.unwrap();
}

fn sorted(by: SortKey) -> Vec<Sort> {
    vec![Sort { by, direction: Direction::Descending }]
}

fn named(name: &str) -> Vec<Handle> {
    vec![Handle::Name(name.to_owned())]
}

#[tokio::test]
async fn every_documented_question_uses_its_index() {
    let mirror = Mirror::new().await;
    let (other, others) = register(&mirror.store, "other").await;
    fill(&mirror, &mirror.tenant, mirror.instance).await;
    fill(&mirror, &other, others).await;
    let owner = connect(&mirror.database.owner_url).await;
    owner.execute_unprepared("VACUUM (ANALYZE) mirror.issues").await.unwrap();

    let any = IssueFilter::default;
    let updated = || sorted(SortKey::Updated);
    let field = |value: &str| {
        vec![FieldFilter { field: "customfield_1".to_owned(), equals: vec![value.to_owned()], contains: None }]
    };
    let cases = [
        ("issues_by_update", any(), updated()),
        (
            "issues_by_update",
            IssueFilter {
                updated: Range { from: Some(at(ISSUES) + TimeDelta::minutes(8_900)), before: None },
                ..any()
            },
            updated(),
        ),
        ("issues_by_update", IssueFilter { text: Some("all".to_owned()), ..any() }, updated()),
        ("issues_by_creation", any(), sorted(SortKey::Created)),
        ("issues_by_project", IssueFilter { projects: vec![Handle::Id(10003)], ..any() }, updated()),
        ("issues_by_status", IssueFilter { statuses: named("BLOCKED"), ..any() }, updated()),
        (
            "issues_by_assignee",
            IssueFilter { assignees: vec![Some(AccountId("person7".to_owned()))], ..any() },
            updated(),
        ),
        ("issues_by_content", IssueFilter { reporters: vec![AccountId("person7".to_owned())], ..any() }, updated()),
        ("issues_by_content", IssueFilter { text: Some("rare7".to_owned()), ..any() }, updated()),
        ("issues_by_content", IssueFilter { text: Some("rare77*".to_owned()), ..any() }, updated()),
        ("issues_by_content", IssueFilter { labels_any: vec!["label7".to_owned()], ..any() }, updated()),
        ("issues_by_content", IssueFilter { sprints: vec![SprintId(7)], ..any() }, updated()),
        ("issues_by_content", IssueFilter { parents: vec![Handle::Id(7)], ..any() }, sorted(SortKey::Key)),
        ("issues_by_content", IssueFilter { fields: field("v7"), ..any() }, sorted(SortKey::Due)),
    ];
    for (index, filter, order) in cases {
        let question = Question::of_filter(&filter, &order).unwrap();
        let plan = mirror.tenant.issues().explain(&question, &PageRequest::default()).await.unwrap();
        assert!(plan.contains(index), "{filter:?} does not use {index}:\n{plan}");
        assert!(!plan.contains("Seq Scan"), "{filter:?} reads every tenant's rows:\n{plan}");
    }
}

#[tokio::test]
async fn a_deep_page_starts_where_the_last_one_ended() {
    let mirror = Mirror::new().await;
    fill(&mirror, &mirror.tenant, mirror.instance).await;
    connect(&mirror.database.owner_url).await.execute_unprepared("VACUUM (ANALYZE) mirror.issues").await.unwrap();
    let question = Question::of_filter(&IssueFilter::default(), &[]).unwrap();
    let after = Cursor {
        question: question.fingerprint(),
        values: vec![SortValue::Time(Some(at(3_000)))],
        id: domain::IssueId(1_000),
        instance: mirror.instance,
    };
    let request = PageRequest { after: Some(after), ..PageRequest::default() };
    let plan = mirror.tenant.issues().explain(&question, &request).await.unwrap();
    let condition = plan.lines().find(|line| line.contains("Index Cond")).unwrap();
    assert!(plan.contains("issues_by_update") && condition.contains("ROW(updated_at, id)"), "{plan}");
}
