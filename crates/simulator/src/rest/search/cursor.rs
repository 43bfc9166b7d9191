//! The page token: where a traversal stands, bound to its JQL, good for seven days.

use std::hash::{DefaultHasher, Hash, Hasher};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};

use crate::jql::Place;
use crate::rest::answer::Refusal;
use crate::world::issue::Issue;

/// A position behind an issue as it was when the page was made; the issue itself may have changed or gone since.
pub(super) struct Cursor {
    pub(super) id: u64,
    created: i64,
    updated: i64,
    key: String,
    jql: u64,
    issued: i64,
}

impl Cursor {
    /// The position behind this issue.
    pub(super) fn after(issue: &Issue, jql: &str, now: DateTime<Utc>) -> Self {
        Self {
            id: issue.id,
            created: issue.created.timestamp_millis(),
            updated: issue.updated.timestamp_millis(),
            key: issue.key.clone(),
            jql: digest(jql),
            issued: now.timestamp_millis(),
        }
    }

    /// Reads a token back; garbage, another query's and old ones are refused in the recorded words.
    pub(super) fn read(token: &str, jql: &str, now: DateTime<Utc>) -> Result<Self, Refusal> {
        let cursor = Self::decode(token).filter(|cursor| {
            let age = now.timestamp_millis().saturating_sub(cursor.issued);
            cursor.jql == digest(jql) && age <= TimeDelta::days(7).num_milliseconds()
        });
        cursor.ok_or_else(|| Refusal::bad("The provided next page token is invalid or expired."))
    }

    pub(super) fn write(&self) -> String {
        let Self { id, created, updated, key, jql, issued } = self;
        let text = format!("{id},{created},{updated},{key},{jql},{issued}");
        BASE64_URL_SAFE_NO_PAD.encode(format!("{text},{}", digest(&text)))
    }

    /// What orders compare with.
    pub(super) fn place(&self) -> Place<'_> {
        Place::new(self.id, &self.key, self.created, self.updated)
    }

    fn decode(token: &str) -> Option<Self> {
        let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        let (text, sum) = text.rsplit_once(',')?;
        if sum.parse() != Ok(digest(text)) {
            return None;
        }
        let mut parts = text.split(',');
        Some(Self {
            id: parts.next()?.parse().ok()?,
            created: parts.next()?.parse().ok()?,
            updated: parts.next()?.parse().ok()?,
            key: parts.next()?.to_owned(),
            jql: parts.next()?.parse().ok()?,
            issued: parts.next()?.parse().ok()?,
        })
    }
}

fn digest(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn a_token_is_good_for_its_query_and_for_seven_days() {
        let now = Utc::now();
        let issue = Issue::new(7, "ACME-1".into(), "a".into(), now);
        let token = Cursor::after(&issue, "project = ACME", now).write();
        assert_eq!(Cursor::read(&token, "project = ACME", now).unwrap().id, 7);
        assert!(Cursor::read(&token, "project = WEB", now).is_err());
        assert!(Cursor::read(&token, "project = ACME", now + TimeDelta::days(8)).is_err());
        for garbage in ["", "garbage", "CAEaAggB", "äöü", &token[1..]] {
            assert!(Cursor::read(garbage, "project = ACME", now).is_err());
        }
    }
}
