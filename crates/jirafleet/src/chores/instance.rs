//! `jirafleet instance add|list|show|test|pause|resume|rotate-token|remove`.

pub(super) mod add;
mod auth;

use std::path::{Path, PathBuf};

use chrono::SecondsFormat;
use clap::{Args as ClapArgs, Subcommand};
use domain::{Instance, InstanceState};
use serde::Serialize;
use store::Credentials;

use self::auth::{Given, Unproven, who_am_i};
use crate::{
    config::Surroundings,
    consent::Consent,
    exit::{self, Failed},
    nearest,
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
    /// Register a Jira Cloud site.
    Add(add::Add),
    /// List all instances.
    List {
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// Show one instance.
    Show {
        name: String,
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// Ask Jira who we are there.
    Test { name: String },
    /// Stop all work for an instance; its mirror stays.
    Pause { name: String },
    /// Work for a paused or suspended instance again.
    Resume { name: String },
    /// Replace Jira's API token, or the tokens of an OAuth app.
    RotateToken {
        name: String,
        /// A file that holds the new API token; `-` reads standard input.
        #[arg(long, value_name = "FILE", conflicts_with_all = ["client_secret_file", "refresh_token_file", "code_file"])]
        token_file: Option<PathBuf>,
        #[command(flatten)]
        given: Given,
    },
    /// Forget an instance and its whole mirror.
    Remove {
        name: String,
        #[command(flatten)]
        consent: Consent,
    },
}

#[derive(Serialize)]
struct Row {
    name: String,
    tenant: String,
    site: String,
    state: &'static str,
    reason: Option<String>,
    poll_interval_s: u64,
    requests_per_minute: u32,
    id: String,
}

impl output::Row for Row {
    const SCHEMA: &'static str = "jirafleet.instances/1";
    const WIDE: &'static [&'static str] = &["poll_interval_s", "requests_per_minute", "id"];
}

pub(crate) async fn run(args: Args) -> Result<(), Failed> {
    let resolved = args.surroundings.resolve()?;
    // What contradicts itself is refused before any server is asked for.
    if let What::Add(add) = &args.what {
        add.check(&resolved)?;
    }
    let house = House::open(&resolved, 2).await?;
    match args.what {
        What::Add(add) => add::register(&house, &resolved, add).await,
        What::List { output } => print(&house, output, house.store.system().instances().await?).await,
        What::Show { name, output } => show(&house, output, find(&house, &name).await?).await,
        What::Test { name } => test(&house, &find(&house, &name).await?).await,
        What::Pause { name } => pause(&house, &find(&house, &name).await?).await,
        What::Resume { name } => resume(&house, &find(&house, &name).await?).await,
        What::RotateToken { name, token_file, given } => {
            rotate(&house, &find(&house, &name).await?, token_file.as_deref(), &given).await
        }
        What::Remove { name, consent } => remove(&house, &find(&house, &name).await?, consent).await,
    }
}

/// The instance of this name, or a refusal that says what to type.
pub(crate) async fn find(house: &House, name: &str) -> Result<Instance, Failed> {
    if let Some(instance) = house.store.system().instance_by_name(name).await? {
        return Ok(instance);
    }
    let known = house.store.system().instances().await?;
    let names: Vec<String> = known.into_iter().map(|instance| instance.name).collect();
    Err(unknown(name, &names))
}

/// There is no such instance among these.
pub(crate) fn unknown(name: &str, known: &[String]) -> Failed {
    let hint = nearest::hint(name, known);
    Failed::not_found(format!("there is no instance {name:?}{hint}: see `jirafleet instance list`"))
}

/// Refuses work for an instance that no work is done for.
pub(crate) async fn must_not_rest(house: &House, instance: &Instance) -> Result<(), Failed> {
    let name = &instance.name;
    let rests = |why: &str, next: String| {
        Err(Failed::new(exit::CONFLICT, format!("no work is done for {name}, {why}. Next: jirafleet {next}")))
    };
    match &instance.state {
        InstanceState::Active => {}
        resting => {
            let why = resting.reason().map(|reason| format!(": {reason}")).unwrap_or_default();
            return rests(&format!("it is {}{why}", resting.name()), format!("instance resume {name}"));
        }
    }
    match house.store.system().tenant(instance.tenant).await? {
        Some(tenant) if tenant.suspended => {
            rests(&format!("its tenant {} is suspended", tenant.name), format!("tenant resume {}", tenant.name))
        }
        _ => Ok(()),
    }
}

/// A question to Jira that failed before anything was changed. What its error advises is for instances that are at work.
fn unchanged(error: jira::Error, so: &str) -> Failed {
    let said = error.to_string();
    let advice = said.find("store a new token").or_else(|| said.find("authorise the app again"));
    let cause = &said[..advice.unwrap_or(said.len())];
    let cause = cause.trim_end().trim_end_matches(", or").trim_end_matches(';');
    Failed::new(Failed::from(error).code, format!("{cause}; {so}"))
}

/// Asks Jira who we are and remembers it: from now on every answer must come from that account.
async fn introduce(house: &House, instance: &Instance) -> Result<(), Failed> {
    let tenant = house.tenant(instance.tenant);
    let account = who_am_i(house, instance, worker::credentials(&tenant, instance.id).await?).await?;
    tenant.set_account(instance.id, &account).await?;
    say!("{} answers; we are {account} there", instance.site);
    Ok(())
}

async fn test(house: &House, instance: &Instance) -> Result<(), Failed> {
    introduce(house, instance).await
}

async fn pause(house: &House, instance: &Instance) -> Result<(), Failed> {
    house.tenant(instance.tenant).set_state(instance.id, &InstanceState::Paused { reason: None }).await?;
    say!("{} is paused; webhooks are still taken and kept", instance.name);
    Ok(())
}

async fn resume(house: &House, instance: &Instance) -> Result<(), Failed> {
    introduce(house, instance).await?;
    house.tenant(instance.tenant).set_state(instance.id, &InstanceState::Active).await?;
    wake(house, instance).await?;
    say!("{} is active", instance.name);
    Ok(())
}

/// Asks again for work that was left lying: what was touched meanwhile, what was updated, and unfinished backfills.
pub(super) async fn wake(house: &House, instance: &Instance) -> Result<(), Failed> {
    let tenant = house.tenant(instance.tenant);
    tenant.backfill_again(instance.id).await?;
    let rows = tenant.backfill_progress(instance.id).await?;
    house.producer.enqueue_all(worker::left_lying(instance.id, &rows)).await?;
    Ok(())
}

async fn rotate(house: &House, instance: &Instance, token: Option<&Path>, given: &Given) -> Result<(), Failed> {
    let tenant = house.tenant(instance.tenant);
    let offer = given.instead_of(tenant.credentials(instance.id).await?, token)?;
    // Known accounts are compared within: the new token must be of the same one.
    let (account, credentials) = offer
        .prove(house, instance)
        .await
        .map_err(|Unproven { error, so }| unchanged(error, &format!("nothing was changed, the old token stays{so}")))?;
    tenant.set_credentials(instance.id, &credentials).await?;
    tenant.set_account(instance.id, &account).await?;
    say!("{} takes the new token; we are {account} there", instance.site);
    if matches!(instance.state, InstanceState::Suspended { .. }) {
        say!("Next: jirafleet instance resume {}", instance.name);
    }
    Ok(())
}

async fn remove(house: &House, instance: &Instance, consent: Consent) -> Result<(), Failed> {
    let tenant = house.tenant(instance.tenant);
    let issues = tenant.count_issues(instance.id).await?;
    if !consent.to(&format!("{} and its mirror of {issues} issues would be removed for good", instance.name))? {
        return Ok(());
    }
    tenant.remove_instance(instance.id).await?;
    say!("{} is removed", instance.name);
    Ok(())
}

/// One instance, and how it is opened.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    row: Row,
    auth: &'static str,
    /// Of OAuth's.
    access_token_ends: Option<String>,
}

