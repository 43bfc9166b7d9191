//! What Jira's rate limits say: in a 429, how long to wait and how far it reaches; in any answer, whether to slow down before
//! the wall is reached.
//!
//! There are three walls: a quota an hour (of the whole app), a burst limit per endpoint, and writes to one issue. Headers
//! that begin with `Beta-` tell what would be enforced one day, and are only logged.

use std::time::Duration;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use reqwest::header::HeaderMap;

/// The longest wait that is believed: Jira's longest quota begins anew after an hour.
const HOUR: Duration = Duration::from_secs(3600);

/// How long a slower pace is kept where Jira gives no time.
const MINUTE: Duration = Duration::from_secs(60);

/// How far a 429 reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wall {
    /// The app's quota is used up.
    Quota,
    /// One endpoint has too much to do.
    Burst,
    /// One issue was written to too often.
    Issue,
    /// Jira did not say, or said something new: everything stops.
    Unnamed,
}

impl Wall {
    pub(crate) const ALL: [Self; 4] = [Self::Quota, Self::Burst, Self::Issue, Self::Unnamed];

    /// Its name in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Quota => "quota",
            Self::Burst => "burst",
            Self::Issue => "issue",
            Self::Unnamed => "unnamed",
        }
    }
}

/// What a 429 says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    pub(crate) wall: Wall,
    /// How long, where Jira says so.
    pub(crate) wait: Option<Duration>,
}

/// What an answer says about a wall ahead.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Slower {
    pub(crate) wall: Wall,
    /// Which share of the usual pace reaches the time at which the limit begins anew.
    pub(crate) share: f64,
    pub(crate) lasts: Duration,
}

/// Reads a 429, with any headers or none.
pub(crate) fn stop(headers: &HeaderMap, now: DateTime<Utc>) -> Stop {
    let wall = match text(headers, "ratelimit-reason") {
        Some(reason) if reason.starts_with("jira-quota") => Wall::Quota,
        Some("jira-burst-based") => Wall::Burst,
        Some("jira-per-issue-on-write") => Wall::Issue,
        _ => used_up(headers).map_or(Wall::Unnamed, |limit| limit.wall()),
    };
    let wait = asked_wait(headers, now);
    // A quota lasts to its end, whatever a shorter `Retry-After` says; without any time, to the end of the hour.
    let wait = match wall {
        Wall::Quota => wait.max(reset(headers, now)).or_else(|| Some(rest_of_the_hour(now))),
        _ => wait,
    };
    Stop { wall, wait: wait.map(bounded) }
}

/// How long Jira asks us to wait: `Retry-After`, else the time of `X-RateLimit-Reset` or of the limit that is used up. At
/// most an hour.
pub(crate) fn asked_wait(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    retry_after(headers, now).or_else(|| reset(headers, now)).map(bounded)
}

/// Reads an answer that was given: whether to slow down.
pub(crate) fn slower(headers: &HeaderMap) -> Option<Slower> {
    let close =
        limits(headers, "ratelimit").into_iter().filter_map(|limit| limit.pace(&limits(headers, "ratelimit-policy")));
    let closest = close.min_by(|one, other| one.share.total_cmp(&other.share));
    let near = text(headers, "x-ratelimit-nearlimit").is_some_and(|near| near.eq_ignore_ascii_case("true"));
    closest.or_else(|| near.then_some(Slower { wall: Wall::Quota, share: 0.5, lasts: MINUTE }))
}

/// Notes what Jira plans to enforce.
pub(crate) fn note_plans(headers: &HeaderMap, route: &'static str) {
    if let Some(wait) = text(headers, "beta-retry-after") {
        let policy = text(headers, "beta-ratelimit-policy").unwrap_or_default();
        tracing::debug!(route, wait, policy, "Jira would throttle this, once it enforces what it plans");
    }
}

