//! Holds what goes between our client and the simulated Jira against Atlassian's own description of the API: every answer
//! against the response's schema, every request against the request's, where a test gives its site the [`observer`].
//!
//! The description is Atlassian's and not part of this repository. Without it nothing is checked, and a test says so.

mod errata;
mod schema;

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
};

use jsonschema::Validator;
use serde_json::Value;
use simulator::{Exchange, Observer};

/// Where the description is, if it is not where `JIRA_OPENAPI` says.
const DESCRIPTION: &str = "../shared/jira/openapi-v3.json";

static CONTRACT: LazyLock<Option<Contract>> = LazyLock::new(Contract::read);

/// Whose words are held against the description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    /// What the client asks and what the site answers.
    Both,
    /// What the site answers: it may be asked anything.
    Answers,
}

/// Told of every exchange of a simulated site; `None` where there is no description.
pub fn observer(judge: Judge) -> Option<Observer> {
    CONTRACT.as_ref().map(|contract| Observer::new(move |exchange| contract.judge(exchange, judge)))
}

/// Says what was not as described.
///
/// # Panics
///
/// When anything was not, with one example of each; not while a test is failing already.
pub fn assert_kept() {
    let breaches = CONTRACT
        .as_ref()
        .map(|contract| lock(&contract.breaches))
        .map(|breaches| breaches.values().cloned().collect::<Vec<_>>());
    let breaches = breaches.unwrap_or_default();
    assert!(std::thread::panicking() || breaches.is_empty(), "not as Atlassian describes it:\n{}", breaches.join("\n"));
}

/// How many exchanges were held against the description, by method and path.
pub fn judged() -> BTreeMap<String, usize> {
    CONTRACT.as_ref().map(|contract| lock(&contract.judged).clone()).unwrap_or_default()
}

struct Contract {
    description: Value,
    /// Paths of the description by their shape, placeholders unnamed.
    paths: HashMap<String, String>,
    validators: Mutex<HashMap<String, Option<Arc<Validator>>>>,
    breaches: Mutex<BTreeMap<String, String>>,
    judged: Mutex<BTreeMap<String, usize>>,
}

impl Contract {
    fn read() -> Option<Self> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
        let path = std::env::var_os("JIRA_OPENAPI").map_or_else(|| root.join(DESCRIPTION), PathBuf::from);
        let text = std::fs::read(path).ok()?;
        let description: Value = serde_json::from_slice(&text).expect("Atlassian's description is JSON");
        let paths = description["paths"].as_object().expect("it has paths");
        let paths = paths.keys().map(|path| (shape(path), path.clone())).collect();
        let (validators, breaches, judged) = Default::default();
        Some(Self { description, paths, validators, breaches, judged })
    }

    fn judge(&self, exchange: &Exchange, judge: Judge) {
        if exchange.garbage {
            return; // scripted to be what no description knows
        }
        let Some(path) = exchange.route.as_deref().and_then(|route| self.paths.get(&shape(route))) else { return };
        let method = exchange.method.as_str().to_ascii_lowercase();
        let operation = &self.description["paths"][path][&method];
        if operation.is_null() {
            return; // refused with 405, as it must be
        }
        let name = format!("{} {path}", exchange.method);
        *lock(&self.judged).entry(name.clone()).or_default() += 1;
        // What was refused may have been wrong on purpose.
        if judge == Judge::Both && exchange.status.is_success() {
            self.judge_query(&name, operation, &exchange.path);
            let body = operation.pointer("/requestBody/content/application~1json/schema");
            self.judge_body(&format!("{name}: request"), body, &exchange.request);
        }
        self.judge_answer(&name, operation, exchange);
    }

    fn judge_answer(&self, name: &str, operation: &Value, exchange: &Exchange) {
        let status = exchange.status.as_str();
        let name = format!("{name}: {status}");
        match operation["responses"].get(status) {
            Some(response) => {
                let body = response.pointer("/content/application~1json/schema");
                self.judge_body(&name, body, &exchange.response);
            }
            None if exchange.status.is_success() => self.breach(&name, "a status that is not described"),
            None => {}
        }
    }

    fn judge_query(&self, name: &str, operation: &Value, path: &str) {
        let known = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
        for pair in path.split_once('?').map(|(_, query)| query).unwrap_or_default().split('&') {
            let parameter = pair.split('=').next().unwrap_or_default();
            let is_known = known.iter().any(|known| known["name"] == parameter);
            if !parameter.is_empty() && !is_known && !errata::knows_parameter(name, parameter) {
                self.breach(&format!("{name}: parameter {parameter}"), "not described");
            }
        }
    }

    fn judge_body(&self, name: &str, schema: Option<&Value>, body: &[u8]) {
        let (Some(schema), false) = (schema, body.is_empty()) else { return };
        let Ok(value) = serde_json::from_slice::<Value>(body) else {
            return self.breach(name, "not JSON");
        };
        let validator = self.validator(name, schema);
        let Some(validator) = validator else { return };
        for error in validator.iter_errors(&value) {
            let place = generalised(&error.instance_path().to_string());
            if !errata::excuses(name, &place) {
                self.breach(&format!("{name} {place}"), &error.to_string());
            }
        }
    }

    fn validator(&self, name: &str, schema: &Value) -> Option<Arc<Validator>> {
        if let Some(known) = lock(&self.validators).get(name) {
            return known.clone();
        }
        let whole = schema::self_contained(schema, &self.description);
        let made = jsonschema::draft7::new(&whole);
        if let Err(error) = &made {
            self.breach(name, &format!("its schema cannot be used: {error}"));
        }
        let made = made.ok().map(Arc::new);
        lock(&self.validators).insert(name.to_owned(), made.clone());
        made
    }

    fn breach(&self, what: &str, why: &str) {
        let why: String = why.chars().take(400).collect();
        lock(&self.breaches).entry(what.to_owned()).or_insert_with(|| format!("{what}: {why}"));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A path with its placeholders unnamed: `/issue/{}`.
fn shape(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// A place in a document without its numbers: `/issues/*/id`.
fn generalised(place: &str) -> String {
    let parts = place.split('/').map(|part| if part.parse::<u64>().is_ok() { "*" } else { part });
    parts.collect::<Vec<_>>().join("/")
}
