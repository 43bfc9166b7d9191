//! `jirafleet instance add`: Jira is asked who we would be before anything is registered.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::Utc;
use clap::Args as ClapArgs;
use domain::{AccountId, Instance, InstanceId, InstanceState, Site, TenantId, valid_name};
use secrecy::SecretString;
use store::{Credentials, NewInstance};

use super::{
    auth::{Offer, Unproven, WayIn},
    unchanged,
};
use crate::{
    chores::tenant,
    config::{Resolved, read_secret},
    exit::Failed,
    output::{self, say},
    private::{random_hex, write_private},
    wire_up::House,
};

#[derive(ClapArgs)]
pub(super) struct Add {
    /// What the instance is called in commands and in its webhook's address.
    name: String,
    /// Whose it is.
    #[arg(long)]
    tenant: String,
    /// Where Jira is: https:// and the host, such as acme.atlassian.net
    #[arg(long, value_name = "URL")]
    site: String,
    #[command(flatten)]
    way_in: WayIn,
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

impl Add {
    /// Whether it makes sense; no file is read yet.
    pub(super) fn check(&self, resolved: &Resolved) -> Result<(), Failed> {
        valid_name("the instance's name", &self.name)?;
        Site::parse(&self.site, &resolved.sites)?;
        self.way_in.check()
    }
}

pub(super) async fn register(house: &House, resolved: &Resolved, add: Add) -> Result<(), Failed> {
    let site = Site::parse(&add.site, &resolved.sites)?;
    let tenant = tenant::find(house, &add.tenant).await?;
    let offer = add.way_in.read()?;
    let (account, credentials) = if add.no_check {
        (None, offer.unseen()?)
    } else {
        let (account, credentials) = prove(house, &add, tenant.id, &site, offer).await?;
        (Some(account), credentials)
    };
    let (webhook_secret, made) = webhook_secret(add.webhook_secret_file.as_deref())?;
    let tenant = house.tenant(tenant.id);
    let new = NewInstance {
        name: add.name.clone(),
        site,
        credentials,
        webhook_secret: SecretString::from(webhook_secret.clone()),
        poll_interval: Duration::from_secs(add.poll_interval),
        requests_per_minute: add.requests_per_minute,
    };
    let instance = tenant.add_instance(new).await?;
    if let Some(account) = account {
        tenant.set_account(instance.id, &account).await?;
        say!("{} answers; we are {account} there", instance.site);
    }
    if made {
        say!("Webhook secret (shown once; give it to Jira): {webhook_secret}");
    }
    say!("Webhook address: http://GATEWAY/webhooks/{}", add.name);
    say!("Next: jirafleet backfill {} --follow", add.name);
    output::line(instance.id)
}

/// Asks the site of an instance that is not registered yet who we would be there.
async fn prove(
    house: &House,
    add: &Add,
    tenant: TenantId,
    site: &Site,
    offer: Offer,
) -> Result<(AccountId, Credentials), Failed> {
    let candidate = Instance {
        id: InstanceId::generate(),
        tenant,
        name: add.name.clone(),
        site: site.clone(),
        account: None,
        state: InstanceState::Active,
        poll_interval: Duration::from_secs(add.poll_interval),
        requests_per_minute: add.requests_per_minute,
        created_at: Utc::now(),
        time_zone: None,
    };
    offer.prove(house, &candidate).await.map_err(|Unproven { error, so }| {
        let next = match &error {
            jira::Error::NotOurselves { .. } => add.way_in.advice(),
            jira::Error::Unavailable { .. } | jira::Error::NotJira { .. } | jira::Error::Throttled { .. } => {
                "check --site, or register it unseen with --no-check"
            }
            _ => "check --site",
        };
        unchanged(error, &format!("nothing was registered{so}; {next}"))
    })
}

/// The webhook's secret of the file, which is made when it is not there; without a file a fresh one, to be shown once.
pub(crate) fn webhook_secret(file: Option<&Path>) -> Result<(String, bool), Failed> {
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
