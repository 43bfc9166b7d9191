//! Jobs of paused instances: put aside when they come up, put back when the pause ends. They cost no attempt, no slot and
//! no polling, and each request is kept once.

use std::sync::Arc;

use redis::{RedisResult, ScriptInvocation, aio::MultiplexedConnection};

use super::shared::Shared;
use crate::{
    delivery::Held,
    envelope::Decoded,
    keys::GROUP,
    scripts::{PARK, RELEASE},
    touched::millis,
    unique::UniqueKey,
};

/// Jobs put back in one step, and instances looked at in one round.
const BATCH: usize = 100;

pub(super) fn park(shared: &Shared, parked: &[Arc<Held>]) -> ScriptInvocation<'static> {
    let keys = &shared.keys;
    let mut script = PARK.key(&keys.stream);
    script.key(&keys.paused).key(&keys.parked).key(&keys.shares).arg(GROUP).arg(&shared.options.consumer);
    for held in parked {
        let instance = held.envelope.job.instance();
        script.key(&held.unique.key).key(keys.parked_of(instance));
        script.arg(&*held.entry).arg(held.envelope.id.to_string()).arg(instance.to_string());
        let claim = if held.unique.is_shared() { held.unique.value.as_str() } else { "" };
        script.arg(held.envelope.bytes()).arg(claim).arg(millis(held.unique.life));
    }
    script
}

/// Puts back what is parked for no pause any more.
pub(super) async fn release(shared: &Shared, connection: &mut MultiplexedConnection) -> RedisResult<()> {
    let parked: bool = redis::cmd("EXISTS").arg(&shared.keys.parked).query_async(connection).await?;
    if !parked {
        return Ok(());
    }
    let (now_s, now_us): (u64, u64) = redis::cmd("TIME").query_async(connection).await?;
    let mut due = redis::cmd("ZRANGEBYSCORE");
    due.arg(&shared.keys.parked).arg("-inf").arg(now_s * 1_000 + now_us / 1_000).arg("LIMIT").arg(0).arg(BATCH);
    let instances: Vec<String> = due.query_async(connection).await?;
    for instance in instances.iter().filter_map(|instance| instance.parse().ok()) {
        while release_some(shared, connection, instance).await? > 0 {}
    }
    Ok(())
}

/// Answers how many are left.
async fn release_some(
    shared: &Shared,
    connection: &mut MultiplexedConnection,
    instance: domain::InstanceId,
) -> RedisResult<u64> {
    let (keys, jobs) = (&shared.keys, shared.keys.parked_of(instance));
    let mut some = redis::cmd("HRANDFIELD");
    some.arg(&jobs).arg(BATCH).arg("WITHVALUES");
    let found: Vec<(String, Vec<u8>)> = some.query_async(connection).await?;
    let mut script = RELEASE.key(&keys.stream);
    script.key(&keys.paused).key(&keys.parked).key(&jobs).key(&keys.shares).arg(instance.to_string());
    for (key, body) in &found {
        script.key(key).arg(body);
        let unique = match Decoded::read(body) {
            Decoded::Known(envelope) => Some((UniqueKey::of(&envelope, keys), envelope)),
            // A newer process parked it, and will know what it claims.
            Decoded::Unknown { .. } | Decoded::Malformed(_) => None,
        };
        match unique {
            Some((unique, envelope)) if unique.is_shared() => {
                script.arg(envelope.id.to_string()).arg(&unique.value).arg(millis(unique.life));
            }
            _ => {
                script.arg("").arg("").arg(0);
            }
        }
    }
    script.invoke_async(connection).await
}
