//! `jirafleet config show [--origin]`: every setting, its value without secrets, and where it came from.

use std::path::PathBuf;

use clap::{ArgMatches, Args as ClapArgs, Command, Subcommand, parser::ValueSource};
use serde::Serialize;

use crate::{
    config::Surroundings,
    exit::Failed,
    output::{self, Format},
    private::{self, Found},
    serve::AllOptions,
};

#[derive(ClapArgs)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Show every setting as it would hold for a process that is started here and now.
    Show(Show),
}

#[derive(ClapArgs)]
pub(crate) struct Show {
    /// Show where each value came from, too: a flag, a variable, a file, a running `jirafleet dev`, or the default.
    #[arg(long)]
    origin: bool,
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    surroundings: Surroundings,
    #[command(flatten)]
    options: AllOptions,
}

#[derive(Serialize)]
struct Row {
    setting: String,
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    variable: Option<String>,
}

impl output::Row for Row {
    const SCHEMA: &'static str = "jirafleet.config/1";
}

/// Settings whose values are addresses, which may hold a password.
const ADDRESSES: [&str; 3] = ["database_url", "redis_url", "cache_redis_url"];
/// Settings of this command alone.
const NOT_SETTINGS: [&str; 5] = ["origin", "output", "help", "verbose", "version"];

/// `matches` and `command` are those of `config show`.
pub(crate) fn run(args: &Args, command: &Command, matches: &ArgMatches) -> Result<(), Failed> {
    let What::Show(show) = &args.what;
    let data_dir = matches.get_one::<PathBuf>("data_dir");
    let offered = private::offered(data_dir.map(PathBuf::as_path));
    let is_setting = |id: &str| !NOT_SETTINGS.contains(&id) && !id.ends_with("_url_file");
    let settings = command.get_arguments().filter(|arg| is_setting(arg.get_id().as_str()) && !arg.is_hide_set());
    let rows: Vec<Row> = settings
        .map(|arg| {
            let id = arg.get_id().as_str();
            let (value, origin) = told(id, matches, offered.as_ref());
            Row {
                setting: arg.get_long().unwrap_or(id).to_owned(),
                value: value.map(|value| if ADDRESSES.contains(&id) { masked(&value) } else { value }),
                origin: show.origin.then_some(origin),
                variable: arg.get_env().map(|name| name.to_string_lossy().into_owned()),
            }
        })
        .collect();
    output::print(show.output, &rows)
}

/// What holds, and where it came from.
fn told(id: &str, matches: &ArgMatches, offered: Option<&Found>) -> (Option<String>, String) {
    let file = format!("{id}_file");
    let given = |source: Option<ValueSource>| match source {
        Some(ValueSource::CommandLine) => Some("flag"),
        Some(ValueSource::EnvVariable) => Some("variable"),
        _ => None,
    };
    if let Some(origin) = given(matches.value_source(id)) {
        return (raw(id, matches), origin.to_owned());
    }
    if matches.try_contains_id(&file).is_ok() && given(matches.value_source(&file)).is_some() {
        let path = raw(&file, matches).unwrap_or_default();
        let value = std::fs::read_to_string(&path).ok().map(|text| text.trim().to_owned());
        return (value, format!("file {path}"));
    }
    if let Some(value) = offered.and_then(|found| found.value(id)) {
        let origin = offered.map(|found| format!("jirafleet dev in {}", found.data_dir().display()));
        return (Some(value), origin.unwrap_or_default());
    }
    match raw(id, matches) {
        Some(value) => (Some(value), "default".to_owned()),
        None => (None, "not set".to_owned()),
    }
}

fn raw(id: &str, matches: &ArgMatches) -> Option<String> {
    let values = matches.try_get_raw(id).ok().flatten()?;
    Some(values.map(|value| value.to_string_lossy().into_owned()).collect::<Vec<_>>().join(","))
}

/// An address without what opens it: `postgres://user:***@host/database`, `unix:///path?pass=***`.
fn masked(url: &str) -> String {
    let (before, query) = url.split_once('?').map_or((url, None), |(before, query)| (before, Some(query)));
    let before = match before.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?))) {
        Some((scheme, (login, rest))) => {
            let user = login.split_once(':').map_or(login, |(user, _)| user);
            let secret = if login.contains(':') { ":***" } else { "" };
            format!("{scheme}://{user}{secret}@{rest}")
        }
        None => before.to_owned(),
    };
    let hidden = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if ["pass", "password", "sslpassword"].contains(&name) => format!("{name}=***"),
        _ => pair.to_owned(),
    };
    let query = query.map(|query| query.split('&').map(hidden).collect::<Vec<_>>().join("&"));
    query.map_or(before.clone(), |query| format!("{before}?{query}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_shown() {
        for (url, shown) in [
            ("postgres://jirafleet:s3cret@db.example/jirafleet", "postgres://jirafleet:***@db.example/jirafleet"),
            ("postgres://jirafleet:s3@cret@db/x?sslmode=require", "postgres://jirafleet:***@db/x?sslmode=require"),
            ("postgres://u@db/x?password=s3cret&host=h", "postgres://u@db/x?password=***&host=h"),
            ("redis://:s3cret@127.0.0.1:6379/0", "redis://:***@127.0.0.1:6379/0"),
            ("unix:///run/redis.sock?pass=s3cret", "unix:///run/redis.sock?pass=***"),
            ("redis+sentinel://:s3cret@a:1,b:2/master", "redis+sentinel://:***@a:1,b:2/master"),
            ("none", "none"),
        ] {
            assert_eq!(masked(url), shown);
        }
    }
}
