//! `jirafleet doctor`: everything that has to be right, looked at once; of whatever is not: what was found, why that
//! matters, what to do next.
//!
//! Nothing is changed. What cannot be looked at because something before it is wrong is skipped, and says so.

mod database;
mod finding;
mod fleet;
mod machine;
mod places;
mod redis_server;
mod sites;

use clap::Args as ClapArgs;
use jira::{Budgets, Clients};
use queue::Producer;
use store::Store;

use self::{
    finding::{Finding, State},
    places::Places,
};
use crate::{
    config::{Resolved, Surroundings},
    exit::{self, Failed},
    output::{self, Format, say},
};

/// Connections to PostgreSQL.
const CONNECTIONS: u32 = 4;

#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Only this instance, of all that are registered.
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,
    /// Take warnings for failures.
    #[arg(long)]
    strict: bool,
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    places: Places,
    #[command(flatten)]
    surroundings: Surroundings,
}

/// What the later checks are made with, as far as it could be opened.
#[derive(Clone)]
struct Patient {
    store: Option<Store>,
    producer: Option<Producer>,
    budgets: Option<Budgets>,
    clients: Option<Clients>,
}

pub(crate) async fn run(args: Args) -> Result<(), Failed> {
    let resolved = args.surroundings.resolve()?;
    let mut findings = machine::look(&resolved);
    findings.extend(args.places.look().await);
    let (database, is_fit) = database::look(&resolved).await;
    findings.extend(database);
    let (redis, producer) = redis_server::look(&resolved).await;
    findings.extend(redis);
    let (key, store) = database::open(&resolved, is_fit).await;
    findings.extend(key);
    let patient = Patient::new(&resolved, store, producer).await;
    findings.extend(args.places.issuers(patient.store.as_ref(), &resolved.sites.insecure).await);
    findings.extend(fleet::look(&patient).await);
    findings.extend(sites::look(&patient, args.instance.as_deref()).await?);
    print(args.output, &findings)?;
    verdict(&findings, args.strict)
}

impl Patient {
    async fn new(resolved: &Resolved, store: Option<Store>, producer: Option<Producer>) -> Self {
        let budgets = match &producer {
            Some(_) => Budgets::connect(&resolved.redis_url, &resolved.redis_prefix).await.ok(),
            None => None,
        };
        let clients = budgets.clone().map(|budgets| Clients::new(budgets).with_atlassian(resolved.atlassian.clone()));
        Self { store, producer, budgets, clients }
    }
}

fn print(output: Format, findings: &[Finding]) -> Result<(), Failed> {
    if !matches!(output, Format::Table | Format::Wide) {
        return output::print(output, findings);
    }
    let width = findings.iter().map(|finding| finding.title().len()).max().unwrap_or_default();
    for finding in findings {
        output::line(format_args!("{:<7}  {:<width$}  {}", finding.state.name(), finding.title(), finding.found))?;
        for (word, text) in [("why", &finding.why), ("next", &finding.next)] {
            if let Some(text) = text {
                output::line(format_args!("{:>9}{word}: {text}", ""))?;
            }
        }
    }
    Ok(())
}

fn verdict(findings: &[Finding], strict: bool) -> Result<(), Failed> {
    let count = |state| findings.iter().filter(|finding| finding.state == state).count();
    let (failures, warnings, skipped) = (count(State::Failure), count(State::Warning), count(State::Skipped));
    let many = |count, what| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let told = format!(
        "{}: {} ok, {}, {}, {skipped} skipped",
        many(findings.len(), "check"),
        count(State::Ok),
        many(warnings, "warning"),
        many(failures, "failure")
    );
    if failures > 0 || (strict && warnings > 0) {
        return Err(Failed::new(exit::FAILURE, format!("{told}: do what stands behind `next`, then look again")));
    }
    say!("{told}");
    Ok(())
}
