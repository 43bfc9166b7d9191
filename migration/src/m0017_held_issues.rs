//! What writers ask before they write: what is held of a page's issues.

use sea_orm_migration::prelude::*;

use crate::{lookups, m0014_policies::OWN};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(&view()).await?;
        lookups::hand_over_view(manager, "held_issues").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("DROP VIEW mirror.held_issues").await?;
        Ok(())
    }
}

/// Each issue of a page is looked up by its key, and the table's policy is asked at every such look: a tenth of a page that tells
/// what is known. The view is read with its owner's rights, whom the table's policy lets see everything (see `m0007_search`), and
/// asks for the tenant once. It is a barrier, as the policy is: no condition that could tell of a row sees it before the
/// tenant was compared.
fn view() -> String {
    format!(
        "CREATE VIEW mirror.held_issues WITH (security_barrier) AS
            SELECT tenant_id, instance_id, id, key, updated_at, observed_at, seen_at, content_hash, deleted_at
            FROM mirror.issues WHERE tenant_id = (SELECT {OWN})"
    )
}
