//! Ids to snapshots: what was cut off is completed, what spoils a batch is set aside.

use domain::IssueId;
use serde_json::{Value, json};

use super::site::{Asked, Reply, Site, answer, ours};
use crate::{Error, Hydrated, Priority};

fn issue(id: i64) -> Value {
    json!({"id": id.to_string(), "key": format!("ACME-{id}"),
        "changelog": {"total": 0, "histories": []},
        "fields": {"summary": "s", "issuetype": {"id": "1", "name": "Task"}, "project": {"id": "10000", "key": "ACME"},
            "status": {"id": "1", "name": "To Do", "statusCategory": {"id": 2}},
            "created": "2026-01-01T09:00:00.000+0000", "updated": "2026-01-02T09:00:00.000+0000",
            "comment": {"total": 0, "comments": []}}})
}

fn comment(id: i64) -> Value {
    json!({"id": id.to_string(), "body": {"type": "doc"}, "created": "2026-01-01T09:00:00.000+0000"})
}

fn history(id: i64) -> Value {
    json!({"id": id.to_string(), "created": 1_790_584_137_824_i64, "items": []})
}

fn asked_ids(asked: &Asked) -> Vec<i64> {
    let ids = asked.body["issueIdsOrKeys"].as_array().expect("ids");
    ids.iter().filter_map(|id| id.as_str()?.parse().ok()).collect()
}

fn all(ids: &[i64]) -> Vec<IssueId> {
    ids.iter().copied().map(IssueId).collect()
}

fn summary(hydrated: &Hydrated) -> (Vec<i64>, Vec<i64>, Vec<i64>) {
    let snapshots = hydrated.snapshots.iter().map(|snapshot| snapshot.issue.id.0).collect();
    let absent = hydrated.absent.iter().map(|id| id.0).collect();
    (snapshots, absent, hydrated.failed.iter().map(|(id, _)| id.0).collect())
}

fn json_reply(value: &Value) -> Reply {
    ours(value.to_string())
}

