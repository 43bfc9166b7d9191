//! The two versions of the API a site serves: the path says which one is asked, and so how the answer is written.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::world::people::Shape;

/// What the paths of the newer version begin with.
const NEWER: &str = "/rest/api/3";
/// What the paths of the older version begin with.
const OLDER: &str = "/rest/api/2";

impl Shape {
    /// A path below the version's own prefix, such as `/issue/{id}`.
    pub(super) fn path(self, below: &str) -> String {
        format!("{}{below}", if self == Self::V3 { NEWER } else { OLDER })
    }
}

/// The part behind the older version's prefix.
fn older(path: &str) -> Option<&str> {
    path.strip_prefix(OLDER).filter(|rest| rest.starts_with('/'))
}

/// The template by which a route is counted, priced and made to fail: both versions are one route.
pub(super) fn common(template: &str) -> String {
    older(template).map_or_else(|| template.to_owned(), |rest| format!("{NEWER}{rest}"))
}

impl<S: Send + Sync> FromRequestParts<S> for Shape {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(if older(parts.uri.path()).is_some() { Self::V2 } else { Self::V3 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_of_a_route_are_one() {
        assert_eq!(common("/rest/api/2/issue/{id}"), "/rest/api/3/issue/{id}");
        for other in ["/rest/api/3/issue/{id}", "/rest/api/20/issue/{id}", "/rest/agile/1.0/board", ""] {
            assert_eq!(common(other), other);
        }
    }
}
