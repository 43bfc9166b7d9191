//! `jirafleet webhook register|list|verify|refresh|rotate-secret|remove`.

use std::path::{Path, PathBuf};

use chrono::{TimeDelta, Utc};
use clap::{Args as ClapArgs, Subcommand};
use domain::{Instance, InstanceId, Invalid};
use jira::{Client, Priority};
use secrecy::SecretString;
use serde::Serialize;
use store::{Registration, TenantStore, WebhookKind};
use worker::webhooks::{Keeper, Kept};

use super::{
    instance::{add::webhook_secret, find},
    told::told,
};
use crate::{
    config::Surroundings,
    consent::Consent,
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
    /// Register a webhook in Jira that sends to our gateway.
    Register {
        instance: String,
        /// Where Jira reaches the gateway, `https://` and a host; `/webhooks/INSTANCE` is added.
        #[arg(long, value_name = "URL")]
        gateway: String,
    },
    /// List what is known about every webhook.
    List {
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// Change a property of an issue, which nobody sees, and wait for the webhook that tells of it.
    Verify { instance: String },
    /// Look whether the webhook is still there, and refresh it if it ends soon.
    Refresh { instance: String },
    /// Replace the secret that webhooks are signed with; the one before is taken, too, for a while.
    RotateSecret {
        instance: String,
        /// A file that holds the new secret; made when it is not there yet.
        #[arg(long, value_name = "FILE")]
        webhook_secret_file: Option<PathBuf>,
        /// For how many hours the secret before is still taken.
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u16).range(0..=720))]
        keep_hours: u16,
    },
    /// Remove the webhook that we registered from Jira.
    Remove {
        instance: String,
        #[command(flatten)]
        consent: Consent,
    },
}

pub(crate) async fn run(args: Args) -> Result<(), Failed> {
    let resolved = args.surroundings.resolve()?;
    let house = House::open(&resolved, 2).await?;
    match args.what {
        What::Register { instance, gateway } => register(&house, &find(&house, &instance).await?, &gateway).await,
        What::List { output } => list(&house, output).await,
        What::Verify { instance } => verify(&house, &find(&house, &instance).await?).await,
        What::Refresh { instance } => refresh(&house, &find(&house, &instance).await?).await,
        What::RotateSecret { instance, webhook_secret_file, keep_hours } => {
            let keep = TimeDelta::hours(keep_hours.into());
            rotate(&house, &find(&house, &instance).await?, webhook_secret_file.as_deref(), keep).await
        }
        What::Remove { instance, consent } => remove(&house, &find(&house, &instance).await?, consent).await,
    }
}

/// An app registers for itself; a person's token acts for an administrator.
async fn register(house: &House, instance: &Instance, gateway: &str) -> Result<(), Failed> {
    if !["https://", "http://"].iter().any(|scheme| gateway.len() > scheme.len() && gateway.starts_with(scheme)) {
        return Err(
            Invalid::new("--gateway", "must be an address such as https:// and the host that Jira reaches").into()
        );
    }
    let url = format!("{}/webhooks/{}", gateway.trim_end_matches('/'), instance.name);
    let tenant = house.tenant(instance.tenant);
    let kind = match tenant.credentials(instance.id).await? {
        store::Credentials::OAuth { .. } => WebhookKind::Dynamic,
        store::Credentials::Basic(_) | store::Credentials::Scoped(_) => WebhookKind::Admin,
    };
    let jira = client(house, instance).await?;
    let new = keeper(&jira, &tenant, instance).register(kind, &url).await?;
    let until = new.expires_at.map_or_else(String::new, |ends| format!(", lives until {ends} and is refreshed before"));
    say!("Jira sends to {url} now ({}{until})", kind.name());
    say!("Next: jirafleet webhook verify {}", instance.name);
    Ok(())
}

async fn verify(house: &House, instance: &Instance) -> Result<(), Failed> {
    let (jira, tenant) = (client(house, instance).await?, house.tenant(instance.tenant));
    let verified = async { Ok(keeper(&jira, &tenant, instance).verify(&house.producer).await?) };
    let took = told(house, [instance.id], ("webhook.verify", &instance.name), verified).await?;
    let Some(took) = took else {
        return Err(Failed::new(
            exit::FAILURE,
            format!(
                "no webhook of {} came within 45 s: check in Jira (System > WebHooks) that it is enabled, that its address \
                 leads to the gateway, and that its secret is the one given to `instance add`",
                instance.name
            ),
        ));
    };
    say!("a webhook of {} came {} ms after the change", instance.name, took.as_millis());
    Ok(())
}

