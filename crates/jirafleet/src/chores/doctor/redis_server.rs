//! Redis: whether it keeps what the queues are made of, and the cache beside it.

use queue::{Producer, Server};

use super::finding::{Finding, all_skipped, clock};
use crate::{config::Resolved, exit::Failed};

/// What is looked at once Redis answers.
pub(super) const CHECKS: [&str; 8] = [
    "redis.version",
    "redis.role",
    "redis.eviction",
    "redis.persistence",
    "redis.disk",
    "redis.memory",
    "redis.clients",
    "redis.clock",
];

/// The oldest Redis.
const OLDEST: (u64, u64) = (6, 2);

/// What was found, and the door to the queues if Redis answers.
pub(super) async fn look(resolved: &Resolved) -> (Vec<Finding>, Option<Producer>) {
    let (reachable, config) = ("redis.reachable", of(resolved, &resolved.redis_url));
    let (mut findings, producer) = match Producer::connect(&config).await {
        Ok(producer) => {
            let mut findings = vec![Finding::ok(reachable, "Redis answers")];
            // A hosted one may keep what it is like to itself.
            findings.extend(match producer.server().await {
                Ok(server) => judge(&server),
                Err(error) => all_skipped(&CHECKS, error),
            });
            (findings, Some(producer))
        }
        Err(error) => {
            let said = resolved.explain(&resolved.redis_url, Failed::from(error)).to_string();
            let why = "the queues and the budgets are there: no webhook is taken and nothing is worked at";
            let next = "start Redis, or correct --redis-url (JIRAFLEET_REDIS_URL)";
            let mut findings = vec![Finding::failure(reachable, said, why, next)];
            findings.extend(all_skipped(&CHECKS, "Redis does not answer"));
            (findings, None)
        }
    };
    findings.push(cache(resolved).await);
    (findings, producer)
}

fn of(resolved: &Resolved, url: &str) -> queue::Config {
    queue::Config { url: url.to_owned(), prefix: resolved.redis_prefix.clone() }
}

async fn cache(resolved: &Resolved) -> Finding {
    let check = "cache.reachable";
    let url = match &resolved.cache_url {
        None => return Finding::ok(check, "there is no cache, as was wished"),
        Some(url) if *url == resolved.redis_url => return Finding::ok(check, "it is in the queues' Redis"),
        Some(url) => url,
    };
    let answer = async { Producer::lazy(&of(resolved, url))?.ping().await };
    match answer.await {
        Ok(()) => Finding::ok(check, "its Redis answers"),
        Err(error) => {
            let why = "everything works without it, and every read asks PostgreSQL";
            let next = "start it, correct --cache-redis-url, or say `none` there";
            Finding::warning(check, error, why, next)
        }
    }
}

/// In the order of [`CHECKS`].
fn judge(server: &Server) -> Vec<Finding> {
    vec![
        version(server),
        if server.is_master {
            Finding::ok("redis.role", "it takes writes")
        } else {
            let next = "name the master in --redis-url, or let Sentinel find it (redis+sentinel://..)";
            Finding::failure("redis.role", "it is a replica", "nothing can be enqueued", next)
        },
        eviction(server),
        if server.append_only {
            Finding::ok("redis.persistence", "every write goes to its append-only log")
        } else {
            let why = "a restart forgets waiting jobs and touched issues; polls and censuses find them again, later";
            let next = "CONFIG SET appendonly yes, and the same in redis.conf";
            Finding::warning("redis.persistence", "the append-only log is off", why, next)
        },
        match server.disk_trouble {
            None => Finding::ok("redis.disk", "what it last wrote to its disk is there"),
            Some(trouble) => {
                let why = "it may refuse writes, and a restart forgets what waits";
                Finding::failure("redis.disk", trouble, why, "make room on Redis's disk; its log says more")
            }
        },
        memory(server),
        clients(server),
        clock("redis.clock", "Redis's", server.ahead),
    ]
}

