//! REST: routes, and what they make of a request's parts. Everything else is a use case's.

mod directory;
mod insight;
mod issues;
mod operations;
mod tenants;
mod tokens;
mod writes;

use axum::{
    Extension, Json, Router,
    extract::DefaultBodyLimit,
    http::{HeaderMap, HeaderValue, Uri, header},
    middleware,
    response::{IntoResponse, Response},
};
use domain::Scope;
use serde::Serialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    House, layers,
    problem::{Document, Problem},
    usecases::{Caller, Error, Listing},
};

/// What all addresses begin with.
pub(crate) const PREFIX: &str = "/api/v1";

/// Who asks: put there by the layer around all routes.
pub(crate) type Asking = Extension<Caller>;

/// All routes, behind their keys.
pub(crate) fn routes(house: House) -> Router {
    let (router, _) = all().split_for_parts();
    router
        .fallback(async || Problem::NoRoute)
        .method_not_allowed_fallback(async || Problem::WrongMethod)
        .layer(DefaultBodyLimit::max(layers::LARGEST_BODY))
        .layer(middleware::from_fn_with_state(house.clone(), layers::around))
        .with_state(house)
}

/// The same, described.
pub(crate) fn described() -> utoipa::openapi::OpenApi {
    let mut described = all().into_openapi();
    let components = described.components.get_or_insert_default();
    let mut schemas = Vec::new();
    <Document as utoipa::ToSchema>::schemas(&mut schemas);
    schemas.push(("Document".to_owned(), <Document as utoipa::PartialSchema>::schema()));
    components.schemas.extend(schemas);
    described
}

/// A route is here only under a scope, or as one that any good key opens.
fn all() -> OpenApiRouter<House> {
    let any_key = OpenApiRouter::default().routes(routes!(operations::me)).merge(tokens::routes());
    let inner = any_key
        .merge(guarded(Scope::ReadIssues, issues::routes().merge(directory::routes()).merge(insight::routes())))
        .merge(guarded(Scope::WriteIssues, writes::routes()))
        .merge(guarded(Scope::ReadSync, operations::sync_routes()))
        .merge(guarded(Scope::ReadAudit, operations::audit_routes()))
        .merge(guarded(Scope::AdminTenants, tenants::routes()));
    OpenApiRouter::default().nest(PREFIX, inner)
}

fn guarded(scope: Scope, router: OpenApiRouter<House>) -> OpenApiRouter<House> {
    router.route_layer(middleware::from_fn_with_state(scope, layers::require))
}

/// A page, and a link to the next one.
pub(crate) fn page<T: Serialize>(uri: &Uri, listing: Listing<T>) -> Result<Response, Problem> {
    let link = listing.next.as_deref().map(|next| link(uri, next)).transpose()?;
    let mut response = Json(listing).into_response();
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Some(link) = link {
        headers.insert(header::LINK, link);
    }
    Ok(response)
}

/// The same query with another cursor, which needs no escaping.
fn link(uri: &Uri, cursor: &str) -> Result<HeaderValue, Error> {
    let others = uri.query().unwrap_or_default().split('&').filter(|part| !part.is_empty());
    let mut query: Vec<&str> = others.filter(|part| !part.starts_with("cursor=")).collect();
    let cursor = format!("cursor={cursor}");
    query.push(&cursor);
    let link = format!("<{PREFIX}{}?{}>; rel=\"next\"", uri.path(), query.join("&"));
    HeaderValue::from_str(&link).map_err(|error| Error::Broken(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_the_same_question() {
        let uri: Uri = "/issues?limit=2&cursor=old&label=a%20b".parse().expect("an address");
        let link = link(&uri, "new").expect("a header");
        assert_eq!(link, "</api/v1/issues?limit=2&label=a%20b&cursor=new>; rel=\"next\"");
    }
}
