//! How far one stream of an instance has been read.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(schema_name = "mirror", table_name = "sync_watermarks")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub instance_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub stream: String,
    pub mark: Option<DateTimeUtc>,
    pub project_id: Option<i64>,
    pub run: Option<Uuid>,
    pub state: Option<String>,
    pub reason: Option<String>,
    pub restarts: i32,
    pub since: Option<Date>,
    pub listing: Option<Vec<i64>>,
    pub done: i32,
    pub next_token: Option<String>,
    pub listed_all: bool,
    pub synced: i64,
    pub expected: Option<i64>,
    pub page: i64,
    pub fence: i64,
    pub began_at: Option<DateTimeUtc>,
    pub updated_at: DateTimeUtc,
    pub finished_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}
