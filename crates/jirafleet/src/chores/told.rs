//! What commands do outside PostgreSQL, and the audit logs that tell of it: begun before, and after it how it ended.

use std::collections::{BTreeMap, BTreeSet};

use domain::{InstanceId, TenantId};
use queue::{DeadLetter, Envelope, FLEET, JobId};
use store::{Begun, Deed, Ending, TenantStore};

use super::dead;
use crate::{
    exit::{self, Failed},
    wire_up::House,
};

/// Does something to these instances and tells it in the logs of their tenants. What is done to the fleet, or to an instance
/// that nobody knows, is told in every tenant's log.
pub(super) async fn told<T>(
    house: &House,
    instances: impl IntoIterator<Item = InstanceId>,
    (action, target): (&str, &str),
    work: impl Future<Output = Result<T, Failed>>,
) -> Result<T, Failed> {
    let mut begun: Vec<(TenantStore, Begun)> = Vec::new();
    for (tenant, instance) in concerned(house, instances).await? {
        let deed = Deed::new(house.operator(), action).about(target);
        let tenant = house.store.tenant(tenant);
        let mut tx = tenant.begin().await?;
        let line = tx.audit_begin(instance.into_iter().fold(deed, Deed::on));
        tx.commit().await?;
        begun.push((tenant, line));
    }
    let done = work.await;
    let ending = match &done {
        Ok(_) => Ending::Done,
        Err(failed) if [exit::USAGE, exit::NOT_FOUND, exit::CONFLICT].contains(&failed.code) => Ending::NotDone,
        Err(_) => Ending::Unknown,
    };
    for (tenant, line) in begun {
        let mut tx = tenant.begin().await?;
        tx.audit_complete(&line, ending);
        tx.commit().await?;
    }
    done
}

/// On whose behalf dead letters were; the fleet's where nobody can read it.
pub(super) fn of_letters(letters: &[DeadLetter]) -> BTreeSet<InstanceId> {
    letters.iter().map(|letter| letter.envelope.as_ref().map_or(FLEET, |envelope| envelope.job.instance())).collect()
}

/// On whose behalf a job is; the fleet's where it is not found.
async fn whose(house: &House, id: JobId) -> Result<InstanceId, Failed> {
    let of = |envelope: Option<&Envelope>| envelope.map_or(FLEET, |envelope| envelope.job.instance());
    if let Some(job) = house.producer.find(id).await? {
        return Ok(of(job.envelope.as_ref()));
    }
    Ok(dead::of_job(house, id).await?.map_or(FLEET, |letter| of(letter.envelope.as_ref())))
}

/// Does something to a job and tells it in the log of its tenant.
pub(super) async fn of_job(
    house: &House,
    id: JobId,
    action: &str,
    work: impl Future<Output = Result<(), Failed>>,
) -> Result<(), Failed> {
    told(house, [whose(house, id).await?], (action, &id.to_string()), work).await
}

async fn concerned(
    house: &House,
    instances: impl IntoIterator<Item = InstanceId>,
) -> Result<BTreeMap<TenantId, Option<InstanceId>>, Failed> {
    let system = house.store.system();
    let of: BTreeMap<InstanceId, TenantId> =
        system.instances().await?.into_iter().map(|instance| (instance.id, instance.tenant)).collect();
    let mut concerned = BTreeMap::new();
    for instance in instances {
        match of.get(&instance) {
            // Several of one tenant's are told in one line, which then names none.
            Some(tenant) => {
                concerned.entry(*tenant).and_modify(|known| *known = None).or_insert(Some(instance));
            }
            None => concerned.extend(system.tenants().await?.into_iter().map(|tenant| (tenant.id, None))),
        }
    }
    Ok(concerned)
}
