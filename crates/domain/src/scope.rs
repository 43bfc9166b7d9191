//! What a caller may do: nothing but what its scopes name.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Invalid;

/// One thing that a caller may be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub enum Scope {
    /// Read what is mirrored.
    #[serde(rename = "issues:read")]
    ReadIssues,
    /// Change issues in Jira.
    #[serde(rename = "issues:write")]
    WriteIssues,
    /// See how fresh the mirror is.
    #[serde(rename = "sync:read")]
    ReadSync,
    /// Ask for backfills, polls and comparisons.
    #[serde(rename = "sync:admin")]
    AdminSync,
    /// Retry, discard and cancel jobs.
    #[serde(rename = "jobs:admin")]
    AdminJobs,
    /// Ask in SQL.
    #[serde(rename = "sql:read")]
    ReadSql,
    /// Spend money at AI vendors.
    #[serde(rename = "ai:use")]
    UseAi,
    /// Read who did what.
    #[serde(rename = "audit:read")]
    ReadAudit,
    /// See and change all tenants. Only who runs the house makes keys, so only a key of theirs has it.
    #[serde(rename = "tenants:admin")]
    AdminTenants,
}

impl Scope {
    /// Every scope there is.
    pub const ALL: [Self; 9] = [
        Self::ReadIssues,
        Self::WriteIssues,
        Self::ReadSync,
        Self::AdminSync,
        Self::AdminJobs,
        Self::ReadSql,
        Self::UseAi,
        Self::ReadAudit,
        Self::AdminTenants,
    ];

    /// As it is written, such as `issues:read`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadIssues => "issues:read",
            Self::WriteIssues => "issues:write",
            Self::ReadSync => "sync:read",
            Self::AdminSync => "sync:admin",
            Self::AdminJobs => "jobs:admin",
            Self::ReadSql => "sql:read",
            Self::UseAi => "ai:use",
            Self::ReadAudit => "audit:read",
            Self::AdminTenants => "tenants:admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scope {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::ALL.into_iter().find(|scope| scope.name() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            Invalid::new(format!("scope {text:?}"), format!("must be one of {known}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_written_in_one_way() {
        for scope in Scope::ALL {
            assert_eq!(scope.name().parse::<Scope>().expect("its own name"), scope);
            assert_eq!(serde_json::to_string(&scope).expect("a text"), format!("{:?}", scope.name()));
        }
        assert!("issues:*".parse::<Scope>().is_err() && "".parse::<Scope>().is_err());
    }
}
