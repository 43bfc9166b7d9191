//! `jirafleet simulate`: the simulated Jira by itself, with the habits of the real one that its options switch on.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use crate::crash::binary;

/// A process that is killed when dropped.
struct Simulated {
    child: Child,
    url: String,
    http: reqwest::Client,
}

impl Simulated {
    fn start(options: &[&str]) -> Self {
        let mut command = Command::new(binary());
        command.args(["simulate", "--listen", "127.0.0.1:0", "--issues", "30"]).args(options);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(url.starts_with("http://127.0.0.1:"), "{url}");
        Self { child, url: url.trim().to_owned(), http: reqwest::Client::new() }
    }

    async fn get(&self, route: &str) -> Response {
        self.send(self.http.get(self.at(route))).await
    }

    async fn post(&self, route: &str, body: &Value) -> Response {
        self.send(self.http.post(self.at(route)).json(body)).await
    }

    fn at(&self, route: &str) -> String {
        format!("{}/rest/api/3{route}", self.url)
    }

    async fn send(&self, request: RequestBuilder) -> Response {
        request.basic_auth("mirror@example.com", Some("simulated-token")).send().await.unwrap()
    }

    async fn create(&self, summary: &str) -> Value {
        let fields = json!({ "project": { "id": "10000" }, "issuetype": { "name": "Task" }, "summary": summary });
        taken(self.post("/issue", &json!({ "fields": fields })).await, StatusCode::CREATED).await
    }

    /// Which of these keys a search finds.
    async fn found(&self, keys: &[String]) -> usize {
        let asked = json!({ "jql": "project = 10000", "fields": ["key"], "maxResults": 1000 });
        let answer = taken(self.post("/search/jql", &asked).await, StatusCode::OK).await;
        let listed = answer["issues"].as_array().unwrap();
        keys.iter().filter(|key| listed.iter().any(|issue| issue["key"] == key.as_str())).count()
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn taken(answer: Response, status: StatusCode) -> Value {
    let (said, body) = (answer.status(), answer.text().await.unwrap());
    assert_eq!(said, status, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// Each change draws its lag below an hour, so that four of them are never all known within a second.
#[tokio::test]
async fn an_index_that_lags_does_not_know_the_newest_issues() {
    for (options, late) in [(&[][..], false), (&["--index-lag", "3600000"][..], true)] {
        let jira = Simulated::start(options);
        let mut keys = Vec::new();
        for summary in ["one", "two", "three", "four"] {
            let key = jira.create(summary).await["key"].as_str().unwrap().to_owned();
            let shown = taken(jira.get(&format!("/issue/{key}")).await, StatusCode::OK).await;
            assert_eq!(shown["fields"]["summary"], summary, "by its key it is there at once");
            keys.push(key);
        }
        assert_eq!(jira.found(&keys).await < keys.len(), late);
    }
}

#[tokio::test]
async fn limits_are_kept_where_they_are_asked_for() {
    for (options, limited) in [(&[][..], false), (&["--rate-limits"][..], true)] {
        let jira = Simulated::start(options);
        let asked = (0..400).map(|_| jira.get("/myself"));
        let answers = futures::future::join_all(asked).await;
        let refused: Vec<&Response> =
            answers.iter().filter(|answer| answer.status() == StatusCode::TOO_MANY_REQUESTS).collect();
        assert_eq!(!refused.is_empty(), limited, "{} of 400 were refused", refused.len());
        assert!(refused.iter().all(|answer| answer.headers().contains_key("retry-after")));
    }
}
