//! The chain: each line's hash covers the line and the hash before it. Found broken, it names the first line that is not
//! what was written.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::TenantId;
use sea_orm::sqlx::{Row, postgres::PgRow};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Pending;
use crate::{Error, TenantStore, TenantTx, orm::sql};

/// SHA-256.
pub(crate) type Hash = [u8; 32];

/// What stands before the first line.
pub(crate) const FIRST: Hash = [0; 32];

/// Lines that are read at once.
const PAGE: i64 = 1000;

/// What became of a check of the whole chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verified {
    /// Every line is what was written, and none is missing.
    Whole {
        /// How many lines there are.
        lines: i64,
    },
    /// A line was changed, taken out or put in.
    Broken {
        /// The first that is not what was written.
        seq: i64,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// A line as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) tenant: Uuid,
    pub(crate) seq: i64,
    pub(crate) id: Uuid,
    pub(crate) at: DateTime<Utc>,
    pub(crate) begun: Option<Uuid>,
    pub(crate) actor_kind: String,
    pub(crate) actor_id: String,
    pub(crate) action: String,
    pub(crate) instance: Option<Uuid>,
    pub(crate) target: Option<String>,
    pub(crate) outcome: String,
    pub(crate) request_id: Option<String>,
    pub(crate) trace_id: Option<String>,
    pub(crate) details: BTreeMap<String, String>,
    pub(crate) prev_hash: Hash,
    pub(crate) hash: Hash,
}

impl Line {
    pub(super) fn new(tenant: TenantId, (seq, at): (i64, DateTime<Utc>), pending: Pending, prev_hash: Hash) -> Self {
        let Pending { id, begun, deed, outcome } = pending;
        let mut line = Self {
            tenant: tenant.0,
            seq,
            id: id.0,
            at,
            begun: begun.map(|begun| begun.0),
            actor_kind: deed.actor_kind,
            actor_id: deed.actor_id,
            action: deed.action,
            instance: deed.instance.map(|instance| instance.0),
            target: deed.target,
            outcome: outcome.to_owned(),
            request_id: deed.request_id,
            trace_id: deed.trace_id,
            details: deed.details,
            prev_hash,
            hash: FIRST,
        };
        line.hash = line.own_hash();
        line
    }

    pub(super) fn read(row: &PgRow) -> Result<Self, Error> {
        let details: String = row.try_get("details")?;
        Ok(Self {
            tenant: row.try_get("tenant_id")?,
            seq: row.try_get("seq")?,
            id: row.try_get("id")?,
            at: row.try_get("at")?,
            begun: row.try_get("begun_id")?,
            actor_kind: row.try_get("actor_kind")?,
            actor_id: row.try_get("actor_id")?,
            action: row.try_get("action")?,
            instance: row.try_get("instance_id")?,
            target: row.try_get("target")?,
            outcome: row.try_get("outcome")?,
            request_id: row.try_get("request_id")?,
            trace_id: row.try_get("trace_id")?,
            details: serde_json::from_str(&details).map_err(|_| Error::Unreadable("audit_log.details"))?,
            prev_hash: read_hash(row.try_get("prev_hash")?)?,
            hash: read_hash(row.try_get("hash")?)?,
        })
    }

    pub(super) fn details_json(&self) -> String {
        serde_json::to_string(&self.details).unwrap_or_else(|_| "{}".to_owned())
    }

    /// Over every field with its length before it, so that no two lines read the same.
    pub(crate) fn own_hash(&self) -> Hash {
        let mut hash = Sha256::new();
        hash.update(self.prev_hash);
        for field in [
            Some(&b"jirafleet audit 1"[..]),
            Some(self.tenant.as_bytes()),
            Some(&self.seq.to_be_bytes()),
            Some(self.id.as_bytes()),
            Some(&self.at.timestamp_micros().to_be_bytes()),
            self.begun.as_ref().map(|id| &id.as_bytes()[..]),
            Some(self.actor_kind.as_bytes()),
            Some(self.actor_id.as_bytes()),
            Some(self.action.as_bytes()),
            self.instance.as_ref().map(|id| &id.as_bytes()[..]),
            self.target.as_deref().map(str::as_bytes),
            Some(self.outcome.as_bytes()),
            self.request_id.as_deref().map(str::as_bytes),
            self.trace_id.as_deref().map(str::as_bytes),
        ] {
            feed(&mut hash, field);
        }
        for text in self.details.iter().flat_map(|(name, value)| [name, value]) {
            feed(&mut hash, Some(text.as_bytes()));
        }
        hash.finalize().into()
    }
}

fn feed(hash: &mut Sha256, field: Option<&[u8]>) {
    match field {
        None => hash.update([0]),
        Some(bytes) => {
            hash.update([1]);
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        }
    }
}

pub(crate) fn read_hash(bytes: Vec<u8>) -> Result<Hash, Error> {
    bytes.try_into().map_err(|_| Error::Unreadable("audit_log.hash"))
}

/// Where a check stands.
struct Walk {
    seq: i64,
    hash: Hash,
}

impl Walk {
    /// Why this line cannot follow, if it cannot.
    fn step(&mut self, line: &Line) -> Result<(), Verified> {
        let broken = |seq, why| Err(Verified::Broken { seq, why });
        if line.seq != self.seq + 1 {
            return broken(self.seq + 1, "it is missing");
        }
        if line.prev_hash != self.hash {
            return broken(line.seq, "it does not follow the line before it");
        }
        if line.hash != line.own_hash() {
            return broken(line.seq, "it is not what was written");
        }
        *self = Self { seq: line.seq, hash: line.hash };
        Ok(())
    }
}

