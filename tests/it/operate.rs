//! The command line over the queues: what waits and what ended is seen, held up, called off, and brought back.

use std::time::Duration;

use domain::IssueId;
use queue::{Enqueued, Job, JobState, Outcome, QueueName, StreamBackend};
use serde_json::Value;
use tests::{FleetOptions, TestFleet};

use crate::cli::Cli;

async fn fleet() -> TestFleet {
    TestFleet::with(FleetOptions { worker: false, ..FleetOptions::default() }).await
}

pub(crate) async fn enqueue(fleet: &TestFleet, job: Job) -> String {
    match fleet.producer.enqueue(job).await.unwrap() {
        Enqueued::New(id) => id.to_string(),
        already @ Enqueued::Already { .. } => panic!("{already:?}"),
    }
}

async fn rows(cli: &Cli, args: &[&str]) -> Vec<Value> {
    let text = cli.ok(&[args, &["-o", "jsonl"]].concat()).await;
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Gives up whatever waits in upkeep.
pub(crate) async fn bury(fleet: &TestFleet, count: u64) {
    use apalis_core::worker::{builder::WorkerBuilder, context::WorkerContext};
    let context = WorkerContext::new("undertaker");
    let options = queue::BackendOptions::new(QueueName::Upkeep, "undertaker", 4);
    let backend = StreamBackend::new(&fleet.queues, options).unwrap();
    let worker = WorkerBuilder::new(context.clone())
        .backend(backend)
        .build(|_: queue::Envelope| async { Outcome::GiveUp { reason: "beyond repair".to_owned() } });
    let task = tokio::spawn(worker.run());
    let dead = async {
        while fleet.producer.depth(QueueName::Upkeep).await.unwrap().dead < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(15), dead).await.unwrap();
    context.stop().unwrap();
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn jobs_are_listed_shown_hurried_and_called_off() {
    let fleet = fleet().await;
    let cli = Cli::of(&fleet, "jobs");
    let instance = fleet.instance.id;
    let first = enqueue(&fleet, Job::SyncDirectory { instance }).await;
    let second = enqueue(&fleet, Job::SyncIssue { instance, issue: IssueId(7) }).await;
    let late = Job::PollUpdates { instance, page: None };
    fleet.producer.enqueue_in(late, Duration::from_secs(3_600)).await.unwrap();

    let listed = rows(&cli, &["jobs", "list"]).await;
    assert_eq!(listed.len(), 3);
    assert!(listed.iter().all(|row| row["instance"] == "acme"), "{listed:?}");
    let upkeep = rows(&cli, &["jobs", "list", "--queue", "upkeep", "--kind", "sync_issue", "--instance", "acme"]).await;
    assert_eq!((upkeep.len(), upkeep[0]["id"].as_str()), (1, Some(second.as_str())));
    let delayed = rows(&cli, &["jobs", "list", "--state", "delayed"]).await;
    assert_eq!(delayed[0]["kind"], "poll_updates");
    let third = delayed[0]["id"].as_str().unwrap();
    let whole: Value = serde_json::from_str(&cli.ok(&["jobs", "list", "-o", "json"]).await).unwrap();
    assert_eq!(whole["schema"], "jirafleet.jobs/1");
    let shown = rows(&cli, &["jobs", "show", &second]).await;
    assert_eq!(shown[0]["payload"]["issue"], 7);

    cli.ok(&["jobs", "retry", third]).await;
    assert_eq!(rows(&cli, &["jobs", "show", third]).await[0]["state"], "waiting");
    assert!(cli.fails(4, &["jobs", "retry", third]).await.contains("waiting"));
    assert!(cli.fails(2, &["jobs", "discard", third]).await.contains("1 jobs"));
    cli.ok(&["jobs", "discard", third, "--yes"]).await;
    assert!(cli.fails(2, &["jobs", "cancel", &first]).await.contains("1 jobs"));
    cli.ok(&["jobs", "cancel", &first, "--yes"]).await;
    assert!(cli.fails(4, &["jobs", "cancel", &first, "--yes"]).await.contains("cancelled"));
    let nobody = uuid::Uuid::now_v7().to_string();
    assert!(cli.fails(3, &["jobs", "show", &nobody]).await.contains(&nobody));
    assert!(cli.fails(3, &["jobs", "cancel", &nobody, "--yes"]).await.contains("will not run"));
    cli.fails(2, &["jobs", "show", "not an id"]).await;
    cli.fails(2, &["jobs", "list", "--queue", "fast"]).await;
    cli.fails(3, &["jobs", "list", "--instance", "nowhere"]).await;
    let ended = rows(&cli, &["jobs", "list", "--state", "finished"]).await;
    let ended: Vec<_> = ended.iter().map(|row| (row["id"].as_str().unwrap(), row["state"].as_str().unwrap())).collect();
    assert!(ended.contains(&(first.as_str(), "cancelled")) && ended.contains(&(third, "cancelled")), "{ended:?}");
}

#[tokio::test]
async fn dead_letters_are_shown_replayed_and_discarded() {
    let fleet = fleet().await;
    let cli = Cli::of(&fleet, "dead");
    let instance = fleet.instance.id;
    let job = |issue| Job::SyncIssue { instance, issue: IssueId(issue) };
    let mut ids = Vec::new();
    for issue in 0..4 {
        ids.push(enqueue(&fleet, job(issue)).await);
    }
    bury(&fleet, 4).await;
    let listed = rows(&cli, &["dead", "list", "--kind", "sync_issue"]).await;
    assert_eq!(listed.len(), 4);
    assert!(listed.iter().all(|row| row["reason"] == "beyond repair" && row["attempts"] == 1), "{listed:?}");
    let letter = |place: usize| listed[place]["letter"].as_str().unwrap().to_owned();
    let shown = rows(&cli, &["dead", "show", &letter(0)]).await;
    assert_eq!((&shown[0]["payload"]["kind"], &shown[0]["worker"]), (&"sync_issue".into(), &"undertaker".into()));
    let of_job = rows(&cli, &["jobs", "show", listed[0]["job"].as_str().unwrap()]).await;
    assert_eq!(of_job[0]["error"], "beyond repair");

    let said = cli.run(&["dead", "replay", "--all", "--dry-run"]).await;
    assert!(String::from_utf8_lossy(&said.stderr).contains("4 dead letters would be replayed"));
    cli.ok(&["dead", "replay", &letter(0)]).await;
    cli.fails(3, &["dead", "replay", &letter(0)]).await;
    cli.ok(&["jobs", "retry", listed[1]["job"].as_str().unwrap()]).await;
    assert!(cli.fails(2, &["dead", "discard", "--all"]).await.contains("2 dead letters would be discarded"));
    let said = cli.run(&["dead", "discard", "--all", "--dry-run"]).await;
    assert!(said.status.success());
    cli.ok(&["dead", "discard", &letter(2), "--yes"]).await;
    cli.ok(&["dead", "replay", "--all", "--instance", "acme"]).await;
    assert!(rows(&cli, &["dead", "list"]).await.is_empty());
    let waiting = fleet.producer.jobs(QueueName::Upkeep, JobState::Waiting, None, 10).await.unwrap();
    assert_eq!(waiting.jobs.len(), 3, "replay never loses");
    cli.fails(2, &["dead", "discard"]).await;
    cli.fails(3, &["dead", "show", "0-1"]).await;
}

#[tokio::test]
async fn queues_are_paused_with_who_and_why() {
    let fleet = fleet().await;
    let cli = Cli::of(&fleet, "queue");
    enqueue(&fleet, Job::SyncDirectory { instance: fleet.instance.id }).await;
    cli.fails(2, &["queue", "pause", "bulk"]).await;
    cli.fails(2, &["queue", "pause", "--why", "no reason"]).await;
    cli.ok(&["queue", "pause", "bulk", "--why", "Jira moves", "--by", "ada"]).await;
    cli.ok(&["queue", "pause", "--instance", "acme", "--why", "their wish", "--by", "ada"]).await;
    let status = rows(&cli, &["queue", "status"]).await;
    let bulk = status.iter().find(|row| row["queue"] == "bulk").unwrap();
    assert_eq!(
        (&bulk["state"], &bulk["why"], &bulk["ready"]),
        (&"paused".into(), &"ada: Jira moves".into(), &1.into())
    );
    let pauses = rows(&cli, &["queue", "pauses"]).await;
    let named: Vec<_> = pauses.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(named, ["bulk", "acme"]);
    cli.ok(&["queue", "resume", "bulk"]).await;
    cli.ok(&["queue", "resume", "--instance", "acme"]).await;
    assert!(rows(&cli, &["queue", "pauses"]).await.is_empty());
    let table = cli.ok(&["queue", "status", "-o", "csv"]).await;
    assert!(table.lines().any(|line| line.contains("bulk")) && table.contains("active"), "{table}");
}
