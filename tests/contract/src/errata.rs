//! Where Atlassian's description is known to be wrong about Jira, each with the reason.

/// What Jira answers otherwise than described: the beginning of the operation and part (empty: any), the end of the place in
/// the document, why we know.
const ERRATA: &[(&str, &str, &str)] = &[
    ("", "/items/*/from", "recorded histories have null where a field was empty"),
    ("", "/items/*/fromString", "recorded histories have null where a field was empty"),
    ("", "/items/*/to", "recorded histories have null where a field was emptied"),
    ("", "/items/*/toString", "recorded histories have null where a field was emptied"),
    ("POST /rest/api/3/changelog/bulkfetch", "/changeHistories/*/created", "measured: a number of milliseconds"),
    ("GET /rest/api/3/webhook", "/expirationDate", "Atlassian's own example is a time as text"),
    ("PUT /rest/api/3/webhook/refresh", "/expirationDate", "Atlassian's own example is a time as text"),
    ("GET /rest/api/3/issue/{issueIdOrKey}/remotelink: 200", "", "a list, unless one is asked for by its global id"),
    ("GET /rest/api/3/project: 200", "/*", "`projectKeys` comes when it is expanded; the schema is closed without it"),
    (
        "GET /rest/api/3/project/{projectIdOrKey}: 200",
        "",
        "`projectKeys` comes when it is expanded; the schema is closed without it",
    ),
    (
        "POST /rest/api/3/issue/bulk: 400",
        "",
        "a body that cannot be read is refused in the usual words, without `issues`",
    ),
    (
        "POST /rest/api/3/issue/bulk: 400",
        "/errors",
        "a body that cannot be read is refused in the usual words, without `issues`",
    ),
    ("POST /rest/api/3/webhook: request", "/events/*", "apps may register for sprints and versions, too"),
];

/// Query parameters that Jira takes and the description leaves out: operation, parameter, why we know.
const PARAMETERS: &[(&str, &str, &str)] = &[];

pub(crate) fn excuses(name: &str, place: &str) -> bool {
    let is_at = |end: &str| if end.is_empty() { place.is_empty() } else { place.ends_with(end) };
    ERRATA.iter().any(|(of, end, _)| name.starts_with(of) && is_at(end))
}

pub(crate) fn knows_parameter(name: &str, parameter: &str) -> bool {
    PARAMETERS.iter().any(|(of, known, _)| name == *of && parameter == *known)
}
