//! What a request costs an app, and how many of its kind a site takes per second.

use axum::http::Method;
use serde_json::Value;

/// A route's template with `*` for what varies, so that the names of parameters do not matter.
pub(crate) fn normal(template: &str) -> String {
    let parts = template.split('/').map(|part| if part.starts_with('{') { "*" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// Jira's published requests per second for one endpoint and method.
pub(super) fn rate(method: &Method, route: &str) -> u32 {
    match (method.as_str(), route) {
        ("PUT", "/rest/api/3/component/*") => 500,
        ("GET", "/rest/api/3/attachment/content/*") => 300,
        ("GET", "/rest/api/3/issue/*/changelog") => 200,
        ("GET", "/rest/api/3/issue/*" | "/rest/api/3/user") | ("POST", "/rest/api/3/search/approximate-count") => 150,
        ("PUT" | "DELETE", _) => 50,
        _ => 100,
    }
}

/// What kind of thing an answer holds, and where.
enum Holds {
    One(u64),
    /// In the list of this name; an empty name is the answer itself.
    Many(&'static str, u64),
}

/// One for the request, one more for each core object in the answer, two more for each user or group.
pub(crate) fn points(method: &Method, route: &str, answer: &[u8]) -> u64 {
    let holds = match (method.as_str(), route) {
        ("GET" | "POST", "/rest/api/3/search/jql") | ("POST", "/rest/api/3/issue/bulkfetch") => {
            Holds::Many("issues", 1)
        }
        ("GET", "/rest/api/3/project/search") => Holds::Many("values", 1),
        ("GET", "/rest/api/3/project") => Holds::Many("", 1),
        ("GET", "/rest/api/3/issue/*" | "/rest/api/3/project/*" | "/rest/api/3/attachment/*") => Holds::One(1),
        ("GET", "/rest/api/3/users/search" | "/rest/api/3/users" | "/rest/api/3/user/search") => Holds::Many("", 2),
        ("GET", "/rest/api/3/user/bulk" | "/rest/api/3/group/member") => Holds::Many("values", 2),
        ("GET", "/rest/api/3/user" | "/rest/api/3/myself") => Holds::One(2),
        _ => return 1,
    };
    match holds {
        Holds::One(each) => 1 + each,
        Holds::Many(list, each) => 1 + each * count(answer, list),
    }
}

fn count(answer: &[u8], list: &str) -> u64 {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let list = if list.is_empty() { Some(&answer) } else { answer.get(list) };
    list.and_then(Value::as_array).map_or(0, |list| list.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_the_published_ones() {
        let cost = |method: Method, path: &str, answer: &str| points(&method, &normal(path), answer.as_bytes());
        assert_eq!(cost(Method::GET, "/rest/api/3/issue/{id}", "{}"), 2);
        assert_eq!(cost(Method::GET, "/rest/api/3/group/member", r#"{"values":[1,2,3,4,5,6,7,8]}"#), 17);
        assert_eq!(cost(Method::POST, "/rest/api/3/search/jql", r#"{"issues":[{},{}]}"#), 3);
        assert_eq!(cost(Method::GET, "/rest/api/3/users/search", "[{},{}]"), 5);
        assert_eq!(cost(Method::PUT, "/rest/api/3/issue/{idOrKey}", "{}"), 1);
        assert_eq!(cost(Method::POST, "/rest/api/3/issue", r#"{"issues":[{},{}]}"#), 1);
    }

    #[test]
    fn rates_are_the_published_ones() {
        let of = |method: Method, path: &str| rate(&method, &normal(path));
        assert_eq!(of(Method::GET, "/rest/api/3/issue/{idOrKey}/changelog"), 200);
        assert_eq!(of(Method::DELETE, "/rest/api/3/issue/{id}"), 50);
        assert_eq!(of(Method::POST, "/rest/api/3/search/jql"), 100);
    }
}