async fn refresh(house: &House, instance: &Instance) -> Result<(), Failed> {
    let (jira, tenant) = (client(house, instance).await?, house.tenant(instance.tenant));
    let kept = async { Ok(keeper(&jira, &tenant, instance).keep().await?) };
    match told(house, [instance.id], ("webhook.refresh", &instance.name), kept).await? {
        Kept::None => {
            return Err(Failed::not_found(format!(
                "no webhook was registered for {}: run `jirafleet webhook register {}`",
                instance.name, instance.name
            )));
        }
        Kept::Fine => say!("the webhook of {} is there", instance.name),
        Kept::Refreshed(None) => say!("the webhook of {} was refreshed", instance.name),
        Kept::Refreshed(Some(until)) => say!("the webhook of {} lives until {until} now", instance.name),
        Kept::Renewed => say!("the webhook of {} was gone and is registered again", instance.name),
    }
    Ok(())
}

/// Jira takes a webhook's secret once, so a webhook of ours is registered anew with the new one.
async fn rotate(house: &House, instance: &Instance, file: Option<&Path>, keep: TimeDelta) -> Result<(), Failed> {
    let (secret, made) = webhook_secret(file)?;
    let tenant = house.tenant(instance.tenant);
    tenant.rotate_webhook_secret(instance.id, &SecretString::from(secret.clone()), Utc::now() + keep).await?;
    let registration = tenant.webhook(instance.id).await?.and_then(|webhook| webhook.registration);
    match registration {
        Some(Registration { kind: WebhookKind::Admin, url, .. }) => {
            let jira = client(house, instance).await?;
            keeper(&jira, &tenant, instance).register(WebhookKind::Admin, &url).await?;
            say!("Jira signs with the new secret now");
        }
        _ if made => say!("Webhook secret (shown once; give it to Jira within {} h): {secret}", keep.num_hours()),
        _ => say!("Give the new secret to Jira within {} h", keep.num_hours()),
    }
    Ok(())
}

async fn remove(house: &House, instance: &Instance, consent: Consent) -> Result<(), Failed> {
    if !consent.to(&format!("1 webhook, of {}, would be removed from Jira", instance.name))? {
        return Ok(());
    }
    let (jira, tenant) = (client(house, instance).await?, house.tenant(instance.tenant));
    if !keeper(&jira, &tenant, instance).remove().await? {
        return Err(Failed::not_found(format!("no webhook was registered for {} by us", instance.name)));
    }
    say!("the webhook of {} is removed from Jira; changes are found by polling", instance.name);
    Ok(())
}

fn keeper<'a>(jira: &'a Client, tenant: &'a TenantStore, instance: &'a Instance) -> Keeper<'a> {
    Keeper { jira, tenant, instance, now: Utc::now() }
}

async fn client(house: &House, instance: &Instance) -> Result<Client, Failed> {
    let tenant = house.tenant(instance.tenant);
    let client = house.clients.client_as(instance, worker::credentials(&tenant, instance.id).await?)?;
    Ok(client.with_priority(Priority::Live))
}

#[derive(Serialize)]
struct Row {
    instance: String,
    registered: bool,
    health: &'static str,
    since: String,
    expires: Option<String>,
    last_heard: Option<String>,
    problem: Option<String>,
}

impl output::Row for Row {
    const SCHEMA: &'static str = "jirafleet.webhooks/1";
    const WIDE: &'static [&'static str] = &["since"];
}

async fn list(house: &House, output: Format) -> Result<(), Failed> {
    let webhooks = house.store.system().webhooks().await?;
    let instances = house.store.system().instances().await?;
    let ids: Vec<InstanceId> = instances.iter().map(|instance| instance.id).collect();
    let heard = house.producer.heard_of(&ids).await?;
    let mut rows = Vec::new();
    for (instance, heard) in instances.into_iter().zip(heard) {
        let known = webhooks.get(&instance.id);
        rows.push(Row {
            instance: instance.name,
            registered: known.is_some_and(|webhook| webhook.is_registered),
            health: known.map_or("unknown", |webhook| webhook.health.name()),
            since: known.map_or_else(String::new, |webhook| webhook.health_since.to_rfc3339()),
            expires: known.and_then(|webhook| webhook.expires_at).map(|ends| ends.to_rfc3339()),
            last_heard: heard.map(|at| at.to_rfc3339()),
            problem: known.and_then(|webhook| webhook.problem.clone()),
        });
    }
    output::print(output, &rows)
}