impl TenantStore {
    /// Walks the whole chain, a page at a time.
    pub async fn audit_verify(&self) -> Result<Verified, Error> {
        let mut tx = self.read().await?;
        let verified = tx.walk().await;
        tx.rollback().await?;
        verified
    }
}

impl TenantTx {
    async fn walk(&mut self) -> Result<Verified, Error> {
        let mut walk = Walk { seq: 0, hash: FIRST };
        loop {
            let rows = self.lines_after(walk.seq).await?;
            for row in &rows {
                // One that cannot even be read was not written by us.
                let Ok(line) = Line::read(row) else {
                    return Ok(Verified::Broken { seq: walk.seq + 1, why: "it cannot be read" });
                };
                if let Err(broken) = walk.step(&line) {
                    return Ok(broken);
                }
            }
            if rows.is_empty() {
                return self.compare_with_head(&walk).await;
            }
        }
    }

    async fn lines_after(&mut self, seq: i64) -> Result<Vec<PgRow>, Error> {
        let rows = sql("/* audit.walk */ SELECT tenant_id, seq, id, at, begun_id, actor_kind, actor_id, action,
                instance_id, target, outcome, request_id, trace_id, details::text AS details, prev_hash, hash
            FROM mirror.audit_log WHERE tenant_id = $1 AND seq > $2 ORDER BY seq LIMIT $3")
        .bind(self.tenant.0)
        .bind(seq)
        .bind(PAGE)
        .fetch_all(self.connection())
        .await?;
        Ok(rows)
    }

    /// The head knows how far the chain went, and a key that the database does not have sealed it.
    async fn compare_with_head(&mut self, walk: &Walk) -> Result<Verified, Error> {
        let head = sql("/* audit.head */ SELECT seq, hash, mac FROM mirror.audit_heads WHERE tenant_id = $1")
            .bind(self.tenant.0)
            .fetch_optional(self.connection())
            .await?;
        let broken = |seq, why| Ok(Verified::Broken { seq, why });
        let Some(head) = head else {
            return if walk.seq == 0 {
                Ok(Verified::Whole { lines: 0 })
            } else {
                broken(walk.seq, "its seal is missing")
            };
        };
        let (seq, hash): (i64, Vec<u8>) = (head.try_get("seq")?, head.try_get("hash")?);
        let mac: Vec<u8> = head.try_get("mac")?;
        if seq > walk.seq {
            return broken(walk.seq + 1, "it is missing");
        }
        if seq < walk.seq || hash != walk.hash || !self.keys.is_audit_mac(self.tenant, seq, &hash, &mac) {
            return broken(walk.seq, "its seal is not ours");
        }
        Ok(Verified::Whole { lines: walk.seq })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Actor, ActorKind, AuditId, Deed};

    fn line() -> Line {
        let deed = Deed::new(&Actor::new(ActorKind::Operator, "mia"), "instance.pause").about("acme").with("a", 1);
        let pending = Pending { id: AuditId(Uuid::nil()), begun: None, deed, outcome: "done" };
        Line::new(TenantId(Uuid::nil()), (1, DateTime::UNIX_EPOCH), pending, FIRST)
    }

    #[test]
    fn every_field_counts() {
        let line = line();
        let text = || Some("x".to_owned());
        let changed = [
            Line { tenant: Uuid::max(), ..line.clone() },
            Line { seq: 2, ..line.clone() },
            Line { id: Uuid::max(), ..line.clone() },
            Line { at: DateTime::UNIX_EPOCH + chrono::TimeDelta::microseconds(1), ..line.clone() },
            Line { begun: Some(Uuid::nil()), ..line.clone() },
            Line { actor_kind: "user".to_owned(), ..line.clone() },
            Line { actor_id: "liu".to_owned(), ..line.clone() },
            Line { action: "instance.resume".to_owned(), ..line.clone() },
            Line { instance: Some(Uuid::nil()), ..line.clone() },
            Line { target: None, ..line.clone() },
            Line { target: Some(String::new()), ..line.clone() },
            Line { outcome: "unknown".to_owned(), ..line.clone() },
            Line { request_id: text(), ..line.clone() },
            Line { trace_id: text(), ..line.clone() },
            Line { details: BTreeMap::new(), ..line.clone() },
            Line { prev_hash: [1; 32], ..line.clone() },
        ];
        for other in changed {
            assert_ne!(other.own_hash(), line.hash, "{other:?}");
        }
    }

    #[test]
    fn the_first_broken_line_is_named() {
        let one = line();
        let mut two = Line { seq: 2, prev_hash: one.hash, ..one.clone() };
        two.hash = two.own_hash();
        let mut walk = Walk { seq: 0, hash: FIRST };
        assert_eq!(walk.step(&one), Ok(()));
        let bent = Line { actor_id: "eve".to_owned(), ..two.clone() };
        assert!(matches!(walk.step(&bent), Err(Verified::Broken { seq: 2, .. })));
        let late = Line { seq: 3, ..two.clone() };
        assert!(matches!(walk.step(&late), Err(Verified::Broken { seq: 2, .. })));
        assert_eq!(walk.step(&two), Ok(()));
    }
}
