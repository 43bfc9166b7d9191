//! What the store can do beside plain SQL: `bench store [--rounds N] [--only load|million]`.
//!
//! Loading and reading again, against an UNNEST upsert with every usual index and against COPY into bare tables, in alternating
//! rounds; then reading at 1,000,000 issues.

mod copy;
mod load;
pub(crate) mod million;
mod pages;
mod reads;
pub(crate) mod server;
mod unnest;

use std::{collections::BTreeMap, process::ExitCode};

use clap::Args;

use crate::{
    folder,
    measure::percentile_ms,
    report::{Found, Report, Row},
};
use load::{Ours, Subject};
use million::Million;
use pages::Pages;
use reads::{Kind, Reader};
use server::Server;

/// How much is measured.
#[derive(Args)]
pub(crate) struct Options {
    /// Rounds of loading and reading again.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Only this part: `load` or `million`.
    #[arg(long)]
    only: Option<String>,
    /// Only this subject of the loads.
    #[arg(long)]
    subject: Option<String>,
}

impl Options {
    fn wants(&self, part: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == part)
    }
}

/// Figures by case, subject, unit and what is better.
#[derive(Default)]
struct Samples(BTreeMap<(&'static str, &'static str, &'static str, &'static str), Vec<f64>>);

impl Samples {
    fn add(
        &mut self,
        case: &'static str,
        subject: &'static str,
        (unit, better): (&'static str, &'static str),
        figure: f64,
    ) {
        eprintln!("  {case} {subject}: {figure:.1} {unit}");
        self.0.entry((case, subject, unit, better)).or_default().push(figure);
    }

    fn of(&self, case: &str, subject: &str) -> &[f64] {
        let found = self.0.iter().find(|((c, s, ..), _)| *c == case && *s == subject);
        found.map_or(&[], |(_, figures)| figures)
    }

    /// How many times as fast one is as the other: the median of what each round says, since the machine may be another in
    /// the next.
    fn ratio(&self, (case, subject): (&str, &str), (other_case, other): (&str, &str), bar: f64) {
        let rounds = self.of(case, subject).iter().zip(self.of(other_case, other));
        let ratios: Vec<f64> = rounds.map(|(ours, theirs)| ours / theirs).collect();
        if ratios.is_empty() {
            return;
        }
        if let Found::Figures { median, min, max, .. } = Found::of(ratios, "", "higher") {
            let holds = if median >= bar { "holds" } else { "missed" };
            let found = format!("{median:.2}, rounds {min:.2} to {max:.2}");
            println!("{case} {subject} / {other_case} {other}: {found} (asked for: {bar}; {holds})");
        }
    }
}

const RATE: (&str, &str) = ("issues/s", "higher");
const LOG: (&str, &str) = ("MB", "lower");
const LOADS: [(&str, &str, usize); 2] =
    [("load_20k", "load_20k_wal_mb", 1), ("load_20k_two_writers", "load_20k_two_writers_wal_mb", 2)];

pub(crate) async fn run(options: &Options) -> ExitCode {
    let mut samples = Samples::default();
    if options.wants("load") {
        measure_loads(options, &mut samples).await;
    }
    if options.wants("million") {
        measure_reads(options, &mut samples).await;
    }
    let mut report = Report::new("store");
    for ((case, subject, unit, better), figures) in &samples.0 {
        let found = Found::of(figures.clone(), unit, better);
        report.rows.push(Row { case: (*case).to_owned(), subject, found });
    }
    let published = report.publish(&folder());
    ratios(&samples);
    published
}

async fn measure_loads(options: &Options, samples: &mut Samples) {
    let (server, pages) = (Server::fresh().await, Pages::make());
    println!("{} issues, {} bytes each, in pages of {}", pages::ISSUES, pages.bytes(), pages::PAGE);
    let subjects = Subject::ALL.into_iter();
    let subjects: Vec<Subject> =
        subjects.filter(|subject| options.subject.as_deref().is_none_or(|only| only == subject.name())).collect();
    for round in 1..=options.rounds {
        eprintln!("round {round} of {}", options.rounds);
        for (case, log, writers) in LOADS {
            // Ours stands next to what it is compared with: behind the others with one writer, then before them with two.
            let turns: Vec<&Subject> =
                if writers == 1 { subjects.iter().collect() } else { subjects.iter().rev().collect() };
            for subject in turns {
                let loaded = subject.load(&server, &pages, writers).await;
                samples.add(case, subject.name(), RATE, loaded.rate);
                samples.add(log, subject.name(), LOG, loaded.logged_mb);
            }
        }
        let reread = Ours::reread(&server, &pages).await;
        samples.add("reread_20k", "jirafleet", RATE, reread.rate);
        samples.add("reread_20k_wal_bytes", "jirafleet", ("B", "lower"), reread.logged);
        samples.add("reread_20k_seen_later", "jirafleet", RATE, reread.later);
    }
    server.stop().await;
}

const MS: (&str, &str) = ("ms", "lower");
const PERCENT: (&str, &str) = ("%", "lower");
/// Figures of one kind of question: the median, the 95th percentile, and what policies cost.
const QUESTIONS: [(Kind, &str, &str, &str); 3] = [
    (Kind::ByKey, "by_key_p50_ms", "by_key_p95_ms", "rls_cost_percent"),
    (Kind::Search, "search_p50_ms", "search_p95_ms", "rls_cost_search_percent"),
    (Kind::Text, "text_search_p50_ms", "text_search_p95_ms", "rls_cost_text_search_percent"),
];
/// Rounds of a comparison with and without policies.
const COMPARISONS: u64 = 60;

async fn measure_reads(options: &Options, samples: &mut Samples) {
    let million = Million::open(&folder()).await;
    let mut reader = Reader::new(&million).await;
    for round in 1..=options.rounds {
        eprintln!("round {round} of {}", options.rounds);
        for (kind, p50, p95, _) in QUESTIONS {
            let mut waits = reader.ask(kind, u64::from(round)).await;
            samples.add(p50, "jirafleet", MS, percentile_ms(&mut waits, 50));
            samples.add(p95, "jirafleet", MS, percentile_ms(&mut waits, 95));
        }
        let (mut first, mut deep) = reader.ask_deep().await;
        samples.add("first_page_p95_ms", "jirafleet", MS, percentile_ms(&mut first, 95));
        samples.add("deep_page_p95_ms", "jirafleet", MS, percentile_ms(&mut deep, 95));
    }
    for (kind, _, _, cost) in QUESTIONS {
        samples.add(cost, "jirafleet", PERCENT, reader.cost_of_policies(kind, COMPARISONS).await);
    }
    million.close().await;
}

fn ratios(samples: &Samples) {
    samples.ratio(("load_20k", "jirafleet"), ("load_20k", "unnest"), 1.4);
    samples.ratio(("load_20k", "jirafleet"), ("load_20k", "copy"), 0.5);
    samples.ratio(("load_20k_two_writers", "jirafleet"), ("load_20k", "jirafleet"), 1.6);
    samples.ratio(("load_20k_two_writers", "unnest"), ("load_20k", "unnest"), 1.0);
}
