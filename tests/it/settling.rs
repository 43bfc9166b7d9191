//! Writes whose end nobody told: the api is killed at every step, or Jira's answer never comes. The sweep finds out in Jira
//! how each ended, and nothing is done twice.

use std::time::Duration;

use domain::Came;
use queue::Job;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use sea_orm::{ConnectionTrait, DatabaseTransaction, TransactionTrait};
use serde_json::{Value, json};
use simulator::{Fault, Route};
use store::{ApiToken, AuditFilter, Claimed};
use tests::{ApiProcess, FleetOptions, TestFleet, kills::Kills};
use uuid::Uuid;
use worker::Settling;

use crate::{api::key, crash::until, store::sample::connect};

/// Nobody is at work any more when a test sweeps.
const AT_ONCE: Settling = Settling { given_up: Duration::ZERO, indexed: Duration::ZERO };

async fn fleet() -> TestFleet {
    let jira = simulator::Config { issues: 20, ..Default::default() };
    let fleet = TestFleet::judging_nothing(FleetOptions { jira, settling: AT_ONCE, ..Default::default() }).await;
    fleet.backfill().await;
    fleet
}

/// Where the api is when it is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Nothing is in the audit log yet.
    Unannounced,
    /// Jira is asked, and did nothing yet.
    Asking,
    /// Jira did it; the answer has not come.
    Done,
    /// The issue is being read back.
    ReadingBack,
    /// The end is being written.
    Ending,
}

const STEPS: [Step; 5] = [Step::Unannounced, Step::Asking, Step::Done, Step::ReadingBack, Step::Ending];

/// A write, the route that does it and how many requests to that route and to the issue come before.
struct Case {
    action: &'static str,
    method: Method,
    path: fn(&str) -> String,
    body: fn(&str) -> Value,
    route: (Route, usize),
    reads: usize,
}

fn cases() -> [Case; 4] {
    [
        Case {
            action: "issue.create",
            method: Method::POST,
            path: |_| "/issues".to_owned(),
            body: |words| json!({"project": "ACME", "issue_type": "Task", "summary": words}),
            route: (Route::CreateIssue, 0),
            reads: 0,
        },
        Case {
            action: "issue.comment",
            method: Method::POST,
            path: |issue| format!("/issues/{issue}/comments"),
            body: |words| json!({"body": {"markdown": words}}),
            route: (Route::IssueComments, 0),
            reads: 0,
        },
        Case {
            action: "issue.update",
            method: Method::PATCH,
            path: |issue| format!("/issues/{issue}"),
            body: |words| json!({"summary": words}),
            route: (Route::Issue, 1),
            reads: 2,
        },
        Case {
            action: "issue.transition",
            method: Method::POST,
            path: |issue| format!("/issues/{issue}/transitions"),
            body: |_| json!({"to": "In Progress"}),
            route: (Route::Transitions, 1),
            reads: 1,
        },
    ]
}

/// A fleet, a key to its api, and a hand on its database.
struct Stage {
    fleet: TestFleet,
    token: ApiToken,
    client: Client,
    locks: sea_orm::DatabaseConnection,
}

impl Stage {
    async fn set() -> Self {
        let fleet = fleet().await;
        let token = key(&fleet, fleet.instance.tenant, &domain::Scope::ALL).await;
        let locks = connect(&fleet.database.app_url).await;
        let stage = Self { fleet, token, client: Client::new(), locks };
        // The first line of the log, so that its head is there to be held.
        let mut tx = stage.tenant().begin().await.unwrap();
        tx.audit_done(store::Deed::new(&store::Actor::new(store::ActorKind::Process, "test"), "test.begin"));
        tx.commit().await.unwrap();
        stage
    }

    fn tenant(&self) -> store::TenantStore {
        self.fleet.store.tenant(self.fleet.instance.tenant)
    }

    fn ask(&self, api: &ApiProcess, case: &Case, issue: &str, words: &str) -> RequestBuilder {
        let url = format!("http://{}/api/v1{}", api.address, (case.path)(issue));
        let request = self.client.request(case.method.clone(), url).bearer_auth(self.token.expose());
        let request = request.json(&(case.body)(words));
        if case.method == Method::PATCH {
            request.header("If-Match", "*")
        } else {
            request.header("Idempotency-Key", words)
        }
    }

    /// Everything that Jira holds.
    fn jira(&self) -> Vec<Value> {
        let world = self.fleet.jira();
        world.issue_ids().into_iter().filter_map(|id| world.store_view(id)).collect()
    }

    async fn as_tenant(&self) -> DatabaseTransaction {
        let tx = self.locks.begin().await.unwrap();
        let tenant = self.fleet.instance.tenant;
        let name = format!("SELECT set_config('app.current_tenant_id', '{tenant}', true)");
        tx.execute_unprepared(&name).await.unwrap();
        tx
    }