/// One member of a structured header: `"global-app-quota";r=11000;t=600`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Limit {
    name: String,
    /// `r`: how much is left.
    left: Option<u64>,
    /// `t`: seconds until it begins anew.
    renewed_in: Option<u64>,
    /// `q`: how much there is of it.
    quota: Option<u64>,
    /// `w`: for how many seconds.
    window: Option<u64>,
}

impl Limit {
    fn wall(&self) -> Wall {
        match self.name.as_str() {
            name if name.contains("quota") => Wall::Quota,
            name if name.contains("burst") => Wall::Burst,
            _ => Wall::Unnamed,
        }
    }

    /// The share of the pace so far at which what is left lasts. Jira tells what is left only when little is.
    fn pace(&self, policies: &[Self]) -> Option<Slower> {
        let (left, renewed_in) = (self.left?, self.renewed_in?);
        let policy = policies.iter().find(|policy| policy.name == self.name);
        let share = match policy.and_then(|policy| Some((policy.quota?, policy.window?))) {
            Some((quota, window)) if quota > 0 && window > 0 => {
                let (left, rest) = (part(left, quota), part(renewed_in, window));
                // What was used in the time that has passed, against what is left for the time that comes.
                (left * (1.0 - rest)) / (rest * (1.0 - left)).max(f64::EPSILON)
            }
            _ => 0.5,
        };
        let lasts = bounded(Duration::from_secs(renewed_in));
        (share < 1.0).then_some(Slower { wall: self.wall(), share: share.max(0.05), lasts })
    }
}

/// How much of the whole this is, from 0 to 1.
fn part(of: u64, whole: u64) -> f64 {
    // Both are counts far below what a float holds exactly; a share need not be exact.
    #[expect(clippy::cast_precision_loss, reason = "a share need not be exact")]
    let part = of as f64 / whole as f64;
    part.clamp(0.0, 1.0)
}

/// The limit that has nothing left and lasts longest.
fn used_up(headers: &HeaderMap) -> Option<Limit> {
    limits(headers, "ratelimit").into_iter().filter(|limit| limit.left == Some(0)).max_by_key(|limit| limit.renewed_in)
}

fn limits(headers: &HeaderMap, name: &str) -> Vec<Limit> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(limit).take(16).collect()
}

fn limit(text: &str) -> Option<Limit> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next()?.trim_matches('"').to_owned();
    let mut limit = Limit { name, ..Limit::default() };
    for (key, value) in parts.filter_map(|part| part.split_once('=')) {
        let value = value.trim().parse().ok();
        match key.trim() {
            "r" => limit.left = value,
            "t" => limit.renewed_in = value,
            "q" => limit.quota = value,
            "w" => limit.window = value,
            _ => {}
        }
    }
    (!limit.name.is_empty()).then_some(limit)
}

/// Seconds, as Jira writes them, or a date, as HTTP allows.
fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = text(headers, "retry-after")?;
    let until = |date: DateTime<chrono::FixedOffset>| (date.with_timezone(&Utc) - now).to_std().ok();
    text.parse().map(Duration::from_secs).ok().or_else(|| until(DateTime::parse_from_rfc2822(text).ok()?))
}

/// When the limit begins anew: seen both with and without seconds.
fn reset(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let told = text(headers, "x-ratelimit-reset").and_then(|reset| {
        let reset = reset.parse::<DateTime<Utc>>().or_else(|_| reset.replacen('Z', ":00Z", 1).parse()).ok()?;
        (reset - now).to_std().ok()
    });
    told.or_else(|| used_up(headers)?.renewed_in.map(Duration::from_secs))
}

/// Quotas begin anew at the top of each hour in UTC.
fn rest_of_the_hour(now: DateTime<Utc>) -> Duration {
    let hour = TimeDelta::hours(1);
    now.duration_trunc(hour).ok().and_then(|begun| (begun + hour - now).to_std().ok()).unwrap_or(HOUR)
}

