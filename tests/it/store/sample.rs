//! Made-up snapshots, and a mirror of a test's own to put them into.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use domain::{
    AccountId, Change, Comment, CommentId, History, HistoryId, InstanceId, Issue, IssueId, IssueLink, IssueRef,
    IssueSnapshot, IssueType, LinkDirection, Named, ProjectId, RawJson, Site, Sprint, SprintId, Status, StatusCategory,
    User, Worklog, WorklogId, content_hash,
};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, Statement, TransactionTrait};
use store::{Applied, Credentials, Login, NewInstance, Store, TenantStore};
use tests::TestDatabase;

/// One instance of one tenant in a database of its own.
pub(crate) struct Mirror {
    pub(crate) database: TestDatabase,
    pub(crate) store: Store,
    pub(crate) tenant: TenantStore,
    pub(crate) instance: InstanceId,
}

impl Mirror {
    pub(crate) async fn new() -> Self {
        let database = tests::database().await;
        let store = tests::store_for(&database, 4).await;
        let (tenant, instance) = register(&store, "acme").await;
        Self { database, store, tenant, instance }
    }

    pub(crate) async fn apply(&self, page: &[IssueSnapshot]) -> Applied {
        let mut tx = self.tenant.begin().await.unwrap();
        let applied = tx.apply(self.instance, page).await.unwrap();
        tx.commit().await.unwrap();
        applied
    }

    pub(crate) async fn missing(&self, id: i64, minute: i64) -> u64 {
        let mut tx = self.tenant.begin().await.unwrap();
        let moved = tx.mark_missing(self.instance, &[IssueId(id)], at(minute)).await.unwrap();
        tx.commit().await.unwrap();
        moved
    }

    pub(crate) async fn deleted(&self, id: i64, minute: i64) -> u64 {
        let mut tx = self.tenant.begin().await.unwrap();
        let moved = tx.mark_deleted(self.instance, &[IssueId(id)], at(minute)).await.unwrap();
        tx.commit().await.unwrap();
        moved
    }

    /// The issue as it is shown.
    pub(crate) async fn shown(&self, id: i64) -> Option<IssueSnapshot> {
        self.tenant.snapshots(self.instance, &[IssueId(id)]).await.unwrap().pop()
    }

    pub(crate) async fn summary(&self, id: i64) -> Option<String> {
        self.shown(id).await.map(|snapshot| snapshot.issue.summary)
    }

    /// Every row of these tables, hidden ones too, without the columns that tell when a row was written.
    pub(crate) async fn rows(&self, tables: &[&str]) -> String {
        let tx = self.as_tenant(&self.database.app_url).await;
        let mut rows = String::new();
        for table in tables {
            let sql = format!(
                "SELECT coalesce(string_agg(t::text, E'\n' ORDER BY t::text), '') AS rows FROM mirror.{table} t"
            );
            let row = tx.query_one_raw(Statement::from_string(tx.get_database_backend(), sql)).await.unwrap().unwrap();
            rows += &row.try_get::<String>("", "rows").unwrap();
        }
        rows
    }

    /// A transaction under this mirror's tenant, outside the store.
    pub(crate) async fn as_tenant(&self, url: &str) -> sea_orm::DatabaseTransaction {
        let tx = connect(url).await.begin().await.unwrap();
        let sql = format!("SELECT set_config('app.current_tenant_id', '{}', true)", self.tenant.id());
        tx.execute_unprepared(&sql).await.unwrap();
        tx
    }
}

pub(crate) async fn connect(url: &str) -> DatabaseConnection {
    Database::connect(url).await.unwrap()
}

/// A tenant and an instance of the same name.
pub(crate) async fn register(store: &Store, name: &str) -> (TenantStore, InstanceId) {
    let tenant = store.system().create_tenant(name).await.unwrap();
    let tenant = store.tenant(tenant.id);
    let instance = tenant.add_instance(new_instance(name)).await.unwrap();
    (tenant, instance.id)
}

