//! People.

use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

use crate::AccountId;

/// One person, or an app that acts as one; also the JSON that our interfaces speak, which never holds an address.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct User {
    /// The only identity: names and addresses change and vanish.
    pub account: AccountId,
    /// May be a placeholder such as "Former user".
    pub display_name: Option<String>,
    /// Whether they can still log in; absent when Jira did not say.
    pub active: Option<bool>,
    /// `atlassian`, `app`, `customer` or `unknown`.
    pub account_type: Option<String>,
    /// IANA name.
    pub time_zone: Option<String>,
    /// Kept as a keyed hash only.
    #[serde(skip)]
    pub email: Option<EmailAddress>,
}

/// A mail address on its way to being hashed. It is neither printed nor serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Takes an address as Jira told it; blank ones are none.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// The address in the one form that is hashed: lower case.
    pub fn normalised(&self) -> String {
        self.0.to_lowercase()
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress(..)")
    }
}
