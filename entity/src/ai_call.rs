//! One question to an AI vendor, and what it cost.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(schema_name = "mirror", table_name = "ai_calls")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub at: DateTimeUtc,
    pub use_case: String,
    pub provider: String,
    pub model: String,
    pub prompt_version: String,
    pub prompt_hash: Vec<u8>,
    pub input_tokens: i64,
    pub output_tokens: i64,
    pub cache_read_tokens: i64,
    pub cache_write_tokens: i64,
    pub duration_ms: i64,
    pub cost_microdollars: Option<i64>,
    pub outcome: String,
}

impl ActiveModelBehavior for ActiveModel {}
