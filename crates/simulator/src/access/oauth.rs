//! Apps that act for people (OAuth 2.0, three-legged) or for themselves: codes, access tokens that live an hour, and
//! refresh tokens that are replaced each time they are used.

use std::collections::HashMap;
use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};

use crate::world::World;
use crate::world::issue::AccountId;

/// How long an access token lives.
pub(crate) const HOUR: TimeDelta = TimeDelta::hours(1);
/// How long a code waits to be exchanged.
const CODE: TimeDelta = TimeDelta::minutes(5);
/// How long a refresh token still works after it was replaced.
const LEEWAY: TimeDelta = TimeDelta::minutes(10);
/// How long a refresh token may lie unused.
const IDLE: TimeDelta = TimeDelta::days(90);
/// How long a consent lasts, however often it is refreshed.
const CONSENT: TimeDelta = TimeDelta::days(365);

/// What an app shows to the authorisation server.
#[derive(Clone, PartialEq, Eq)]
pub struct AppKeys {
    /// Public.
    pub client_id: String,
    /// Secret; also signs the app's webhooks.
    pub client_secret: String,
}

impl fmt::Debug for AppKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppKeys").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// For whom, through which app, to do what.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) client_id: String,
    pub(crate) account: AccountId,
    pub(crate) scopes: Vec<String>,
    consented: DateTime<Utc>,
}

struct App {
    secret: String,
    owner: AccountId,
}

struct Refresh {
    grant: Grant,
    made: DateTime<Utc>,
    replaced: Option<DateTime<Utc>>,
}

/// Apps and everything they were given.
#[derive(Default)]
pub(crate) struct Apps {
    apps: HashMap<String, App>,
    codes: HashMap<String, (Grant, DateTime<Utc>)>,
    access: HashMap<String, (Grant, DateTime<Utc>)>,
    refresh: HashMap<String, Refresh>,
}

/// Why no token is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// The app is not known, or its secret is wrong.
    Client,
    /// The code is not known, used or too old.
    Code,
    /// The refresh token is not known, replaced or too old.
    Refresh,
}

/// A fresh pair.
pub(crate) struct Tokens {
    pub(crate) access: String,
    /// Only with the scope `offline_access`.
    pub(crate) refresh: Option<String>,
    pub(crate) scopes: Vec<String>,
}

impl Apps {
    /// The secret and the owner of an app.
    pub(crate) fn app(&self, client_id: &str) -> Option<(&str, &AccountId)> {
        self.apps.get(client_id).map(|app| (app.secret.as_str(), &app.owner))
    }

    /// What an access token allows, while it lives.
    pub(crate) fn grant(&self, access: &str, now: DateTime<Utc>) -> Option<&Grant> {
        self.access.get(access).filter(|(_, made)| now - *made < HOUR).map(|(grant, _)| grant)
    }

    pub(crate) fn check(&self, client_id: &str, secret: &str) -> Result<(), Denied> {
        let known = self.apps.get(client_id).is_some_and(|app| app.secret == secret);
        known.then_some(()).ok_or(Denied::Client)
    }

    /// A code works once.
    pub(crate) fn exchange_code(&mut self, client: &str, code: &str, now: DateTime<Utc>) -> Result<Tokens, Denied> {
        let (grant, made) = self.codes.remove(code).ok_or(Denied::Code)?;
        let good = grant.client_id == client && now - made < CODE;
        if good { Ok(self.give(grant, now)) } else { Err(Denied::Code) }
    }

    /// A refresh token is replaced; for ten minutes more it works beside its successor, for clients that raced.
    pub(crate) fn refresh(&mut self, client: &str, token: &str, now: DateTime<Utc>) -> Result<Tokens, Denied> {
        let held = self.refresh.get_mut(token).filter(|held| held.is_good(now) && held.grant.client_id == client);
        let held = held.ok_or(Denied::Refresh)?;
        held.replaced.get_or_insert(now);
        let grant = held.grant.clone();
        Ok(self.give(grant, now))
    }

    /// An app in its owner's name.
    pub(crate) fn give_app(&mut self, client_id: &str, now: DateTime<Utc>) -> Result<Tokens, Denied> {
        let owner = self.apps.get(client_id).ok_or(Denied::Client)?.owner.clone();
        let scopes = ["read:jira-work", "read:jira-user", "write:jira-work", "manage:jira-webhook"];
        let scopes = scopes.map(str::to_owned).to_vec();
        Ok(self.give(Grant { client_id: client_id.to_owned(), account: owner, scopes, consented: now }, now))
    }

