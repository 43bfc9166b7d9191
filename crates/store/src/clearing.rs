//! Clearing away what is of no use any more, in portions: nobody waits long for a row.

use chrono::{DateTime, Utc};

use crate::{Error, TenantStore, orm::sql};

/// Portions of one kind that are cleared at once; the rest waits for the next time.
const PORTIONS: usize = 50;
/// Rows of a portion.
const ROWS: i64 = 1000;

/// Something that is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Litter {
    /// Callers' keys that are older than a day.
    OldKeys,
    /// Callers' keys under which nothing came and nothing is open: whoever had claimed them died before anything was
    /// announced, or before a refusal was kept.
    LostClaims,
    /// Rights to refresh an OAuth grant whose time is long over.
    OldLeases,
    /// Ids that a census was told of which ended or was overtaken.
    OldRollCalls,
}

impl Litter {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::OldKeys, Self::LostClaims, Self::OldLeases, Self::OldRollCalls];

    /// As metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::OldKeys => "keys",
            Self::LostClaims => "claims",
            Self::OldLeases => "leases",
            Self::OldRollCalls => "roll_calls",
        }
    }

    /// One portion of a tenant's; `$2` is since when nobody can be at work on what has not moved.
    fn statement(self) -> &'static str {
        match self {
            Self::OldKeys => {
                "/* clearing.keys */ DELETE FROM mirror.idempotency_keys WHERE ctid = ANY (ARRAY (
                    SELECT ctid FROM mirror.idempotency_keys
                    WHERE tenant_id = $1 AND began_at < least($2, now() - interval '1 day')
                    LIMIT $3 FOR UPDATE SKIP LOCKED))"
            }
            Self::LostClaims => {
                "/* clearing.claims */ DELETE FROM mirror.idempotency_keys WHERE ctid = ANY (ARRAY (
                    SELECT k.ctid FROM mirror.idempotency_keys k
                    WHERE k.tenant_id = $1 AND k.began_at < $2 AND k.outcome IS NULL AND NOT EXISTS (
                        SELECT FROM mirror.audit_log a
                        WHERE a.tenant_id = $1 AND a.outcome = 'begun' AND a.at >= k.began_at - interval '1 minute'
                            AND a.details ->> 'claim' = k.claim::text
                            AND NOT EXISTS (SELECT FROM mirror.audit_log c WHERE c.tenant_id = $1 AND c.begun_id = a.id))
                    LIMIT $3 FOR UPDATE OF k SKIP LOCKED))"
            }
            Self::OldLeases => {
                "/* clearing.leases */ UPDATE mirror.oauth_grants SET holder = NULL, lease_until = NULL
                    WHERE ctid = ANY (ARRAY (
                        SELECT ctid FROM mirror.oauth_grants
                        WHERE tenant_id = $1 AND lease_until < least($2, now() - interval '1 hour')
                        LIMIT $3 FOR UPDATE SKIP LOCKED))"
            }
            Self::OldRollCalls => {
                "/* clearing.roll_calls */ DELETE FROM mirror.roll_calls WHERE ctid = ANY (ARRAY (
                    SELECT r.ctid FROM mirror.roll_calls r
                    WHERE r.tenant_id = $1 AND r.observed_at < least($2, now() - interval '2 days') AND NOT EXISTS (
                        SELECT FROM mirror.censuses c
                        WHERE c.tenant_id = $1 AND c.instance_id = r.instance_id AND c.project_id = r.project_id
                            AND c.finished_at IS NULL)
                    LIMIT $3 FOR UPDATE OF r SKIP LOCKED))"
            }
        }
    }
}

impl TenantStore {
    /// Clears away what is of no use any more; nobody can be at work on what has not moved since `quiet`. Returns how many
    /// rows it was.
    pub async fn clear_away(&self, litter: Litter, quiet: DateTime<Utc>) -> Result<u64, Error> {
        let mut cleared = 0;
        for _ in 0..PORTIONS {
            let mut tx = self.begin().await?;
            let done = sql(litter.statement())
                .bind(self.id().0)
                .bind(quiet)
                .bind(ROWS)
                .execute(tx.connection())
                .await?
                .rows_affected();
            tx.commit().await?;
            cleared += done;
            if done < ROWS.unsigned_abs() {
                break;
            }
        }
        Ok(cleared)
    }
}
