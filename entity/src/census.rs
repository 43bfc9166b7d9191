//! The newest roll call of one project.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(schema_name = "mirror", table_name = "censuses")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub instance_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub project_id: i64,
    pub run: Uuid,
    pub state: String,
    pub reason: Option<String>,
    pub fence: i64,
    pub page: i64,
    pub restarts: i32,
    pub next_token: Option<String>,
    pub verified_to: Option<i64>,
    pub listed: i64,
    pub expected: Option<i64>,
    pub absent: i64,
    pub missing: i64,
    pub deleted: i64,
    pub began_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
    pub finished_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}
