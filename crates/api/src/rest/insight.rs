//! `/metrics`: figures about projects, finished issues and people.

use axum::{Extension, extract::State, http::Uri, response::Response};
use domain::AccountId;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Asking, issues::PageQuery, page};
use crate::{
    House,
    problem::Problem,
    reading::{Query, Reader},
    usecases::{
        Listing,
        insight::{self, Finished, LeadTime, ProjectMetrics, Workload},
    },
};

/// Which finished issues.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct FinishedQuery {
    /// The site, by its id or name; the tenant's only one where absent.
    instance: Option<String>,
    /// A project's key.
    project: Option<String>,
    /// An account.
    assignee: Option<String>,
    /// Done at this time or later.
    done_from: Option<String>,
    /// Done before this time.
    done_before: Option<String>,
    /// 1 to 200; 50 where absent.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    limit: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

pub(super) fn routes() -> OpenApiRouter<House> {
    OpenApiRouter::default().routes(routes!(projects)).routes(routes!(lead_times)).routes(routes!(workload))
}

/// Show projects in figures.
#[utoipa::path(get, operation_id = "project_metrics", path = "/metrics/projects", tag = "figures", params(PageQuery), security(("key" = ["issues:read"])),
    responses((status = 200, description = "A page of projects.", body = Listing<ProjectMetrics>)))]
async fn projects(
    State(house): State<House>,
    Extension(caller): Asking,
    uri: Uri,
    Query(query): Query<PageQuery>,
) -> Result<Response, Problem> {
    let mut reader = Reader::default();
    let paging = reader.paging(query.limit.as_deref(), query.cursor);
    reader.end()?;
    page(&uri, insight::projects(&house.context, &caller, query.instance.as_deref(), &paging).await?)
}

/// Show how long finished issues took, the last finished first.
#[utoipa::path(get, operation_id = "lead_times", path = "/metrics/lead-times", tag = "figures", params(FinishedQuery),
    security(("key" = ["issues:read"])),
    responses((status = 200, description = "A page of finished issues.", body = Listing<LeadTime>)))]
async fn lead_times(
    State(house): State<House>,
    Extension(caller): Asking,
    uri: Uri,
    Query(query): Query<FinishedQuery>,
) -> Result<Response, Problem> {
    let mut reader = Reader::default();
    let time = "must be a time as 2026-01-31T12:00:00Z";
    let wanted = Finished {
        project: query.project,
        assignee: query.assignee.map(AccountId),
        done_from: reader.one("done_from", query.done_from.as_deref(), time),
        done_before: reader.one("done_before", query.done_before.as_deref(), time),
    };
    let paging = reader.paging(query.limit.as_deref(), query.cursor);
    reader.end()?;
    page(&uri, insight::lead_times(&house.context, &caller, query.instance.as_deref(), wanted, &paging).await?)
}

/// Show what people have to do.
#[utoipa::path(get, operation_id = "workload", path = "/metrics/workload", tag = "figures", params(PageQuery), security(("key" = ["issues:read"])),
    responses((status = 200, description = "A page of people, by account.", body = Listing<Workload>)))]
async fn workload(
    State(house): State<House>,
    Extension(caller): Asking,
    uri: Uri,
    Query(query): Query<PageQuery>,
) -> Result<Response, Problem> {
    let mut reader = Reader::default();
    let paging = reader.paging(query.limit.as_deref(), query.cursor);
    reader.end()?;
    page(&uri, insight::workload(&house.context, &caller, query.instance.as_deref(), &paging).await?)
}
