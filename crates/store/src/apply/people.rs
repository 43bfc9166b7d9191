//! People whom snapshots name. They are known from many issues at once, so a page asks first and writes only news.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{EmailAddress, InstanceId, User};
use entity::user;

use crate::{
    Error, TenantTx,
    cache::UserByAccount,
    directory::{column, user_rows},
    orm::{sql, stored},
};

/// Names that Jira shows when it does not tell one, and the account of a corrupted record.
const PLACEHOLDERS: [&str; 2] = ["former user", "unknown"];
const NOBODY: &str = "unknown";

/// One person as of some instant, the address as its keyed hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Person {
    account: String,
    display_name: Option<String>,
    active: Option<bool>,
    account_type: Option<String>,
    time_zone: Option<String>,
    email_hash: Option<Vec<u8>>,
    observed_at: DateTime<Utc>,
}

impl Person {
    pub(crate) fn new(user: &User, observed_at: DateTime<Utc>, hash: impl Fn(&EmailAddress) -> Vec<u8>) -> Self {
        Self {
            account: user.account.0.clone(),
            display_name: user.display_name.clone(),
            active: user.active,
            account_type: user.account_type.clone(),
            time_zone: user.time_zone.clone(),
            email_hash: user.email.as_ref().map(hash),
            observed_at: stored(observed_at),
        }
    }

    /// What both know together: the later word counts, silence and placeholders never do.
    fn with(self, other: Self) -> Self {
        let (older, newer) = if other.observed_at < self.observed_at { (other, self) } else { (self, other) };
        let (first, second) = if newer.is_placeholder() && !older.is_placeholder() {
            (older.display_name, newer.display_name)
        } else {
            (newer.display_name, older.display_name)
        };
        Self {
            account: newer.account,
            display_name: first.or(second),
            active: newer.active.or(older.active),
            account_type: newer.account_type.or(older.account_type),
            time_zone: newer.time_zone.or(older.time_zone),
            email_hash: newer.email_hash.or(older.email_hash),
            observed_at: newer.observed_at,
        }
    }

    fn is_placeholder(&self) -> bool {
        let name = self.display_name.as_deref().unwrap_or_default().trim().to_lowercase();
        name.is_empty() || self.account == NOBODY || PLACEHOLDERS.contains(&name.as_str())
    }

    fn says_the_same_as(&self, other: &Self) -> bool {
        Self { observed_at: other.observed_at, ..self.clone() } == *other
    }
}

impl From<user::Model> for Person {
    fn from(row: user::Model) -> Self {
        Self {
            account: row.account_id,
            display_name: row.display_name,
            active: row.active,
            account_type: row.account_type,
            time_zone: row.time_zone,
            email_hash: row.email_hash,
            observed_at: row.observed_at,
        }
    }
}

impl TenantTx {
    /// Puts people into the mirror, those of whom something new is told.
    pub(crate) async fn apply_people(&mut self, instance: InstanceId, people: Vec<Person>) -> Result<(), Error> {
        let told = each_once(people);
        if told.is_empty() {
            return Ok(());
        }
        let accounts: Vec<String> = told.keys().cloned().collect();
        let held = user_rows(self, instance, &accounts).await?;
        let news = news(told, held.into_iter().map(Person::from));
        self.write_people(instance, &news).await
    }

    async fn write_people(&mut self, instance: InstanceId, people: &[Person]) -> Result<(), Error> {
        if people.is_empty() {
            return Ok(());
        }
        sql("/* users.write */
            INSERT INTO mirror.users (tenant_id, instance_id, account_id, display_name, active, account_type, time_zone,
                email_hash, observed_at)
            SELECT $1, $2, p.account_id, p.display_name, p.active, p.account_type, p.time_zone, p.email_hash,
                p.observed_at
            FROM unnest($3::text[], $4::text[], $5::bool[], $6::text[], $7::text[], $8::bytea[], $9::timestamptz[])
                AS p (account_id, display_name, active, account_type, time_zone, email_hash, observed_at)
            ORDER BY p.account_id
            ON CONFLICT (tenant_id, instance_id, account_id) DO UPDATE SET
                display_name = excluded.display_name, active = excluded.active, account_type = excluded.account_type,
                time_zone = excluded.time_zone, email_hash = excluded.email_hash, observed_at = excluded.observed_at")
        .bind(self.tenant.0)
        .bind(instance.0)
        .bind(column(people, |person| person.account.as_str()))
        .bind(column(people, |person| person.display_name.as_deref()))
        .bind(column(people, |person| person.active))
        .bind(column(people, |person| person.account_type.as_deref()))
        .bind(column(people, |person| person.time_zone.as_deref()))
        .bind(column(people, |person| person.email_hash.as_deref()))
        .bind(column(people, |person| person.observed_at))
        .execute(self.connection())
        .await?;
        for person in people {
            self.stale.add(&UserByAccount(instance, &person.account));
        }
        Ok(())
    }
}

fn each_once(people: Vec<Person>) -> BTreeMap<String, Person> {
    let mut once: BTreeMap<String, Person> = BTreeMap::new();
    for person in people {
        let person = match once.remove(&person.account) {
            Some(known) => known.with(person),
            None => person,
        };
        once.insert(person.account.clone(), person);
    }
    once
}

/// The people of whom more is known than before, in the order of their accounts.
fn news(mut told: BTreeMap<String, Person>, held: impl Iterator<Item = Person>) -> Vec<Person> {
    for held in held {
        let Some(person) = told.remove(&held.account) else { continue };
        let both = held.clone().with(person);
        if !both.says_the_same_as(&held) {
            told.insert(both.account.clone(), both);
        }
    }
    told.into_values().collect()
}
