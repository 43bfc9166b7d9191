//! The figures of a run: a table for people, and the file that is compared from run to run.

use std::{path::Path, process::ExitCode};

use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct Report {
    schema: &'static str,
    name: &'static str,
    machine: String,
    pub(crate) rows: Vec<Row>,
}

/// One subject in one case.
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) case: String,
    pub(crate) subject: &'static str,
    #[serde(flatten)]
    pub(crate) found: Found,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Found {
    Figures { unit: &'static str, better: &'static str, median: f64, min: f64, max: f64, rounds: usize },
    Missing { missing: String },
}

impl Found {
    /// Of at least one sample.
    pub(crate) fn of(mut samples: Vec<f64>, unit: &'static str, better: &'static str) -> Self {
        samples.sort_unstable_by(f64::total_cmp);
        let (middle, rounds) = (samples.len() / 2, samples.len());
        let is_even = rounds.is_multiple_of(2);
        let median = if is_even { f64::midpoint(samples[middle - 1], samples[middle]) } else { samples[middle] };
        Self::Figures { unit, better, median, min: samples[0], max: samples[rounds - 1], rounds }
    }
}

impl Report {
    pub(crate) fn new(name: &'static str) -> Self {
        let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
        let machine = format!("{cores} cores, {} {}", std::env::consts::OS, std::env::consts::ARCH);
        Self { schema: "jirafleet.bench/1", name, machine, rows: Vec::new() }
    }

    /// The table to standard output, the figures into the folder.
    pub(crate) fn publish(&self, folder: &Path) -> ExitCode {
        println!("{}", self.table());
        match self.write(folder) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("the figures could not be written to {}: {error}", folder.display());
                ExitCode::FAILURE
            }
        }
    }

    fn write(&self, folder: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        let text = serde_json::to_string_pretty(self).map_err(std::io::Error::other)?;
        std::fs::write(folder.join(self.name).with_extension("json"), text + "\n")
    }

    fn table(&self) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        table.set_header(["case", "subject", "median", "min", "max", "unit", "rounds"]);
        for row in &self.rows {
            let (case, subject) = (row.case.clone(), row.subject.to_owned());
            table.add_row(match &row.found {
                Found::Figures { unit, median, min, max, rounds, .. } => {
                    let [median, min, max] = [median, min, max].map(|figure| short(*figure));
                    [case, subject, median, min, max, (*unit).to_owned(), rounds.to_string()]
                }
                Found::Missing { missing } => {
                    let none = String::new;
                    [case, subject, format!("missing: {missing}"), none(), none(), none(), none()]
                }
            });
        }
        table.to_string()
    }
}

/// Three digits or more, and no more than needed.
fn short(figure: f64) -> String {
    match figure.abs() {
        100.0.. => format!("{figure:.0}"),
        10.0.. => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}
