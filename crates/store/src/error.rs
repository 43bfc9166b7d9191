//! What can go wrong between us and PostgreSQL.
//!
//! PostgreSQL's messages may quote rows, so none of them is kept: only its code and the names of things.

use std::sync::Arc;

use sea_orm::{DbErr, RuntimeErr, sqlx};

/// Why the store did not do what it was asked to.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing, or it is another tenant's: no difference is visible.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// Something of that name exists already.
    #[error("{0} is taken: choose another one")]
    Conflict(String),
    /// PostgreSQL is away, overloaded, or chose us to lose a deadlock: the same again later may succeed.
    #[error("PostgreSQL cannot do this now ({0}): try again")]
    Unavailable(String),
    /// Somebody else has taken over what we were doing and goes on with it. Nothing of ours was kept.
    #[error("somebody else has taken over this work")]
    Overtaken,
    /// This login, this schema or this key must not be used; a sentence about what to do.
    #[error("{0}")]
    Configuration(String),
    /// What was given cannot be stored.
    #[error(transparent)]
    Invalid(#[from] domain::Invalid),
    /// PostgreSQL refused a statement.
    #[error("PostgreSQL refused a statement: {code} {about}")]
    Database {
        /// SQLSTATE, or the kind of failure.
        code: String,
        /// The constraint, table or column it named.
        about: String,
    },
    /// A row holds what we never write.
    #[error("a row cannot be understood: {0}")]
    Unreadable(&'static str),
}

impl Error {
    /// Its stable name in logs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "store.not_found",
            Self::Conflict(_) => "store.conflict",
            Self::Unavailable(_) => "store.unavailable",
            Self::Overtaken => "store.overtaken",
            Self::Configuration(_) => "store.configuration",
            Self::Invalid(_) => "store.invalid",
            Self::Database { .. } => "store.database",
            Self::Unreadable(_) => "store.unreadable",
        }
    }

    /// Whether the same again later may succeed.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl Error {
    /// Whether what was to be stored is the reason: the same again fails again, and something else would not.
    ///
    /// SQLSTATE's classes 22 (a value out of range, or of a form that PostgreSQL does not take) and 54 (too long, too deep).
    pub fn is_about_content(&self) -> bool {
        match self {
            Self::Invalid(_) => true,
            Self::Database { code, .. } => code.starts_with("22") || code.starts_with("54"),
            _ => false,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::of(&error)
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        match error {
            DbErr::Conn(RuntimeErr::SqlxError(error))
            | DbErr::Exec(RuntimeErr::SqlxError(error))
            | DbErr::Query(RuntimeErr::SqlxError(error)) => Self::of(&error),
            DbErr::RecordNotFound(_) | DbErr::RecordNotUpdated => Self::NotFound("row"),
            DbErr::ConnectionAcquire(_) => Self::Unavailable("no connection".to_owned()),
            _ => Self::Database { code: "sea-orm".to_owned(), about: String::new() },
        }
    }
}

impl Error {
    /// A secret that does not open.
    pub(crate) fn sealed() -> Self {
        let sentence = "a sealed secret does not open: it was sealed with another master key, or moved from another row; give the key \
             that it was sealed with in --master-key-file";
        Self::Configuration(sentence.to_owned())
    }

    /// This, where it is known which thing there is none of.
    pub(crate) fn of_what(self, what: &'static str) -> Self {
        if let Self::NotFound(_) = self { Self::NotFound(what) } else { self }
    }

    /// This, where it is known which name is taken.
    pub(crate) fn of_name(self, what: &str, name: &str) -> Self {
        if let Self::Conflict(_) = self { Self::Conflict(format!("the {what} name {name:?}")) } else { self }
    }

    fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(refusal) => Self::refused(refusal.as_ref()),
            sqlx::Error::Io(error) => Self::Unavailable(format!("connection: {:?}", error.kind())),
            sqlx::Error::PoolTimedOut => Self::Unavailable("all connections are busy".to_owned()),
            sqlx::Error::PoolClosed => Self::Unavailable("shutting down".to_owned()),
            sqlx::Error::Tls(_) => Self::Unavailable("TLS".to_owned()),
            sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed | sqlx::Error::BeginFailed => {
                Self::Unavailable("the connection broke".to_owned())
            }
            sqlx::Error::RowNotFound => Self::NotFound("row"),
            sqlx::Error::ColumnDecode { index, .. } => {
                Self::Database { code: "decode".to_owned(), about: index.clone() }
            }
            _ => Self::Database { code: "driver".to_owned(), about: String::new() },
        }
    }

    fn refused(refusal: &dyn sqlx::error::DatabaseError) -> Self {
        let code = refusal.code().unwrap_or_default().into_owned();
        if code == "23505" {
            return Self::Conflict(named(refusal.constraint().unwrap_or("the value")));
        }
        if is_passing(&code) {
            return Self::Unavailable(code);
        }
        let about = refusal.constraint().or_else(|| refusal.table()).unwrap_or_default().to_owned();
        Self::Database { code, about }
    }
}

/// Connection lost (08), out of resources (53), shutdown or start (57P), rollback on conflict (40), lock not available,
/// and a server that turned read-only because another one took over.
fn is_passing(code: &str) -> bool {
    ["08", "53", "57P", "40"].iter().any(|class| code.starts_with(class)) || matches!(code, "55P03" | "25006")
}

fn named(constraint: &str) -> String {
    match constraint {
        "tenants_name_key" => "that tenant name".to_owned(),
        "jira_instances_name_key" => "that instance name".to_owned(),
        other => other.to_owned(),
    }
}

/// Hands an error of the driver to SeaORM, which hands it back to us.
pub(crate) fn through_orm(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(Arc::new(error)))
}
