//! One issue. Its content is absent where nothing is known but that it is gone.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(schema_name = "mirror", table_name = "issues")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub instance_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    pub key: Option<String>,
    pub project_id: Option<i64>,
    pub summary: Option<String>,
    pub type_id: Option<i64>,
    pub type_name: Option<String>,
    pub type_subtask: Option<bool>,
    pub status_id: Option<i64>,
    pub status_name: Option<String>,
    pub status_category: Option<String>,
    pub priority_id: Option<i64>,
    pub priority_name: Option<String>,
    pub resolution_id: Option<i64>,
    pub resolution_name: Option<String>,
    pub assignee: Option<String>,
    pub reporter: Option<String>,
    pub creator: Option<String>,
    pub labels: Option<Vec<String>>,
    pub parent_id: Option<i64>,
    pub parent_key: Option<String>,
    pub sprint_ids: Option<Vec<i64>>,
    pub created_at: Option<DateTimeUtc>,
    pub updated_at: Option<DateTimeUtc>,
    pub resolved_at: Option<DateTimeUtc>,
    pub due_on: Option<Date>,
    pub content_hash: Option<Vec<u8>>,
    pub observed_at: Option<DateTimeUtc>,
    pub seen_at: Option<DateTimeUtc>,
    pub gone_at: Option<DateTimeUtc>,
    pub deleted_at: Option<DateTimeUtc>,
    pub missed_at: Option<DateTimeUtc>,
    pub visible: bool,
}

impl ActiveModelBehavior for ActiveModel {}
