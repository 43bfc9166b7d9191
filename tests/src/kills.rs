//! Writes by an api that is killed again and again, at any instant. Afterwards every announced write must have ended as it
//! did in Jira, nothing may be there twice, and the mirror must equal Jira.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use chrono::{DateTime, Utc};
use domain::Scope;
use queue::Job;
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use store::{ApiToken, AuditEntry, AuditFilter, NewApiKey};

use crate::{ApiProcess, TestFleet};

/// What was asked of the api, and under which key.
struct Wish {
    method: Method,
    path: String,
    body: Value,
    /// Words that are nowhere else.
    words: String,
}

/// What came of it all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How often the api was killed.
    pub kills: usize,
    /// Writes that were asked for.
    pub wishes: usize,
    /// Writes that were answered before the kill.
    pub answered: usize,
    /// Announced writes that somebody else had to settle.
    pub settled: usize,
    /// Announced writes by how they ended.
    pub endings: BTreeMap<String, usize>,
}

/// The api of a fleet under somebody who kills it.
pub struct Kills<'f> {
    fleet: &'f TestFleet,
    client: Client,
    token: ApiToken,
    dice: StdRng,
    /// Issues that are written to: none that was wished for, whose words an edit would take away.
    keys: Vec<String>,
    wishes: Vec<Wish>,
    tally: Tally,
}

impl<'f> Kills<'f> {
    /// For a fleet whose mirror is full; reruns with one seed ask for the same.
    pub async fn new(fleet: &'f TestFleet, seed: u64) -> Self {
        let new = NewApiKey {
            name: format!("kills-{seed}"),
            environment: "test".to_owned(),
            scopes: Scope::ALL.to_vec(),
            networks: Vec::new(),
            expires_at: None,
        };
        let made = fleet.store.tenant(fleet.instance.tenant).create_api_key(new).await;
        let (token, client, dice) = (made.expect("a key").1, Client::new(), StdRng::seed_from_u64(seed));
        let keys = fleet.jira().issue_keys();
        Self { fleet, client, token, dice, keys, wishes: Vec::new(), tally: Tally::default() }
    }

    /// Asks for some writes at once and kills the api within `longest`, so many times.
    pub async fn play(&mut self, kills: usize, longest: Duration) {
        for _ in 0..kills {
            let api = ApiProcess::start(self.fleet).await;
            let first = self.wishes.len();
            for kind in 0..4 {
                let wish = self.wish(kind);
                self.wishes.push(wish);
            }
            let asked = (first..self.wishes.len()).map(|number| self.ask(&api, number).send());
            let asked: Vec<_> = asked.map(tokio::spawn).collect();
            tokio::time::sleep(self.dice.random_range(Duration::ZERO..longest)).await;
            api.kill();
            for answer in futures::future::join_all(asked).await {
                self.tally.answered += usize::from(answer.expect("no panic").is_ok_and(|it| it.status().is_success()));
            }
            self.tally.kills += 1;
        }
        self.tally.wishes = self.wishes.len();
    }

    /// Lets the fleet settle what was left open, and asserts that all is as it must be.
    pub async fn end(mut self) -> Tally {
        self.jira_is_quiet().await;
        let begun = Utc::now();
        self.fleet.producer.enqueue(Job::Sweep).await.expect("Redis answers");
        self.fleet.drain().await;
        self.assert_all_ended(begun).await;
        self.assert_nothing_twice();
        let api = ApiProcess::start(self.fleet).await;
        let mut made = Vec::new();
        for number in 0..self.wishes.len() {
            if self.ask_to_the_end(&api, number).await {
                made.push(number);
            }
        }
        let counts = self.counts();
        for number in made {
            let Wish { path, words, .. } = &self.wishes[number];
            assert_eq!(counts.get(words), Some(&1), "{path} with {words}");
        }
        self.assert_nothing_twice();
        self.fleet.drain().await;
        self.fleet.assert_mirror_equals_jira().await;
        self.tally
    }

    /// What was on its way when the api was killed still arrives. A fleet waits ten minutes before it concludes anything;
    /// here it is enough that Jira was asked nothing for a second.
    async fn jira_is_quiet(&self) {
        let total = || self.fleet.jira().requests().total;
        let (mut tick, mut seen, mut calm) = (tokio::time::interval(Duration::from_millis(25)), total(), 0);
        while calm < 40 {
            tick.tick().await;
            let now = total();
            calm = if now == seen { calm + 1 } else { 0 };
            seen = now;
        }
    }

    fn wish(&mut self, kind: usize) -> Wish {
        let words = format!("kill{}x{}", self.wishes.len(), self.dice.next_u32());
        let issue = format!("/issues/{}", self.keys[self.dice.random_range(0..self.keys.len())]);
        let text = json!({"markdown": words});
        let (method, path, body) = match kind {
            0 => {
                let project = self.fleet.jira().project_keys().remove(0);
                let body = json!({"project": project, "issue_type": "Task", "summary": words});
                (Method::POST, "/issues".to_owned(), body)
            }
            1 => (Method::POST, format!("{issue}/comments"), json!({"body": text})),
            2 => (Method::PATCH, issue, json!({"summary": words})),
            _ => {
                let to = ["To Do", "In Progress", "Done"][self.dice.random_range(0..3)];
                (Method::POST, format!("{issue}/transitions"), json!({"to": to}))
            }
        };
        Wish { method, path, body, words }
    }

