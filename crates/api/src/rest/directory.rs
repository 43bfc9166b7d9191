//! `/projects`, `/users`.

use axum::{
    Extension,
    extract::{Path, State},
    http::{HeaderMap, Uri},
    response::Response,
};
use domain::{Project, User};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Asking,
    issues::{PageQuery, SiteQuery},
    page,
};
use crate::{
    House,
    problem::Problem,
    reading::{Query, Reader},
    tagged,
    usecases::{Listing, directory},
};

/// Which people.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct UserQuery {
    /// The site, by its id or name; the tenant's only one where absent.
    instance: Option<String>,
    /// How the name begins, without regard to case; everybody where absent.
    name: Option<String>,
    /// 1 to 200; 50 where absent.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    limit: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

pub(super) fn routes() -> OpenApiRouter<House> {
    OpenApiRouter::default().routes(routes!(projects)).routes(routes!(project)).routes(routes!(users))
}

/// List a site's projects, in the order of Jira's numbers.
#[utoipa::path(get, operation_id = "list_projects", path = "/projects", tag = "directory", params(PageQuery), security(("key" = ["issues:read"])),
    responses((status = 200, description = "A page of projects.", body = Listing<Project>)))]
async fn projects(
    State(house): State<House>,
    Extension(caller): Asking,
    uri: Uri,
    Query(query): Query<PageQuery>,
) -> Result<Response, Problem> {
    let mut reader = Reader::default();
    let paging = reader.paging(query.limit.as_deref(), query.cursor);
    reader.end()?;
    page(&uri, directory::projects(&house.context, &caller, query.instance.as_deref(), &paging).await?)
}

/// Show a project.
#[utoipa::path(get, operation_id = "show_project", path = "/projects/{project}", tag = "directory",
    params(("project" = String, Path, description = "Its key."), SiteQuery), security(("key" = ["issues:read"])),
    responses((status = 200, description = "The project, with its `ETag`.", body = Project),
        (status = 304, description = "It is still the one that `If-None-Match` names.")))]
async fn project(
    State(house): State<House>,
    Extension(caller): Asking,
    headers: HeaderMap,
    Path(key): Path<String>,
    Query(query): Query<SiteQuery>,
) -> Result<Response, Problem> {
    tagged::answer(&headers, &directory::project(&house.context, &caller, query.instance.as_deref(), &key).await?)
}

/// List a site's people by name.
#[utoipa::path(get, operation_id = "list_users", path = "/users", tag = "directory", params(UserQuery), security(("key" = ["issues:read"])),
    responses((status = 200, description = "A page of people.", body = Listing<User>)))]
async fn users(
    State(house): State<House>,
    Extension(caller): Asking,
    uri: Uri,
    Query(query): Query<UserQuery>,
) -> Result<Response, Problem> {
    let mut reader = Reader::default();
    let paging = reader.paging(query.limit.as_deref(), query.cursor);
    let name = query.name.unwrap_or_default();
    if name.chars().count() > 100 || name.contains('\0') {
        reader.fault("name", "must have at most 100 characters");
    }
    reader.end()?;
    page(&uri, directory::users(&house.context, &caller, query.instance.as_deref(), &name, &paging).await?)
}