    /// Holds the head of the log: whoever writes a line waits.
    async fn hold_the_log(&self) -> DatabaseTransaction {
        let tx = self.as_tenant().await;
        tx.execute_unprepared("SELECT FROM mirror.audit_heads FOR UPDATE").await.unwrap();
        tx
    }

    async fn somebody_waits_for_the_log(&self) {
        let waits = async || {
            let sql = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
                AND query LIKE '%audit.head%'";
            self.locks.execute_unprepared(sql).await.unwrap().rows_affected() > 0
        };
        until(waits).await;
    }

    /// Kills an api at this step of a write.
    async fn kill_at(&self, step: Step, case: &Case, issue: &str, words: &str) {
        let api = ApiProcess::start(&self.fleet).await;
        let jira = self.fleet.jira();
        let (before, (route, first)) = (self.jira(), case.route);
        let held_at = match step {
            Step::ReadingBack => (Route::Issue, case.reads),
            _ => (route, first),
        };
        let hold = Duration::from_secs(600);
        let fault = match step {
            Step::Unannounced => None,
            Step::Asking | Step::ReadingBack => Some(Fault::Slow(hold)),
            Step::Done => Some(Fault::Late(hold)),
            Step::Ending => Some(Fault::Late(Duration::from_secs(1))),
        };
        if let Some(fault) = &fault {
            jira.fail_next(held_at.0, held_at.1, &Fault::Slow(Duration::ZERO));
            jira.fail_next(held_at.0, 1, fault);
        }
        let asked = jira.requests().of(held_at.0) + held_at.1 as u64;
        let mut log = match step {
            Step::Unannounced => Some(self.hold_the_log().await),
            _ => None,
        };
        let request = tokio::spawn(self.ask(&api, case, issue, words).send());
        match step {
            Step::Unannounced => self.somebody_waits_for_the_log().await,
            Step::Asking | Step::ReadingBack => until(async || jira.requests().of(held_at.0) > asked).await,
            Step::Done => until(async || self.jira() != before).await,
            Step::Ending => {
                until(async || self.jira() != before).await;
                log = Some(self.hold_the_log().await);
                self.somebody_waits_for_the_log().await;
            }
        }
        api.kill();
        assert!(request.await.unwrap().is_err(), "{step:?} of {}: it was answered", case.action);
        if let Some(log) = log {
            log.rollback().await.unwrap();
        }
        jira.clear_faults();
    }

    async fn sweep(&self) {
        self.fleet.producer.enqueue(Job::Sweep).await.unwrap();
        self.fleet.drain().await;
    }

    /// How the lines about an action ended, the oldest first.
    async fn outcomes(&self, action: &str) -> Vec<String> {
        let filter = AuditFilter { action: Some(action.to_owned()), ..AuditFilter::default() };
        let lines = self.tenant().audit(&filter, 200).await.unwrap();
        lines.into_iter().rev().map(|line| line.outcome).collect()
    }
}

fn times(views: &[Value], words: &str) -> usize {
    views.iter().map(|view| view["fields"].to_string().matches(&format!("\"{words}\"")).count()).sum()
}

#[tokio::test]
async fn an_api_that_is_killed_at_any_step_leaves_nothing_open_and_does_nothing_twice() {
    let stage = Stage::set().await;
    for case in cases() {
        let mut expected = Vec::new();
        for step in STEPS {
            let words = format!("{}-{step:?}", case.action).replace('.', "-");
            let issue = stage.fleet.jira().create("ACME", "To be written to").unwrap();
            stage.fleet.drain().await;
            stage.kill_at(step, &case, &issue, &words).await;
            stage.sweep().await;
            let is_done = !matches!(step, Step::Unannounced | Step::Asking);
            match step {
                Step::Unannounced => {}
                Step::Asking => expected.extend(["begun", "not_done"]),
                _ => expected.extend(["begun", "done"]),
            }
            assert_eq!(stage.outcomes(case.action).await, expected, "{step:?} of {}", case.action);
            stage.fleet.assert_mirror_equals_jira().await;
            let api = ApiProcess::start(&stage.fleet).await;
            let again = stage.ask(&api, &case, &issue, &words).send().await.unwrap();
            assert_told(&case, step, is_done, again).await;
            if !is_done || case.method == Method::PATCH {
                expected.extend(["begun", "done"]);
            }
            assert_eq!(stage.outcomes(case.action).await, expected, "{step:?} of {}", case.action);
            if case.action != "issue.transition" {
                assert_eq!(times(&stage.jira(), &words), 1, "{step:?} of {}", case.action);
            }
        }
    }
    stage.fleet.drain().await;
    stage.fleet.assert_mirror_equals_jira().await;
}

