//! REST at 1,000,000 issues in twenty tenants: `bench rest [--seconds N] [--only requests|paging]`.
//!
//! The real api with its default settings but for the limits per key and tenant, its cache in the Redis beside it; the load
//! comes from wrk on the same machine. The reference is a Jira that is asked through a plain proxy, on the same machine and
//! without the 50 ms and more of the way to the real one.

mod paging;
mod proxy;
mod wrk;

use std::{process::ExitCode, time::Duration};

use chrono::TimeDelta;
use clap::Args;
use domain::{
    AccountId, Scope,
    search::{Counting, IssueFilter, Limit, Listed, PageRequest, Question},
};
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus, seq::IndexedRandom};
use store::NewApiKey;
use tests::ApiProcess;

use crate::{
    folder,
    report::{Found, Report, Row},
    store::million::{DATABASE, Million, TENANTS},
};
use wrk::{Load, Wish};

/// How much is measured.
#[derive(Args)]
pub(crate) struct Options {
    /// For how long each kind of question is asked.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Only this part: `requests` or `paging`.
    #[arg(long)]
    only: Option<String>,
}

/// Issues that many people look at: they are in the cache after a moment.
const HOT: usize = 2_000;
/// Issues of each project, of which each tenant has ten.
const OF_A_PROJECT: u32 = 5_000;
/// Connections that ask, one question at a time each: as many as keep both cores busy, and for searches, which PostgreSQL
/// answers one on each core, as many as need not wait for each other.
const CONNECTIONS: usize = 8;
const SEARCHERS: usize = 2;

pub(crate) async fn run(options: &Options) -> ExitCode {
    let mut report = Report::new("rest");
    let million = Million::open(&folder()).await;
    let queues =
        queue::Config { url: million.server.redis_url(), prefix: format!("bench-rest-{}", std::process::id()) };
    let unlimited = ["--rate-per-key", "100000000", "--rate-per-tenant", "100000000"];
    let api = ApiProcess::beside(&million.server.app_url(DATABASE), &queues, &unlimited).await;
    let tokens = tokens(&million).await;
    let wants = |part: &str| options.only.as_deref().is_none_or(|only| only == part);
    if wants("requests") {
        let load = Load { at: api.address, connections: CONNECTIONS, lasts: Duration::from_secs(options.seconds) };
        measure_requests(&load, &million, &tokens, &mut report).await;
    }
    if wants("paging") {
        paging::measure(api.address, &million, &tokens, &mut report).await;
    }
    api.kill();
    million.close().await;
    report.publish(&folder())
}

fn add(
    report: &mut Report,
    case: &str,
    subject: &'static str,
    (unit, better): (&'static str, &'static str),
    figure: f64,
) {
    eprintln!("  {case} {subject}: {figure:.1} {unit}");
    report.rows.push(Row { case: case.to_owned(), subject, found: Found::of(vec![figure], unit, better) });
}

/// A key of each tenant.
async fn tokens(million: &Million) -> Vec<String> {
    let mut tokens = Vec::with_capacity(TENANTS);
    for (tenant, _) in &million.tenants {
        // The rows stay from run to run; their keys need not.
        let _ = tenant.revoke_api_key("bench").await;
        let new = NewApiKey {
            name: "bench".to_owned(),
            environment: "bench".to_owned(),
            scopes: vec![Scope::ReadIssues],
            networks: Vec::new(),
            expires_at: None,
        };
        let (_, token) = tenant.create_api_key(new).await.expect("a key is made");
        tokens.push(token.expose().to_owned());
    }
    tokens
}

