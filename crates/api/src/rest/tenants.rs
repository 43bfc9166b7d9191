//! `/fleet/tenants`: what those who run the house do with all tenants.

use axum::{
    Extension, Json,
    extract::{Path, State},
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use domain::{ChangeTenant, CreateTenant, Tenant};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Asking, PREFIX, operations::Nothing, page, writes::Command};
use crate::{
    House,
    problem::Problem,
    reading::{Query, Reader},
    tagged,
    usecases::{Listing, tenants},
};

/// Which portion.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Portion {
    /// 1 to 200; 50 where absent.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    limit: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

pub(super) fn routes() -> OpenApiRouter<House> {
    OpenApiRouter::default().routes(routes!(list)).routes(routes!(create)).routes(routes!(show)).routes(routes!(change))
}

/// List all tenants by name.
#[utoipa::path(get, operation_id = "list_tenants", path = "/fleet/tenants", tag = "fleet", params(Portion),
    security(("key" = ["tenants:admin"])),
    responses((status = 200, description = "A page of tenants.", body = Listing<Tenant>)))]
async fn list(
    State(house): State<House>,
    Extension(caller): Asking,
    uri: Uri,
    Query(query): Query<Portion>,
) -> Result<Response, Problem> {
    let mut reader = Reader::default();
    let paging = reader.paging(query.limit.as_deref(), query.cursor);
    reader.end()?;
    page(&uri, tenants::list(&house.context, &caller, &paging).await?)
}

/// Make a tenant.
#[utoipa::path(post, operation_id = "create_tenant", path = "/fleet/tenants", tag = "fleet", request_body = CreateTenant,
    security(("key" = ["tenants:admin"])),
    responses((status = 201, description = "It was made; `Location` names it.", body = Tenant)))]
async fn create(
    State(house): State<House>,
    Extension(caller): Asking,
    Query(_): Query<Nothing>,
    Command(command): Command<CreateTenant>,
) -> Result<Response, Problem> {
    let made = tenants::create(&house.context, &caller, &command).await?;
    let place = [(header::LOCATION, tagged::value(&format!("{PREFIX}/fleet/tenants/{}", made.id))?)];
    Ok((StatusCode::CREATED, place, Json(made)).into_response())
}

/// Show a tenant.
#[utoipa::path(get, operation_id = "show_tenant", path = "/fleet/tenants/{tenant}", tag = "fleet",
    params(("tenant" = String, Path, description = "Its id or name.")), security(("key" = ["tenants:admin"])),
    responses((status = 200, description = "The tenant.", body = Tenant)))]
async fn show(
    State(house): State<House>,
    Extension(caller): Asking,
    Path(name): Path<String>,
    Query(_): Query<Nothing>,
) -> Result<Json<Tenant>, Problem> {
    Ok(Json(tenants::show(&house.context, &caller, &name).await?))
}

/// Rename, suspend or resume a tenant.
#[utoipa::path(patch, operation_id = "change_tenant", path = "/fleet/tenants/{tenant}", tag = "fleet",
    params(("tenant" = String, Path, description = "Its id or name.")), request_body = ChangeTenant,
    security(("key" = ["tenants:admin"])),
    responses((status = 200, description = "As it is now.", body = Tenant)))]
async fn change(
    State(house): State<House>,
    Extension(caller): Asking,
    Path(name): Path<String>,
    Query(_): Query<Nothing>,
    Command(command): Command<ChangeTenant>,
) -> Result<Json<Tenant>, Problem> {
    Ok(Json(tenants::change(&house.context, &caller, &name, command).await?))
}
