//! PostgreSQL: who we are there, whether the schema is whole and ours, whether tenants are kept apart, and the key.

use store::{Store, Survey, survey};

use super::{
    CONNECTIONS,
    finding::{Finding, State, all_skipped, clock},
};
use crate::{config::Resolved, exit::Failed};

/// What is looked at once PostgreSQL answers.
pub(super) const CHECKS: [&str; 14] = [
    "postgres.version",
    "postgres.writable",
    "postgres.durability",
    "postgres.clock",
    "postgres.connections",
    "postgres.extensions",
    "postgres.login",
    "postgres.owner",
    "postgres.admitted",
    "schema.current",
    "schema.whole",
    "schema.ahead",
    "tenants.guarded",
    "tenants.policies",
];

/// Whether the key opens what is stored.
pub(super) const KEY: &str = "key.opens";

/// The oldest PostgreSQL, as it counts.
const OLDEST: i32 = 140_000;

/// Connections that a worker of usual size takes.
const ONE_MORE_WORKER: i64 = 16;

/// What was found, and whether the mirror can be opened there.
pub(super) async fn look(resolved: &Resolved) -> (Vec<Finding>, bool) {
    let reachable = "postgres.reachable";
    match survey(&resolved.database_url).await {
        Ok(survey) => {
            let mut findings = vec![Finding::ok(reachable, "PostgreSQL answers")];
            findings.extend(judge(&survey, &migration::known()));
            let opens = ["postgres.login", "postgres.owner", "postgres.admitted", "schema.current"];
            let is_fit = findings.iter().all(|one| one.state != State::Failure || !opens.contains(&one.check));
            (findings, is_fit)
        }
        Err(error) => {
            let said = resolved.explain(&resolved.database_url, Failed::from(error)).to_string();
            let why = "the mirror and every setting of an instance are there";
            let next = "start PostgreSQL, or correct --database-url (JIRAFLEET_DATABASE_URL)";
            let mut findings = vec![Finding::failure(reachable, said, why, next)];
            findings.extend(all_skipped(&CHECKS, "PostgreSQL does not answer"));
            (findings, false)
        }
    }
}

/// Opens the mirror, which says whether the key is the right one.
pub(super) async fn open(resolved: &Resolved, is_fit: bool) -> (Vec<Finding>, Option<Store>) {
    let Ok(master_key) = resolved.master_key() else {
        return (all_skipped(&[KEY], "there is no master key"), None);
    };
    if !is_fit {
        return (all_skipped(&[KEY], "the mirror cannot be opened before what stands above is put right"), None);
    }
    let config = store::Config {
        url: resolved.database_url.clone(),
        max_connections: CONNECTIONS,
        master_key,
        application_name: "jirafleet doctor".to_owned(),
        cache: None,
    };
    match Store::connect(config).await {
        Ok(store) => (vec![Finding::ok(KEY, "the master key opens what is stored")], Some(store)),
        Err(error) => {
            let why = "without it no token of Jira's and no webhook's secret can be read";
            let next = "give the key that this database was begun with (--master-key-file); a lost one cannot be replaced: \
                        give every token again";
            (vec![Finding::failure(KEY, error, why, next)], None)
        }
    }
}

/// In the order of [`CHECKS`].
fn judge(survey: &Survey, known: &[String]) -> Vec<Finding> {
    let mut findings = server(survey);
    findings.extend(login(survey));
    findings.extend(schema(survey, known));
    findings.extend(walls(survey));
    findings
}