pub(crate) fn new_instance(name: &str) -> NewInstance {
    NewInstance {
        name: name.to_owned(),
        site: Site::trusted(format!("https://{name}.atlassian.test")),
        credentials: Credentials::Basic(Login {
            email: format!("robot@{name}.test"),
            token: format!("token of {name}").into(),
        }),
        webhook_secret: format!("secret of {name}").into(),
        poll_interval: Duration::from_secs(300),
        requests_per_minute: 6000,
    }
}

pub(crate) fn at(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap() + TimeDelta::minutes(minute)
}

/// Version `updated` of an issue as seen at `observed`, in which everything is named after `word`.
pub(crate) fn said(id: i64, (updated, observed): (i64, i64), word: &str) -> IssueSnapshot {
    let raw = format!(r#"{{"id":"{id}","fields":{{"summary":{word:?},"updated":"{}"}}}}"#, at(updated).to_rfc3339());
    let mut snapshot = IssueSnapshot {
        issue: bare_issue(id, word, at(updated)),
        comments: Vec::new(),
        worklogs: Vec::new(),
        changelog: Vec::new(),
        links: Vec::new(),
        sprints: Vec::new(),
        people: Vec::new(),
        raw: json(&raw),
        observed_at: at(observed),
        content_hash: [0; 32],
    };
    seal(&mut snapshot);
    snapshot
}

/// Brings the hash up to date after a change.
pub(crate) fn seal(snapshot: &mut IssueSnapshot) {
    snapshot.content_hash = content_hash(&snapshot.raw, &snapshot.comments, &snapshot.worklogs, &snapshot.changelog);
}

/// An issue with everything an issue can have.
pub(crate) fn rich(id: i64) -> IssueSnapshot {
    let mut snapshot = said(id, (10, 20), "Größe \u{1F980} \\ \" /x");
    let issue = &mut snapshot.issue;
    issue.description = Some(json(r#"{"type":"doc","version":1,"content":[{"type":"text","text":"naïve 数"}]}"#));
    issue.priority = Some(Named { id: 3, name: "Medium".to_owned() });
    issue.resolution = Some(Named { id: 10000, name: "Fixed".to_owned() });
    issue.assignee = Some(AccountId("mia".to_owned()));
    issue.reporter = Some(AccountId("712020:liu".to_owned()));
    issue.creator = Some(AccountId("mia".to_owned()));
    issue.labels =
        ["b", "a", "", "NULL", "x,y", "{}", "say \"hi\"", "back\\slash", "größe"].map(str::to_owned).to_vec();
    issue.parent = Some(IssueRef { id: IssueId(7), key: "ACME-7".parse().unwrap() });
    issue.sprints = vec![SprintId(4), SprintId(2)];
    issue.resolved_at = Some(at(9) + TimeDelta::milliseconds(123));
    issue.due_on = NaiveDate::from_ymd_opt(2026, 2, 28);
    snapshot.comments =
        vec![comment(1, "first"), Comment { visibility: Some(json(r#"{"type":"role"}"#)), ..comment(2, "2") }];
    snapshot.worklogs = vec![worklog(3, 5400), Worklog { started_at: None, comment: None, ..worklog(4, 60) }];
    snapshot.sprints = vec![sprint(4, "active"), sprint(2, "closed")];
    snapshot.changelog = vec![
        History {
            changes: vec![change("status"), Change { more: Some(json(r#"{"tmp":1}"#)), ..change("Größe") }],
            more: Some(json(r#"{"historyMetadata":{"n":1.0}}"#)),
            ..history(5)
        },
        History { author: None, more: Some(json("{}")), ..history(6) },
        History { changes: vec![change("labels")], ..history(7) },
    ];
    snapshot.links = vec![link(90, LinkDirection::Outward, 8), link(80, LinkDirection::Inward, 9)];
    snapshot.people = vec![person("712020:liu", "刘"), person("mia", "Mia")];
    snapshot.raw = json(
        r#"{"id":"1","fields":{"description":{"type":"doc","version":1,"content":[{"type":"text","text":"naïve 数"}]},"big":9007199254740993,"long":0.1000000000000000055511151231257827,"exp":1.50e3,
        "neg":-0.0,"text":"\u00e9 \ud83e\udd80 \\u0041","deep":[[[{"a":[]}]]],"huge":123456789012345678901234567890}}"#,
    );
    seal(&mut snapshot);
    snapshot
}

pub(crate) fn comment(id: i64, word: &str) -> Comment {
    Comment {
        id: CommentId(id),
        author: Some(AccountId("mia".to_owned())),
        update_author: None,
        body: json(&format!(r#"{{"type":"doc","text":"{word}","n":1.10}}"#)),
        visibility: None,
        jsd_public: Some(false),
        reply_to: (id > 1).then_some(CommentId(1)),
        created_at: at(1),
        updated_at: at(2),
    }
}

pub(crate) fn worklog(id: i64, seconds: i64) -> Worklog {
    Worklog {
        id: WorklogId(id),
        author: Some(AccountId("mia".to_owned())),
        update_author: Some(AccountId("712020:liu".to_owned())),
        started_at: Some(at(1)),
        seconds,
        comment: Some(json(r#"{"type":"doc","n":1.10}"#)),
        visibility: None,
        created_at: Some(at(2)),
        updated_at: Some(at(3)),
    }
}

pub(crate) fn sprint(id: i64, state: &str) -> Sprint {
    Sprint {
        id: SprintId(id),
        name: format!("Sprint {id}"),
        state: state.to_owned(),
        board: Some(1),
        goal: None,
        starts_at: Some(at(1)),
        ends_at: Some(at(100)),
        completed_at: None,
    }
}

pub(crate) fn link(id: i64, direction: LinkDirection, other: i64) -> IssueLink {
    let other = IssueRef { id: IssueId(other), key: format!("FAR-{other}").parse().unwrap() };
    IssueLink { id, type_id: 10000, type_name: "Blocks".to_owned(), direction, other }
}

pub(crate) fn person(account: &str, name: &str) -> User {
    User {
        account: AccountId(account.to_owned()),
        display_name: Some(name.to_owned()),
        active: Some(true),
        account_type: Some("atlassian".to_owned()),
        time_zone: None,
        email: None,
    }
}

/// A change of an issue's key, as its changelog tells it.
pub(crate) fn moved(id: i64, from: &str, to: &str) -> History {
    let change =
        Change { from_text: Some(from.to_owned()), to_text: Some(to.to_owned()), field_id: None, ..change("Key") };
    History { changes: vec![change], ..history(id) }
}

pub(crate) fn json(text: &str) -> RawJson {
    RawJson::parse(text.to_owned()).unwrap()
}

fn history(id: i64) -> History {
    History {
        id: HistoryId(id),
        author: Some(AccountId("mia".to_owned())),
        created_at: at(id),
        changes: Vec::new(),
        more: None,
    }
}

fn change(field: &str) -> Change {
    Change {
        field: field.to_owned(),
        field_id: Some(field.to_lowercase()),
        field_type: Some("jira".to_owned()),
        from: None,
        from_text: Some(String::new()),
        to: Some("10001".to_owned()),
        to_text: Some("In Arbeit".to_owned()),
        more: None,
    }
}

fn bare_issue(id: i64, summary: &str, updated_at: DateTime<Utc>) -> Issue {
    Issue {
        id: IssueId(id),
        key: format!("ACME-{id}").parse().unwrap(),
        project: ProjectId(10000),
        summary: summary.to_owned(),
        description: None,
        issue_type: IssueType { id: 10002, name: "Bug".to_owned(), subtask: false },
        status: Status { id: 3, name: "In Arbeit".to_owned(), category: StatusCategory::Indeterminate },
        priority: None,
        resolution: None,
        assignee: None,
        reporter: None,
        creator: None,
        labels: Vec::new(),
        parent: None,
        sprints: Vec::new(),
        created_at: at(0),
        updated_at,
        resolved_at: None,
        due_on: None,
    }
}
