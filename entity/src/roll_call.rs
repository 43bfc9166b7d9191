//! Some thousands of the ids that a running census was told of, by one answer of Jira's.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(schema_name = "mirror", table_name = "roll_calls")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub instance_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub project_id: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub answer: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub part: i64,
    pub ids: Vec<i64>,
    pub observed_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
