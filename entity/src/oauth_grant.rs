//! The tokens of one instance's OAuth grant, and who may replace them.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(schema_name = "mirror", table_name = "oauth_grants")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub instance_id: Uuid,
    pub version: i64,
    pub expires_at: DateTimeUtc,
    pub tokens_sealed: Vec<u8>,
    pub holder: Option<String>,
    pub lease_until: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}
