//! Fields: what a site's `customfield_10020` means.

use serde::{Deserialize, Serialize};

use crate::RawJson;

/// One field of a site. Names are neither unique nor stable; ids differ from site to site.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// Such as `summary` or `customfield_10020`.
    pub id: String,
    /// Its name on the site.
    pub name: String,
    /// Whether the site's administrators made it.
    pub custom: bool,
    /// Its type's stable name, such as `com.pyxis.greenhopper.jira:gh-sprint`; absent for system fields.
    pub custom_type: Option<String>,
    /// As Jira said it.
    pub raw: RawJson,
}
