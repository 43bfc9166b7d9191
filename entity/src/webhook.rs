//! The webhook of an instance.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(schema_name = "mirror", table_name = "webhooks")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub instance_id: Uuid,
    pub kind: Option<String>,
    pub url: Option<String>,
    pub remote_ids: Vec<i64>,
    pub expires_at: Option<DateTimeUtc>,
    pub registered_at: Option<DateTimeUtc>,
    pub checked_at: Option<DateTimeUtc>,
    pub verified_at: Option<DateTimeUtc>,
    pub problem: Option<String>,
    pub health: String,
    pub health_since: DateTimeUtc,
    pub previous_secret_sealed: Option<Vec<u8>>,
    pub previous_secret_until: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}
