//! `jirafleet migrate up|down|status`.

use clap::{Args as ClapArgs, Subcommand};
use migration::Steps;
use serde::Serialize;

use crate::{
    config::Surroundings,
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
    Up,
    /// Undo the newest migrations.
    Down {
        /// How many.
        #[arg(long, default_value_t = 1)]
        steps: u32,
        /// Do not ask: the data of what is undone is lost.
        #[arg(long)]
        yes: bool,
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

pub(crate) async fn run(args: Args) -> Result<(), Failed> {
    let url = args.surroundings.owner_database()?;
    let away = |error: migration::Error| args.surroundings.explain(&url, error);
    match args.what {
        What::Up => {
            migration::up(&url).await.map_err(away)?;
            say!("the schema is up to date");
        }
        What::Down { steps, yes } => {
            if !yes {
                return Err(Failed::new(
                    crate::exit::USAGE,
                    format!("undoing {steps} migration(s) destroys their tables' data: add --yes if that is meant"),
                ));
            }
            migration::down(&url, Steps::Newest(steps)).await.map_err(away)?;
            say!("{steps} migration(s) undone");
        }
        What::Status { output } => {
            let rows: Vec<Row> = migration::status(&url)
                .await
                .map_err(away)?
                .into_iter()
                .map(|step| Row { migration: step.name, applied: step.applied })
                .collect();
            output::print(output, "jirafleet.migrations/1", &rows)?;
        }
    }
    Ok(())
}
