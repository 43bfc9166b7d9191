//! What must never be: checked on the manifests and the sources themselves.

use std::{
    fs,
    path::{Path, PathBuf},
};

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// The names a manifest depends on.
fn depends_on(krate: &str) -> Vec<String> {
    let manifest = fs::read_to_string(root().join(krate).join("Cargo.toml")).unwrap();
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap();
    dependencies
        .lines()
        .take_while(|line| !line.starts_with("[dev-"))
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty() && !name.starts_with(['#', '[']))
        .map(str::to_owned)
        .collect()
}

const PROCESSES: [&str; 4] = ["ingest-gateway", "scheduler", "worker", "crates/api"];

const ROOMS: [&str; 17] = [
    "crates/domain",
    "crates/jira",
    "crates/jwks",
    "crates/listener",
    "crates/queue",
    "crates/redis-door",
    "crates/servers",
    "crates/simulator",
    "crates/store",
    "crates/trace-context",
    "crates/way-in",
    "entity",
    "ingest-gateway",
    "migration",
    "scheduler",
    "worker",
    "crates/api",
];

#[test]
fn processes_never_import_each_other() {
    for process in PROCESSES {
        let names = depends_on(process);
        for other in ["ingest-gateway", "scheduler", "worker", "api", "jirafleet"] {
            assert!(!names.iter().any(|name| name == other), "{process} depends on {other}");
        }
    }
    for process in ["ingest-gateway", "scheduler"] {
        assert!(!depends_on(process).iter().any(|name| name == "jira"), "{process} can call Jira");
    }
}

#[test]
fn every_outside_thing_has_one_door() {
    for (name, doors) in [
        ("sea-orm", &["crates/store", "entity"][..]),
        ("sea-orm-migration", &["migration"]),
        ("redis", &["crates/api", "crates/queue", "crates/jira", "crates/redis-door", "crates/store"]),
        ("reqwest", &["crates/jira", "crates/jwks", "crates/simulator"]),
    ] {
        for room in ROOMS.iter().filter(|room| !doors.contains(room)) {
            assert!(!depends_on(room).iter().any(|known| known == name), "{room} names {name}");
        }
    }
}

#[test]
fn the_ground_depends_on_nothing_of_ours() {
    for room in [
        "crates/domain",
        "entity",
        "migration",
        "crates/servers",
        "crates/listener",
        "crates/redis-door",
        "crates/jwks",
        "crates/trace-context",
    ] {
        for ours in ["domain", "queue", "jira", "store", "entity", "simulator", "worker"] {
            assert!(!depends_on(room).iter().any(|name| name == ours), "{room} depends on {ours}");
        }
    }
}

#[test]
fn use_cases_know_nothing_of_http() {
    let files = sources(&root().join("crates/api/src/usecases"));
    assert!(files.len() > 10, "{files:?}");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for word in ["axum", "StatusCode", "HeaderMap", "reqwest"] {
            assert!(!text.contains(word), "{} names {word}", file.display());
        }
    }
}

#[test]
fn only_the_binary_reads_the_environment() {
    for room in ROOMS {
        for file in sources(&root().join(room).join("src")) {
            let text = fs::read_to_string(&file).unwrap();
            assert!(!text.contains("env::var"), "{} reads the environment", file.display());
        }
    }
}

#[test]
fn every_source_says_what_it_is_for() {
    let crates = ROOMS.iter().map(|room| root().join(room).join("src")).chain([root().join("crates/jirafleet/src")]);
    for file in crates.flat_map(|folder| sources(&folder)) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("//!") || text.starts_with("#!["), "{} opens without a sentence", file.display());
        assert!(text.lines().count() <= 400, "{} has more than 400 lines", file.display());
    }
}

pub(crate) fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
