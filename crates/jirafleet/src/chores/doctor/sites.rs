//! The Jira sites: whether they answer, take us for whom we are, tell us of changes, and whether we keep up.

use std::{collections::BTreeMap, time::Duration};

use chrono::{TimeDelta, Utc};
use domain::{Instance, InstanceState, WebhookHealth};
use jira::{Client, Priority};
use store::{Registration, Webhook};

use super::{
    Patient,
    finding::{Finding, all_skipped, clock},
};
use crate::{chores::instance, exit::Failed};

/// What is looked at in each instance.
const CHECKS: [&str; 14] = [
    "instance.state",
    "instance.secrets",
    "jira.budget",
    "jira.reachable",
    "jira.token",
    "jira.identity",
    "jira.permissions",
    "jira.clock",
    "webhook.registered",
    "webhook.expiry",
    "webhook.health",
    "sync.poll",
    "sync.backfill",
    "sync.census",
];

/// Sites that are asked at once.
const AT_ONCE: usize = 8;

pub(super) async fn look(patient: &Patient, only: Option<&str>) -> Result<Vec<Finding>, Failed> {
    let (Some(store), Some(_)) = (&patient.store, &patient.clients) else {
        return Ok(all_skipped(&CHECKS, "the mirror and Redis are needed to look at instances"));
    };
    let mut instances = match store.system().instances().await {
        Ok(instances) => instances,
        Err(error) => return Ok(all_skipped(&CHECKS, error)),
    };
    if let Some(name) = only {
        let known: Vec<String> = instances.iter().map(|instance| instance.name.clone()).collect();
        instances.retain(|instance| instance.name == name);
        if instances.is_empty() {
            return Err(instance::unknown(name, &known));
        }
    }
    if instances.is_empty() {
        return Ok(all_skipped(&CHECKS, "no instance is registered yet"));
    }
    let mut findings = Vec::new();
    for some in instances.chunks(AT_ONCE) {
        let looks: Vec<_> = some.iter().cloned().map(|one| tokio::spawn(one_site(patient.clone(), one))).collect();
        for look in looks {
            findings.extend(look.await.map_err(Failed::bug)?);
        }
    }
    Ok(findings)
}

async fn one_site(patient: Patient, instance: Instance) -> Vec<Finding> {
    let mut findings = vec![state(&patient, &instance).await];
    findings.extend(jira(&patient, &instance).await);
    findings.extend(mirror(&patient, &instance).await);
    findings.into_iter().map(|finding| finding.of(&instance.name)).collect()
}

async fn state(patient: &Patient, instance: &Instance) -> Finding {
    let (check, name) = ("instance.state", &instance.name);
    let tenant = match &patient.store {
        Some(store) => store.system().tenant(instance.tenant).await.ok().flatten(),
        None => None,
    };
    if let Some(tenant) = tenant.filter(|tenant| tenant.suspended) {
        let found = format!("its tenant {} is suspended", tenant.name);
        let next = format!("jirafleet tenant resume {}", tenant.name);
        return Finding::warning(check, found, "no work is done for it", next);
    }
    let next = format!("jirafleet instance resume {name}");
    match &instance.state {
        InstanceState::Active => Finding::ok(check, "active"),
        InstanceState::Paused { reason } => {
            let found = reason.as_deref().map_or_else(|| "paused".to_owned(), |reason| format!("paused: {reason}"));
            Finding::warning(check, found, "no work is done for it, by somebody's wish", next)
        }
        InstanceState::Suspended { reason } => {
            let why = "the fleet stopped working for it by itself: its mirror grows old";
            Finding::failure(check, format!("suspended: {reason}"), why, format!("put the reason right, then {next}"))
        }
    }
}