    fn give(&mut self, grant: Grant, now: DateTime<Utc>) -> Tokens {
        self.codes.retain(|_, (_, made)| now - *made < CODE);
        self.access.retain(|_, (_, made)| now - *made < HOUR);
        self.refresh.retain(|_, held| held.is_good(now));
        let (access, scopes) = (random("access"), grant.scopes.clone());
        let offline = scopes.iter().any(|scope| scope == "offline_access");
        let refresh = offline.then(|| random("refresh"));
        if let Some(refresh) = &refresh {
            self.refresh.insert(refresh.clone(), Refresh { grant: grant.clone(), made: now, replaced: None });
        }
        self.access.insert(access.clone(), (grant, now));
        Tokens { access, refresh, scopes }
    }
}

impl Refresh {
    fn is_good(&self, now: DateTime<Utc>) -> bool {
        now - self.made < IDLE
            && now - self.grant.consented < CONSENT
            && self.replaced.is_none_or(|at| now - at < LEEWAY)
    }
}

fn random(kind: &str) -> String {
    format!("simulated-{kind}-{:032x}", rand::random::<u128>())
}

impl World {
    /// A new app that this account owns. Its webhooks come only for people who are its owner, as on the real thing for
    /// apps that are not public.
    pub fn add_app(&self, owner: &AccountId) -> AppKeys {
        let keys = AppKeys { client_id: random("app"), client_secret: random("secret") };
        let app = App { secret: keys.client_secret.clone(), owner: owner.clone() };
        self.door.access.apps(|apps| apps.apps.insert(keys.client_id.clone(), app));
        keys
    }

    /// Somebody agrees that an app acts for them; the answer is the code for `/oauth/token`, good for five minutes.
    pub fn authorize(&self, client_id: &str, account: &AccountId, scopes: &[&str]) -> String {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let (code, now) = (random("code"), self.now());
        let grant = Grant { client_id: client_id.to_owned(), account: account.clone(), scopes, consented: now };
        self.door.access.apps(|apps| apps.codes.insert(code.clone(), (grant, now)));
        code
    }

    /// Everybody takes back what they allowed this app: its tokens are dead at once.
    pub fn revoke_app(&self, client_id: &str) {
        self.door.access.apps(|apps| {
            apps.codes.retain(|_, (grant, _)| grant.client_id != client_id);
            apps.access.retain(|_, (grant, _)| grant.client_id != client_id);
            apps.refresh.retain(|_, held| held.grant.client_id != client_id);
        });
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use proptest::prelude::*;

    fn apps(now: DateTime<Utc>) -> Apps {
        let mut apps = Apps::default();
        apps.apps.insert("app".into(), App { secret: "s".into(), owner: "a".into() });
        let scopes = vec!["offline_access".to_owned()];
        let grant = Grant { client_id: "app".into(), account: "a".into(), scopes, consented: now };
        apps.codes.insert("code".into(), (grant, now));
        apps
    }

    proptest! {
        /// Whatever the pauses between refreshes, the newest token works until it lies idle too long or the consent
        /// ends, and the one before works for ten minutes and no longer.
        #[test]
        fn only_the_newest_refresh_token_lives_on(pauses in proptest::collection::vec(1_i64..100 * 24 * 60, 1..12)) {
            let start = DateTime::UNIX_EPOCH;
            let mut apps = apps(start);
            let (mut now, mut made) = (start, start);
            let mut token = apps.exchange_code("app", "code", now).unwrap().refresh.unwrap();
            for minutes in pauses {
                now += TimeDelta::minutes(minutes);
                let alive = now - made < IDLE && now - start < CONSENT;
                let next = apps.refresh("app", &token, now);
                prop_assert_eq!(next.is_ok(), alive);
                let Ok(next) = next else { break };
                let soon = now + TimeDelta::minutes(9);
                let alive = soon - made < IDLE && soon - start < CONSENT;
                prop_assert_eq!(apps.refresh("app", &token, soon).is_ok(), alive);
                now += LEEWAY;
                prop_assert_eq!(apps.refresh("app", &token, now).err(), Some(Denied::Refresh));
                (token, made) = (next.refresh.unwrap(), now - LEEWAY);
            }
        }
    }

    #[test]
    fn a_code_works_once_and_an_access_token_for_an_hour() {
        let now = DateTime::UNIX_EPOCH;
        let mut apps = apps(now);
        assert_eq!(apps.exchange_code("other", "nothing", now).err(), Some(Denied::Code));
        let tokens = apps.exchange_code("app", "code", now).unwrap();
        assert_eq!(apps.exchange_code("app", "code", now).err(), Some(Denied::Code));
        assert!(apps.grant(&tokens.access, now + TimeDelta::minutes(59)).is_some());
        assert!(apps.grant(&tokens.access, now + HOUR).is_none());
        assert_eq!(apps.check("app", "wrong"), Err(Denied::Client));
    }
}
