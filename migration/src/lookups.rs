//! Functions and views that look over the wall between tenants: owned by the role that may, used by processes.

use sea_orm_migration::{DbErr, SchemaManager, sea_orm::ConnectionTrait};

use crate::roles::{APP, SYSTEM};

/// Gives a function of the schema `mirror` (its name with the types of its arguments) to [`SYSTEM`], for [`APP`] to call.
pub(crate) async fn hand_over(manager: &SchemaManager<'_>, function: &str) -> Result<(), DbErr> {
    let sql = format!(
        "REVOKE ALL ON FUNCTION mirror.{function} FROM PUBLIC;
        GRANT EXECUTE ON FUNCTION mirror.{function} TO {APP};"
    );
    manager.get_connection().execute_unprepared(&sql).await?;
    give(manager, &format!("FUNCTION mirror.{function}")).await
}

/// Gives a view of the schema `mirror` to [`SYSTEM`], for [`APP`] to read.
pub(crate) async fn hand_over_view(manager: &SchemaManager<'_>, view: &str) -> Result<(), DbErr> {
    manager.get_connection().execute_unprepared(&format!("GRANT SELECT ON mirror.{view} TO {APP}")).await?;
    give(manager, &format!("VIEW mirror.{view}")).await
}

/// Handing something to another role needs membership and the right to create; both are taken back at once, because a
/// member would also be covered by that role's policies.
async fn give(manager: &SchemaManager<'_>, what: &str) -> Result<(), DbErr> {
    let sql = format!(
        "GRANT {SYSTEM} TO CURRENT_USER;
        GRANT CREATE ON SCHEMA mirror TO {SYSTEM};
        ALTER {what} OWNER TO {SYSTEM};
        REVOKE CREATE ON SCHEMA mirror FROM {SYSTEM};
        REVOKE {SYSTEM} FROM CURRENT_USER;"
    );
    manager.get_connection().execute_unprepared(&sql).await?;
    Ok(())
}
