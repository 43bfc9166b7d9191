//! A mirror beside what the simulated Jira holds inside, past its index and its routes.

use chrono::Utc;
use domain::{Instance, IssueId};
use jira::snapshot_from_json;
use simulator::World;
use store::TenantStore;

/// Issues that are compared at once.
const PAGE: usize = 200;

/// Where a mirror and what a site holds inside say different things.
pub async fn compare(world: &World, tenant: &TenantStore, instance: &Instance) -> Vec<String> {
    let mut differences = Vec::new();
    let ids = world.issue_ids();
    for page in ids.chunks(PAGE) {
        let wanted: Vec<IssueId> = page.iter().map(|id| issue_id(*id)).collect();
        let rows = tenant.snapshots(instance.id, &wanted).await.expect("PostgreSQL answers");
        for id in page {
            let issue = world.store_view(*id).expect("the issue was just listed");
            let said = snapshot_from_json(&issue.to_string(), Utc::now()).expect("a whole issue");
            match rows.iter().find(|row| row.issue.id == said.issue.id) {
                None => differences.push(format!("{} is not in the mirror", said.issue.key)),
                Some(row) => {
                    let parts = said.differences(row);
                    let (jira, ours) = (&said.issue, &row.issue);
                    differences.extend((!parts.is_empty()).then(|| format!("{parts:?} of {jira:?}, here {ours:?}")));
                }
            }
        }
    }
    let held = tenant.count_issues(instance.id).await.expect("PostgreSQL answers");
    if held != ids.len() as u64 {
        differences.push(format!("{}: {held} issues in the mirror, {} in Jira", instance.name, ids.len()));
    }
    differences
}

fn issue_id(id: u64) -> IssueId {
    IssueId(i64::try_from(id).expect("an id"))
}
