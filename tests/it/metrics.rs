//! What operators are given, held against the sources: metrics, alerts, dashboards, runbooks.
//!
//! Prometheus' own promtool judges rules and expressions, where it is installed.

mod pages;
mod series;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::{
    crash::binary,
    walls::{root, sources},
};

/// Kind and labels of a metric.
type Shape = (String, BTreeSet<String>);

/// The tests of alerts, in Prometheus' own language.
const TESTS: [&str; 2] = ["alerts_test.yaml", "slo_test.yaml"];

/// What Prometheus adds to the name of a histogram or summary.
const PARTS: [&str; 3] = ["_bucket", "_sum", "_count"];

#[test]
fn every_metric_is_documented_as_it_is_told() {
    let (told, documented) = (told(), documented());
    assert!(told.len() > 40, "the sources were not read: {}", told.len());
    for (name, shape) in &told {
        assert_eq!(documented.get(name), Some(shape), "{name} in docs/metrics.md");
    }
    for name in documented.keys() {
        assert!(told.contains_key(name), "docs/metrics.md tells of {name}, which no source tells");
    }
}

#[test]
fn alerts_and_dashboards_use_documented_metrics() {
    let documented = documented();
    for file in
        [files("deploy/prometheus", "yaml"), files("deploy/grafana", "json"), files("deploy/keda", "yaml")].concat()
    {
        let text = fs::read_to_string(&file).unwrap();
        let used = names(&text);
        assert!(!used.is_empty() || !text.contains("expr"), "{} uses none of our metrics", file.display());
        for name in used {
            let base = PARTS.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
            let is_known = documented.contains_key(name)
                || documented.get(base).is_some_and(|(kind, _)| kind == "histogram" || kind == "summary");
            assert!(is_known, "{} uses {name}, which docs/metrics.md does not know", file.display());
        }
    }
}

#[test]
fn every_alert_is_tested_and_leads_to_its_page() {
    let alerts = fs::read_to_string(root().join("deploy/prometheus/alerts.yaml")).unwrap();
    let tests = TESTS.map(|file| fs::read_to_string(root().join("deploy/prometheus").join(file)).unwrap()).concat();
    let mut pages = BTreeSet::new();
    for rule in alerts.split("- alert: ").skip(1) {
        let name = rule.lines().next().unwrap();
        assert!(rule.contains("severity: page\n") || rule.contains("severity: ticket\n"), "{name} has no severity");
        assert!(rule.contains("summary: "), "{name} does not say what is seen");
        let page = rule.split("runbook_url: ").nth(1).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let text = fs::read_to_string(root().join(page)).unwrap_or_else(|error| panic!("{name}: {page}: {error}"));
        assert!(text.contains(name), "{page} does not say which alert it is about");
        assert!(tests.contains(&format!("alertname: {name}\n")), "{name} is not tested");
        pages.insert(root().join(page));
    }
    let kept: BTreeSet<PathBuf> =
        files("docs/runbooks", "md").into_iter().filter(|file| !file.ends_with("README.md")).collect();
    assert_eq!(pages, kept, "pages that alerts lead to, and pages that are there");
}

#[test]
fn runbooks_name_commands_that_are_there() {
    let mut helps = BTreeMap::new();
    for file in files("docs/runbooks", "md") {
        for typed in commands(&fs::read_to_string(&file).unwrap()) {
            let verbs: Vec<&str> = typed.split(' ').take_while(|word| is_verb(word)).take(2).collect();
            let help = helps.entry(verbs.join(" ")).or_insert_with(|| help(&verbs));
            let help = help.as_deref().unwrap_or_else(|| panic!("{}: no command `{typed}`", file.display()));
            for option in typed.split(' ').filter(|word| word.starts_with("--")) {
                let is_there = [" ", "\n"].iter().any(|end| help.contains(&format!("{option}{end}")));
                assert!(is_there, "{}: no {option} in `{typed}`", file.display());
            }
        }
    }
    assert!(helps.len() > 20, "the runbooks were not read: {helps:?}");
}

#[test]
fn promtool_takes_rules_and_dashboards() {
    let prometheus = root().join("deploy/prometheus");
    if Command::new("promtool").arg("--version").output().is_err() {
        eprintln!(
            "SKIPPED: promtool is missing (Debian: apt-get install prometheus), so no rule and no dashboard was judged"
        );
        return;
    }
    promtool(&["check", "rules"], &prometheus.join("alerts.yaml"));
    for file in TESTS {
        promtool(&["test", "rules"], &prometheus.join(file));
    }
    promtool(&["check", "config"], &prometheus.join("prometheus.example.yaml"));
    for file in files("deploy/grafana", "json") {
        let board: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        let mut found = Vec::new();
        expressions(&board, &mut found);
        assert!(found.len() > 3, "{} shows nothing", file.display());
        let rules: Vec<Value> = found.iter().enumerate().map(rule).collect();
        // JSON is YAML too.
        let rules = json!({ "groups": [{ "name": "dashboard", "rules": rules }] }).to_string();
        let copy = std::env::temp_dir().join(format!("jirafleet-metrics-{}.json", std::process::id()));
        fs::write(&copy, rules).unwrap();
        promtool(&["check", "rules"], &copy);
        fs::remove_file(&copy).unwrap();
    }
}

