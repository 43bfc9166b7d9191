//! `/instances`, `/sync`, `/audit`, `/tenants/me`: what operators ask.

use axum::{Extension, Json, extract::State, http::Uri, response::Response};
use domain::Instance;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Asking, issues::SiteQuery, page};
use crate::{
    House,
    problem::Problem,
    reading::{Query, Reader},
    usecases::{
        Listing,
        audit::{self, AuditLine, Lines},
        directory,
        sync::{self, SiteSync},
        tenants::{self, Me},
    },
};

/// No parameter at all.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Nothing {}

/// Which lines of the audit log.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AuditQuery {
    /// A site, by its id or name.
    instance: Option<String>,
    /// Written at this time or later.
    from: Option<String>,
    /// Written before this time.
    before: Option<String>,
    /// The actor's id.
    actor: Option<String>,
    /// What was done, or the part of it before a dot.
    action: Option<String>,
    /// What it was done to.
    target: Option<String>,
    /// 1 to 200; 50 where absent.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    limit: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

pub(super) fn sync_routes() -> OpenApiRouter<House> {
    OpenApiRouter::default().routes(routes!(instances)).routes(routes!(status))
}

pub(super) fn audit_routes() -> OpenApiRouter<House> {
    OpenApiRouter::default().routes(routes!(lines))
}

/// List the tenant's sites.
#[utoipa::path(get, operation_id = "list_instances", path = "/instances", tag = "operations", security(("key" = ["sync:read"])),
    responses((status = 200, description = "All of them, by name.", body = Listing<Instance>)))]
async fn instances(
    State(house): State<House>,
    Extension(caller): Asking,
    uri: Uri,
    Query(_): Query<Nothing>,
) -> Result<Response, Problem> {
    page(&uri, directory::instances(&house.context, &caller).await?)
}

/// Show how fresh the mirror is.
#[utoipa::path(get, operation_id = "sync_status", path = "/sync", tag = "operations", params(SiteQuery), security(("key" = ["sync:read"])),
    responses((status = 200, description = "The tenant's sites, or the one named.", body = Listing<SiteSync>)))]
async fn status(
    State(house): State<House>,
    Extension(caller): Asking,
    uri: Uri,
    Query(query): Query<SiteQuery>,
) -> Result<Response, Problem> {
    page(&uri, sync::status(&house.context, &caller, query.instance.as_deref()).await?)
}

/// Read the audit log, the newest line first.
#[utoipa::path(get, operation_id = "audit_log", path = "/audit", tag = "operations", params(AuditQuery), security(("key" = ["audit:read"])),
    responses((status = 200, description = "A page of lines.", body = Listing<AuditLine>)))]
async fn lines(
    State(house): State<House>,
    Extension(caller): Asking,
    uri: Uri,
    Query(query): Query<AuditQuery>,
) -> Result<Response, Problem> {
    let mut reader = Reader::default();
    let time = "must be a time as 2026-01-31T12:00:00Z";
    let wanted = Lines {
        site: query.instance,
        from: reader.one("from", query.from.as_deref(), time),
        before: reader.one("before", query.before.as_deref(), time),
        actor: query.actor,
        action: query.action,
        target: query.target,
    };
    let paging = reader.paging(query.limit.as_deref(), query.cursor);
    reader.end()?;
    page(&uri, audit::lines(&house.context, &caller, wanted, &paging).await?)
}

/// Show the caller's own tenant.
#[utoipa::path(get, operation_id = "who_am_i", path = "/tenants/me", tag = "operations", security(("key" = [])),
    responses((status = 200, description = "The tenant, and what the key is good for.", body = Me)))]
pub(super) async fn me(
    State(house): State<House>,
    Extension(caller): Asking,
    Query(_): Query<Nothing>,
) -> Result<Json<Me>, Problem> {
    Ok(Json(tenants::me(&house.context, &caller).await?))
}
