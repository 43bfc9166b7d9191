//! Writes: Jira is asked once, the mirror shows it at once, the audit log tells, and nothing happens twice.

use domain::Scope;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use simulator::{Fault, Route};
use store::AuditFilter;

use super::{Desk, key, problem};

fn post(desk: &Desk, path: &str, body: &Value) -> RequestBuilder {
    desk.ask(Method::POST, path).json(body)
}

fn an_issue(desk: &Desk, summary: &str) -> Value {
    let project = desk.fleet.jira().project_keys().remove(0);
    json!({"project": project, "issue_type": "Task", "summary": summary, "labels": ["a"],
        "description": {"markdown": "It *is*."}})
}

async fn good(response: Response, status: StatusCode) -> Value {
    let (found, text) = (response.status(), response.text().await.unwrap());
    assert_eq!(found, status, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// The outcomes of all lines about an action, the oldest first.
async fn outcomes(desk: &Desk, action: &str) -> Vec<String> {
    let filter = AuditFilter { action: Some(action.to_owned()), ..AuditFilter::default() };
    let lines = desk.fleet.store.tenant(desk.fleet.instance.tenant).audit(&filter, 200).await.unwrap();
    lines.into_iter().rev().map(|line| line.outcome).collect()
}

#[tokio::test]
async fn an_issue_is_made_in_jira_and_shown_at_once() {
    let desk = Desk::open().await;
    let made =
        post(&desk, "/issues", &an_issue(&desk, "Made by REST")).header("X-Request-Id", "r-1").send().await.unwrap();
    let (place, tag) = (made.headers()["location"].clone(), made.headers()["etag"].clone());
    let made = good(made, StatusCode::CREATED).await;
    assert_eq!((made["mirrored"].as_bool(), made["issue"]["summary"].as_str()), (Some(true), Some("Made by REST")));
    let key = made["key"].as_str().unwrap();
    assert!(desk.fleet.jira().issue_id(key).is_some());
    assert_eq!(desk.fleet.row(key).await.unwrap().summary, "Made by REST");
    let shown = desk.get(place.to_str().unwrap().strip_prefix("/api/v1").unwrap()).await;
    assert_eq!(shown.headers()["etag"], tag);
    assert_eq!(outcomes(&desk, "issue.create").await, ["begun", "done"]);
    let lines = desk.read("/audit?action=issue.create").await;
    assert_eq!(
        (lines["items"][1]["id"].clone(), &lines["items"][1]["request_id"]),
        (made["operation"].clone(), &json!("r-1"))
    );
    desk.fleet.drain().await;
    desk.fleet.assert_mirror_equals_jira().await;
}

#[tokio::test]
async fn an_issue_is_changed_moved_and_commented() {
    let desk = Desk::open().await;
    let made = good(post(&desk, "/issues", &an_issue(&desk, "One")).send().await.unwrap(), StatusCode::CREATED).await;
    let path = format!("/issues/{}", made["key"].as_str().unwrap());
    let change = json!({"summary": "Two", "labels": ["b"], "due_on": "2027-01-31", "assignee": null});
    let patch = |tag: Option<&str>| {
        let request = desk.ask(Method::PATCH, &path).json(&change);
        if let Some(tag) = tag { request.header("If-Match", tag) } else { request }
    };
    problem(patch(None).send().await.unwrap(), StatusCode::PRECONDITION_REQUIRED, "unconditional").await;
    problem(patch(Some("\"00\"")).send().await.unwrap(), StatusCode::PRECONDITION_FAILED, "stale").await;
    let tag = desk.get(&path).await.headers()["etag"].to_str().unwrap().to_owned();
    let changed = good(patch(Some(&tag)).send().await.unwrap(), StatusCode::OK).await;
    let issue = &changed["issue"];
    assert_eq!(
        (&issue["summary"], &issue["labels"], &issue["due_on"]),
        (&json!("Two"), &json!(["b"]), &json!("2027-01-31"))
    );
    problem(patch(Some(&tag)).send().await.unwrap(), StatusCode::PRECONDITION_FAILED, "stale").await;
    let here = issue["status"]["name"].as_str().unwrap();
    let stay = post(&desk, &format!("{path}/transitions"), &json!({"to": here})).send().await.unwrap();
    problem(stay, StatusCode::CONFLICT, "conflict").await;
    let lost = post(&desk, &format!("{path}/transitions"), &json!({"to": "Nirvana"})).send().await.unwrap();
    let said = problem(lost, StatusCode::CONFLICT, "conflict").await;
    let there = said["detail"].as_str().unwrap().split('"').nth(3).unwrap().to_owned();
    let moved = post(&desk, &format!("{path}/transitions"), &json!({"to": there})).send().await.unwrap();
    let moved = good(moved, StatusCode::OK).await;
    assert_eq!(moved["issue"]["status"]["name"], there);
    let comment = json!({"body": {"markdown": "Well **done**."}});
    let said = post(&desk, &format!("{path}/comments"), &comment).send().await.unwrap();
    let said = good(said, StatusCode::CREATED).await;
    let comments = desk.read(&format!("{path}/comments")).await;
    assert_eq!(comments["items"].as_array().unwrap().last().unwrap()["id"], said["comment"]);
    assert_eq!(outcomes(&desk, "issue").await, ["begun", "done"].repeat(4));
    desk.fleet.drain().await;
    desk.fleet.assert_mirror_equals_jira().await;
}

#[tokio::test]
async fn what_cannot_be_taken_is_said_before_jira_is_asked() {
    let desk = Desk::open().await;
    let before = desk.fleet.requests();
    let bad = json!({"project": "7", "issue_type": "Task", "summary": "", "labels": ["a b"]});
    let body = problem(post(&desk, "/issues", &bad).send().await.unwrap(), StatusCode::BAD_REQUEST, "invalid").await;
    let pointers: Vec<&str> =
        body["errors"].as_array().unwrap().iter().map(|it| it["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/project", "/summary", "/labels/0"]);
    let unknown = post(&desk, "/issues", &json!({"colour": "red"})).send().await.unwrap();
    problem(unknown, StatusCode::BAD_REQUEST, "invalid").await;
    let text = desk.ask(Method::POST, "/issues").body("{}").send().await.unwrap();
    problem(text, StatusCode::UNSUPPORTED_MEDIA_TYPE, "wrong_type").await;
    let huge = json!({"summary": "x".repeat(1 << 20)});
    problem(post(&desk, "/issues", &huge).send().await.unwrap(), StatusCode::PAYLOAD_TOO_LARGE, "too_large").await;
    let reader = key(&desk.fleet, desk.fleet.instance.tenant, &[Scope::ReadIssues]).await;
    let refused = desk.ask_with(Method::POST, "/issues", &reader).json(&an_issue(&desk, "No")).send().await.unwrap();
    problem(refused, StatusCode::FORBIDDEN, "forbidden").await;
    assert_eq!(desk.fleet.requests(), before);
    let mut wrong = an_issue(&desk, "No such type");
    wrong["issue_type"] = json!("Riddle");
    let unfit = post(&desk, "/issues", &wrong).send().await.unwrap();
    let body = problem(unfit, StatusCode::UNPROCESSABLE_ENTITY, "unfit").await;
    assert_eq!(body["errors"][0]["pointer"], "/issue_type");
    let mut blank = an_issue(&desk, "A text that is none");
    blank["description"] = json!({"adf": {"type": "doc", "version": 1, "content": [{"type": "text", "text": ""}]}});
    let unfit = post(&desk, "/issues", &blank).send().await.unwrap();
    let body = problem(unfit, StatusCode::UNPROCESSABLE_ENTITY, "unfit").await;
    assert_eq!(body["errors"][0]["pointer"], "/description");
    let planned = post(&desk, "/issues?dry_run=true", &an_issue(&desk, "Dry")).send().await.unwrap();
    assert_eq!(good(planned, StatusCode::OK).await["dry_run"], true);
    assert_eq!(desk.fleet.jira().requests().of(Route::CreateIssue), 0);
    assert!(outcomes(&desk, "issue").await.is_empty());
}

#[tokio::test]
async fn what_jira_refuses_is_told_and_logged_as_not_done() {
    let desk = Desk::open().await;
    let mut body = an_issue(&desk, "Odd field");
    body["fields"] = json!({"customfield_99999": "x"});
    let said = post(&desk, "/issues", &body).send().await.unwrap();
    problem(said, StatusCode::UNPROCESSABLE_ENTITY, "refused").await;
    assert_eq!(outcomes(&desk, "issue.create").await, ["begun", "not_done"]);
}

#[tokio::test]
async fn a_write_whose_answer_never_came_stays_open_and_is_not_repeated() {
    let desk = Desk::open().await;
    desk.fleet.jira().fail_next(Route::CreateIssue, 1, &Fault::CutAfter);
    let before = desk.fleet.jira().issue_count();
    let ask = || post(&desk, "/issues", &an_issue(&desk, "Who knows")).header("Idempotency-Key", "k").send();
    let first = problem(ask().await.unwrap(), StatusCode::GATEWAY_TIMEOUT, "unknown").await;
    let again = problem(ask().await.unwrap(), StatusCode::GATEWAY_TIMEOUT, "unknown").await;
    assert_eq!(first["operation"], again["operation"]);
    assert!(first["operation"].is_string(), "{first}");
    assert_eq!(desk.fleet.jira().issue_count(), before + 1, "it had happened, once");
    assert_eq!(outcomes(&desk, "issue.create").await, ["begun"]);
}

#[tokio::test]
async fn a_hundred_at_once_make_one_issue() {
    let desk = Desk::open().await;
    let before = desk.fleet.jira().issue_count();
    let body = an_issue(&desk, "Once");
    let ask = |key: &str, body: &Value| post(&desk, "/issues", body).header("Idempotency-Key", key).send();
    let answers = futures::future::join_all((0..100).map(|_| ask("key-1", &body))).await;
    let mut made = Vec::new();
    for answer in answers.into_iter().map(Result::unwrap) {
        match answer.status() {
            StatusCode::CREATED => made.push(answer.json::<Value>().await.unwrap()),
            _ => _ = problem(answer, StatusCode::CONFLICT, "running").await,
        }
    }
    made.dedup();
    assert_eq!((made.len(), desk.fleet.jira().issue_count()), (1, before + 1));
    let again = ask("key-1", &body).await.unwrap();
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    assert_eq!(good(again, StatusCode::CREATED).await, made[0]);
    let other = ask("key-1", &an_issue(&desk, "Another")).await.unwrap();
    problem(other, StatusCode::UNPROCESSABLE_ENTITY, "reused").await;
    problem(ask("a b", &body).await.unwrap(), StatusCode::BAD_REQUEST, "invalid").await;
    assert_eq!(desk.fleet.jira().issue_count(), before + 1);
}

#[tokio::test]
async fn what_happened_in_jira_is_told_even_if_it_cannot_be_read_back() {
    let desk = Desk::open().await;
    desk.fleet.jira().fail_next(Route::Issue, 10, &Fault::Status(500, None));
    let made = post(&desk, "/issues", &an_issue(&desk, "Not seen yet")).send().await.unwrap();
    let made = good(made, StatusCode::CREATED).await;
    assert_eq!(made["mirrored"], false);
    assert_eq!(outcomes(&desk, "issue.create").await, ["begun", "done"]);
    desk.fleet.jira().clear_faults();
    desk.fleet.drain().await;
    assert_eq!(desk.fleet.row(made["key"].as_str().unwrap()).await.unwrap().summary, "Not seen yet");
}
