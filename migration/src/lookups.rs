//! Functions that look over the wall between tenants: owned by the role that may, callable by processes.

use sea_orm_migration::{DbErr, SchemaManager, sea_orm::ConnectionTrait};

use crate::roles::{APP, SYSTEM};

/// Gives a function of the schema `mirror` (its name with the types of its arguments) to [`SYSTEM`], for [`APP`] to call.
///
/// Handing a function to another role needs membership and the right to create; both are taken back at once, because a
/// member would also be covered by that role's policies.
pub(crate) async fn hand_over(manager: &SchemaManager<'_>, function: &str) -> Result<(), DbErr> {
    let sql = format!(
        "REVOKE ALL ON FUNCTION mirror.{function} FROM PUBLIC;
        GRANT EXECUTE ON FUNCTION mirror.{function} TO {APP};
        GRANT {SYSTEM} TO CURRENT_USER;
        GRANT CREATE ON SCHEMA mirror TO {SYSTEM};
        ALTER FUNCTION mirror.{function} OWNER TO {SYSTEM};
        REVOKE CREATE ON SCHEMA mirror FROM {SYSTEM};
        REVOKE {SYSTEM} FROM CURRENT_USER;"
    );
    manager.get_connection().execute_unprepared(&sql).await?;
    Ok(())
}
