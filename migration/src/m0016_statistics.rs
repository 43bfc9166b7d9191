//! No statistics of what no question compares.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        set_target(manager, 0).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        set_target(manager, -1).await
    }
}

/// Documents are read by key and shown. For their statistics `ANALYZE`, which comes by itself every minute while a site is
/// copied, unpacks and sorts thousands of them: two thirds of its time for comments.
const DOCUMENTS: [(&str, &[&str]); 4] = [
    ("issues", &["raw", "raw_exact", "description", "content_hash"]),
    ("comments", &["body", "visibility"]),
    ("changelogs", &["more", "history_more"]),
    ("worklogs", &["comment", "visibility"]),
];

/// 0 for none, -1 for as many as of other columns.
async fn set_target(manager: &SchemaManager<'_>, target: i32) -> Result<(), DbErr> {
    for (table, columns) in DOCUMENTS {
        let changes: Vec<String> =
            columns.iter().map(|column| format!("ALTER COLUMN {column} SET STATISTICS {target}")).collect();
        let sql = format!("ALTER TABLE mirror.{table} {}", changes.join(", "));
        manager.get_connection().execute_unprepared(&sql).await?;
    }
    Ok(())
}
