//! Check that the audit log is what was written: one tenant a run, so that a long log holds nobody else's up.

use queue::{Job, Outcome};
use store::Verified;

use crate::{context::Context, failure::Failure};

pub(crate) async fn run(ctx: &Context, after: Option<&str>, page: u64) -> Result<Outcome, Failure> {
    let Some(tenant) = ctx.store.system().tenants_after(after, 1).await?.pop() else {
        return Ok(Outcome::Done);
    };
    match ctx.store.tenant(tenant.id).audit_verify().await? {
        Verified::Whole { lines } => {
            tracing::debug!(tenant_id = %tenant.id, lines, "an audit log is whole");
            count("whole", 1);
        }
        Verified::Broken { seq, why } => {
            tracing::error!(
                error.code = "audit.broken",
                tenant_id = %tenant.id,
                tenant = tenant.name,
                line = seq,
                why,
                "an audit log is not what was written"
            );
            count("broken", 1);
        }
    }
    Ok(Outcome::Next(Job::VerifyAudit { after: Some(tenant.name), page: page + 1 }))
}

fn count(outcome: &'static str, logs: u64) {
    metrics::counter!("jirafleet_audit_checked_total", "outcome" => outcome).increment(logs);
}

/// Shows the figures before anything happens.
pub(super) fn show() {
    for outcome in ["whole", "broken"] {
        count(outcome, 0);
    }
}
