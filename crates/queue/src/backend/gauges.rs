//! The depth of a queue as figures for Prometheus: read by one process for all, twice a minute, cheap at any depth. The same
//! process sees to it that dead letters do not fill Redis.

use std::{sync::Arc, time::Duration};

use redis::{RedisResult, aio::MultiplexedConnection};

use super::{fair, shared::Shared};
use crate::{dead_letter, metric, scripts::GAUGES, stats, touched::millis};

/// Between two readings.
pub(super) const EVERY: Duration = Duration::from_secs(30);

/// After how long without a reading somebody else takes over.
const LEFT: Duration = Duration::from_secs(75);

pub(super) struct Gauges {
    shared: Arc<Shared>,
    /// Several workers of one pod may share a consumer's name.
    name: String,
    is_ours: bool,
}

impl Gauges {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        let name = format!("{}/{:x}", shared.options.consumer, rand::random::<u64>());
        Self { shared: Arc::clone(shared), name, is_ours: false }
    }

    /// Reads them if it is our turn. Whoever lost its turn shows nothing, so that the maximum over all processes is
    /// right; a sum is not, since schedulers tell the same.
    pub(super) async fn refresh(&mut self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        let mut script = GAUGES.key(&self.shared.keys.gauges);
        script.arg(&self.name).arg(millis(LEFT));
        let was_ours = std::mem::replace(&mut self.is_ours, script.invoke_async(connection).await?);
        let queue = self.shared.options.queue;
        fair::tell(&self.shared, connection).await?;
        if self.is_ours {
            fair::set(&self.shared, connection).await?;
            dead_letter::trim(connection, &self.shared.keys).await?;
            metric::depth(queue, &stats::depth(connection, &self.shared.keys).await?);
        } else if was_ours {
            metric::depth(queue, &stats::Depth::default());
        }
        Ok(())
    }
}
