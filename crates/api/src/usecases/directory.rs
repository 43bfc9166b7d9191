//! Projects, people and sites.

use domain::{Instance, Invalid, Project, ProjectId, ProjectKey, Scope, User, search::NameCursor};

use super::{Caller, Context, Error, Listing, Paging, context::instance, cursor::listing};

/// The tenant's sites, by name.
pub(crate) async fn instances(context: &Context, caller: &Caller) -> Result<Listing<Instance>, Error> {
    caller.require(Scope::ReadSync)?;
    let items = context.mirror(caller).instances().await?;
    Ok(Listing { items, next: None, total: None })
}

/// A site's projects, in the order of Jira's numbers.
pub(crate) async fn projects(
    context: &Context,
    caller: &Caller,
    site: Option<&str>,
    paging: &Paging,
) -> Result<Listing<Project>, Error> {
    caller.require(Scope::ReadIssues)?;
    let mirror = context.mirror(caller);
    let site = instance(&mirror, site).await?;
    let name = format!("projects {}", site.id);
    let after: Option<ProjectId> = paging.after(&mirror, &name)?;
    let mut projects = mirror.projects(site.id).await?;
    projects.retain(|project| after.is_none_or(|after| project.id > after));
    paging.cut(&mirror, &name, projects, |project| project.id)
}

/// One project of a site.
pub(crate) async fn project(
    context: &Context,
    caller: &Caller,
    site: Option<&str>,
    key: &str,
) -> Result<Project, Error> {
    caller.require(Scope::ReadIssues)?;
    let key: ProjectKey = key.parse().map_err(|fault: Invalid| Error::invalid("project", fault.why))?;
    let mirror = context.mirror(caller);
    let site = instance(&mirror, site).await?;
    mirror.project_by_key(site.id, &key).await?.ok_or(Error::NotFound("project"))
}

/// A site's people whose name begins like this, by name.
pub(crate) async fn users(
    context: &Context,
    caller: &Caller,
    site: Option<&str>,
    beginning: &str,
    paging: &Paging,
) -> Result<Listing<User>, Error> {
    caller.require(Scope::ReadIssues)?;
    let mirror = context.mirror(caller);
    let site = instance(&mirror, site).await?;
    let name = format!("users {} {beginning}", site.id);
    let after: Option<NameCursor> = paging.after(&mirror, &name)?;
    listing(&mirror, &name, mirror.users_named(site.id, beginning, after.as_ref(), paging.limit).await?)
}