/// Everything for which the site itself is asked.
async fn jira(patient: &Patient, instance: &Instance) -> Vec<Finding> {
    const ASKED: [&str; 5] = ["jira.reachable", "jira.token", "jira.identity", "jira.permissions", "jira.clock"];
    let (Some(store), Some(clients), Some(budgets)) = (&patient.store, &patient.clients, &patient.budgets) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    let tenant = store.tenant(instance.tenant);
    let credentials = match worker::credentials(&tenant, instance.id).await {
        Ok(credentials) => credentials,
        Err(error) => {
            let next = format!("jirafleet instance rotate-token {} --token-file FILE", instance.name);
            findings.push(Finding::failure("instance.secrets", error, "Jira cannot be asked anything", next));
            findings.extend(all_skipped(&["jira.budget"], "its secrets do not open"));
            findings.extend(all_skipped(&ASKED, "its secrets do not open"));
            return findings;
        }
    };
    findings.push(Finding::ok("instance.secrets", "they open"));
    let (budget, is_paused) = budget(budgets.standing(instance.id).await.map(|standing| standing.paused));
    findings.push(budget);
    if is_paused {
        findings.extend(all_skipped(&ASKED, "Jira asked for a pause, which is kept"));
        return findings;
    }
    if matches!(instance.state, InstanceState::Paused { .. }) {
        findings.extend(all_skipped(&ASKED, "the instance is paused"));
        return findings;
    }
    // Nobody in particular is expected, so that a token of somebody else's is told from one that does not work.
    let anybody = Instance { account: None, ..instance.clone() };
    match clients.client_as(&anybody, credentials) {
        Ok(client) => findings.extend(ask(&client.with_priority(Priority::Live), instance).await),
        Err(error) => findings.extend(all_skipped(&ASKED, error)),
    }
    findings
}

fn budget(asked: Result<Option<Duration>, jira::Error>) -> (Finding, bool) {
    let check = "jira.budget";
    match asked {
        Ok(None) => (Finding::ok(check, "Jira has not asked for a pause"), false),
        Ok(Some(left)) => {
            let why = "requests to this site wait until then: it answered 429";
            let next = "lower its --requests-per-minute if that happens often; else wait";
            let found = format!("Jira asked for a pause of {} s more", left.as_secs());
            (Finding::warning(check, found, why, next), true)
        }
        Err(error) => (Finding::skipped(check, error), false),
    }
}

async fn ask(client: &Client, instance: &Instance) -> Vec<Finding> {
    let name = &instance.name;
    let renew =
        format!("jirafleet instance rotate-token {name} --token-file FILE, then jirafleet instance resume {name}");
    let why = "no change is seen, and nothing may be concluded from what is answered to others";
    let reached = Finding::ok("jira.reachable", &instance.site);
    let late = |because: &str| all_skipped(&["jira.identity", "jira.permissions", "jira.clock"], because);
    let mut findings = Vec::new();
    match client.myself().await {
        Ok(myself) => {
            let of = myself.display_name.map(|name| format!(" ({name})")).unwrap_or_default();
            findings.extend([reached, Finding::ok("jira.token", format!("it is of {}{of}", myself.account))]);
            findings.push(match &instance.account {
                Some(known) if *known != myself.account => {
                    let found = format!("we are {} there, and were {known} when it was mirrored", myself.account);
                    let why = "another account may see other issues: what it does not see would be taken for deleted";
                    Finding::failure("jira.identity", found, why, renew)
                }
                Some(_) => Finding::ok("jira.identity", "the account is the one that it was mirrored as"),
                None => Finding::ok("jira.identity", "it is not known yet"),
            });
            findings.push(permissions(client.permissions(&[BROWSE, PEOPLE], None).await));
            findings.push(match client.server_info().await.map(|info| info.server_time) {
                Ok(Some(there)) => clock("jira.clock", "Jira's", there - Utc::now()),
                Ok(None) => Finding::skipped("jira.clock", "Jira does not tell its time"),
                Err(error) => Finding::skipped("jira.clock", error),
            });
        }
        Err(error @ jira::Error::NotOurselves { .. }) => {
            findings.extend([reached, Finding::failure("jira.token", error, why, renew)]);
            findings.extend(late("Jira does not know us"));
        }
        Err(error @ jira::Error::Throttled { .. }) => {
            let next = "wait, or see who else uses this account's limits";
            findings.extend([reached, Finding::warning("jira.token", error, "it could not be asked now", next)]);
            findings.extend(late("Jira throttles"));
        }
        Err(error) => {
            let next =
                "check the site's address, DNS, TLS and outgoing traffic from this machine; status.atlassian.com";
            findings.push(Finding::failure("jira.reachable", error, "no change is seen until it answers", next));
            findings.extend(all_skipped(&["jira.token"], "the site does not answer"));
            findings.extend(late("the site does not answer"));
        }
    }
    findings
}

