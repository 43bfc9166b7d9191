//! The examples of docs/api.md, run as they stand there.

use std::process::Stdio;

use simulator::Status;
use tokio::process::Command;

use super::Desk;

const PAGE: &str = include_str!("../../../docs/api.md");

/// Every block of shell that asks the api for something.
fn blocks() -> Vec<&'static str> {
    let blocks = PAGE.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.filter(|block| block.contains("curl")).collect()
}

#[tokio::test]
async fn every_example_does_what_it_says() {
    let desk = Desk::open().await;
    desk.fleet.jira().edit("ACME-7", |issue| issue.status = Status::ToDo).unwrap();
    desk.fleet.drain().await;
    let blocks = blocks();
    assert!(blocks.len() >= 3, "{blocks:?}");
    let operations =
        api::openapi()["paths"].as_object().unwrap().values().map(|it| it.as_object().unwrap().len()).sum();
    let asked: usize = blocks.iter().map(|block| block.matches("curl ").count()).sum();
    assert!(asked >= operations, "{operations} operations, and {asked} examples");
    for block in blocks {
        // A refusal ends the block, and what was said of it is shown.
        let script = format!(
            "set -eu -o pipefail\ncurl() {{ command curl -sS --fail-with-body --max-time 20 \"$@\"; }}\n{block}"
        );
        let done = Command::new("bash")
            .args(["-c", &script])
            .env("API", desk.url(""))
            .env("AUTH", format!("Authorization: Bearer {}", desk.key.expose()))
            .stdin(Stdio::null())
            .output()
            .await
            .expect("bash and curl are installed");
        let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(done.status.success(), "{block}\n{out}\n{err}");
    }
    desk.fleet.drain().await;
    desk.fleet.assert_mirror_equals_jira().await;
}
