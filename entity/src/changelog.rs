//! One change of a changelog's entry; an entry without changes is one row numbered -1.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(schema_name = "mirror", table_name = "changelogs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub instance_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub issue_id: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub item_no: i32,
    pub author: Option<String>,
    pub created_at: DateTimeUtc,
    pub field: Option<String>,
    pub field_id: Option<String>,
    pub field_type: Option<String>,
    pub from_value: Option<String>,
    pub from_text: Option<String>,
    pub to_value: Option<String>,
    pub to_text: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}