/// What an account must be allowed for anything to be seen, and for everybody to be.
const BROWSE: &str = "BROWSE_PROJECTS";
const PEOPLE: &str = "USER_PICKER";

fn permissions(asked: Result<BTreeMap<String, bool>, jira::Error>) -> Finding {
    let check = "jira.permissions";
    let has = match asked {
        Ok(has) => has,
        Err(error) => return Finding::skipped(check, error),
    };
    let may = |permission: &str| has.get(permission).copied().unwrap_or_default();
    if !may(BROWSE) {
        let why = "no issue is shown to us; nothing is taken for deleted on that account, and nothing is kept fresh";
        let next = "in Jira, give the account *Browse projects* in the projects that are to be mirrored";
        return Finding::failure(check, "it may browse no project", why, next);
    }
    if !may(PEOPLE) {
        let why = "people whom no issue names are not mirrored";
        let next = "in Jira, give the account *Browse users and groups* (global permissions)";
        return Finding::warning(check, "it may not browse users", why, next);
    }
    Finding::ok(check, "it may browse projects and users")
}

/// What our own rows say of it.
async fn mirror(patient: &Patient, instance: &Instance) -> Vec<Finding> {
    let rests = instance.state != InstanceState::Active;
    let looked = async {
        let Some(store) = &patient.store else { return Ok(Vec::new()) };
        let tenant = store.tenant(instance.tenant);
        let webhook = tenant.webhook(instance.id).await?;
        let health = webhook.as_ref().map(|webhook| webhook.health).unwrap_or_default();
        let mut findings = webhooks(&instance.name, webhook.as_ref());
        let mark = tenant.poll_mark(instance.id).await?;
        let since = mark.map_or(instance.created_at, |mark| mark.0);
        findings.push(if rests {
            Finding::skipped("sync.poll", "no work is done for it")
        } else {
            poll(Utc::now() - since, health.poll_every(instance.poll_interval))
        });
        findings.push(backfill(&instance.name, &tenant.backfill_progress(instance.id).await?));
        findings.push(census(&instance.name, &tenant.census_rows(instance.id).await?));
        Ok::<_, store::Error>(findings)
    };
    looked.await.unwrap_or_else(|error| all_skipped(&CHECKS[8..], error))
}

fn webhooks(name: &str, webhook: Option<&Webhook>) -> Vec<Finding> {
    let registration = webhook.and_then(|webhook| webhook.registration.as_ref());
    let verified = webhook.and_then(|webhook| webhook.verified_at);
    let health = webhook.map(|webhook| webhook.health).unwrap_or_default();
    let problem = webhook.and_then(|webhook| webhook.problem.as_deref());
    let register = format!("jirafleet webhook register {name} --gateway https://YOUR-HOST");
    let why = "without webhooks a change is seen by the next poll, minutes later";
    let registered = match (registration, problem) {
        (_, Some(problem)) => {
            Finding::failure("webhook.registered", problem, why, format!("jirafleet webhook refresh {name}"))
        }
        (Some(Registration { url, .. }), None) => Finding::ok("webhook.registered", format!("Jira sends to {url}")),
        (None, None) if verified.is_some() || health == WebhookHealth::Healthy => {
            Finding::ok("webhook.registered", "by hand in Jira, and it works")
        }
        (None, None) => {
            let next = format!("{register}; one made by hand in Jira is proven by `jirafleet webhook verify {name}`");
            Finding::warning("webhook.registered", "none is known", why, next)
        }
    };
    vec![registered, expiry(name, registration.and_then(|one| one.expires_at)), healthy(name, health)]
}

