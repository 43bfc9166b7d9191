//! What an integration test may borrow: real servers, a database and a key prefix of its own, and a whole fleet in this
//! process against a simulated Jira.

mod api_process;
mod comparison;
pub mod day;
mod fleet;
pub mod kills;
mod servers;

pub use api_process::ApiProcess;
pub use comparison::compare;
pub use fleet::{FleetOptions, TestFleet};
pub use servers::{
    TestDatabase, cache_config, cached_store_for, database, empty_database, master_key, private_servers, queue_config,
    store, store_for,
};
