//! One pump's own connection: made when needed, made again when it broke.

use std::{sync::Arc, time::Duration};

use redis::{RedisError, RedisResult, ServerErrorKind, aio::MultiplexedConnection};

use super::shared::Shared;
use crate::connection::Patience;

pub(super) struct Line {
    shared: Arc<Shared>,
    response: Duration,
    connection: Option<MultiplexedConnection>,
    patience: Patience,
}

impl Line {
    /// `response` is how long a command may take; longer than any it blocks for.
    pub(super) fn new(shared: &Arc<Shared>, response: Duration) -> Self {
        Self { shared: Arc::clone(shared), response, connection: None, patience: Patience::new() }
    }

    pub(super) fn is_new(&self) -> bool {
        self.connection.is_none()
    }

    pub(super) async fn get(&mut self) -> RedisResult<MultiplexedConnection> {
        if let Some(connection) = &self.connection {
            return Ok(connection.clone());
        }
        let connection = self.shared.connector.connect(self.response).await?;
        self.connection = Some(connection.clone());
        Ok(connection)
    }

    /// A command succeeded.
    pub(super) fn works(&mut self) {
        self.patience = Patience::new();
        self.shared.outage.ends(self.shared.options.queue);
    }

    /// A command failed: the connection is given up, and some time passes; less when the backend closes.
    pub(super) async fn broke(&mut self, error: &RedisError) {
        self.connection = None;
        if !is_group_missing(error) {
            self.shared.outage.begins(self.shared.options.queue, error);
        }
        tokio::select! {
            () = self.patience.wait() => {}
            () = self.shared.closed.cancelled() => {}
        }
    }
}

/// Redis lost its data, or the reader was not here yet: the reader makes the group again and the work goes on.
pub(super) fn is_group_missing(error: &RedisError) -> bool {
    matches!(error.code(), Some("NOGROUP" | "UNBLOCKED"))
        || matches!(error.kind(), redis::ErrorKind::Server(ServerErrorKind::NoScript))
}
