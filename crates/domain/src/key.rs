//! Issue and project keys: parsed once at the edge, valid ever after.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Invalid, IssueId};

/// A project's key, such as `ACME`: a letter, then letters, digits or underscores.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
pub struct ProjectKey(String);

/// An issue's key, such as `ACME-7`. It changes when the issue moves, so it never identifies one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
pub struct IssueKey(String);

/// An issue by its stable id, with the key it had when we looked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub struct IssueRef {
    /// Stable.
    pub id: IssueId,
    /// May have changed since.
    pub key: IssueKey,
}

/// Whether a text has the shape of an issue key: a project key, a hyphen, a number without leading zeros.
pub fn is_valid_issue_key(text: &str) -> bool {
    text.rsplit_once('-').is_some_and(|(project, number)| is_project_key(project) && is_number(number))
}

fn is_project_key(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(char::is_alphabetic) && letters.all(|c| c.is_alphanumeric() || c == '_')
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('0') && text.len() <= 18 && text.bytes().all(|b| b.is_ascii_digit())
}

impl IssueKey {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The project's part of it.
    pub fn project(&self) -> ProjectKey {
        let project = self.0.rsplit_once('-').map_or("", |(project, _)| project);
        ProjectKey(project.to_owned())
    }
}

impl ProjectKey {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IssueKey {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if is_valid_issue_key(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new("issue key", "must look like ACME-7"))
        }
    }
}

impl FromStr for ProjectKey {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if is_project_key(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new("project key", "must be a letter followed by letters, digits or underscores"))
        }
    }
}

macro_rules! text_conversions {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = Invalid;

            fn try_from(text: String) -> Result<Self, Invalid> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(key: $name) -> Self {
                key.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

text_conversions!(IssueKey);
text_conversions!(ProjectKey);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issue_keys_are_told_from_other_text() {
        for good in ["ACME-7", "A1_B-1234567", "ÅB-1"] {
            assert!(is_valid_issue_key(good), "{good}");
        }
        for bad in ["", "ACME", "ACME-", "-7", "ACME-07", "ACME-7a", "7ACME-1", "AC ME-1", "ACME-7\n"] {
            assert!(!is_valid_issue_key(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_key_names_its_project() {
        let key: IssueKey = "A_B-12".parse().expect("a valid key");
        assert_eq!(key.project().as_str(), "A_B");
    }
}
