//! The references in other languages: fetched from PyPI and npm into a scratch folder, once; missing where that fails.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{process::Command, time::timeout};

/// How long fetching one of them may take.
const INSTALL: Duration = Duration::from_secs(120);

const CELERY: &str = include_str!("celery_subject.py");
const BULLMQ: &str = include_str!("bullmq_subject.mjs");

/// A reference that can be run: program, script, folder.
#[derive(Clone, Debug)]
pub(crate) struct Foreign {
    program: PathBuf,
    script: &'static str,
    folder: PathBuf,
}

impl Foreign {
    pub(crate) fn command(&self, task: &str, url: &str, size: usize) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(self.script).arg(task).arg(size.to_string()).current_dir(&self.folder);
        command.env("BENCH_REDIS_URL", url).stderr(Stdio::null());
        command
    }
}

/// Celery with its Redis client, in a virtual environment.
pub(crate) async fn celery(scratch: &Path) -> Result<Foreign, String> {
    let folder = made(scratch, "celery", "celery_subject.py", CELERY)?;
    let python = folder.join("bin/python");
    if !folder.join("bin/celery").exists() {
        run(Command::new("python3").args(["-m", "venv", "."]), &folder).await?;
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "celery[redis]"]), &folder).await?;
    }
    Ok(Foreign { program: python, script: "celery_subject.py", folder })
}

/// BullMQ with its Redis client.
pub(crate) async fn bullmq(scratch: &Path) -> Result<Foreign, String> {
    let folder = made(scratch, "bullmq", "bullmq_subject.mjs", BULLMQ)?;
    if !folder.join("node_modules/bullmq").exists() || !folder.join("node_modules/ioredis").exists() {
        let install = ["install", "--silent", "--no-audit", "--no-fund", "--prefix", ".", "bullmq", "ioredis"];
        run(Command::new("npm").args(install), &folder).await?;
    }
    Ok(Foreign { program: "node".into(), script: "bullmq_subject.mjs", folder })
}

fn made(scratch: &Path, name: &str, script: &str, text: &str) -> Result<PathBuf, String> {
    let folder = scratch.join(name);
    let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(folder.join(script), text));
    written.and_then(|()| folder.canonicalize()).map_err(|error| format!("no scratch folder: {error}"))
}

async fn run(command: &mut Command, folder: &Path) -> Result<(), String> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    match timeout(INSTALL, command.output()).await {
        Ok(Ok(output)) if output.status.success() => Ok(()),
        Ok(Ok(output)) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!("could not be installed: {name}: {}", said.lines().last().unwrap_or("no reason given")))
        }
        Ok(Err(error)) => Err(format!("could not be installed: {name}: {error}")),
        Err(_) => Err(format!("could not be installed within {} s", INSTALL.as_secs())),
    }
}