/// The same under the same key: what was done is told again, what was not is done now.
async fn assert_told(case: &Case, step: Step, is_done: bool, again: Response) {
    let replayed = again.headers().contains_key("idempotency-replayed");
    let (status, text) = (again.status(), again.text().await.unwrap());
    assert!(status.is_success(), "{step:?} of {}: {status} {text}", case.action);
    assert_eq!(replayed, is_done && case.method != Method::PATCH, "{step:?} of {}: {text}", case.action);
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(told["mirrored"], true, "{step:?} of {}: {text}", case.action);
}

#[tokio::test]
async fn what_became_of_a_write_without_an_answer_is_found_out() {
    let stage = Stage::set().await;
    let api = ApiProcess::start(&stage.fleet).await;
    for case in cases() {
        let mut expected = Vec::new();
        for (fault, ending) in [(Fault::CutAfter, "done"), (Fault::CutBefore, "not_done")] {
            let words = format!("{}-{ending}", case.action).replace('.', "-");
            let issue = stage.fleet.jira().create("ACME", "To be written to").unwrap();
            stage.fleet.drain().await;
            let (route, first) = case.route;
            stage.fleet.jira().fail_next(route, first, &Fault::Slow(Duration::ZERO));
            stage.fleet.jira().fail_next(route, 1, &fault);
            let told = stage.ask(&api, &case, &issue, &words).send().await.unwrap();
            assert_eq!(told.status(), StatusCode::GATEWAY_TIMEOUT, "{} {ending}", case.action);
            expected.push("begun");
            assert_eq!(stage.outcomes(case.action).await, expected);
            stage.sweep().await;
            expected.push(ending);
            assert_eq!(stage.outcomes(case.action).await, expected, "{}", case.action);
            let again = stage.ask(&api, &case, &issue, &words).send().await.unwrap();
            let is_done = ending == "done";
            assert_told(&case, Step::Done, is_done, again).await;
            if !is_done || case.method == Method::PATCH {
                expected.extend(["begun", "done"]);
            }
        }
    }
    stage.fleet.drain().await;
    stage.fleet.assert_mirror_equals_jira().await;
}

/// An issue that the search does not know yet is not taken for one that was not made.
#[tokio::test]
async fn nothing_is_concluded_before_the_search_can_know() {
    let jira = simulator::Config {
        issues: 5,
        index_lag: Duration::from_secs(300)..=Duration::from_secs(300),
        ..Default::default()
    };
    let settling = Settling { given_up: Duration::ZERO, indexed: Duration::from_secs(600) };
    let fleet = TestFleet::with(FleetOptions { jira, settling, ..Default::default() }).await;
    fleet.backfill().await;
    let token = key(&fleet, fleet.instance.tenant, &domain::Scope::ALL).await;
    let locks = connect(&fleet.database.app_url).await;
    let stage = Stage { fleet, token, client: Client::new(), locks };
    let api = ApiProcess::start(&stage.fleet).await;
    let [case, ..] = cases();
    stage.fleet.jira().fail_next(Route::CreateIssue, 1, &Fault::CutAfter);
    let told = stage.ask(&api, &case, "", "late").send().await.unwrap();
    assert_eq!(told.status(), StatusCode::GATEWAY_TIMEOUT);
    stage.sweep().await;
    assert_eq!(stage.outcomes(case.action).await, ["begun"], "the search may not know it yet");
    stage.fleet.jira().settle_index();
    stage.sweep().await;
    assert_eq!(stage.outcomes(case.action).await, ["begun", "done"]);
}

#[tokio::test]
async fn a_sweep_clears_away_callers_keys_that_are_of_no_use_any_more() {
    let stage = Stage::set().await;
    let tenant = stage.tenant();
    let came = Came::Unknown { operation: Uuid::now_v7(), settle: "look at it".to_owned() };
    for (key, ended) in [("old", true), ("new", true), ("lost", false)] {
        let Claimed::Ours(claim) = tenant.claim("caller", key, &[7; 32]).await.unwrap() else { panic!("{key} is new") };
        if ended {
            tenant.end_claim(claim, &came).await.unwrap();
        }
    }
    let tx = stage.as_tenant().await;
    let ages = "UPDATE mirror.idempotency_keys SET began_at = now() - interval '25 hours' WHERE key = 'old'";
    assert_eq!(tx.execute_unprepared(ages).await.unwrap().rows_affected(), 1);
    tx.commit().await.unwrap();
    stage.sweep().await;
    let known = tenant.recall("caller", "new", &[7; 32]).await.unwrap();
    assert_eq!(known, Some(Claimed::Done(Box::new(came))), "somebody may ask again");
    let left = "SELECT FROM mirror.idempotency_keys";
    assert_eq!(stage.as_tenant().await.execute_unprepared(left).await.unwrap().rows_affected(), 1);
}

#[tokio::test]
async fn random_kills_leave_nothing_open_and_do_nothing_twice() {
    let fleet = fleet().await;
    let mut kills = Kills::new(&fleet, 7).await;
    kills.play(10, Duration::from_millis(120)).await;
    let tally = kills.end().await;
    assert_eq!((tally.kills, tally.wishes), (10, 40));
}
