//! The keys, each of which fetches one kind of value and no other.

use std::time::Duration;

use domain::{AccountId, InstanceId, Issue, IssueKey, Project, ProjectKey, User};
use entity::user;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

/// Says what can be asked for, and what the answer is.
pub(crate) trait Key {
    /// What is kept; absence is an answer too.
    type Value: Serialize + DeserializeOwned;
    /// In names and metrics.
    const CACHE: &'static str;
    /// How long an entry lasts.
    const LIFE: Duration;

    fn instance(&self) -> InstanceId;

    /// The last part of its name.
    fn id(&self) -> &str;
}

/// The longest that any entry lasts.
pub(super) const LONGEST: Duration = minutes(10);

/// The issue that has this key, else the one that had it last.
pub(crate) struct IssueByKey<'k>(pub(crate) InstanceId, pub(crate) &'k str);

/// The project that has this key.
pub(crate) struct ProjectByKey<'k>(pub(crate) InstanceId, pub(crate) &'k str);

/// The person behind this account.
pub(crate) struct UserByAccount<'k>(pub(crate) InstanceId, pub(crate) &'k str);

/// A person as the mirror knows them: without an address, which `domain` never writes down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct KnownUser {
    account: AccountId,
    display_name: Option<String>,
    active: Option<bool>,
    account_type: Option<String>,
    time_zone: Option<String>,
}

impl<'k> IssueByKey<'k> {
    pub(crate) fn of(instance: InstanceId, key: &'k IssueKey) -> Self {
        Self(instance, key.as_str())
    }
}

impl<'k> ProjectByKey<'k> {
    pub(crate) fn of(instance: InstanceId, key: &'k ProjectKey) -> Self {
        Self(instance, key.as_str())
    }
}

impl<'k> UserByAccount<'k> {
    pub(crate) fn of(instance: InstanceId, account: &'k AccountId) -> Self {
        Self(instance, &account.0)
    }
}

macro_rules! key {
    ($name:ident, $cache:literal, $value:ty, $life:expr) => {
        impl Key for $name<'_> {
            type Value = Option<$value>;
            const CACHE: &'static str = $cache;
            const LIFE: Duration = $life;

            fn instance(&self) -> InstanceId {
                self.0
            }

            fn id(&self) -> &str {
                self.1
            }
        }
    };
}

key!(IssueByKey, "issue", Issue, minutes(5));
key!(ProjectByKey, "project", Project, LONGEST);
key!(UserByAccount, "user", KnownUser, LONGEST);

impl From<user::Model> for KnownUser {
    fn from(row: user::Model) -> Self {
        Self {
            account: AccountId(row.account_id),
            display_name: row.display_name,
            active: row.active,
            account_type: row.account_type,
            time_zone: row.time_zone,
        }
    }
}

impl From<KnownUser> for User {
    fn from(known: KnownUser) -> Self {
        let KnownUser { account, display_name, active, account_type, time_zone } = known;
        Self { account, display_name, active, account_type, time_zone, email: None }
    }
}

#[cfg(test)]
mod tests {
    use domain::TenantId;

    use super::{super::name, *};

    #[test]
    fn names_say_whose_and_what() {
        let (tenant, instance) = (TenantId::generate(), InstanceId::generate());
        let key = "ACME-7".parse().expect("a key");
        let of = |tenant| name("jf:cache", tenant, &IssueByKey::of(instance, &key));
        assert_eq!(of(tenant), format!("jf:cache:tenant:{tenant}:issue:{instance}:ACME-7"));
        assert_ne!(of(tenant), of(TenantId::generate()));
        let account = AccountId("712020:a".to_owned());
        let user = name("jf:cache", tenant, &UserByAccount::of(instance, &account));
        assert!(user.ends_with(&format!(":user:{instance}:712020:a")), "{user}");
    }
}
