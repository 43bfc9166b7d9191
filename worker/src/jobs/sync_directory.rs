//! Read projects, people and fields of an instance again.

use domain::{InstanceId, Project};
use jira::Priority;
use queue::Outcome;

use crate::{
    context::{Context, Site},
    failure::Failure,
};

pub(crate) async fn run(ctx: &Context, instance: InstanceId) -> Result<Outcome, Failure> {
    let Some(site) = ctx.site(instance).await? else { return Ok(Outcome::Done) };
    read(ctx, &site, Priority::Upkeep).await?;
    Ok(Outcome::Done)
}

/// Reads the directory and puts it into the mirror; returns the projects.
pub(super) async fn read(ctx: &Context, site: &Site, priority: Priority) -> Result<Vec<Project>, Failure> {
    let (jira, instance) = (site.jira(priority), site.instance.id);
    let projects = jira.projects().await?;
    let people = jira.users().await?.people;
    let fields = jira.fields().await?;
    let mut tx = ctx.store.tenant(site.instance.tenant).begin().await?;
    tx.apply_projects(instance, &projects).await?;
    tx.apply_users(instance, &people).await?;
    tx.apply_fields(instance, &fields).await?;
    tx.commit().await?;
    tracing::info!(projects = projects.len(), users = people.len(), fields = fields.len(), "the directory was read");
    Ok(projects)
}
