//! Everything that Jira said about one issue at one instant.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use crate::{Comment, History, Issue, IssueLink, RawJson, User};

/// What Jira said about one issue at one instant: whole, with nothing cut off. The only thing that is ever applied to the
/// mirror.
#[derive(Clone, Debug)]
pub struct IssueSnapshot {
    /// The issue's own fields.
    pub issue: Issue,
    /// All of them, in the order of their ids.
    pub comments: Vec<Comment>,
    /// All of it, in the order of its ids.
    pub changelog: Vec<History>,
    /// All links, seen from this issue.
    pub links: Vec<IssueLink>,
    /// Everybody whom the issue, its comments or its changelog name; each once.
    pub people: Vec<User>,
    /// The issue as Jira said it, without its `changelog` member, whose every entry is in [`changelog`](Self::changelog).
    pub raw: RawJson,
    /// A lower bound of the instant at which this was true: when the request was sent.
    pub observed_at: DateTime<Utc>,
    /// Of everything that counts as content; see [`content_hash`].
    pub content_hash: [u8; 32],
}

impl IssueSnapshot {
    /// The parts in which two snapshots say different things; empty when they agree. When each was taken does not matter,
    /// nor do values that depend on who asks.
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        let parts = [
            ("issue", self.issue == other.issue),
            ("comments", self.comments == other.comments),
            ("changelog", self.changelog == other.changelog),
            ("links", self.links == other.links),
            ("raw", canonical_content(&self.raw) == canonical_content(&other.raw)),
        ];
        parts.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
    }
}

/// The hash that tells whether content changed: of the raw document without what depends on the caller, of the comments
/// (which may have been completed by further requests) and of the changelog's ids.
pub fn content_hash(raw: &RawJson, comments: &[Comment], changelog: &[History]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(canonical_content(raw).as_bytes());
    for comment in comments {
        hash.update(comment.id.0.to_be_bytes());
        hash.update(comment.updated_at.timestamp_millis().to_be_bytes());
        let mut body = String::new();
        comment.body.canonical(&mut body);
        hash.update(body.as_bytes());
    }
    for history in changelog {
        hash.update(history.id.0.to_be_bytes());
    }
    hash.finalize().into()
}

/// Fields whose value depends on who asks: they never count as a change.
const CALLER_SPECIFIC: [&str; 3] = ["lastViewed", "watches", "votes"];

fn canonical_content(raw: &RawJson) -> String {
    let mut out = String::new();
    without_caller_specific(raw).as_ref().unwrap_or(raw).canonical(&mut out);
    out
}

fn without_caller_specific(raw: &RawJson) -> Option<RawJson> {
    use std::collections::BTreeMap;
    let mut document: BTreeMap<String, RawJson> = raw.read().ok()?;
    let mut fields: BTreeMap<String, RawJson> = document.get("fields")?.read().ok()?;
    let before = fields.len();
    fields.retain(|name, _| !CALLER_SPECIFIC.contains(&name.as_str()));
    if fields.len() == before {
        return None;
    }
    document.insert("fields".to_owned(), RawJson::of(&fields).ok()?);
    RawJson::of(&document).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> RawJson {
        RawJson::parse(text.to_owned()).expect("valid JSON")
    }

    #[test]
    fn who_asks_is_no_change() {
        let mine = raw(r#"{"id":"1","fields":{"summary":"a","lastViewed":"today","watches":{"isWatching":true}}}"#);
        let theirs = raw(r#"{"fields":{"summary":"a","lastViewed":null},"id":"1"}"#);
        assert_eq!(content_hash(&mine, &[], &[]), content_hash(&theirs, &[], &[]));
        let changed = raw(r#"{"fields":{"summary":"b"},"id":"1"}"#);
        assert_ne!(content_hash(&mine, &[], &[]), content_hash(&changed, &[], &[]));
    }
}