fn bounded(wait: Duration) -> Duration {
    wait.clamp(Duration::from_millis(100), HOUR)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
    }

    fn stopped(pairs: &[(&'static str, &str)]) -> (Wall, Option<u64>) {
        let now = "2026-01-01T01:00:00Z".parse().expect("a time");
        let stop = stop(&headers(pairs), now);
        (stop.wall, stop.wait.map(|wait| wait.as_secs()))
    }

    #[test]
    fn the_wait_is_read_in_all_its_forms() {
        let wait = |name, value| stopped(&[(name, value)]).1;
        assert_eq!(wait("retry-after", "7"), Some(7));
        assert_eq!(wait("retry-after", "999999"), Some(3600));
        assert_eq!(wait("retry-after", "Thu, 01 Jan 2026 01:00:09 GMT"), Some(9));
        assert_eq!(wait("x-ratelimit-reset", "2026-01-01T01:01:01Z"), Some(61));
        assert_eq!(wait("x-ratelimit-reset", "2026-01-01T01:02Z"), Some(120));
        assert_eq!(wait("x-ratelimit-reset", "2025-01-01T01:02Z"), None);
        assert_eq!(wait("retry-after", "soon"), None);
        assert_eq!(wait("ratelimit", "\"x\";r=9;t=5, \"jira-burst-based\";r=0;t=3"), Some(3));
    }

    #[test]
    fn each_wall_reaches_as_far_as_it_says() {
        assert_eq!(stopped(&[]), (Wall::Unnamed, None));
        assert_eq!(stopped(&[("ratelimit-reason", "jira-cost-based"), ("retry-after", "1")]), (Wall::Unnamed, Some(1)));
        assert_eq!(stopped(&[("ratelimit-reason", "jira-burst-based")]), (Wall::Burst, None));
        assert_eq!(stopped(&[("ratelimit-reason", "jira-per-issue-on-write"), ("retry-after", "2")]).0, Wall::Issue);
        let until = ("x-ratelimit-reset", "2026-01-01T01:30Z");
        let quota = [("ratelimit-reason", "jira-quota-tenant-based"), ("retry-after", "5"), until];
        assert_eq!(stopped(&quota), (Wall::Quota, Some(1800)), "a quota lasts to its end");
        assert_eq!(stopped(&quota[..1]), (Wall::Quota, Some(3600)), "to the top of the next hour");
        assert_eq!(stopped(&[("ratelimit", "\"tenant-app-quota\";r=0;t=60")]), (Wall::Quota, Some(60)));
    }

    #[test]
    fn a_wall_ahead_slows_down() {
        assert_eq!(slower(&HeaderMap::new()), None);
        let near = slower(&headers(&[("x-ratelimit-nearlimit", "true")])).expect("slower");
        assert_eq!((near.wall, near.share, near.lasts), (Wall::Quota, 0.5, MINUTE));
        assert_eq!(slower(&headers(&[("x-ratelimit-nearlimit", "false")])), None);
        // Nine tenths were used in half of the time: the last tenth lasts at a ninth of the pace.
        let policy = ("ratelimit-policy", "\"jira-burst-based\";q=100;w=1,\"global-app-quota\";q=1000;w=3600");
        let close = headers(&[policy, ("ratelimit", "\"global-app-quota\";r=100;t=1800")]);
        let close = slower(&close).expect("slower");
        assert!((close.share - 1.0 / 9.0).abs() < 1e-9 && close.lasts.as_secs() == 1800, "{close:?}");
        // A tenth is left for a hundredth of the time.
        assert_eq!(slower(&headers(&[policy, ("ratelimit", "\"global-app-quota\";r=100;t=36")])), None);
    }

    #[test]
    fn plans_change_nothing() {
        let plans = headers(&[
            ("beta-retry-after", "9"),
            ("x-beta-ratelimit-nearlimit", "true"),
            ("beta-ratelimit", "\"q\";r=0;t=9"),
        ]);
        assert_eq!(slower(&plans), None);
        assert_eq!(stop(&plans, Utc::now()), Stop { wall: Wall::Unnamed, wait: None });
        note_plans(&plans, "/field");
    }
}
