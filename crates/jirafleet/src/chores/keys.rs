//! `jirafleet keys rotate|list`: the keys that seal secrets at rest.

mod listing;

use std::path::Path;

use clap::{Args as ClapArgs, Subcommand};
use domain::Tenant;
use secrecy::ExposeSecret;

use super::tenant;
use crate::{
    config::{Resolved, Surroundings},
    exit::{self, Failed},
    output::{Format, say},
    private::write_private,
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
    /// Replace keys while everything goes on. Interrupted, it goes on when it is called again.
    ///
    /// The master key file holds one key a line, the newest first. Without options every data key is sealed again under the
    /// first; older lines can then go.
    Rotate(Rotate),
    /// List keys, their ages and how much each seals; never a key itself.
    List {
        /// Only this tenant's.
        #[arg(long)]
        tenant: Option<String>,
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
}

#[derive(ClapArgs)]
struct Rotate {
    /// Write a fresh master key into the master key file first, above the ones that are there.
    #[arg(long, conflicts_with = "data_keys")]
    new_key: bool,
    /// Replace the tenants' data keys, and seal every secret again.
    #[arg(long)]
    data_keys: bool,
    /// Only this tenant's.
    #[arg(long, requires = "data_keys")]
    tenant: Option<String>,
}

pub(crate) async fn run(args: Args) -> Result<(), Failed> {
    let resolved = args.surroundings.resolve()?;
    match args.what {
        What::List { tenant, output } => {
            let house = House::open(&resolved, 2).await?;
            listing::print(&house, &resolved, tenant.as_deref(), output).await
        }
        What::Rotate(Rotate { data_keys: true, tenant, .. }) => {
            rotate_data_keys(&House::open(&resolved, 2).await?, tenant.as_deref()).await
        }
        What::Rotate(rotate) => rotate_master_key(&resolved, &rotate).await,
    }
}

async fn rotate_master_key(resolved: &Resolved, rotate: &Rotate) -> Result<(), Failed> {
    let mut house = House::open(resolved, 2).await?;
    if rotate.new_key {
        add_key(resolved)?;
        house = House::open(resolved, 2).await?;
    }
    let mut done = 0;
    loop {
        let batch = house.system().rewrap_keys().await?;
        if batch == 0 {
            break;
        }
        done += batch;
        say!("{done} keys are sealed again");
    }
    let names = resolved.master_key()?.names();
    let file = resolved.master_key_file.display();
    say!("every key is sealed under the master key {}", names[0]);
    let old = listing::sealed_by_master_keys(&house).await?;
    if names.len() == 1 && done == 0 {
        say!("Next: jirafleet keys rotate --new-key, or put a new key above the one in {file}");
    } else if names.len() > 1 && old > 0 {
        say!("{old} secrets are sealed as the first releases did. Next: jirafleet keys rotate --data-keys");
    } else if names.len() > 1 {
        say!("Next: when every process has read {file} again, take the lower lines out of it");
    }
    Ok(())
}

/// A file that others read is replaced whole, so nobody sees half of it.
fn add_key(resolved: &Resolved) -> Result<(), Failed> {
    let file = &resolved.master_key_file;
    if file == Path::new("-") {
        return Err(Failed::new(exit::USAGE, "--new-key needs the master key in a file"));
    }
    let renewed = resolved.master_key()?.renewed();
    write_private(file, &format!("{}\n", renewed.to_hex().expose_secret()))?;
    say!("{} begins with a new key, {}", file.display(), renewed.names()[0]);
    Ok(())
}

async fn rotate_data_keys(house: &House, name: Option<&str>) -> Result<(), Failed> {
    for tenant in tenants(house, name).await? {
        let store = house.tenant(tenant.id);
        let key = store.rotate_data_key().await?;
        let mut done = 0;
        loop {
            let batch = store.reseal().await.map_err(|error| {
                Failed::new(Failed::from(error).code, format!("a secret of {} does not open", tenant.name))
            })?;
            if batch == 0 {
                break;
            }
            done += batch;
        }
        say!("{}: {done} secrets are sealed under data key {key}", tenant.name);
    }
    Ok(())
}

/// The tenant of this name, or all of them.
async fn tenants(house: &House, name: Option<&str>) -> Result<Vec<Tenant>, Failed> {
    match name {
        Some(name) => Ok(vec![tenant::find(house, name).await?]),
        None => Ok(house.store.system().tenants().await?),
    }
}
