//! Everything that Jira said about one issue at one instant.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use crate::{
    Comment, History, Issue, IssueId, IssueLink, LinkDirection, RawJson, Sprint, User, Worklog,
    canonical::{Member, canonical_part},
};

/// What Jira said about one issue at one instant: whole, with nothing cut off. The only thing that is ever applied to the
/// mirror.
#[derive(Clone, Debug)]
pub struct IssueSnapshot {
    /// The issue's own fields.
    pub issue: Issue,
    /// All of them, in the order of their ids.
    pub comments: Vec<Comment>,
    /// All of them, in the order of their ids.
    pub worklogs: Vec<Worklog>,
    /// All of it, in the order of its ids.
    pub changelog: Vec<History>,
    /// All links, seen from this issue.
    pub links: Vec<IssueLink>,
    /// What the issue says about the sprints it is or was in. It may be older than the sprint's own word.
    pub sprints: Vec<Sprint>,
    /// Everybody whom the issue, its comments, worklogs or changelog name; each once.
    pub people: Vec<User>,
    /// The issue as Jira said it, without what is told whole elsewhere in the snapshot: its `changelog`, and the lists of
    /// comments and worklogs among its fields.
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
            ("issue", own_issue(&self.issue) == own_issue(&other.issue)),
            ("comments", self.comments == other.comments),
            ("worklogs", self.worklogs == other.worklogs),
            ("changelog", self.changelog == other.changelog),
            ("links", own_links(&self.links).eq(own_links(&other.links))),
            ("raw", canonical_content(&self.raw) == canonical_content(&other.raw)),
        ];
        parts.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
    }
}

/// The hash that tells whether content changed: of the raw document without what depends on the caller, of comments and
/// worklogs (which may have been completed by further requests) and of the changelog's ids.
pub fn content_hash(raw: &RawJson, comments: &[Comment], worklogs: &[Worklog], changelog: &[History]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(canonical_content(raw).as_bytes());
    for comment in comments {
        hash.update(comment.id.0.to_be_bytes());
        hash.update(comment.updated_at.timestamp_millis().to_be_bytes());
        let mut body = String::new();
        comment.body.canonical(&mut body);
        hash.update(body.as_bytes());
    }
    for worklog in worklogs {
        hash.update(worklog.id.0.to_be_bytes());
        hash.update(worklog.seconds.to_be_bytes());
        for time in [worklog.started_at, worklog.updated_at] {
            hash.update(time.map_or(i64::MIN, |time| time.timestamp_millis()).to_be_bytes());
        }
        let mut comment = String::new();
        if let Some(document) = &worklog.comment {
            document.canonical(&mut comment);
        }
        hash.update(comment.as_bytes());
    }
    for history in changelog {
        hash.update(history.id.0.to_be_bytes());
    }
    hash.finalize().into()
}

/// Fields whose value depends on who asks: they never count as a change.
const CALLER_SPECIFIC: [&str; 3] = ["lastViewed", "watches", "votes"];

/// Embedded lists whose members are rows of their own, and may be cut short in the document: comments, worklogs, and the
/// sub-tasks, which say whose they are.
const ROWS_OF_THEIR_OWN: [&str; 3] = ["comment", "subtasks", "worklog"];

/// The issue without its parent's key, which changes when the parent moves, while its id stays.
fn own_issue(issue: &Issue) -> (Option<IssueId>, Issue) {
    let parent = issue.parent.as_ref().map(|parent| parent.id);
    (parent, Issue { parent: None, ..issue.clone() })
}

/// Links without the keys of their far ends, for the same reason.
fn own_links(links: &[IssueLink]) -> impl Iterator<Item = (i64, i64, &str, LinkDirection, IssueId)> {
    links.iter().map(|link| (link.id, link.type_id, link.type_name.as_str(), link.direction, link.other.id))
}

/// The raw document in its canonical form, without what is not this issue's own: values that depend on who asks, and what
/// Jira embeds beside a parent's or link's id about the other issue (its key, summary, status ..). That changes
/// without this issue being touched, and is read from the other's own row.
fn canonical_content(raw: &RawJson) -> String {
    let mut out = String::with_capacity(raw.as_str().len());
    canonical_part(raw.as_str(), document, &mut out);
    out
}

fn document(member: &str) -> Member {
    if member == "fields" { Member::Of(own_field) } else { Member::Whole }
}

fn own_field(name: &str) -> Member {
    match name {
        "parent" => Member::Of(only_id),
        "issuelinks" => Member::Of(link),
        name if ROWS_OF_THEIR_OWN.contains(&name) || CALLER_SPECIFIC.contains(&name) => Member::Without,
        _ => Member::Whole,
    }
}

/// Another issue's id alone.
fn only_id(member: &str) -> Member {
    if member == "id" { Member::Whole } else { Member::Without }
}

/// A link, of whose far end the id alone counts.
fn link(member: &str) -> Member {
    if matches!(member, "inwardIssue" | "outwardIssue") { Member::Of(only_id) } else { Member::Whole }
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
        assert_eq!(content_hash(&mine, &[], &[], &[]), content_hash(&theirs, &[], &[], &[]));
        let changed = raw(r#"{"fields":{"summary":"b"},"id":"1"}"#);
        assert_ne!(content_hash(&mine, &[], &[], &[]), content_hash(&changed, &[], &[], &[]));
    }

    #[test]
    fn a_hash_is_the_same_in_every_version_of_ours() {
        let raw = raw(r#"{"id":"1","key":"A-1","fields":{"summary":"say \"hi\" \u00e9","votes":{"votes":2},"n":1.50e3,
            "subtasks":[{"id":"9"}],"parent":{"key":"A-7","id":"7"},"none":null,"comment":{"total":3},
            "issuelinks":[{"type":{"id":"5"},"id":"3","outwardIssue":{"key":"A-8","id":"8"}}],
            "description":{"type":"doc","content":[{"type":"text","text":"a\nb"}]}}}"#);
        let hash: String = content_hash(&raw, &[], &[], &[]).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hash, "2e356689222c8d4af9ade5fb1de81b84ba68807d439d2dfcddd16b8fd37b5576",
            "another hash has every issue written again"
        );
    }

    #[test]
    fn another_issues_words_are_no_change() {
        let links = |summary: &str, link: u8| {
            raw(&format!(
                r#"{{"id":"1","fields":{{"parent":{{"id":"2","key":"{summary}","fields":{{"summary":"{summary}"}}}},
                    "subtasks":[{{"id":"3","fields":{{"summary":"{summary}"}}}}],
                    "issuelinks":[{{"id":"{link}","inwardIssue":{{"id":"4","fields":{{"summary":"{summary}"}}}}}}]}}}}"#
            ))
        };
        assert_eq!(content_hash(&links("a", 9), &[], &[], &[]), content_hash(&links("b", 9), &[], &[], &[]));
        assert_ne!(content_hash(&links("a", 9), &[], &[], &[]), content_hash(&links("a", 8), &[], &[], &[]));
    }
}
