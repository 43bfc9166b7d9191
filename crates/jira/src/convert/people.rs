//! Everybody whom an issue names.

use std::collections::{BTreeMap, HashMap};

use domain::{AccountId, User};
use serde_json::value::RawValue;

use crate::{lenient, wire};

/// Who was named so far.
#[derive(Debug, Default)]
pub(crate) struct People {
    named: BTreeMap<AccountId, User>,
    known: Known,
}

/// People by the words they were told in. The issues of a page name the same few people some hundred times, word for word.
pub(crate) type Known = HashMap<Box<str>, Option<User>>;

impl People {
    /// Nobody was named, and these need not be read again.
    pub(crate) fn knowing(known: Known) -> Self {
        Self { named: BTreeMap::new(), known }
    }

    /// Notes a person and returns the account. Who is named twice is known by everything that was said.
    pub(crate) fn meet(&mut self, told: Option<&RawValue>) -> Option<AccountId> {
        let told = told?.get();
        if !self.known.contains_key(told) {
            self.known.insert(told.into(), read(told));
        }
        let user = self.known.get(told)?.as_ref()?;
        match self.named.get_mut(&user.account) {
            None => {
                self.named.insert(user.account.clone(), user.clone());
            }
            Some(named) => complete(named, user),
        }
        Some(user.account.clone())
    }

    /// What need not be read again.
    pub(crate) fn take_known(&mut self) -> Known {
        std::mem::take(&mut self.known)
    }

    /// Everybody, in the order of the accounts.
    pub(crate) fn into_named(self) -> Vec<User> {
        self.named.into_values().collect()
    }
}

fn read(told: &str) -> Option<User> {
    lenient::shaped_text::<wire::Person>(told)?.into_user()
}

fn complete(named: &mut User, user: &User) {
    let text = |named: &mut Option<String>, told: &Option<String>| {
        if named.is_none() {
            named.clone_from(told);
        }
    };
    text(&mut named.display_name, &user.display_name);
    text(&mut named.account_type, &user.account_type);
    text(&mut named.time_zone, &user.time_zone);
    named.active = named.active.or(user.active);
    if named.email.is_none() {
        named.email.clone_from(&user.email);
    }
}
