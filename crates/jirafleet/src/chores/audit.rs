//! `jirafleet audit query|verify`.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use clap::{Args as ClapArgs, Subcommand};
use domain::Tenant;
use serde::Serialize;
use store::{AuditEntry, AuditFilter, Verified};

use super::{instance, tenant};
use crate::{
    choices,
    config::Surroundings,
    exit::{self, Failed},
    output::{self, Format, say},
    wire_up::House,
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
    /// List what was done, newest first.
    Query(Query),
    /// Check that no row was changed or taken out; exit 1 when one was.
    Verify {
        /// Only this tenant's log.
        #[arg(long)]
        tenant: Option<String>,
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
}

#[derive(ClapArgs)]
struct Query {
    /// Whose log.
    #[arg(long)]
    tenant: String,
    /// From this day on, such as 2026-02-03 (UTC).
    #[arg(long, value_name = "DATE", value_parser = choices::day)]
    since: Option<NaiveDate>,
    /// Up to the end of this day (UTC).
    #[arg(long, value_name = "DATE", value_parser = choices::day)]
    until: Option<NaiveDate>,
    /// By whom: the actor's id.
    #[arg(long, value_name = "ID")]
    actor: Option<String>,
    /// What was done: an action such as instance.pause, or its first word.
    #[arg(long)]
    action: Option<String>,
    /// What it was done to: a name, an issue's key.
    #[arg(long)]
    target: Option<String>,
    /// On which instance.
    #[arg(long)]
    instance: Option<String>,
    /// At most so many rows.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Only rows before this one: the last of the page before.
    #[arg(long, value_name = "SEQ")]
    before: Option<i64>,
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Serialize)]
struct Row {
    seq: i64,
    at: String,
    actor: String,
    action: String,
    target: Option<String>,
    outcome: String,
    details: String,
    instance: Option<String>,
    request_id: Option<String>,
    trace_id: Option<String>,
    id: String,
    completes: Option<String>,
}

impl output::Row for Row {
    const SCHEMA: &'static str = "jirafleet.audit/1";
    const WIDE: &'static [&'static str] = &["instance", "request_id", "trace_id", "id", "completes"];
}

#[derive(Serialize)]
struct Check {
    tenant: String,
    rows: Option<i64>,
    broken_at: Option<i64>,
    why: Option<&'static str>,
}

impl output::Row for Check {
    const SCHEMA: &'static str = "jirafleet.audit_verify/1";
}

pub(crate) async fn run(args: Args) -> Result<(), Failed> {
    let house = House::open(&args.surroundings.resolve()?, 2).await?;
    match args.what {
        What::Query(query) => list(&house, query).await,
        What::Verify { tenant, output } => verify(&house, tenant.as_deref(), output).await,
    }
}

async fn list(house: &House, query: Query) -> Result<(), Failed> {
    let tenant = tenant::find(house, &query.tenant).await?;
    let instance = match &query.instance {
        Some(name) => Some(instance::find(house, name).await?.id),
        None => None,
    };
    let filter = AuditFilter {
        since: query.since.map(midnight),
        until: query.until.and_then(|day| day.checked_add_days(Days::new(1))).map(midnight),
        actor: query.actor,
        action: query.action,
        target: query.target,
        instance,
        before: query.before,
    };
    let entries = house.tenant(tenant.id).audit(&filter, query.limit).await?;
    let more = u32::try_from(entries.len()).is_ok_and(|count| count == query.limit);
    let last = entries.last().map(|entry| entry.seq);
    let rows: Vec<Row> = entries.into_iter().map(row).collect();
    output::print(query.output, &rows)?;
    if let Some(last) = last.filter(|_| more) {
        say!("Next: the same with --before {last}");
    }
    Ok(())
}

async fn verify(house: &House, name: Option<&str>, output: Format) -> Result<(), Failed> {
    let tenants: Vec<Tenant> = match name {
        Some(name) => vec![tenant::find(house, name).await?],
        None => house.store.system().tenants().await?,
    };
    let mut checks = Vec::with_capacity(tenants.len());
    for tenant in tenants {
        let checked = house.tenant(tenant.id).audit_verify().await?;
        checks.push(match checked {
            Verified::Whole { lines } => Check { tenant: tenant.name, rows: Some(lines), broken_at: None, why: None },
            Verified::Broken { seq, why } => {
                Check { tenant: tenant.name, rows: None, broken_at: Some(seq), why: Some(why) }
            }
        });
    }
    output::print(output, &checks)?;
    let broken = checks.iter().find_map(|check| Some((&check.tenant, check.broken_at?, check.why?)));
    match broken {
        None => Ok(()),
        Some((tenant, seq, why)) => Err(Failed::new(
            exit::FAILURE,
            format!("the audit log of {tenant} is broken at row {seq}: {why}. Compare it with a backup"),
        )),
    }
}

fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}

fn row(entry: AuditEntry) -> Row {
    let details = entry.details.iter().map(|(name, value)| format!("{name}={value}"));
    Row {
        seq: entry.seq,
        at: output::instant(entry.at),
        actor: format!("{}:{}", entry.actor_kind, entry.actor_id),
        action: entry.action,
        target: entry.target,
        outcome: entry.outcome,
        details: details.collect::<Vec<_>>().join(" "),
        instance: entry.instance.map(|instance| instance.to_string()),
        request_id: entry.request_id,
        trace_id: entry.trace_id,
        id: entry.id.to_string(),
        completes: entry.begun.map(|begun| begun.to_string()),
    }
}
