//! Keys that issues once had, so that an old key still leads somewhere.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{InstanceId, IssueId, IssueSnapshot, is_valid_issue_key};

use super::{HeldById, Sighting, Verdict};
use crate::{Error, TenantTx, cache::IssueByKey, directory::column, orm::sql};

/// What Jira calls a key in a changelog; such a change has no field id.
const KEY: &str = "Key";

/// Whose, which, and when it last had it.
type Aliases = BTreeMap<(IssueId, String), DateTime<Utc>>;

impl TenantTx {
    /// Remembers keys that the sightings show to be old: what was held under another key, what an older answer says, and
    /// what the changelog tells of times before the mirror.
    pub(super) async fn remember_keys(
        &mut self,
        instance: InstanceId,
        judged: &[(&Sighting<'_>, Verdict)],
        held: &HeldById,
    ) -> Result<(), Error> {
        let aliases = old_keys(judged, held);
        if aliases.is_empty() {
            return Ok(());
        }
        let aliases: Vec<_> = aliases.into_iter().collect();
        for ((_, key), _) in &aliases {
            self.stale.add(&IssueByKey(instance, key));
        }
        sql("/* aliases.write */
            INSERT INTO mirror.issue_key_aliases AS t (tenant_id, instance_id, issue_id, key, last_had_at)
            SELECT $1, $2, p.issue_id, p.key, p.last_had_at
            FROM unnest($3::bigint[], $4::text[], $5::timestamptz[]) AS p (issue_id, key, last_had_at)
            ORDER BY p.issue_id, p.key
            ON CONFLICT (tenant_id, instance_id, issue_id, key) DO UPDATE SET last_had_at = excluded.last_had_at
            WHERE t.last_had_at < excluded.last_had_at")
        .bind(self.tenant.0)
        .bind(instance.0)
        .bind(column(&aliases, |((issue, _), _)| issue.0))
        .bind(column(&aliases, |((_, key), _)| key.as_str()))
        .bind(column(&aliases, |(_, at)| *at))
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

fn old_keys(judged: &[(&Sighting<'_>, Verdict)], held: &HeldById) -> Aliases {
    let mut aliases = Aliases::new();
    let mut add = |issue: IssueId, key: &str, at: DateTime<Utc>| {
        let known = aliases.entry((issue, key.to_owned())).or_insert(at);
        *known = at.max(*known);
    };
    for (sighting, verdict) in judged {
        let (id, now) = (sighting.id(), sighting.snapshot.issue.key.as_str());
        let held = held.get(&id);
        let before = held.and_then(|held| held.key.as_deref().zip(held.observed_at)).filter(|(key, _)| *key != now);
        match (verdict, before) {
            (Verdict::Write, Some((key, at))) => add(id, key, at),
            (Verdict::Older | Verdict::Refuse, Some(_)) => add(id, now, sighting.observed_at),
            _ => {}
        }
        if *verdict == Verdict::Write {
            for (key, at) in told(sighting.snapshot) {
                add(id, key, at);
            }
        }
    }
    aliases
}

/// The old keys of which an issue's changelog tells.
fn told(snapshot: &IssueSnapshot) -> impl Iterator<Item = (&str, DateTime<Utc>)> {
    snapshot.changelog.iter().flat_map(move |history| {
        let moves = history.changes.iter().filter(|change| change.field == KEY && change.field_id.is_none());
        moves
            .filter_map(|change| change.from_text.as_deref())
            .filter(move |key| is_valid_issue_key(key) && *key != snapshot.issue.key.as_str())
            .map(|key| (key, history.created_at))
    })
}
