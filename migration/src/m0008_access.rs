//! Who may come in and what was done: the audit log, which only grows, the keys of programs, and what AI vendors were asked.

use sea_orm_migration::prelude::*;

use crate::{
    lookups,
    roles::{APP, SYSTEM},
    tables::{expose, protect},
};

const TABLES: [&str; 4] = ["audit_log", "audit_heads", "api_keys", "ai_calls"];

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        for sql in [AUDIT, API_KEYS, AI_CALLS] {
            connection.execute_unprepared(sql).await?;
        }
        for table in TABLES {
            protect(manager, table, "tenant_id").await?;
        }
        // The log only grows: what was granted on every table is taken back here.
        let grants = format!(
            "REVOKE UPDATE, DELETE ON mirror.audit_log FROM {APP};
            REVOKE DELETE ON mirror.audit_heads FROM {APP};
            REVOKE DELETE ON mirror.ai_calls FROM {APP};"
        );
        connection.execute_unprepared(&grants).await?;
        connection.execute_unprepared(&lookup()).await?;
        lookups::hand_over(manager, LOOKUP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        let lookup = format!(
            "DROP FUNCTION mirror.{LOOKUP};
            DROP POLICY system_reads ON mirror.api_keys;
            REVOKE ALL ON mirror.api_keys FROM {SYSTEM};"
        );
        connection.execute_unprepared(&lookup).await?;
        for table in TABLES {
            expose(manager, table).await?;
        }
        connection.execute_unprepared(DOWN).await?;
        Ok(())
    }
}

/// An action is one row or two: the second, which tells how it ended, refers to the first. `hash` covers the row and the
/// hash before it, so that no row can be changed or taken out unseen; the head of a tenant's chain is the lock under which
/// it grows. `mac` seals the head with a key that the database does not have.
///
/// Instances and issues are named without a foreign key: the log outlives them.
const AUDIT: &str = "
CREATE TABLE mirror.audit_log (
    tenant_id uuid NOT NULL REFERENCES mirror.tenants (id),
    seq bigint NOT NULL CHECK (seq > 0),
    id uuid NOT NULL,
    at timestamptz NOT NULL,
    begun_id uuid,
    actor_kind text NOT NULL,
    actor_id text NOT NULL CHECK (length(actor_id) BETWEEN 1 AND 255),
    action text NOT NULL CHECK (length(action) BETWEEN 1 AND 64),
    instance_id uuid,
    target text CHECK (length(target) <= 255),
    outcome text NOT NULL CHECK (outcome IN ('begun', 'done', 'not_done', 'unknown')),
    request_id text CHECK (length(request_id) <= 64),
    trace_id text CHECK (length(trace_id) <= 64),
    details jsonb NOT NULL CHECK (jsonb_typeof(details) = 'object' AND octet_length(details::text) <= 32768),
    prev_hash bytea NOT NULL CHECK (octet_length(prev_hash) = 32),
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (tenant_id, seq),
    CONSTRAINT audit_log_id_key UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, begun_id) REFERENCES mirror.audit_log (tenant_id, id),
    CHECK (begun_id IS NULL OR outcome <> 'begun')
);

CREATE UNIQUE INDEX audit_log_completed_once ON mirror.audit_log (tenant_id, begun_id) WHERE begun_id IS NOT NULL;
CREATE INDEX audit_log_begun ON mirror.audit_log (tenant_id, at) WHERE outcome = 'begun';
CREATE INDEX audit_log_by_time ON mirror.audit_log (tenant_id, at);

CREATE TABLE mirror.audit_heads (
    tenant_id uuid PRIMARY KEY REFERENCES mirror.tenants (id),
    seq bigint NOT NULL CHECK (seq >= 0),
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    mac bytea NOT NULL CHECK (octet_length(mac) IN (0, 32))
);

CREATE FUNCTION mirror.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN
        RAISE EXCEPTION '% only grows', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
    END $$;

CREATE FUNCTION mirror.refuse_retreat() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN
        IF NEW.tenant_id <> OLD.tenant_id OR NEW.seq < OLD.seq OR (NEW.seq = OLD.seq AND NEW.hash <> OLD.hash) THEN
            RAISE EXCEPTION '% only grows', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN NEW;
    END $$;

REVOKE ALL ON FUNCTION mirror.refuse_change(), mirror.refuse_retreat() FROM PUBLIC;

CREATE TRIGGER only_grows BEFORE UPDATE OR DELETE ON mirror.audit_log
    FOR EACH ROW EXECUTE FUNCTION mirror.refuse_change();
