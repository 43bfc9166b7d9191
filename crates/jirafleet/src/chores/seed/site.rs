//! One made-up site: registered, paused, and written page by page.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use domain::{InstanceId, InstanceState, IssueSnapshot};
use indicatif::ProgressBar;
use simulator::{Config, Links, Part, Parts};
use store::{Credentials, Login, NewInstance, TenantStore};
use tokio::task::JoinSet;

use crate::{
    exit::{self, Failed},
    private::random_hex,
    wire_up::House,
};

/// Issues written in one transaction.
const PAGE: usize = 500;
/// People of a site.
const PEOPLE: usize = 40;
/// How often a page is tried that lost a deadlock or found PostgreSQL busy.
const ATTEMPTS: u32 = 3;

/// Which of the made-up sites, and how large.
pub(super) struct Site {
    pub(super) seed: u64,
    pub(super) tenant: u32,
    pub(super) instance: u32,
    pub(super) projects: u32,
    pub(super) issues: u32,
}

impl Site {
    pub(super) fn tenant_name(&self) -> String {
        format!("seed-{}-{}", self.seed, self.tenant)
    }

    pub(super) fn name(&self) -> String {
        format!("{}-{}", self.tenant_name(), self.instance)
    }

    /// The instance, which is made when there is none of that name. One of another size, or not of ours, is left alone.
    pub(super) async fn registered(&self, house: &House) -> Result<(TenantStore, InstanceId), Failed> {
        let name = self.name();
        if let Some(known) = house.store.system().instance_by_name(&name).await? {
            if known.state != self.state() {
                return Err(self.in_the_way(known.state.reason()));
            }
            return Ok((house.store.tenant(known.tenant), known.id));
        }
        let system = house.store.system();
        let tenant = match system.tenant_by_name(&self.tenant_name()).await? {
            Some(tenant) => tenant,
            None => system.create_tenant(&self.tenant_name()).await?,
        };
        let tenant = house.store.tenant(tenant.id);
        let instance = tenant.add_instance_in(self.registration(), &self.state()).await?;
        Ok((tenant, instance.id))
    }

    /// Makes up everything and writes it, so many pages at once.
    pub(super) async fn write(
        &self,
        tenant: &TenantStore,
        instance: InstanceId,
        writers: usize,
        bar: &ProgressBar,
    ) -> Result<(), Failed> {
        let parts = Arc::new(Parts::new(self.config()));
        write_directory(tenant, instance, &parts).await?;
        let mut at_work = JoinSet::new();
        for part in parts.all(PAGE) {
            if at_work.len() >= writers {
                ended(at_work.join_next().await, bar)?;
            }
            at_work.spawn(write_page(tenant.clone(), instance, Arc::clone(&parts), part));
        }
        while let Some(page) = at_work.join_next().await {
            ended(Some(page), bar)?;
        }
        Ok(())
    }

    fn registration(&self) -> NewInstance {
        NewInstance {
            name: self.name(),
            site: domain::Site::trusted(self.origin()),
            credentials: Credentials::Basic(Login { email: "nobody@example.com".to_owned(), token: "none".into() }),
            webhook_secret: random_hex(32).into(),
            poll_interval: Duration::from_secs(86_400),
            requests_per_minute: 100,
        }
    }

    /// A name under which there never is a host (RFC 2606).
    fn origin(&self) -> String {
        format!("https://{}.invalid", self.name())
    }

    /// Paused for ever. The reason is also the note of what was made, by which the same command is recognised.
    fn state(&self) -> InstanceState {
        let reason = format!(
            "made up by `jirafleet seed --seed {} --projects {} --issues {}`, there is no such site",
            self.seed, self.projects, self.issues
        );
        InstanceState::Paused { reason: Some(reason) }
    }

    fn in_the_way(&self, reason: Option<&str>) -> Failed {
        let (name, what) = (self.name(), reason.unwrap_or("not made up by `jirafleet seed`"));
        let sentence = format!(
            "{name} is there already and is something else ({what}): choose another --seed, or `jirafleet instance remove \
             {name} --yes`"
        );
        Failed::new(exit::CONFLICT, sentence)
    }

    fn config(&self) -> Config {
        // Any two sites differ, those of neighbouring seeds too.
        let place = (u64::from(self.tenant) << 32) | u64::from(self.instance);
        Config {
            name: self.name(),
            links: Links::To(self.origin()),
            seed: self.seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ place,
            projects: self.projects as usize,
            users: PEOPLE,
            issues: self.issues as usize,
            ..Config::default()
        }
    }
}

async fn write_directory(tenant: &TenantStore, instance: InstanceId, parts: &Parts) -> Result<(), Failed> {
    let projects = read_all(&parts.projects(), jira::project_from_json)?;
    let people = read_all(&parts.people(), jira::person_from_json)?;
    let fields = read_all(&parts.fields(), jira::field_from_json)?;
    let mut tx = tenant.begin().await?;
    tx.apply_projects(instance, &projects).await?;
    tx.apply_users(instance, &people).await?;
    tx.apply_fields(instance, &fields).await?;
    Ok(tx.commit().await?)
}

fn read_all<T>(values: &[serde_json::Value], read: fn(&str) -> Result<T, jira::Error>) -> Result<Vec<T>, Failed> {
    values.iter().map(|value| read(&value.to_string()).map_err(|error| unlike_jira(&error))).collect()
}

/// Makes up a page and applies it; says how many issues it has.
async fn write_page(tenant: TenantStore, instance: InstanceId, parts: Arc<Parts>, part: Part) -> Result<usize, Failed> {
    let observed_at = parts.end();
    let making = tokio::task::spawn_blocking(move || read_page(&parts.issues(&part), observed_at));
    let page = making.await.map_err(Failed::bug)??;
    let mut attempt = 1;
    loop {
        match apply(&tenant, instance, &page).await {
            Err(error) if error.is_transient() && attempt < ATTEMPTS => attempt += 1,
            applied => {
                applied?;
                return Ok(page.len());
            }
        }
    }
}

fn read_page(texts: &[String], observed_at: DateTime<Utc>) -> Result<Vec<IssueSnapshot>, Failed> {
    texts.iter().map(|text| jira::snapshot_from_json(text, observed_at).map_err(|error| unlike_jira(&error))).collect()
}

async fn apply(tenant: &TenantStore, instance: InstanceId, page: &[IssueSnapshot]) -> Result<(), store::Error> {
    let mut tx = tenant.begin().await?;
    tx.apply(instance, page).await?;
    tx.commit().await
}

fn ended(page: Option<Result<Result<usize, Failed>, tokio::task::JoinError>>, bar: &ProgressBar) -> Result<(), Failed> {
    let issues = page.transpose().map_err(Failed::bug)?.transpose()?.unwrap_or_default();
    bar.inc(issues as u64);
    Ok(())
}

fn unlike_jira(error: &jira::Error) -> Failed {
    Failed::bug(format!("what was made up cannot be read: {error}"))
}