fn stumble() -> Reply {
    answer(500, &[("x-aaccountid", "a1")], r#"{"errorMessages":["Duplicate key"]}"#)
}

#[tokio::test]
async fn what_is_not_in_the_answer_is_absent() {
    let site = Site::start(|_, _| json_reply(&json!({"issues": [issue(1), issue(3), issue(77)]}))).await;
    let before = chrono::Utc::now();
    let hydrated = site.client.hydrate(&all(&[3, 1, 2, 1])).await.expect("an answer");
    assert_eq!(summary(&hydrated), (vec![1, 3], vec![2], vec![]));
    assert!(hydrated.observed_at >= before && hydrated.snapshots[0].observed_at >= before);
    let body = &site.asked()[0].body;
    assert_eq!(*body, json!({"issueIdsOrKeys": ["1", "2", "3"], "fields": ["*all"], "expand": ["changelog"]}));
    assert_eq!(site.asked().len(), 1);
}

#[tokio::test]
async fn an_answer_without_a_list_says_nothing_about_absence() {
    let site = Site::start(|_, _| ours("{}")).await;
    assert!(matches!(site.client.hydrate(&all(&[1])).await, Err(Error::Malformed { .. })));
}

#[tokio::test]
async fn what_no_text_can_hold_stops_no_page() {
    let halves = r#""summary":"a \ud800","na\udc00me":1,"#;
    let odd = issue(2).to_string().replacen(r#""summary":"s","#, halves, 1);
    let text = format!(r#"{{"issues":[{},{odd},{{"id":"3","fields":[]}}]}}"#, issue(1));
    assert!(text.contains(halves), "{text}");
    let site = Site::start(move |_, _| ours(text.clone())).await;
    let hydrated = site.client.hydrate(&all(&[1, 2, 3])).await.expect("an answer");
    assert_eq!(summary(&hydrated), (vec![1, 2], vec![], vec![3]));
    let odd = &hydrated.snapshots[1];
    assert_eq!(odd.issue.summary, "a \u{fffd}");
    assert!(odd.raw.as_str().contains(r#""a \ud800""#), "the raw document keeps what columns cannot hold");
}

#[tokio::test]
async fn more_than_a_hundred_are_asked_for_in_portions() {
    let site = Site::start(|_, asked| {
        let issues: Vec<Value> = asked_ids(asked).into_iter().map(issue).collect();
        json_reply(&json!({"issues": issues}))
    })
    .await;
    let ids: Vec<i64> = (1..=250).collect();
    assert_eq!(site.client.hydrate(&all(&ids)).await.expect("an answer").snapshots.len(), 250);
    assert_eq!(site.asked().len(), 3);
}

#[tokio::test]
async fn what_jira_cut_off_is_completed() {
    let site = Site::start(|_, asked| {
        json_reply(&match asked.path.as_str() {
            "/rest/api/3/issue/bulkfetch" => {
                let mut cut = issue(1);
                cut["changelog"] = json!({"total": 3, "histories": [history(13)]});
                cut["fields"]["comment"] = json!({"total": 3, "comments": [comment(23)]});
                cut["fields"]["worklog"] = json!({"total": 2, "worklogs": [{"id": "32"}]});
                json!({"issues": [cut, issue(2)]})
            }
            "/rest/api/3/changelog/bulkfetch" if asked.body["nextPageToken"].is_null() => {
                json!({"issueChangeLogs": [{"issueId": "1", "changeHistories": [history(11)]}], "nextPageToken": "n"})
            }
            "/rest/api/3/changelog/bulkfetch" => {
                json!({"issueChangeLogs": [{"issueId": "1", "changeHistories": [history(12), history(13)]}]})
            }
            "/rest/api/3/issue/1/worklog" => {
                json!({"total": 2, "worklogs": [{"id": "31", "timeSpentSeconds": 60}, {"id": "32"}]})
            }
            _ if asked.query.contains("startAt=0&") => json!({"total": 3, "comments": [comment(21), comment(22)]}),
            _ => json!({"total": 3, "comments": [comment(23)]}),
        })
    })
    .await;
    let hydrated = site.client.hydrate(&all(&[1, 2])).await.expect("an answer");
    let first = &hydrated.snapshots[0];
    assert_eq!(first.changelog.iter().map(|entry| entry.id.0).collect::<Vec<_>>(), [11, 12, 13]);
    assert_eq!(first.comments.iter().map(|comment| comment.id.0).collect::<Vec<_>>(), [21, 22, 23]);
    assert_eq!(first.worklogs.iter().map(|worklog| worklog.id.0).collect::<Vec<_>>(), [31, 32]);
    assert_eq!(site.asked()[1].body["issueIdsOrKeys"], json!(["1"]), "only what was cut is asked for");
    assert_eq!(site.asked().len(), 6);
}

#[tokio::test]
async fn a_changelog_whose_pages_repeat_is_refused() {
    let site = Site::start(|_, asked| {
        json_reply(&if asked.path.ends_with("/changelog/bulkfetch") {
            json!({"issueChangeLogs": [], "nextPageToken": "same"})
        } else {
            let mut cut = issue(1);
            cut["changelog"]["total"] = json!(50);
            json!({"issues": [cut]})
        })
    })
    .await;
    assert!(matches!(site.client.hydrate(&all(&[1])).await, Err(Error::Malformed { .. })));
    assert_eq!(site.asked().len(), 3);
}

#[tokio::test]
async fn an_issue_that_makes_jira_stumble_is_set_aside() {
    let site = Site::start(|_, asked| {
        let ids = asked_ids(asked);
        if ids.contains(&37) {
            return stumble();
        }
        json_reply(&json!({"issues": ids.into_iter().map(issue).collect::<Vec<_>>()}))
    })
    .await;
    let ids: Vec<i64> = (1..=100).collect();
    let hydrated = site.client.hydrate(&all(&ids)).await.expect("an answer");
    assert_eq!((hydrated.snapshots.len(), hydrated.absent.len()), (99, 0));
    assert_eq!(hydrated.failed[0].0, IssueId(37));
    assert!(hydrated.failed[0].1.contains("Duplicate key"), "{:?}", hydrated.failed);
    assert!(site.asked().len() <= 20, "{} requests", site.asked().len());
}

#[tokio::test]
async fn one_issue_alone_that_makes_jira_stumble_has_failed() {
    let site = Site::start(|_, _| stumble()).await;
    let hydrated = site.client.hydrate(&all(&[37])).await.expect("an answer");
    assert_eq!(summary(&hydrated), (vec![], vec![], vec![37]));
    assert_eq!(site.asked().len(), 4);
}

#[tokio::test]
async fn a_jira_that_stumbles_over_everything_is_unavailable() {
    let site = Site::start(|_, _| stumble()).await;
    for count in [2, 3, 100] {
        let ids: Vec<i64> = (1..=count).collect();
        let result = site.client.hydrate(&all(&ids)).await;
        assert!(matches!(result, Err(Error::Unavailable { status: Some(500), .. })), "{result:?}");
    }
    assert!(site.asked().len() < 60, "{} requests", site.asked().len());
}

#[tokio::test]
async fn a_jira_that_is_away_is_not_asked_about_single_issues() {
    let site = Site::start(|_, _| answer(503, &[], "")).await;
    assert!(site.client.hydrate(&all(&[1, 2, 3])).await.is_err());
    assert_eq!(site.asked().len(), 4);
}

#[tokio::test]
async fn errors_about_single_issues_are_asked_for_once_more() {
    let site = Site::start(|before, _| {
        json_reply(&match before {
            0 => json!({"issues": [issue(1)], "issueErrors": [{"id": "2", "errorMessage": "busy"}, {"id": 3, "errorMessage": "busy"}]}),
            _ => json!({"issues": [issue(2)], "issueErrors": [{"id": 3, "errorMessage": "still busy"}]}),
        })
    })
    .await;
    let hydrated = site.client.hydrate(&all(&[1, 2, 3])).await.expect("an answer");
    assert_eq!(summary(&hydrated), (vec![1, 2], vec![], vec![3]));
    assert_eq!(hydrated.failed[0].1, "still busy");
    assert_eq!(asked_ids(&site.asked()[1]), [2, 3]);
}

#[tokio::test]
async fn an_issue_that_cannot_be_read_fails_alone() {
    let site = Site::start(|_, _| json_reply(&json!({"issues": [issue(1), {"id": "2", "key": "ACME-2"}]}))).await;
    let hydrated = site.client.hydrate(&all(&[1, 2])).await.expect("an answer");
    assert_eq!(summary(&hydrated), (vec![1], vec![], vec![2]));
}

#[tokio::test]
async fn an_issue_that_vanishes_while_it_is_read_fails() {
    let site = Site::start(|_, asked| {
        if asked.path.ends_with("/comment") {
            return answer(404, &[("x-aaccountid", "a1")], r#"{"errorMessages":["Issue does not exist"]}"#);
        }
        let mut cut = issue(1);
        cut["fields"]["comment"]["total"] = json!(9);
        json_reply(&json!({"issues": [cut]}))
    })
    .await;
    assert_eq!(summary(&site.client.hydrate(&all(&[1])).await.expect("an answer")), (vec![], vec![], vec![1]));
}

#[tokio::test]
async fn what_is_whole_when_the_budget_ends_is_not_asked_for_again() {
    let site = Site::start(|_, asked| match asked.path.as_str() {
        "/rest/api/3/issue/bulkfetch" => {
            let ids = asked_ids(asked).into_iter().map(|id| {
                let mut issue = issue(id);
                issue["fields"]["comment"] = json!({"total": 2 - id % 2, "comments": [comment(id)]});
                issue
            });
            json_reply(&json!({"issues": ids.collect::<Vec<_>>()}))
        }
        "/rest/api/3/issue/4/comment" => answer(429, &[("retry-after", "30")], ""),
        _ => json_reply(&json!({"total": 2, "comments": [comment(7), comment(8)]})),
    })
    .await;
    let hydrated = site.client.hydrate(&all(&[1, 2, 4, 6])).await.expect("what is whole");
    assert_eq!(summary(&hydrated), (vec![1, 2], vec![], vec![]));
    assert_eq!(hydrated.late, all(&[4, 6]));
    assert_eq!(hydrated.snapshots[1].comments.len(), 2);
    let nothing = site.client.hydrate(&all(&[4, 6])).await;
    assert!(matches!(nothing, Err(Error::Throttled { .. })), "{nothing:?}");
    let unhurried = site.client.with_priority(Priority::Bulk).hydrate(&all(&[1, 4])).await;
    assert!(matches!(unhurried, Err(Error::Throttled { .. })), "{unhurried:?}");
}
