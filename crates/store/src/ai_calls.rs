//! What AI vendors were asked on a tenant's behalf, and what it cost.

use chrono::{DateTime, Utc};
use entity::ai_call::ActiveModel;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, sqlx::Row};
use uuid::Uuid;

use crate::{Error, TenantStore, TenantTx, orm::sql};

/// One question to a vendor, once it was answered or refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AiCall {
    /// When it was asked.
    pub at: DateTime<Utc>,
    /// What for, such as `classify_intent`.
    pub use_case: String,
    /// Of whom, such as `anthropic`.
    pub provider: String,
    /// The model's name.
    pub model: String,
    /// Which version of the prompt.
    pub prompt_version: String,
    /// SHA-256 of the prompt.
    pub prompt_hash: [u8; 32],
    /// Tokens read, without those below.
    pub input_tokens: i64,
    /// Tokens written.
    pub output_tokens: i64,
    /// Tokens read from the vendor's cache.
    pub cache_read_tokens: i64,
    /// Tokens written into it.
    pub cache_write_tokens: i64,
    /// How long it took.
    pub duration_ms: i64,
    /// Millionths of a dollar; `None` when the model has no known price.
    pub cost_microdollars: Option<i64>,
    /// Such as `ok` or `refused`.
    pub outcome: String,
}

/// What a tenant spent in a span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AiSpent {
    /// Questions.
    pub calls: i64,
    /// Tokens of all kinds.
    pub tokens: i64,
    /// Millionths of a dollar, without the unpriced ones.
    pub cost_microdollars: i64,
    /// Questions to models without a known price.
    pub unpriced: i64,
}

impl TenantTx {
    /// Writes a call down.
    pub async fn add_ai_call(&mut self, call: &AiCall) -> Result<(), Error> {
        let row = ActiveModel {
            tenant_id: Set(self.tenant.0),
            id: Set(Uuid::now_v7()),
            at: Set(call.at),
            use_case: Set(call.use_case.clone()),
            provider: Set(call.provider.clone()),
            model: Set(call.model.clone()),
            prompt_version: Set(call.prompt_version.clone()),
            prompt_hash: Set(call.prompt_hash.to_vec()),
            input_tokens: Set(call.input_tokens),
            output_tokens: Set(call.output_tokens),
            cache_read_tokens: Set(call.cache_read_tokens),
            cache_write_tokens: Set(call.cache_write_tokens),
            duration_ms: Set(call.duration_ms),
            cost_microdollars: Set(call.cost_microdollars),
            outcome: Set(call.outcome.clone()),
        };
        row.insert(&self.orm()).await?;
        Ok(())
    }
}

impl TenantStore {
    /// What was spent from `since` until before `until`.
    pub async fn ai_spent(&self, since: DateTime<Utc>, until: DateTime<Utc>) -> Result<AiSpent, Error> {
        let mut tx = self.read().await?;
        let row = sql("/* ai_calls.sum */ SELECT count(*) AS calls,
                coalesce(sum(input_tokens + output_tokens + cache_read_tokens + cache_write_tokens), 0)::bigint AS tokens,
                coalesce(sum(cost_microdollars), 0)::bigint AS cost, count(*) FILTER (WHERE cost_microdollars IS NULL)
                    AS unpriced
            FROM mirror.ai_calls WHERE tenant_id = $1 AND at >= $2 AND at < $3")
        .bind(self.id().0)
        .bind(since)
        .bind(until)
        .fetch_one(tx.connection())
        .await?;
        tx.rollback().await?;
        Ok(AiSpent {
            calls: row.try_get("calls")?,
            tokens: row.try_get("tokens")?,
            cost_microdollars: row.try_get("cost")?,
            unpriced: row.try_get("unpriced")?,
        })
    }
}