/// Every metric that a macro of the sources tells.
fn told() -> BTreeMap<String, Shape> {
    let crates = fs::read_dir(root().join("crates")).unwrap().flatten().map(|entry| entry.path());
    let rooms = ["worker", "scheduler", "ingest-gateway"].map(|room| root().join(room));
    let mut found: BTreeMap<String, Shape> = BTreeMap::new();
    for file in crates.chain(rooms).flat_map(|room| sources(&room.join("src"))) {
        let text = fs::read_to_string(&file).unwrap();
        for kind in ["counter", "gauge", "histogram"] {
            for call in text.split(&format!("metrics::{kind}!(")).skip(1) {
                let Some(name) = call.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next()) else {
                    continue;
                };
                let shape = (shown(kind, name), labels(call));
                let before = found.entry(name.to_owned()).or_insert_with(|| shape.clone());
                assert_eq!(*before, shape, "{name} is told in two ways; {}", file.display());
            }
        }
    }
    found
}

/// How the exporter shows it: buckets are set for seconds only.
fn shown(kind: &str, name: &str) -> String {
    if kind == "histogram" && !name.ends_with("_seconds") { "summary".to_owned() } else { kind.to_owned() }
}

/// The names before the arrows of one macro call.
fn labels(call: &str) -> BTreeSet<String> {
    let mut open = 1_i32;
    let end = call.find(|letter| {
        open += i32::from(letter == '(') - i32::from(letter == ')');
        open == 0
    });
    let call = &call[..end.unwrap_or(call.len())];
    let arrows = call.match_indices("\" =>");
    arrows.filter_map(|(at, _)| call[..at].rsplit('"').next()).map(str::to_owned).collect()
}

/// The rows of docs/metrics.md.
fn documented() -> BTreeMap<String, Shape> {
    let page = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let row = |row: &str| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let labels = cells[3].split(", ").filter(|label| !label.is_empty()).map(str::to_owned).collect();
        (cells[0].trim_end_matches('`').to_owned(), (cells[1].to_owned(), labels))
    };
    rows.map(row).collect()
}

/// Everything that looks like one of our metrics.
fn names(text: &str) -> BTreeSet<&str> {
    let ends =
        |rest: &str| rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(rest.len());
    text.match_indices("jirafleet_").map(|(at, _)| &text[at..at + ends(&text[at..])]).collect()
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let all = fs::read_dir(root().join(folder)).unwrap().flatten().map(|entry| entry.path());
    let found: Vec<PathBuf> = all.filter(|path| path.extension().is_some_and(|known| known == extension)).collect();
    assert!(!found.is_empty(), "{folder} holds no {extension}");
    found
}

/// What a page says to type, without `jirafleet`: whole lines, and what stands between backticks.
fn commands(page: &str) -> Vec<String> {
    let lines = page.lines().filter_map(|line| line.strip_prefix("jirafleet ")?.split("  #").next());
    let within = page.split("`jirafleet ").skip(1).filter_map(|rest| rest.split('`').next());
    lines.chain(within).map(|typed| typed.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// Words of a command, and not an instance's name or an option.
fn is_verb(word: &str) -> bool {
    !word.is_empty()
        && word.bytes().all(|letter| letter.is_ascii_lowercase() || letter == b'-')
        && !word.starts_with('-')
}

/// What a command says about itself, if there is one of that name.
fn help(words: &[&str]) -> Option<String> {
    let output = Command::new(binary()).args(words).arg("--help").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    output.status.success().then_some(text)
}

fn promtool(verb: &[&str], file: &Path) {
    let output = Command::new("promtool").args(verb).arg(file).output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{verb:?} {}: {said}", file.display());
}

/// Everything that is asked of Prometheus, as it is asked.
fn queries() -> Vec<String> {
    let texts = |folder, extension| {
        // What a rule's test makes up is nobody's question.
        let asking =
            files(folder, extension).into_iter().filter(|file| !file.to_string_lossy().ends_with("_test.yaml"));
        asking.map(|file| fs::read_to_string(file).unwrap())
    };
    let mut found: Vec<String> = texts("deploy/prometheus", "yaml").chain(texts("deploy/keda", "yaml")).collect();
    for text in texts("deploy/grafana", "json") {
        let board: Value = serde_json::from_str(&text).unwrap();
        let mut of_board = Vec::new();
        expressions(&board, &mut of_board);
        found.extend(of_board.into_iter().map(filled_in));
    }
    found
}

/// An expression with something in the place of what Grafana fills in.
fn filled_in(expression: &str) -> String {
    expression.replace("$__rate_interval", "5m").replace("$__range", "1h").replace("$queue", "live")
}

/// Every `expr` in a dashboard.
fn expressions<'a>(of: &'a Value, found: &mut Vec<&'a str>) {
    match of {
        Value::Object(fields) => {
            found.extend(fields.get("expr").and_then(Value::as_str));
            fields.values().for_each(|value| expressions(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| expressions(value, found)),
        _ => {}
    }
}

/// An expression as a rule.
fn rule((number, expression): (usize, &&str)) -> Value {
    json!({ "record": format!("dashboard:panel:{number}"), "expr": filled_in(expression) })
}
