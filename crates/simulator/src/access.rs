//! Who may ask: accounts with their API tokens, apps with theirs, and what has become of them by the site's clock.

pub(crate) mod oauth;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::config::Config;
use crate::world::World;
use crate::world::issue::AccountId;
use oauth::Apps;

/// What the site thinks of the credentials it is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Standing {
    #[default]
    Valid,
    /// Answered as nobody: 200 and empty lists.
    Expired,
    /// Answered with 401.
    Refused,
    /// Locked out until somebody solves a CAPTCHA: 403.
    LockedOut,
}

/// An account's way in.
#[derive(Clone)]
pub(crate) struct Login {
    email: String,
    token: String,
    /// The service account where none is named.
    pub(crate) account: Option<AccountId>,
    /// What the token may be used for; everything where none are named. A token with scopes works at the gateway only.
    pub(crate) scopes: Option<Vec<String>>,
    expires: Option<DateTime<Utc>>,
}

/// What came of a mail address and a token.
pub(crate) enum Found {
    Login(Login),
    Expired,
    Wrong,
    LockedOut,
}

/// Every key to the site.
pub(crate) struct Access(Mutex<Keys>);

struct Keys {
    standing: Standing,
    /// The configured one first.
    logins: Vec<Login>,
    /// Failed logins in a row, by mail address.
    failures: HashMap<String, u32>,
    captcha_after: Option<u32>,
    apps: Apps,
}

impl Access {
    pub(crate) fn new(config: &Config) -> Self {
        let (email, token) = (config.email.clone(), config.token.clone());
        Self(Mutex::new(Keys {
            standing: Standing::Valid,
            logins: vec![Login { email, token, account: None, scopes: None, expires: None }],
            failures: HashMap::new(),
            captcha_after: config.captcha_after,
            apps: Apps::default(),
        }))
    }

    /// How every request is treated, whatever it shows.
    pub(crate) fn standing(&self) -> Standing {
        self.lock().standing
    }

    /// Looks a login up. Too many wrong tokens in a row lock the address, and then not even the right one is looked at.
    pub(crate) fn log_in(&self, email: &str, token: &str, now: DateTime<Utc>) -> Found {
        let mut keys = self.lock();
        let failures = keys.failures.get(email).copied().unwrap_or(0);
        if keys.captcha_after.is_some_and(|most| failures >= most) {
            return Found::LockedOut;
        }
        let place = keys.logins.iter().position(|login| login.email == email && login.token == token);
        let Some(place) = place else {
            // Only known addresses are counted: the list stays short.
            if keys.logins.iter().any(|login| login.email == email) {
                *keys.failures.entry(email.to_owned()).or_default() += 1;
            }
            return Found::Wrong;
        };
        keys.failures.remove(email);
        let login = keys.logins[place].clone();
        let over = login.expires.is_some_and(|at| at <= now) || (place == 0 && keys.standing == Standing::Expired);
        if over { Found::Expired } else { Found::Login(login) }
    }

    /// Runs on the apps and their tokens.
    pub(crate) fn apps<T>(&self, run: impl FnOnce(&mut Apps) -> T) -> T {
        run(&mut self.lock().apps)
    }

    fn main<T>(&self, change: impl FnOnce(&mut Login) -> T) -> Option<T> {
        self.lock().logins.first_mut().map(change)
    }

    fn stand(&self, standing: Standing) {
        self.lock().standing = standing;
    }

    fn lock(&self) -> MutexGuard<'_, Keys> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    /// The token stops working the quiet way: reads answer 200 and empty lists, `/myself` 401.
    pub fn expire_token(&self) {
        self.door.access.stand(Standing::Expired);
    }

    /// The same, once this much time has passed on the site's clock.
    pub fn expire_token_in(&self, length: Duration) {
        let at = self.now() + length;
        self.door.access.main(|login| login.expires = Some(at));
    }

    /// The token stops working the loud way: 401 on every route.
    pub fn require_auth_401(&self) {
        self.door.access.stand(Standing::Refused);
    }

    /// The account is locked out by a CAPTCHA: 403 on every route.
    pub fn lock_out(&self) {
        self.door.access.stand(Standing::LockedOut);
    }

    /// From now on only this token is taken.
    pub fn replace_token(&self, token: &str) {
        self.door.access.main(|login| token.clone_into(&mut login.token));
    }

    /// The token works again, and no address is locked any more.
    pub fn restore_token(&self) {
        self.door.access.main(|login| login.expires = None);
        let mut keys = self.door.access.lock();
        keys.standing = Standing::Valid;
        keys.failures.clear();
    }

    /// The service account's token belongs to this account from now on, as when somebody mixed two up.
    pub fn sign_in_as(&self, account: &AccountId) {
        self.door.access.main(|login| login.account = Some(account.clone()));
    }

    /// A further login, for one of `World::accounts`. It sees what the service account sees.
    pub fn add_login(&self, email: &str, token: &str, account: &AccountId) {
        self.add(email, token, account, None);
    }

    /// A further login whose token has scopes, such as `read:jira-work`: it is taken at the gateway only.
    pub fn add_scoped_login(&self, email: &str, token: &str, account: &AccountId, scopes: &[&str]) {
        self.add(email, token, account, Some(scopes.iter().map(|scope| (*scope).to_owned()).collect()));
    }

    fn add(&self, email: &str, token: &str, account: &AccountId, scopes: Option<Vec<String>>) {
        let (email, token) = (email.to_owned(), token.to_owned());
        let login = Login { email, token, account: Some(account.clone()), scopes, expires: None };
        self.door.access.lock().logins.push(login);
    }
}