impl output::Row for Shown {
    const SCHEMA: &'static str = "jirafleet.instances/1";
}

async fn show(house: &House, output: Format, instance: Instance) -> Result<(), Failed> {
    let credentials = house.tenant(instance.tenant).credentials(instance.id).await?;
    let ends = match &credentials {
        Credentials::OAuth { grant, .. } => Some(grant.expires_at.to_rfc3339_opts(SecondsFormat::Secs, true)),
        Credentials::Basic(_) | Credentials::Scoped(_) => None,
    };
    let rows = rows(house, vec![instance]).await?.into_iter();
    let shown: Vec<Shown> =
        rows.map(|row| Shown { row, auth: credentials.kind(), access_token_ends: ends.clone() }).collect();
    output::print(output, &shown)
}

async fn print(house: &House, output: Format, instances: Vec<Instance>) -> Result<(), Failed> {
    output::print(output, &rows(house, instances).await?)
}

async fn rows(house: &House, instances: Vec<Instance>) -> Result<Vec<Row>, Failed> {
    let tenants = house.store.system().tenants().await?;
    let rows = instances
        .into_iter()
        .map(|instance| Row {
            tenant: tenants
                .iter()
                .find(|tenant| tenant.id == instance.tenant)
                .map_or_else(|| instance.tenant.to_string(), |tenant| tenant.name.clone()),
            site: instance.site.to_string(),
            state: instance.state.name(),
            reason: instance.state.reason().map(str::to_owned),
            poll_interval_s: instance.poll_interval.as_secs(),
            requests_per_minute: instance.requests_per_minute,
            id: instance.id.to_string(),
            name: instance.name,
        })
        .collect();
    Ok(rows)
}
