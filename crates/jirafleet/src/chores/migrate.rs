//! `jirafleet migrate up|down|status`.

use clap::{Args as ClapArgs, Subcommand};
use migration::Steps;
use serde::Serialize;

use crate::{
    config::Surroundings,
    consent::Consent,
    exit::Failed,
    output::{self, Format, say},
};

#[derive(ClapArgs)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    surroundings: Surroundings,
}

#[derive(Subcommand)]
enum What {
    /// Apply what is missing.
    Up {
        /// Say what would be applied, and do nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Undo the newest migrations.
    Down {
        /// How many.
        #[arg(long, default_value_t = 1)]
        steps: u32,
        #[command(flatten)]
        consent: Consent,
    },
    /// Show which migrations are applied.
    Status {
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
}

#[derive(Serialize)]
struct Row {
    migration: String,
    applied: bool,
}

impl output::Row for Row {
    const SCHEMA: &'static str = "jirafleet.migrations/1";
}

pub(crate) async fn run(args: Args) -> Result<(), Failed> {
    let url = args.surroundings.owner_database()?;
    let away = |error: migration::Error| args.surroundings.explain(&url, error);
    match args.what {
        What::Up { dry_run: true } => {
            let steps = migration::status(&url).await.map_err(away)?;
            let missing: Vec<String> = steps.into_iter().filter(|step| !step.applied).map(|step| step.name).collect();
            say!("{} steps would be applied: {}; nothing was done", missing.len(), listed(&missing));
        }
        What::Up { dry_run: false } => {
            migration::up(&url).await.map_err(away)?;
            say!("the schema is up to date");
        }
        What::Down { steps, consent } => {
            let applied = migration::status(&url).await.map_err(away)?.into_iter().filter(|step| step.applied);
            let newest: Vec<String> = applied.rev().take(steps as usize).map(|step| step.name).collect();
            let count = newest.len();
            if !consent.to(&format!("{count} steps and what their tables hold would be gone: {}", listed(&newest)))? {
                return Ok(());
            }
            migration::down(&url, Steps::Newest(steps)).await.map_err(away)?;
            say!("{count} steps are undone");
        }
        What::Status { output } => {
            let rows: Vec<Row> = migration::status(&url)
                .await
                .map_err(away)?
                .into_iter()
                .map(|step| Row { migration: step.name, applied: step.applied })
                .collect();
            output::print(output, &rows)?;
        }
    }
    Ok(())
}

fn listed(steps: &[String]) -> String {
    if steps.is_empty() { "none".to_owned() } else { steps.join(", ") }
}
