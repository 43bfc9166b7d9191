//! One line of a tenant's audit log.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(schema_name = "mirror", table_name = "audit_log")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i64,
    pub id: Uuid,
    pub at: DateTimeUtc,
    pub begun_id: Option<Uuid>,
    pub actor_kind: String,
    pub actor_id: String,
    pub action: String,
    pub instance_id: Option<Uuid>,
    pub target: Option<String>,
    pub outcome: String,
    pub request_id: Option<String>,
    pub trace_id: Option<String>,
    pub details: Json,
    pub prev_hash: Vec<u8>,
    pub hash: Vec<u8>,
}

impl ActiveModelBehavior for ActiveModel {}
