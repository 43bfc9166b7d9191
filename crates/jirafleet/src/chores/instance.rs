//! `jirafleet instance add|list|show|test|pause|resume|rotate-token|remove`.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args as ClapArgs, Subcommand};
use domain::{Instance, InstanceState, Site, valid_name};
use jira::Priority;
use queue::{Job, Lane};
use secrecy::SecretString;
use serde::Serialize;
use store::NewInstance;

use super::{backfill, tenant};
use crate::{
    config::{Resolved, Surroundings, read_secret},
    exit::{self, Failed},
    output::{self, Format},
    private::{random_hex, write_private},
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
    Add(Add),
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
    /// Replace Jira's API token.
    RotateToken {
        name: String,
        /// A file that holds the new token; `-` reads standard input.
        #[arg(long, value_name = "FILE")]
        token_file: PathBuf,
    },
    /// Forget an instance and its whole mirror.
    Remove {
        name: String,
        /// Do not ask: the mirror of this instance is deleted.
        #[arg(long)]
        yes: bool,
    },
}

#[derive(ClapArgs)]
struct Add {
    /// What the instance is called in commands and in its webhook's address.
    name: String,
    /// Whose it is.
    #[arg(long)]
    tenant: String,
    /// Where Jira is: https:// and the host, such as acme.atlassian.net
    #[arg(long, value_name = "URL")]
    site: String,
    /// The service account's mail address.
    #[arg(long)]
    email: String,
    /// A file that holds the service account's API token; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// A file that holds the webhook's secret; made when it is not there yet.
    #[arg(long, value_name = "FILE")]
    webhook_secret_file: Option<PathBuf>,
    /// How often Jira is asked for what webhooks did not tell, in seconds.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(10..=86_400))]
    poll_interval: u64,
    /// How many requests a minute the whole fleet may send to this site.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    requests_per_minute: u32,
    /// Register it although Jira cannot be reached now.
    #[arg(long)]
    no_check: bool,
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

pub(crate) async fn run(args: Args) -> Result<(), Failed> {
    let resolved = args.surroundings.resolve()?;
    let house = House::open(&resolved, 2).await?;
    match args.what {
        What::Add(add) => register(&house, &resolved, add).await,
        What::List { output } => print(&house, output, house.store.system().instances().await?).await,
        What::Show { name, output } => print(&house, output, vec![find(&house, &name).await?]).await,
        What::Test { name } => test(&house, &find(&house, &name).await?).await,
        What::Pause { name } => pause(&house, &find(&house, &name).await?).await,
        What::Resume { name } => resume(&house, &find(&house, &name).await?).await,
        What::RotateToken { name, token_file } => rotate(&house, &find(&house, &name).await?, &token_file).await,
        What::Remove { name, yes } => remove(&house, &find(&house, &name).await?, yes).await,
    }
}

/// The instance of this name, or a refusal that says what to type.
pub(crate) async fn find(house: &House, name: &str) -> Result<Instance, Failed> {
    house
        .store
        .system()
        .instance_by_name(name)
        .await?
        .ok_or_else(|| Failed::not_found(format!("there is no instance {name:?}: see `jirafleet instance list`")))
}

async fn register(house: &House, resolved: &Resolved, add: Add) -> Result<(), Failed> {
    valid_name("the instance's name", &add.name)?;
    let site = Site::parse(&add.site, &resolved.sites)?;
    let tenant = tenant::find(house, &add.tenant).await?;
    let token = SecretString::from(read_secret("API token", &add.token_file)?);
    let (webhook_secret, made) = webhook_secret(add.webhook_secret_file.as_deref())?;
    let instance = house
        .store
        .tenant(tenant.id)
        .add_instance(NewInstance {
            name: add.name.clone(),
            site,
            email: add.email,
            token,
            webhook_secret: SecretString::from(webhook_secret.clone()),
            poll_interval: Duration::from_secs(add.poll_interval),
            requests_per_minute: add.requests_per_minute,
        })
        .await?;
    if !add.no_check
        && let Err(failed) = introduce(house, &instance).await
    {
        house.store.tenant(tenant.id).remove_instance(instance.id).await?;
        return Err(failed);
    }
    println!("{}", instance.id);
    if made {
        eprintln!("Webhook secret (shown once; give it to Jira): {webhook_secret}");
    }
    eprintln!("Webhook address: http://GATEWAY/webhooks/{}", add.name);
    eprintln!("Next: jirafleet backfill {} --follow", add.name);
    Ok(())
}

/// The secret of the file, which is made when it is not there; without a file a fresh one, to be shown once.
fn webhook_secret(file: Option<&Path>) -> Result<(String, bool), Failed> {
    match file {
        Some(file) if file == Path::new("-") || file.exists() => Ok((read_secret("webhook secret", file)?, false)),
        Some(file) => {
            let secret = random_hex(32);
            write_private(file, &secret)?;
            Ok((secret, false))
        }
        None => Ok((random_hex(32), true)),
    }
}

/// Asks Jira who we are and remembers it: from now on every answer must come from that account.
async fn introduce(house: &House, instance: &Instance) -> Result<(), Failed> {
    let tenant = house.store.tenant(instance.tenant);
    let credentials = tenant.credentials(instance.id).await?;
    let client = house.clients.client(instance, credentials.email, credentials.token)?;
    let myself = client.with_priority(Priority::Live).myself().await?;
    tenant.set_account(instance.id, &myself.account).await?;
    eprintln!("{} answers; we are {} there", instance.site, myself.account);
    Ok(())
}

async fn test(house: &House, instance: &Instance) -> Result<(), Failed> {
    introduce(house, instance).await
}

async fn pause(house: &House, instance: &Instance) -> Result<(), Failed> {
    house.store.tenant(instance.tenant).set_state(instance.id, &InstanceState::Paused).await?;
    eprintln!("{} is paused; webhooks are still taken and kept", instance.name);
    Ok(())
}

async fn resume(house: &House, instance: &Instance) -> Result<(), Failed> {
    introduce(house, instance).await?;
    house.store.tenant(instance.tenant).set_state(instance.id, &InstanceState::Active).await?;
    wake(house, instance).await?;
    eprintln!("{} is active", instance.name);
    Ok(())
}

/// Asks again for work that was left lying: what was touched meanwhile, what was updated, and unfinished backfills.
pub(super) async fn wake(house: &House, instance: &Instance) -> Result<(), Failed> {
    let mut jobs: Vec<Job> =
        Lane::ALL.iter().map(|lane| Job::SyncTouched { instance: instance.id, lane: *lane }).collect();
    jobs.push(Job::PollUpdates { instance: instance.id, page: None });
    let rows = house.store.tenant(instance.tenant).backfill_progress(instance.id).await?;
    jobs.extend(rows.iter().filter(|row| !row.ended()).map(|row| backfill::chain(instance, row)));
    house.producer.enqueue_all(jobs).await?;
    Ok(())
}

async fn rotate(house: &House, instance: &Instance, file: &Path) -> Result<(), Failed> {
    let token = SecretString::from(read_secret("API token", file)?);
    house.store.tenant(instance.tenant).rotate_token(instance.id, token).await?;
    introduce(house, instance).await?;
    if matches!(instance.state, InstanceState::Suspended { .. }) {
        eprintln!("Next: jirafleet instance resume {}", instance.name);
    }
    Ok(())
}

async fn remove(house: &House, instance: &Instance, yes: bool) -> Result<(), Failed> {
    let tenant = house.store.tenant(instance.tenant);
    if !yes {
        let issues = tenant.count_issues(instance.id).await?;
        return Err(Failed::new(
            exit::USAGE,
            format!("removing {} deletes its mirror of {issues} issues: add --yes if that is meant", instance.name),
        ));
    }
    tenant.remove_instance(instance.id).await?;
    eprintln!("{} is removed", instance.name);
    Ok(())
}

async fn print(house: &House, output: Format, instances: Vec<Instance>) -> Result<(), Failed> {
    let tenants = house.store.system().tenants().await?;
    let rows: Vec<Row> = instances
        .into_iter()
        .map(|instance| Row {
            tenant: tenants
                .iter()
                .find(|tenant| tenant.id == instance.tenant)
                .map_or_else(|| instance.tenant.to_string(), |tenant| tenant.name.clone()),
            site: instance.site.to_string(),
            state: instance.state.name(),
            reason: match &instance.state {
                InstanceState::Suspended { reason } => Some(reason.clone()),
                _ => None,
            },
            poll_interval_s: instance.poll_interval.as_secs(),
            requests_per_minute: instance.requests_per_minute,
            id: instance.id.to_string(),
            name: instance.name,
        })
        .collect();
    output::print(output, "jirafleet.instances/1", &rows)?;
    Ok(())
}
