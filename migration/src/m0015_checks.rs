//! Checks of written rows that ask for the tenant once a statement.

use sea_orm_migration::prelude::*;

use crate::m0014_policies::{OWN, compare, plainly};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        once(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        plainly(manager).await
    }
}

/// What a later step that makes a table of tenants calls after [`protect`](crate::tables::protect).
///
/// Every written row is checked, and the plain expression was asked for each: a tenth of what a row of a changelog takes. A
/// sub-select is asked once a statement, and statements that write bring many rows. What is read goes on comparing plainly.
pub(crate) async fn once(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    compare(manager, OWN, &format!("(SELECT {OWN})")).await
}
