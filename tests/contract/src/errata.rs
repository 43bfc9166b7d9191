//! Where Atlassian's description is known to be wrong about Jira, each with the reason.

/// What is described otherwise than Jira answers: method, path and part; place in the document; why.
const ERRATA: &[(&str, &str, &str)] = &[];

/// Query parameters that Jira takes and the description leaves out: method and path, parameter, why.
const PARAMETERS: &[(&str, &str, &str)] = &[];

pub(crate) fn excuses(name: &str, place: &str) -> bool {
    ERRATA.iter().any(|(of, at, _)| name.starts_with(of) && place == *at)
}

pub(crate) fn knows_parameter(name: &str, parameter: &str) -> bool {
    PARAMETERS.iter().any(|(of, known, _)| name == *of && parameter == *known)
}
