//! How much a gateway takes at once.

use std::time::Duration;

/// How much a gateway takes at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest body of one webhook, in bytes. Jira drops what is over 25 MB by itself.
    pub body_bytes: usize,
    /// All bodies that are held at one moment, in bytes; what does not fit is told to come back.
    pub bodies_bytes: usize,
    /// How long a sender may take for one body.
    pub body_patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body_bytes: 25 * 1024 * 1024, bodies_bytes: 256 * 1024 * 1024, body_patience: Duration::from_secs(30) }
    }
}
