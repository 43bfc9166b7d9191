//! What answers say about limits: refusals with their reasons, and what is left on answers that are none.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, TimeDelta, Utc};

use super::answer::Refusal;
use super::auth::Who;
use crate::limits::{Asked, Enforcement, Left, Quota, Reason, Refused, Reset, Signs, Throttle, cost, until_next_hour};
use crate::world::World;

/// The most of an answer that is read to count what is in it.
const MOST: usize = 256 << 20;

/// Counts a request. A write on an issue named in the path counts against that issue, too.
pub(super) fn admit(world: &World, request: &Request, route: &str, who: Option<&Who>) -> Result<Left, Refused> {
    let asked = Asked { route, method: request.method(), app: who.and_then(|who| who.app.as_deref()) };
    let left = world.door.meter.admit(&asked, world.now())?;
    if let Some(issue) = written_issue(world, request, route) {
        world.door.write_allowed(issue, world.now())?;
    }
    Ok(left)
}

/// The issue a request writes to, by its path.
fn written_issue(world: &World, request: &Request, route: &str) -> Option<u64> {
    if request.method() == Method::GET || !route.starts_with("/rest/api/3/issue/*") {
        return None;
    }
    world.issue_id(request.uri().path().split('/').nth(5)?)
}

/// Takes the points of an answer off an app's allowance, and says what is left of everything.
pub(super) async fn account(
    world: &World,
    response: Response,
    (method, route): (&Method, &str),
    (who, mut left): (Option<&Who>, Left),
) -> Response {
    let (app, now) = (who.and_then(|who| who.app.as_deref()), world.now());
    let mut response = response;
    if let Some(app) = app.filter(|_| world.door.meter.counts_points()) {
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, MOST).await.unwrap_or_default();
        left.points = world.door.meter.charge(app, cost::points(method, route, &bytes), now);
        response = Response::from_parts(parts, Body::from(bytes));
    }
    tell(response.headers_mut(), left, &world.door.meter.signs(), now);
    response
}

/// The answer to a request that is one too many.
pub(super) fn refuse(world: &World, refused: &Refused) -> Response {
    let (signs, now) = (world.door.meter.signs(), world.now());
    let wait = u64::try_from(seconds(refused.wait)).unwrap_or(0);
    let retry_after = signs.retry_after.then(|| std::time::Duration::from_secs(wait));
    let throttle = Throttle { reason: refused.reason, retry_after, reset: signs.reset };
    let mut response = throttled(&throttle, refused.limit, now + refused.wait);
    if signs.structured {
        let name = policy(refused.reason);
        let (limit, window) = (refused.limit, refused.window);
        set(response.headers_mut(), "ratelimit-policy", &format!("\"{name}\";q={limit};w={window}"));
        set(response.headers_mut(), "ratelimit", &format!("\"{name}\";r=0;t={wait}"));
    }
    response
}

/// A 429; `reset` is when it ends.
pub(super) fn throttled(throttle: &Throttle, limit: u64, reset: DateTime<Utc>) -> Response {
    let mut response = Refusal::broken(StatusCode::TOO_MANY_REQUESTS).into_response();
    let headers = response.headers_mut();
    if let Some(wait) = throttle.retry_after {
        set(headers, "retry-after", &wait.as_secs().to_string());
    }
    if throttle.reason == Reason::Gateway {
        set(headers, "x-failure-category", "FAILURE CLIENT RATE LIMITED");
        set(headers, "x-ratelimit-limit", "360000");
        return response;
    }
    set(headers, "x-ratelimit-limit", &limit.to_string());
    set(headers, "x-ratelimit-remaining", "0");
    match throttle.reset {
        Reset::Absent => {}
        Reset::WithSeconds => set(headers, "x-ratelimit-reset", &reset.format("%Y-%m-%dT%H:%M:%SZ").to_string()),
        Reset::WithoutSeconds => set(headers, "x-ratelimit-reset", &reset.format("%Y-%m-%dT%H:%MZ").to_string()),
    }
    set(headers, "ratelimit-reason", word(throttle.reason));
    response
}

fn word(reason: Reason) -> &'static str {
    match reason {
        Reason::Burst | Reason::Gateway => "jira-burst-based",
        Reason::IssueWrites => "jira-per-issue-on-write",
        Reason::GlobalQuota => "jira-quota-global-based",
        Reason::TenantQuota => "jira-quota-tenant-based",
        Reason::Cost => "jira-cost-based",
        Reason::ConcurrentThreads => "jira-max-concurrent-threads-across-all-instances-per-tenant-per-user",
    }
}

fn policy(reason: Reason) -> &'static str {
    match reason {
        Reason::GlobalQuota => "global-app-quota",
        Reason::TenantQuota => "tenant-app-quota",
        Reason::IssueWrites => "jira-per-issue-on-write",
        _ => "jira-burst-based",
    }
}

/// The headers of an answer that is no refusal.
fn tell(headers: &mut HeaderMap, left: Left, signs: &Signs, now: DateTime<Utc>) {
    if signs.on_every_answer
        && let Some((limit, remaining)) = left.burst
    {
        set(headers, "x-ratelimit-limit", &limit.to_string());
        set(headers, "x-ratelimit-remaining", &remaining.to_string());
    }
    let Some((quota, points)) = left.points else { return };
    let announced = quota.enforcement == Enforcement::Announced;
    let name = |plain: &'static str, beta: &'static str| if announced { beta } else { plain };
    if signs.on_every_answer && is_near(quota, points) {
        set(headers, name("x-ratelimit-nearlimit", "x-beta-ratelimit-nearlimit"), "true");
    }
    if signs.structured || announced {
        let policy = format!("\"global-app-quota\";q={};w=3600", quota.per_hour);
        set(headers, name("ratelimit-policy", "beta-ratelimit-policy"), &policy);
        set(headers, name("ratelimit", "beta-ratelimit"), &standing(quota, points, now));
    }
    if announced {
        set(headers, "x-beta-ratelimit-limit", &quota.per_hour.to_string());
        set(headers, "x-beta-ratelimit-remaining", &points.to_string());
        if points == 0 {
            set(headers, "beta-retry-after", &seconds(until_next_hour(now)).to_string());
        }
    }
}

/// What is left is told only once four fifths are spent.
fn standing(quota: Quota, points: u64, now: DateTime<Utc>) -> String {
    let wait = seconds(until_next_hour(now));
    let left = if is_near(quota, points) { format!(";r={points}") } else { String::new() };
    format!("\"global-app-quota\"{left};t={wait}")
}

fn is_near(quota: Quota, points: u64) -> bool {
    points.saturating_mul(5) < quota.per_hour
}

/// Whole seconds, rounded up: who waits so long has waited long enough.
fn seconds(wait: TimeDelta) -> i64 {
    (wait.num_milliseconds().max(0) + 999) / 1000
}

fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}
