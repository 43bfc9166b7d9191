//! Why the schema could not be changed, cut by what whoever asked can do about it.
//!
//! PostgreSQL's first sentence is kept, since it names what is in the way; its details may quote rows and are not.

use sea_orm_migration::sea_orm::{DbErr, RuntimeErr, sqlx};

/// What an address that nobody can read should be.
const WRONG_URL: &str = "it must look like postgres://user:password@host/database";

/// Why the schema could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// PostgreSQL is not there.
    #[error("PostgreSQL does not answer ({0}): check that it runs and that the database's URL is right")]
    Unavailable(String),
    /// Somebody has to put the address or a right in order.
    #[error("PostgreSQL does not let us in ({0}): check the database's URL, which must be the schema's owner's")]
    Refused(String),
    /// The login is not the schema's owner.
    #[error("this login may not change the schema ({0}): give the owner's URL in --database-url")]
    Forbidden(String),
    /// A table is in use.
    #[error("a table is in use, and the step did not wait any longer ({0}): nothing of it stayed; try again")]
    Busy(String),
    /// A newer program was here.
    #[error("the schema is newer than this program (it has {0}): migrate with the newer release")]
    Ahead(String),
    /// A step met what it did not expect.
    #[error(
        "the step {step} could not be taken ({reason}): those before it are, and nothing of it stayed; put that right, then \
         run `jirafleet migrate up` again"
    )]
    Broken {
        /// Which.
        step: String,
        /// PostgreSQL's sentence.
        reason: String,
    },
    /// A question was not answered.
    #[error("the schema could not be looked at: {0}")]
    Database(String),
    /// A role of ours could see every tenant.
    #[error(
        "role {role} is a superuser or exempt from row security, so tenants would not be kept apart: \
         run `ALTER ROLE {role} NOSUPERUSER NOBYPASSRLS` first"
    )]
    TooPowerful {
        /// Whose.
        role: String,
    },
}

impl Error {
    /// This, where it is known which step was being taken.
    pub(crate) fn at(self, step: Option<String>) -> Self {
        match (self, step) {
            (Self::Database(reason), Some(step)) => Self::Broken { step, reason },
            (error, _) => error,
        }
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        match &error {
            DbErr::Conn(RuntimeErr::SqlxError(error))
            | DbErr::Exec(RuntimeErr::SqlxError(error))
            | DbErr::Query(RuntimeErr::SqlxError(error)) => Self::of(error),
            DbErr::ConnectionAcquire(_) => Self::Unavailable("no connection".to_owned()),
            DbErr::Conn(_) => Self::wrong_url(),
            // SeaORM has no kind of its own for it: steps that were taken and are not known here, one a line.
            DbErr::Custom(lines) if lines.contains("is missing, this migration has been applied") => {
                let steps: Vec<&str> = lines.lines().filter_map(|line| line.split('\'').nth(1)).collect();
                Self::Ahead(steps.join(", "))
            }
            error => Self::Database(error.to_string()),
        }
    }
}

impl Error {
    /// An address that nobody can read.
    pub(crate) fn wrong_url() -> Self {
        Self::Refused(WRONG_URL.to_owned())
    }

    /// What the driver says, as somebody can act on it.
    pub(crate) fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(refusal) => {
                let code = refusal.code().unwrap_or_default().into_owned();
                let said = format!("{code}: {}", refusal.message());
                match code.as_str() {
                    "55P03" | "40P01" => Self::Busy(code),
                    "42501" => Self::Forbidden(said),
                    code if code.starts_with("28") || code.starts_with("3D") => Self::Refused(said),
                    code if ["08", "53", "57P"].iter().any(|class| code.starts_with(class)) => Self::Unavailable(said),
                    _ => Self::Database(said),
                }
            }
            sqlx::Error::Io(error) => Self::Unavailable(format!("connection: {:?}", error.kind())),
            sqlx::Error::Configuration(_) => Self::wrong_url(),
            sqlx::Error::PoolTimedOut => Self::Unavailable("no answer in time".to_owned()),
            sqlx::Error::Tls(_) => Self::Unavailable("TLS".to_owned()),
            sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed | sqlx::Error::PoolClosed => {
                Self::Unavailable("the connection broke".to_owned())
            }
            _ => Self::Database("the driver did not understand the answer".to_owned()),
        }
    }
}