fn server(survey: &Survey) -> Vec<Finding> {
    let version = &survey.version_name;
    let missing = survey.missing_extensions.join(", ");
    vec![
        if survey.version >= OLDEST {
            Finding::ok("postgres.version", version)
        } else {
            let why = "the schema uses what came with PostgreSQL 14";
            Finding::failure("postgres.version", version, why, "upgrade PostgreSQL to 14 or newer")
        },
        if survey.read_only {
            let why = "nothing that Jira tells could be kept";
            let next =
                "name the primary server in --database-url, or ALTER DATABASE .. RESET default_transaction_read_only";
            Finding::failure("postgres.writable", "it takes no writes", why, next)
        } else {
            Finding::ok("postgres.writable", "it takes writes")
        },
        if survey.durable {
            Finding::ok("postgres.durability", "what is committed is on disk")
        } else {
            let why = "a loss of power may leave a database that does not start; the audit log cannot be copied from Jira again";
            let next = "set fsync = on and full_page_writes = on in postgresql.conf, unless this is a test";
            Finding::warning("postgres.durability", "fsync or full_page_writes is off", why, next)
        },
        clock("postgres.clock", "PostgreSQL's", survey.ahead),
        connections(survey.free_sessions),
        if missing.is_empty() {
            Finding::ok("postgres.extensions", "btree_gin, pg_trgm and uuid-ossp are there")
        } else {
            let next =
                "as a superuser: CREATE EXTENSION IF NOT EXISTS for each (Debian has them in postgresql-contrib)";
            let found = format!("{missing} is missing");
            Finding::failure("postgres.extensions", found, "indexes and searches need them", next)
        },
    ]
}

fn connections(free: i64) -> Finding {
    let check = "postgres.connections";
    let found = format!("{free} more can be opened by this login");
    let why = "a process that gets no connection does not work";
    let next = "raise max_connections, or the login's CONNECTION LIMIT, or put PgBouncer in between";
    match free {
        ..4 => Finding::failure(check, found, why, next),
        4..ONE_MORE_WORKER => Finding::warning(check, found, "another worker would not fit in", next),
        _ => Finding::ok(check, found),
    }
}

fn login(survey: &Survey) -> Vec<Finding> {
    let store::DatabaseLogin { name, powerful, owner, admitted } = &survey.login;
    let use_another =
        "use the processes' login in JIRAFLEET_DATABASE_URL, and the owner's for `jirafleet migrate` only";
    vec![
        if *powerful {
            let found = format!("{name} is a superuser or has BYPASSRLS");
            Finding::failure("postgres.login", found, "row security does not keep tenants apart from it", use_another)
        } else {
            Finding::ok("postgres.login", format!("row security binds {name}"))
        },
        if *owner {
            let found = format!("the mirror's tables belong to {name}");
            let why = "an owner can switch row security off";
            Finding::failure("postgres.owner", found, why, use_another)
        } else {
            Finding::ok("postgres.owner", format!("{name} owns none of the mirror's tables"))
        },
        if *admitted || *powerful {
            Finding::ok("postgres.admitted", format!("{name} may use the schema"))
        } else {
            let next = format!("as the schema's owner: `jirafleet migrate up`, and GRANT jirafleet_app TO {name}");
            let found = format!("{name} may not use the schema, or there is none");
            Finding::failure("postgres.admitted", found, "no process can read or write", next)
        },
    ]
}

fn schema(survey: &Survey, known: &[String]) -> Vec<Finding> {
    let Some(taken) = &survey.steps else {
        let next = "as the schema's owner: `jirafleet migrate up`";
        let why = "no process starts";
        let mut findings = vec![Finding::failure("schema.current", "there is no schema that we may see", why, next)];
        findings.extend(all_skipped(&["schema.whole", "schema.ahead"], "there is no schema that we may see"));
        return findings;
    };
    let missing = known.iter().filter(|step| !taken.contains(step)).count();
    // Steps are taken in their order: one that is missing before one that is there was taken out by hand, or broke off.
    let newest_taken = known.iter().rposition(|step| taken.contains(step)).map_or(0, |place| place + 1);
    let gaps: Vec<&str> = known[..newest_taken].iter().filter(|s| !taken.contains(s)).map(String::as_str).collect();
    let ahead: Vec<&str> = taken.iter().filter(|step| !known.contains(step)).map(String::as_str).collect();
    vec![
        if missing == 0 {
            Finding::ok("schema.current", format!("{} steps are taken", known.len()))
        } else {
            let found = format!("{missing} of {} steps are not taken", known.len());
            let next = "as the schema's owner: `jirafleet migrate up`";
            Finding::failure("schema.current", found, "this program does not start on an older schema", next)
        },
        whole(&gaps, &survey.broken_indexes),
        if ahead.is_empty() {
            Finding::ok("schema.ahead", "no step is newer than this program")
        } else {
            let why = "a newer release has migrated; this one works on until it is replaced";
            let next = "replace this program by the newer release on every machine";
            Finding::warning("schema.ahead", format!("{} is not known here", ahead.join(", ")), why, next)
        },
    ]
}

