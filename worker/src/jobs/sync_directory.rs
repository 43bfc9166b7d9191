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
    let lost = tx.apply_roster(instance, &projects).await?;
    tx.apply_users(instance, &people).await?;
    tx.apply_fields(instance, &fields).await?;
    tx.commit().await?;
    tell_lost(&lost);
    tracing::info!(projects = projects.len(), users = people.len(), fields = fields.len(), "the directory was read");
    Ok(projects)
}

/// Reads the projects alone and puts them into the mirror; returns them.
pub(super) async fn read_roster(ctx: &Context, site: &Site) -> Result<Vec<Project>, Failure> {
    let projects = site.jira(Priority::Upkeep).projects().await?;
    let mut tx = ctx.store.tenant(site.instance.tenant).begin().await?;
    let lost = tx.apply_roster(site.instance.id, &projects).await?;
    tx.commit().await?;
    tell_lost(&lost);
    Ok(projects)
}

/// No deletion: whoever gives the permission back brings the project back.
fn tell_lost(projects: &[String]) {
    for project in projects {
        tracing::warn!(
            project.key = project,
            "Jira no longer lists the project: we lost the permission to browse it, or its time in the trash is over; its \
             issues are kept"
        );
    }
}
