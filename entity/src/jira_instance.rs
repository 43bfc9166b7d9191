//! One Jira Cloud site registered by a tenant.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(schema_name = "mirror", table_name = "jira_instances")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    pub site: String,
    pub account_id: Option<String>,
    pub state: String,
    pub state_reason: Option<String>,
    pub poll_interval_seconds: i64,
    pub requests_per_minute: i32,
    pub credentials_sealed: Vec<u8>,
    pub webhook_secret_sealed: Vec<u8>,
    pub created_at: DateTimeUtc,
    pub time_zone: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}
