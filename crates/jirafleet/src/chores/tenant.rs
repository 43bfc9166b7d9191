//! `jirafleet tenant create|list|show|rename|suspend|resume`.

use clap::{Args as ClapArgs, Subcommand};
use domain::{Tenant, valid_name};
use serde::Serialize;
use store::TenantChange;

use super::instance;
use crate::{
    config::Surroundings,
    exit::Failed,
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
    /// Make a tenant.
    Create { name: String },
    /// List all tenants.
    List {
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// Show one tenant.
    Show {
        name: String,
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// Call a tenant something else; its id, and all that is its, stays.
    Rename { name: String, new_name: String },
    /// Stop all work for a tenant; its mirror stays.
    Suspend { name: String },
    /// Work for a suspended tenant again.
    Resume { name: String },
}

#[derive(Serialize)]
struct Row {
    name: String,
    id: String,
    state: &'static str,
    instances: usize,
    created_at: String,
}

impl output::Row for Row {
    const SCHEMA: &'static str = "jirafleet.tenants/1";
    const WIDE: &'static [&'static str] = &["id"];
}

pub(crate) async fn run(args: Args) -> Result<(), Failed> {
    let house = House::open(&args.surroundings.resolve()?, 2).await?;
    match args.what {
        What::Create { name } => {
            valid_name("the tenant's name", &name)?;
            let tenant = house.system().create_tenant(&name).await?;
            output::line(tenant.id)?;
            say!("Next: jirafleet instance add NAME --tenant {name} --site https://.. --email .. --token-file ..");
        }
        What::List { output } => {
            let tenants = house.store.system().tenants().await?;
            print(&house, output, tenants).await?;
        }
        What::Show { name, output } => {
            let tenant = find(&house, &name).await?;
            print(&house, output, vec![tenant]).await?;
        }
        What::Rename { name, new_name } => {
            valid_name("the tenant's name", &new_name)?;
            let tenant = find(&house, &name).await?;
            let change = TenantChange { name: Some(new_name.clone()), ..TenantChange::default() };
            house.system().change_tenant(tenant.id, &change).await?;
            say!("{name} is called {new_name} now");
        }
        What::Suspend { name } => suspend(&house, &name).await?,
        What::Resume { name } => resume(&house, &name).await?,
    }
    Ok(())
}

/// The tenant of this name, or a refusal that says what to type.
pub(super) async fn find(house: &House, name: &str) -> Result<Tenant, Failed> {
    if let Some(tenant) = house.store.system().tenant_by_name(name).await? {
        return Ok(tenant);
    }
    let known: Vec<String> = house.store.system().tenants().await?.into_iter().map(|tenant| tenant.name).collect();
    let hint = nearest::hint(name, &known);
    Err(Failed::not_found(format!("there is no tenant {name:?}{hint}: see `jirafleet tenant list`")))
}

async fn suspend(house: &House, name: &str) -> Result<(), Failed> {
    let tenant = find(house, name).await?;
    house.system().suspend_tenant(tenant.id, true).await?;
    say!("{name} is suspended; its webhooks are still taken and kept");
    Ok(())
}

async fn resume(house: &House, name: &str) -> Result<(), Failed> {
    let tenant = find(house, name).await?;
    house.system().suspend_tenant(tenant.id, false).await?;
    for instance in house.tenant(tenant.id).instances().await? {
        instance::wake(house, &instance).await?;
    }
    say!("{name} is active");
    Ok(())
}

async fn print(house: &House, output: Format, tenants: Vec<Tenant>) -> Result<(), Failed> {
    let instances = house.store.system().instances().await?;
    let rows: Vec<Row> = tenants
        .into_iter()
        .map(|tenant| Row {
            instances: instances.iter().filter(|instance| instance.tenant == tenant.id).count(),
            id: tenant.id.to_string(),
            state: if tenant.suspended { "suspended" } else { "active" },
            created_at: output::instant(tenant.created_at),
            name: tenant.name,
        })
        .collect();
    output::print(output, &rows)?;
    Ok(())
}