CREATE TRIGGER is_never_emptied BEFORE TRUNCATE ON mirror.audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION mirror.refuse_change();
CREATE TRIGGER only_advances BEFORE UPDATE ON mirror.audit_heads
    FOR EACH ROW EXECUTE FUNCTION mirror.refuse_retreat();
CREATE TRIGGER stays BEFORE DELETE ON mirror.audit_heads
    FOR EACH ROW EXECUTE FUNCTION mirror.refuse_change();
CREATE TRIGGER is_never_emptied BEFORE TRUNCATE ON mirror.audit_heads
    FOR EACH STATEMENT EXECUTE FUNCTION mirror.refuse_change();

COMMENT ON COLUMN mirror.audit_log.begun_id IS 'the row that this one completes';
COMMENT ON COLUMN mirror.audit_log.hash IS 'SHA-256 of prev_hash and this row';
";

/// `token_hash` is unique in the whole house: a key is looked up before its tenant is known.
const API_KEYS: &str = "
CREATE TABLE mirror.api_keys (
    tenant_id uuid NOT NULL REFERENCES mirror.tenants (id),
    id uuid NOT NULL,
    name text NOT NULL,
    token_hash bytea NOT NULL CONSTRAINT api_keys_token_hash_key UNIQUE CHECK (octet_length(token_hash) = 32),
    scopes text[] NOT NULL CHECK (cardinality(scopes) > 0),
    networks cidr[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);

CREATE UNIQUE INDEX api_keys_name_key ON mirror.api_keys (tenant_id, name) WHERE revoked_at IS NULL;

COMMENT ON COLUMN mirror.api_keys.token_hash IS 'keyed hash of the token, which is nowhere';
COMMENT ON COLUMN mirror.api_keys.networks IS 'from where it may be used; empty means anywhere';
COMMENT ON COLUMN mirror.api_keys.last_used_at IS 'coarse: not every use is written';
";

/// What a call cost is unknown, not nothing, for a model without a price.
const AI_CALLS: &str = "
CREATE TABLE mirror.ai_calls (
    tenant_id uuid NOT NULL REFERENCES mirror.tenants (id),
    id uuid NOT NULL,
    at timestamptz NOT NULL,
    use_case text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    prompt_version text NOT NULL,
    prompt_hash bytea NOT NULL CHECK (octet_length(prompt_hash) = 32),
    input_tokens bigint NOT NULL CHECK (input_tokens >= 0),
    output_tokens bigint NOT NULL CHECK (output_tokens >= 0),
    cache_read_tokens bigint NOT NULL CHECK (cache_read_tokens >= 0),
    cache_write_tokens bigint NOT NULL CHECK (cache_write_tokens >= 0),
    duration_ms bigint NOT NULL CHECK (duration_ms >= 0),
    cost_microdollars bigint CHECK (cost_microdollars >= 0),
    outcome text NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE INDEX ai_calls_by_time ON mirror.ai_calls (tenant_id, at) INCLUDE (cost_microdollars);

COMMENT ON COLUMN mirror.ai_calls.cost_microdollars IS 'millionths of a dollar; absent where the model has no known price';
";

const LOOKUP: &str = "find_api_key(bytea)";

/// One key by its hash, whosever it is: what tells whether it is good, and nothing else.
fn lookup() -> String {
    format!(
        "GRANT SELECT ON mirror.api_keys TO {SYSTEM};
        CREATE POLICY system_reads ON mirror.api_keys FOR SELECT TO {SYSTEM} USING (true);
        CREATE FUNCTION mirror.{LOOKUP}
            RETURNS TABLE (tenant_id uuid, id uuid, name text, scopes text[], networks text[], created_at timestamptz,
                expires_at timestamptz, last_used_at timestamptz, revoked_at timestamptz, tenant_suspended boolean)
            LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
            AS $$
                SELECT k.tenant_id, k.id, k.name, k.scopes, k.networks::text[], k.created_at, k.expires_at,
                    k.last_used_at, k.revoked_at, t.suspended
                FROM mirror.api_keys k JOIN mirror.tenants t ON t.id = k.tenant_id
                WHERE k.token_hash = $1
            $$;"
    )
}

const DOWN: &str = "
DROP TABLE mirror.ai_calls;
DROP TABLE mirror.api_keys;
DROP TABLE mirror.audit_heads;
DROP TABLE mirror.audit_log;
DROP FUNCTION mirror.refuse_change();
DROP FUNCTION mirror.refuse_retreat();
";
