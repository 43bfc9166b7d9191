//! `/tokens`: keys hand out less than they have, for some minutes.

use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Asking, operations::Nothing, writes::Command};
use crate::{
    House,
    problem::Problem,
    reading::Query,
    usecases::access::{Minted, Wanted, mint},
};

pub(super) fn routes() -> OpenApiRouter<House> {
    OpenApiRouter::default().routes(routes!(create))
}

/// Make a token from a key.
#[utoipa::path(post, operation_id = "create_token", path = "/tokens", tag = "operations", request_body = Wanted, security(("key" = [])),
    responses((status = 201, description = "A token, which ends by itself, or with its key.", body = Minted)))]
async fn create(
    State(house): State<House>,
    Extension(caller): Asking,
    Query(_): Query<Nothing>,
    Command(wanted): Command<Wanted>,
) -> Result<Response, Problem> {
    let minted = mint(&house.context, &house.access.mint, &caller, &wanted).await?;
    let secret = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((StatusCode::CREATED, secret, Json(minted)).into_response())
}
