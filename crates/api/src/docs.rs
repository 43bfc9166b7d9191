//! `/docs`: the description of REST for people. A page that asks nobody else for anything, and may not.

use axum::{
    Router,
    http::{HeaderName, HeaderValue, header},
    response::IntoResponse,
    routing::get,
};

/// Only what is served beside it, and nothing that is written into it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

pub(crate) fn routes() -> Router {
    Router::new()
        .route("/docs", get(async || part("text/html; charset=utf-8", include_str!("docs.html"))))
        .route("/docs/docs.css", get(async || part("text/css; charset=utf-8", include_str!("docs.css"))))
        .route("/docs/docs.js", get(async || part("text/javascript; charset=utf-8", include_str!("docs.js"))))
}

fn part(kind: &'static str, text: &'static str) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer")),
    ];
    (headers, text)
}

#[cfg(test)]
mod tests {
    #[test]
    fn nobody_else_is_asked_for_anything() {
        for text in [include_str!("docs.html"), include_str!("docs.css"), include_str!("docs.js")] {
            assert!(!text.contains("http:") && !text.contains("https:") && !text.contains("//cdn"), "{text}");
        }
        assert!(!include_str!("docs.js").contains("innerHTML"), "what is shown is text");
    }
}
