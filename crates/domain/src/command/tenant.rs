//! What those who run the house want done to tenants.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::something;
use crate::{Invalid, valid_name};

/// A tenant to be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTenant {
    /// Unique among tenants: lower-case letters, digits, hyphens and underscores.
    #[schema(min_length = 1, max_length = 63, pattern = "^[a-z0-9][a-z0-9_-]*$", example = "acme")]
    pub name: String,
}

/// Changes of a tenant, at least one. What is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ChangeTenant {
    /// Its new name.
    #[serde(deserialize_with = "something", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, min_length = 1, max_length = 63, pattern = "^[a-z0-9][a-z0-9_-]*$", example = "acme")]
    pub name: Option<String>,
    /// Whether nothing is done for it any more. Its mirror stays, its webhooks are kept, and its keys open nothing.
    #[serde(deserialize_with = "something", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool)]
    pub suspended: Option<bool>,
}

impl CreateTenant {
    /// Names the field at fault.
    pub fn validate(&self) -> Result<(), Vec<Invalid>> {
        valid_name("name", &self.name).map_err(|fault| vec![fault])
    }
}

impl ChangeTenant {
    /// Names every field at fault; so it does when nothing is to be changed.
    pub fn validate(&self) -> Result<(), Vec<Invalid>> {
        if *self == Self::default() {
            return Err(vec![Invalid::new("", "must change at least one field")]);
        }
        self.name.iter().try_for_each(|name| valid_name("name", name)).map_err(|fault| vec![fault])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_changes_something() {
        let change = |json: &str| serde_json::from_str::<ChangeTenant>(json);
        assert!(change(r#"{"suspended":true}"#).expect("a change").validate().is_ok());
        let nothing = change("{}").expect("a change").validate().expect_err("it changes nothing");
        assert_eq!(nothing[0].to_string(), "it must change at least one field");
        assert!(change(r#"{"name":"A B"}"#).expect("a change").validate().is_err());
        assert!(change(r#"{"name":null,"suspended":true}"#).is_err(), "a tenant has a name");
    }
}