fn version(server: &Server) -> Finding {
    let mut parts = server.version.split('.').map(|part| part.parse().unwrap_or_default());
    let version = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if version >= OLDEST {
        return Finding::ok("redis.version", &server.version);
    }
    let why = "the queues use commands that came with Redis 6.2";
    Finding::failure("redis.version", &server.version, why, "upgrade Redis to 6.2 or newer")
}

fn eviction(server: &Server) -> Finding {
    let check = "redis.eviction";
    match server.eviction.as_deref() {
        Some("noeviction") => Finding::ok(check, "noeviction"),
        Some(policy) => {
            let why = "with its memory full, Redis would throw jobs away";
            let next = "CONFIG SET maxmemory-policy noeviction, and the same in redis.conf";
            Finding::failure(check, policy, why, next)
        }
        None => {
            let next = "see at its host that maxmemory-policy is noeviction";
            Finding::warning(check, "Redis does not tell its policy", "with another one jobs may be thrown away", next)
        }
    }
}

fn memory(server: &Server) -> Finding {
    let check = "redis.memory";
    let used = mebibytes(server.used_memory);
    let Some(limit) = server.max_memory else {
        return Finding::ok(check, format!("{used} MiB are used, without a limit"));
    };
    let found = format!("{used} of {} MiB are used", mebibytes(limit));
    let why = "full, it refuses new jobs and webhooks are answered 503";
    let next = "raise maxmemory, or see what waits: `jirafleet queue status`";
    match server.used_memory.saturating_mul(100) / limit.max(1) {
        95.. => Finding::failure(check, found, why, next),
        80.. => Finding::warning(check, found, why, next),
        _ => Finding::ok(check, found),
    }
}

fn mebibytes(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

fn clients(server: &Server) -> Finding {
    let check = "redis.clients";
    let Some(limit) = server.max_clients else {
        return Finding::ok(check, format!("{} are connected", server.clients));
    };
    let found = format!("{} of {limit} may be connected and are", server.clients);
    match limit.saturating_sub(server.clients) {
        ..64 => {
            let next = "raise maxclients, and the limit of open files of Redis's machine";
            Finding::warning(check, found, "another process may not get in", next)
        }
        _ => Finding::ok(check, format!("{} of {limit} are connected", server.clients)),
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::{super::finding::State, *};

    fn sound() -> Server {
        Server {
            version: "7.0.15".to_owned(),
            is_master: true,
            ahead: TimeDelta::zero(),
            eviction: Some("noeviction".to_owned()),
            append_only: true,
            disk_trouble: None,
            used_memory: 10 << 20,
            max_memory: None,
            clients: 10,
            max_clients: Some(10_000),
        }
    }

    fn state(server: &Server, check: &str) -> State {
        let findings = judge(server);
        assert_eq!(findings.iter().map(|finding| finding.check).collect::<Vec<_>>(), CHECKS);
        findings.iter().find(|finding| finding.check == check).expect("it is looked at").state
    }

    #[test]
    fn a_sound_redis_is_told_so() {
        assert!(CHECKS.iter().all(|check| state(&sound(), check) == State::Ok));
    }

    #[test]
    fn what_no_test_server_can_be_is_found() {
        for version in ["6.0.16", "5.0.14", "odd"] {
            let old = Server { version: version.to_owned(), ..sound() };
            assert_eq!(state(&old, "redis.version"), State::Failure, "{version}");
        }
        for version in ["6.2.0", "7.0.15", "10.1.0"] {
            assert_eq!(state(&Server { version: version.to_owned(), ..sound() }, "redis.version"), State::Ok);
        }
        let late = Server { ahead: TimeDelta::seconds(3), ..sound() };
        assert_eq!(state(&late, "redis.clock"), State::Warning);
        let torn = Server { disk_trouble: Some("the last snapshot failed"), ..sound() };
        assert_eq!(state(&torn, "redis.disk"), State::Failure);
        let silent = Server { eviction: None, ..sound() };
        assert_eq!(state(&silent, "redis.eviction"), State::Warning);
    }
}
