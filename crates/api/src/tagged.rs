//! Answers with a strong `ETag`: the hash of exactly what is sent. Whoever has it already is not sent it again.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::{
    problem::Problem,
    usecases::{Error, version},
};

/// The tag of a thing as it is sent: 32 hexadecimal digits in quotes.
pub(crate) fn tag<T: Serialize>(thing: &T) -> Result<String, Error> {
    written(thing).map(|(_, tag)| tag)
}

/// The thing, or 304 for whoever has it.
pub(crate) fn answer<T: Serialize>(headers: &HeaderMap, thing: &T) -> Result<Response, Problem> {
    let (body, tag) = written(thing)?;
    let cached = [(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")), (header::ETAG, value(&tag)?)];
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    if matches(known, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, cached).into_response());
    }
    let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    Ok((cached, json, body).into_response())
}

/// Whether one of the listed tags is this one. A weak tag is none of ours.
pub(crate) fn matches<'h>(listed: impl Iterator<Item = &'h str>, tag: &str) -> bool {
    listed.flat_map(|line| line.split(',')).map(str::trim).any(|one| one == "*" || one == tag)
}

/// As a header's value.
pub(crate) fn value(tag: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(tag).map_err(|error| Error::Broken(error.to_string()))
}

fn written<T: Serialize>(thing: &T) -> Result<(Vec<u8>, String), Error> {
    version::of(thing).map(|(body, version)| (body, format!("\"{version}\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_in_a_list() {
        let tag = tag(&"thing").expect("JSON");
        let list = format!("\"x\", {tag}");
        assert!(matches([list.as_str()].into_iter(), &tag) && matches(["*"].into_iter(), &tag));
        assert!(!matches([format!("W/{tag}").as_str(), "\"x\""].into_iter(), &tag));
    }
}