fn whole(gaps: &[&str], broken: &[String]) -> Finding {
    let check = "schema.whole";
    let next = "as the schema's owner: `jirafleet migrate up`, which takes again what broke off";
    if !gaps.is_empty() {
        let why = "later steps stand on ones that are not there: a migration broke off, or its row was removed by hand";
        return Finding::failure(check, format!("{} is missing in between", gaps.join(", ")), why, next);
    }
    if !broken.is_empty() {
        let why = "building them was interrupted: they serve no question and slow every write";
        let next = format!("{next}; else, for each: REINDEX INDEX CONCURRENTLY mirror.NAME");
        return Finding::failure(check, format!("invalid indexes: {}", broken.join(", ")), why, next);
    }
    Finding::ok(check, "no step is half taken")
}

fn walls(survey: &Survey) -> Vec<Finding> {
    let why = "whoever forgets a condition sees the rows of every tenant";
    let guarded = if survey.unguarded.is_empty() {
        Finding::ok("tenants.guarded", "row security is forced on every table of tenants")
    } else {
        let found = format!("row security is off or not forced on {}", survey.unguarded.join(", "));
        let next = "stop the processes; ALTER TABLE mirror.NAME ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY";
        Finding::failure("tenants.guarded", found, why, next)
    };
    let policies = if survey.without_policy.is_empty() {
        Finding::ok("tenants.policies", "every table of tenants has its tenant's policy")
    } else {
        let found = format!("no policy of the tenant on {}", survey.without_policy.join(", "));
        let next = "find out who dropped it; `jirafleet migrate down` and `up` over the table's step make it again";
        Finding::failure("tenants.policies", found, "the table shows nothing, or too much", next)
    };
    vec![guarded, policies]
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn sound() -> Survey {
        Survey {
            version: 150_018,
            version_name: "15.18".to_owned(),
            ahead: TimeDelta::zero(),
            read_only: false,
            durable: true,
            login: store::DatabaseLogin { name: "jirafleet".into(), powerful: false, owner: false, admitted: true },
            free_sessions: 80,
            missing_extensions: Vec::new(),
            steps: Some(migration::known()),
            broken_indexes: Vec::new(),
            unguarded: Vec::new(),
            without_policy: Vec::new(),
        }
    }

    fn state(survey: &Survey, check: &str) -> State {
        let findings = judge(survey, &migration::known());
        assert_eq!(findings.iter().map(|finding| finding.check).collect::<Vec<_>>(), CHECKS);
        findings.iter().find(|finding| finding.check == check).expect("it is looked at").state
    }

    #[test]
    fn a_sound_database_is_told_so() {
        assert!(CHECKS.iter().all(|check| state(&sound(), check) == State::Ok));
    }

    #[test]
    fn what_no_test_server_can_be_is_found() {
        let old = Survey { version: 130_014, version_name: "13.14".to_owned(), ..sound() };
        assert_eq!(state(&old, "postgres.version"), State::Failure);
        let late = Survey { ahead: TimeDelta::seconds(-31), ..sound() };
        assert_eq!(state(&late, "postgres.clock"), State::Failure);
    }
}