    fn ask(&self, api: &ApiProcess, number: usize) -> RequestBuilder {
        let Wish { method, path, body, .. } = &self.wishes[number];
        let request = self.client.request(method.clone(), format!("http://{}/api/v1{path}", api.address));
        let request = request.bearer_auth(self.token.expose()).json(body);
        if *method == Method::PATCH {
            request.header("If-Match", "*")
        } else {
            request.header("Idempotency-Key", format!("wish-{number}"))
        }
    }

    /// Asks the same again under the same key: it is told what came of it, or it is done now. An edit has no key.
    /// Returns whether something was made for it.
    async fn ask_to_the_end(&self, api: &ApiProcess, number: usize) -> bool {
        let wish = &self.wishes[number];
        if wish.method == Method::PATCH {
            return false;
        }
        let answer = self.ask(api, number).send().await.expect("the api answers");
        let (status, text) = (answer.status(), answer.text().await.expect("a body"));
        // A move that was not done may have become one to where the issue stands already, or to where no way leads.
        let moved = wish.path.ends_with("/transitions") && status == StatusCode::CONFLICT;
        assert!(status.is_success() || moved, "{} {}: {status} {text}", wish.method, wish.path);
        assert!(!text.contains("\"running\""), "a key is stuck: {text}");
        status == StatusCode::CREATED
    }

    async fn assert_all_ended(&mut self, swept: DateTime<Utc>) {
        let tenant = self.fleet.store.tenant(self.fleet.instance.tenant);
        let open = tenant.audit_open(Utc::now(), 1000).await.expect("PostgreSQL answers");
        assert!(open.is_empty(), "announced and never ended: {open:#?}");
        let lines = self.lines().await;
        let marks = self.marks();
        let ended: HashMap<_, _> = lines.iter().filter_map(|line| Some((line.begun?, line))).collect();
        for begun in lines.iter().filter(|line| line.outcome == "begun" && line.action.starts_with("issue.")) {
            let end = ended[&begun.id];
            let done = match (begun.action.as_str(), end.details.get("comment_id")) {
                // What a comment says is looked at by its words.
                ("issue.comment", comment) => comment.is_some(),
                _ => marks.contains(&begun.id.to_string()),
            };
            let expected = if done { "done" } else { "not_done" };
            assert_eq!(end.outcome, expected, "{begun:#?} ended as {end:#?}");
            *self.tally.endings.entry(end.outcome.clone()).or_default() += 1;
            self.tally.settled += usize::from(end.at >= swept);
        }
        let verified = tenant.audit_verify().await.expect("PostgreSQL answers");
        assert!(matches!(verified, store::Verified::Whole { .. }), "{verified:?}");
    }

    /// Every line of the log about issues.
    async fn lines(&self) -> Vec<AuditEntry> {
        let tenant = self.fleet.store.tenant(self.fleet.instance.tenant);
        let mut filter = AuditFilter { action: Some("issue".to_owned()), ..AuditFilter::default() };
        let mut lines: Vec<AuditEntry> = Vec::new();
        loop {
            let page = tenant.audit(&filter, 1000).await.expect("PostgreSQL answers");
            let Some(last) = page.last() else { return lines };
            filter.before = Some(last.seq);
            lines.extend(page);
        }
    }

    /// The marks that issues and changelogs carry; none is there twice.
    fn marks(&self) -> BTreeSet<String> {
        let mut marks = BTreeSet::new();
        for view in self.views() {
            let labels = view["fields"]["labels"].as_array().into_iter().flatten();
            let labels = labels.filter_map(|label| Some(label.as_str()?.strip_prefix("op-")?.to_owned()));
            let entries = view["changelog"]["histories"].as_array().into_iter().flatten();
            let entries = entries.filter_map(|it| Some(it["historyMetadata"]["extraData"]["op"].as_str()?.to_owned()));
            for mark in labels.chain(entries) {
                assert!(marks.insert(mark.clone()), "{mark} is there twice");
            }
        }
        marks
    }

    fn assert_nothing_twice(&self) {
        let counts = self.counts();
        for wish in self.wishes.iter().filter(|wish| wish.method == Method::POST) {
            let count = counts.get(&wish.words).copied().unwrap_or_default();
            assert!(count <= 1, "{} is there {count} times", wish.words);
        }
    }

    /// How many issues are called so and how many comments say so, for everything that was wished for.
    fn counts(&self) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        for view in self.views() {
            let comments = view["fields"]["comment"]["comments"].as_array().into_iter().flatten();
            let said =
                comments.map(|comment| comment["body"].to_string()).chain([view["fields"]["summary"].to_string()]);
            for text in said {
                for words in text.split('"').filter(|part| part.starts_with("kill")) {
                    *counts.entry(words.to_owned()).or_default() += 1;
                }
            }
        }
        counts
    }

    fn views(&self) -> Vec<Value> {
        let jira = self.fleet.jira();
        jira.issue_ids().into_iter().filter_map(|id| jira.store_view(id)).collect()
    }
}
