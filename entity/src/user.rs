//! One person of a site. The address is a keyed hash.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(schema_name = "mirror", table_name = "users")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub instance_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: String,
    pub display_name: Option<String>,
    pub active: Option<bool>,
    pub account_type: Option<String>,
    pub time_zone: Option<String>,
    pub email_hash: Option<Vec<u8>>,
    pub observed_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
