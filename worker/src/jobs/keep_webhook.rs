//! Make sure that the instance's webhook is still registered in Jira, and lives.

use chrono::Utc;
use domain::InstanceId;
use jira::Priority;
use queue::Outcome;

use crate::{
    context::Context,
    failure::Failure,
    webhooks::{Error, Keeper, Kept},
};

pub(crate) async fn run(ctx: &Context, instance: InstanceId) -> Result<Outcome, Failure> {
    let Some(site) = ctx.site(instance).await? else { return Ok(Outcome::Done) };
    let (jira, tenant) = (site.jira(Priority::Upkeep), ctx.store.tenant(site.instance.tenant));
    let keeper = Keeper { jira: &jira, tenant: &tenant, instance: &site.instance, now: Utc::now() };
    let name = &site.instance.name;
    match keeper.keep().await {
        Ok(Kept::None | Kept::Fine) => {}
        Ok(Kept::Refreshed(until)) => tracing::info!(instance.name = %name, ?until, "the webhook was refreshed"),
        Ok(Kept::Renewed) => tracing::warn!(instance.name = %name, "the webhook was gone and is registered again"),
        Err(Error::Jira(error)) if !error.is_final() => return Err(error.into()),
        Err(Error::Store(error)) => return Err(error.into()),
        Err(Error::Queue(error)) => return Err(error.into()),
        // Remembered with the webhook; asking Jira again changes nothing before somebody has looked.
        Err(error) => {
            metrics::counter!("jirafleet_webhook_problems_total").increment(1);
            tracing::error!(instance.name = %name, error.code = error.code(), error = %error, "the webhook could not be kept: see `jirafleet webhook list`");
        }
    }
    Ok(Outcome::Done)
}
