//! `jirafleet apikey create|list|revoke`.

use chrono::{TimeDelta, Utc};
use clap::{Args as ClapArgs, Subcommand};
use domain::{Scope, valid_name};
use serde::Serialize;
use store::{ApiKey, IpNet, NewApiKey};

use super::tenant;
use crate::{
    choices,
    config::Surroundings,
    consent::Consent,
    exit::Failed,
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
    /// Make a key; it is printed once and kept nowhere.
    Create(Create),
    /// List a tenant's keys, the revoked ones too.
    List {
        /// Whose.
        #[arg(long)]
        tenant: String,
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// End a key; it opens nothing from now on.
    Revoke {
        name: String,
        /// Whose.
        #[arg(long)]
        tenant: String,
        #[command(flatten)]
        consent: Consent,
    },
}

#[derive(ClapArgs)]
struct Create {
    /// What the key is called in listings and in the audit log.
    name: String,
    /// Whose.
    #[arg(long)]
    tenant: String,
    /// What may be done with it, such as issues:read; several are separated by commas.
    #[arg(long = "scope", required = true, value_delimiter = ',', value_name = "SCOPE", value_parser = choices::scope())]
    scopes: Vec<Scope>,
    /// From where it may be used, such as 10.0.0.0/8; several are separated by commas. Anywhere, when not given.
    #[arg(long = "network", value_delimiter = ',', value_name = "CIDR")]
    networks: Vec<IpNet>,
    /// For how many days it is good. Until it is revoked, when not given.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3650))]
    expires_in: Option<u32>,
    /// What the key says it is for; a word in its text.
    #[arg(long, default_value = "live", value_name = "WORD")]
    environment: String,
}

#[derive(Serialize)]
struct Row {
    name: String,
    state: &'static str,
    scopes: String,
    networks: String,
    expires_at: Option<String>,
    last_used_at: Option<String>,
    created_at: String,
    id: String,
}

impl output::Row for Row {
    const SCHEMA: &'static str = "jirafleet.api_keys/1";
    const WIDE: &'static [&'static str] = &["networks", "id"];
}

pub(crate) async fn run(args: Args) -> Result<(), Failed> {
    let house = House::open(&args.surroundings.resolve()?, 2).await?;
    match args.what {
        What::Create(create) => make(&house, create).await,
        What::List { tenant, output } => {
            let tenant = tenant::find(&house, &tenant).await?;
            let rows: Vec<Row> = house.tenant(tenant.id).api_keys().await?.into_iter().map(row).collect();
            output::print(output, &rows)
        }
        What::Revoke { name, tenant, consent } => revoke(&house, &name, &tenant, consent).await,
    }
}

async fn make(house: &House, create: Create) -> Result<(), Failed> {
    valid_name("the key's name", &create.name)?;
    let tenant = tenant::find(house, &create.tenant).await?;
    let new = NewApiKey {
        name: create.name,
        environment: create.environment,
        scopes: create.scopes,
        networks: create.networks,
        expires_at: create.expires_in.map(|days| Utc::now() + TimeDelta::days(i64::from(days))),
    };
    let (_, token) = house.tenant(tenant.id).create_api_key(new).await?;
    say!("The key (shown once; keep it where its program finds it):");
    output::line(token.expose())
}

async fn revoke(house: &House, name: &str, tenant: &str, consent: Consent) -> Result<(), Failed> {
    let found = tenant::find(house, tenant).await?;
    if !consent.to(&format!("1 key, {name} of {tenant}, would open nothing any more"))? {
        return Ok(());
    }
    match house.tenant(found.id).revoke_api_key(name).await {
        Err(store::Error::NotFound(_)) => Err(Failed::not_found(format!(
            "{tenant} has no key {name:?} that is in force: see `jirafleet apikey list --tenant {tenant}`"
        ))),
        answer => {
            answer?;
            say!("{name} is revoked");
            Ok(())
        }
    }
}

fn row(key: ApiKey) -> Row {
    Row {
        state: key.state(Utc::now()),
        scopes: key.scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(" "),
        networks: key.networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        expires_at: key.expires_at.map(output::instant),
        last_used_at: key.last_used_at.map(output::instant),
        created_at: output::instant(key.created_at),
        id: key.id.to_string(),
        name: key.name,
    }
}