fn expiry(name: &str, ends: Option<chrono::DateTime<Utc>>) -> Finding {
    let check = "webhook.expiry";
    let Some(ends) = ends else { return Finding::ok(check, "it does not end by itself") };
    let left = ends - Utc::now();
    let found = format!("it ends {}", crate::output::instant(ends));
    let (why, next) = ("Jira forgets an app's webhook then", format!("jirafleet webhook refresh {name}"));
    if left <= TimeDelta::zero() {
        return Finding::failure(check, found, why, next);
    }
    if left < TimeDelta::days(7) { Finding::warning(check, found, why, next) } else { Finding::ok(check, found) }
}

fn healthy(name: &str, health: WebhookHealth) -> Finding {
    let check = "webhook.health";
    let next = format!("jirafleet webhook verify {name}");
    match health {
        WebhookHealth::Unknown => Finding::ok(check, "nothing changed since anybody looked"),
        WebhookHealth::Healthy => Finding::ok(check, "they tell of everything that polls find"),
        WebhookHealth::Lossy => Finding::warning(check, "lossy", "polls find changes of which none told", next),
        WebhookHealth::Silent => Finding::failure(check, "silent", "polls find changes, and no webhook comes", next),
    }
}

fn poll(age: TimeDelta, every: Duration) -> Finding {
    let (check, seconds) = ("sync.poll", u64::try_from(age.num_seconds()).unwrap_or_default());
    let found = format!("everything up to {seconds} s ago was asked for, every {} s", every.as_secs());
    let why = "changes that no webhook told of are not in the mirror";
    let next = "see scheduler.alive, workers.alive and jira.token; `jirafleet sync poll INSTANCE` asks now";
    match seconds {
        late if late > every.as_secs() * 6 + 300 => Finding::failure(check, found, why, next),
        late if late > every.as_secs() * 2 + 60 => Finding::warning(check, found, why, next),
        _ => Finding::ok(check, found),
    }
}

fn backfill(name: &str, rows: &[store::BackfillRow]) -> Finding {
    let check = "sync.backfill";
    if let Some(failed) = rows.iter().find(|row| row.has_failed()) {
        let found = format!("{}: {}", failed.project_key, failed.reason.as_deref().unwrap_or("given up"));
        let next = format!("put the reason right, then jirafleet backfill {name} --follow");
        return Finding::warning(check, found, "issues of before are missing", next);
    }
    let left = rows.iter().filter(|row| !row.ended()).count();
    match (rows.len(), left) {
        (0, _) => {
            let next = format!("jirafleet backfill {name} --follow");
            Finding::warning(check, "none was asked for", "the mirror holds only what changed lately", next)
        }
        (projects, 0) => Finding::ok(check, format!("{projects} projects are copied")),
        (projects, left) => Finding::ok(check, format!("{left} of {projects} projects are being copied")),
    }
}

fn census(name: &str, rows: &[store::CensusRow]) -> Finding {
    let check = "sync.census";
    match rows.iter().find(|row| row.state == "held") {
        None => Finding::ok(check, format!("{} projects were called", rows.len())),
        Some(held) => {
            let found = format!("{} is held: {}", held.project_key, held.reason.as_deref().unwrap_or_default());
            let why = "half of a project or more seems to be gone; nothing was marked";
            let next = format!("if that is true: jirafleet sync census {name} --project {} --accept", held.project_key);
            Finding::warning(check, found, why, next)
        }
    }
}
