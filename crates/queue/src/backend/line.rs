//! One pump's own connection: made when needed, made again when it broke.

use std::{sync::Arc, time::Duration};

use redis::{
    FromRedisValue, Pipeline, RedisError, RedisResult, ScriptInvocation, ServerErrorKind, aio::MultiplexedConnection,
};

use super::shared::Shared;
use crate::connection::{self, Patience};

/// What is asked of Redis; may be asked again.
pub(super) enum Request {
    Script(ScriptInvocation<'static>),
    Pipe(Pipeline),
}

impl Request {
    async fn send<T: FromRedisValue>(&self, connection: &mut MultiplexedConnection) -> RedisResult<T> {
        match self {
            Self::Script(script) => script.invoke_async(connection).await,
            Self::Pipe(pipe) => pipe.query_async(connection).await,
        }
    }
}

/// What Redis said at last.
pub(super) struct Answer<T> {
    pub(super) told: T,
    /// Whether it was asked once: else it may have done already what it was asked for, and the answer got lost.
    pub(super) is_first: bool,
}

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

    /// Asks until Redis answers; the question is put anew each time, since much may have happened meanwhile. An error is
    /// returned only when asking again cannot help.
    pub(super) async fn insist<T: FromRedisValue>(&mut self, request: impl Fn() -> Request) -> RedisResult<Answer<T>> {
        let mut is_first = true;
        loop {
            let answer = match self.get().await {
                Ok(mut connection) => request().send(&mut connection).await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(told) => {
                    self.works();
                    return Ok(Answer { told, is_first });
                }
                Err(error) if connection::is_passing(&error) && !self.shared.closed.is_cancelled() => {
                    is_first = false;
                    self.broke(&error).await;
                }
                Err(error) => return Err(error),
            }
        }
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