async fn measure_requests(load: &Load, million: &Million, tokens: &[String], report: &mut Report) {
    let mut dice = Xoshiro256PlusPlus::seed_from_u64(1);
    let sample = sample(million).await;
    let mut issue = |_: usize| {
        let project = sample.choose(&mut dice).expect("there are issues").issue.key.project().to_string();
        let number = dice.random_range(1..=OF_A_PROJECT);
        Wish {
            token: tokens.choose(&mut dice).cloned().expect("keys"),
            path: format!("/api/v1/issues/{project}-{number}"),
        }
    };
    let hot: Vec<Wish> = (0..HOT).map(&mut issue).collect();
    let cold: Vec<Wish> = (0..HOT * 100).map(&mut issue).collect();
    let searches: Vec<Wish> = (0..2_000).map(|_| search(&sample, tokens, &mut dice)).collect();
    // Four looks at an issue for each search.
    let mixed: Vec<Wish> = hot.iter().chain(&hot).chain(&hot).chain(&hot).chain(&searches).cloned().collect();
    for (case, wishes) in [
        ("get_issue_cold", &cold),
        ("get_issue_warm_up", &hot),
        ("get_issue", &hot),
        ("search", &searches),
        ("mixed", &mixed),
    ] {
        eprintln!("{case} ..");
        let connections = if case == "search" { SEARCHERS } else { CONNECTIONS };
        let told = Load { connections, ..*load }.run(wishes).await;
        tell(report, case, "jirafleet", told);
    }
    eprintln!("reading a simulated Jira through a proxy ..");
    let told = proxy::measure(load).await;
    tell(report, "get_issue", "proxy", told);
}

fn tell(report: &mut Report, case: &str, subject: &'static str, told: Result<wrk::Told, String>) {
    match told {
        Ok(told) => {
            add(report, &format!("{case}_per_s"), subject, ("requests/s", "higher"), told.per_second);
            for (percent, ms) in [(50, told.p50_ms), (95, told.p95_ms), (99, told.p99_ms)] {
                add(report, &format!("{case}_p{percent}_ms"), subject, ("ms", "lower"), ms);
            }
        }
        Err(missing) => {
            report.rows.push(Row { case: format!("{case}_per_s"), subject, found: Found::Missing { missing } });
        }
    }
}

/// All tenants have the same issues: what one names, all know.
async fn sample(million: &Million) -> Vec<Listed> {
    let question = Question::of_filter(&IssueFilter::default(), &[]).expect("a good filter");
    let limit = Limit::new(Limit::MOST).expect("a limit");
    let request = PageRequest { limit, after: None, counting: Counting::Skipped };
    million.tenants[0].0.issues().search(&question, &request).await.expect("an answer").items
}

/// The forms that `bench store` asks for: two or three fields, as people fill them in, or a word.
fn search(sample: &[Listed], tokens: &[String], dice: &mut Xoshiro256PlusPlus) -> Wish {
    let (one, other) = (&sample.choose(dice).expect("issues").issue, &sample.choose(dice).expect("issues").issue);
    let from = one.created_at - TimeDelta::days(dice.random_range(0..300));
    let month = [("from", from), ("before", from + TimeDelta::days(30))];
    let month = |what: &str| month.map(|(end, at)| (format!("{what}_{end}"), at.to_rfc3339())).to_vec();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let project = pair("project", one.key.project().as_str());
    let status = pair("status", &other.status.name);
    let person = |name: &str, of: &Option<AccountId>| pair(name, of.as_ref().map_or("none", |account| &account.0));
    let question = match dice.random_range(0..7) {
        0 => vec![project, status],
        1 => vec![person("assignee", &one.assignee), pair("resolution", "none")],
        2 => {
            vec![pair("label", other.labels.first().map_or("none", String::as_str)), pair("type", &one.issue_type.name)]
        }
        3 => [vec![project], month("updated")].concat(),
        4 => vec![person("reporter", &one.reporter), status],
        5 => [vec![project, pair("category", other.status.category.name())], month("created")].concat(),
        _ => vec![project, pair("text", "invoice")],
    };
    let address = reqwest::Url::parse_with_params("http://x/api/v1/issues", question).expect("an address");
    let path = format!("{}?{}", address.path(), address.query().unwrap_or_default());
    Wish { token: tokens.choose(dice).cloned().expect("keys"), path }
}
