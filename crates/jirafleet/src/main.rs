//! `jirafleet`: one binary, a subcommand per process and a subcommand per chore.

mod choices;
mod chores;
mod config;
mod consent;
mod demo;
mod exit;
mod nearest;
mod output;
mod pace;
mod private;
mod serve;
mod telemetry;
mod wire_up;

use std::{collections::BTreeSet, process::ExitCode};

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::exit::Failed;

/// Whatever a page of issues is read into is given back all at once, which glibc's allocator makes dear.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Keeps a PostgreSQL mirror of Jira Cloud sites true and fresh.
#[derive(Parser)]
#[command(name = "jirafleet", version, propagate_version = true, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Say more on stderr; twice for everything. RUST_LOG, where set, wins.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

const EXIT_CODES: &str = "Exit codes: 0 ok, 1 failure, 2 usage, 3 not found, 4 conflict, 5 permission, 7 drift found, \
69 service unavailable, 70 bug, 75 try again, 78 configuration, 130 interrupted.";

#[derive(Subcommand)]
enum Command {
    /// Everything on this machine with a simulated Jira: watch a mirror being filled and kept fresh.
    Demo(demo::Args),
    /// All processes on private servers, with your own Jira sites. Data stays between runs.
    Dev(serve::DevArgs),
    /// Take Jira's webhooks.
    Gateway(serve::GatewayArgs),
    /// Do the work that is waiting.
    Worker(serve::WorkerArgs),
    /// Ask for what is due by the clock.
    Scheduler(serve::SchedulerArgs),
    /// Answer people and programs: REST, described by /openapi.json.
    Api(serve::ApiArgs),
    /// Gateway, worker, scheduler and api in one process.
    All(serve::AllArgs),
    /// Bring the database's schema up or down, or show where it stands.
    Migrate(chores::migrate::Args),
    /// Tenants: who pays for a set of Jira sites.
    Tenant(chores::tenant::Args),
    /// Instances: the Jira sites of a tenant.
    Instance(chores::instance::Args),
    /// Copy everything of an instance that Jira shows us.
    Backfill(chores::backfill::Args),
    /// See how fresh the mirror is, or have it look again.
    Sync(chores::sync::Args),
    /// Compare the mirror with Jira, field by field; exit 7 when they differ.
    Verify(chores::verify::Args),
    /// Jobs: what runs, waits and ended; retry, discard or cancel them.
    Jobs(chores::jobs::Args),
    /// Dead letters: the jobs that were given up; look at, replay or discard them.
    Dead(chores::dead::Args),
    /// Queues: how full they are; pause and resume a queue or an instance.
    Queue(chores::queue::Args),
    /// The timetable: what happens by the clock, when it last did and when it will.
    Schedule(chores::schedule::Args),
    /// Webhooks: how Jira tells us; register, prove and keep them.
    Webhook(chores::webhook::Args),
    /// Fill the mirror with made-up tenants, to try it out at any size.
    Seed(chores::seed::Args),
    /// Keys with which programs come in: make, list and revoke them.
    Apikey(chores::apikey::Args),
    /// Audit log: what was done, by whom; and whether anybody changed it.
    Audit(chores::audit::Args),
    /// The keys that seal secrets at rest: replace and list them.
    Keys(chores::keys::Args),
    /// Look at everything that has to be right, and say what is not, why, and what to do.
    Doctor(chores::doctor::Args),
    /// Settings: what holds here and now, and where it came from.
    Config(chores::config::Args),
    /// Print what a shell needs to complete our commands.
    Completion(chores::completion::CompletionArgs),
    /// Print or write pages of the manual.
    Man(chores::completion::ManArgs),
    /// Print the description of REST in OpenAPI 3.1.
    Openapi,
    /// Run the simulated Jira alone.
    Simulate(chores::simulate::Args),
    /// Print the version.
    Version {
        #[arg(short, long, value_enum, default_value_t)]
        output: output::Format,
    },
}

fn main() -> ExitCode {
    let parsed = Cli::command().try_get_matches().and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            // Help and version are answers, not errors.
            let code = if error.use_stderr() { exit::USAGE } else { exit::OK };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    match watched(cli, &matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            failed.print();
            ExitCode::from(failed.code)
        }
    }
}

/// The names of all variables that are read.
pub(crate) fn variables() -> BTreeSet<String> {
    fn collect(command: &clap::Command, names: &mut BTreeSet<String>) {
        names.extend(command.get_arguments().filter_map(|arg| arg.get_env()?.to_str().map(str::to_owned)));
        command.get_subcommands().for_each(|command| collect(command, names));
    }
    let mut names = BTreeSet::new();
    collect(&Cli::command(), &mut names);
    names
}

/// All commands with all their options.
fn definitions() -> clap::Command {
    let mut command = Cli::command();
    command.build();
    command
}

/// Runs the command, with what tells of it.
fn watched(cli: Cli, matches: &ArgMatches) -> Result<(), Failed> {
    let (process, metrics) = cli.command.process().unzip();
    let collector = metrics.and_then(|metrics| metrics.otlp_endpoint.as_deref());
    let spans = telemetry::start_logs(cli.verbose, process, collector)?;
    let result = start(cli.command, matches);
    if let Some(spans) = spans {
        spans.flush();
    }
    result
}

impl Command {
    /// Whether it ends in an order of its own when it is told to; of all others Ctrl-C leaves nothing but the exit code.
    fn minds_signals(&self) -> bool {
        self.process().is_some() || matches!(self, Self::Demo(_) | Self::Simulate(_) | Self::Backfill(_))
    }

    /// Processes tell what they do as they go; chores speak only when something is wrong.
    fn process(&self) -> Option<(&'static str, &config::MetricsArgs)> {
        match self {
            Self::Dev(args) => Some(("dev", &args.options.metrics)),
            Self::Gateway(args) => Some(("gateway", &args.metrics)),
            Self::Worker(args) => Some(("worker", &args.metrics)),
            Self::Scheduler(args) => Some(("scheduler", &args.metrics)),
            Self::Api(args) => Some(("api", &args.metrics)),
            Self::All(args) => Some(("all", &args.options.metrics)),
            _ => None,
        }
    }
}

fn start(command: Command, matches: &ArgMatches) -> Result<(), Failed> {
    match command {
        Command::Version { output } => version(output),
        Command::Openapi => output::line(format_args!("{:#}", api::openapi())),
        Command::Completion(args) => chores::completion::completion(&args, Cli::command()),
        Command::Man(args) => chores::completion::man(&args, Cli::command()),
        Command::Config(args) => {
            let path = ["config", "show"];
            let (definitions, mut matches) = (definitions(), matches);
            let mut of = &definitions;
            for name in path {
                of = of.find_subcommand(name).ok_or_else(|| Failed::bug("config show is not defined"))?;
                matches =
                    matches.subcommand_matches(name).ok_or_else(|| Failed::bug("config show was not asked for"))?;
            }
            chores::config::run(&args, of, matches)
        }
        command => start_runtime(command),
    }
}

fn version(output: output::Format) -> Result<(), Failed> {
    #[derive(serde::Serialize)]
    struct Row {
        name: &'static str,
        version: &'static str,
    }
    impl output::Row for Row {
        const SCHEMA: &'static str = "jirafleet.version/1";
    }
    let row = Row { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") };
    match output {
        output::Format::Table | output::Format::Wide => output::line(format_args!("{} {}", row.name, row.version)),
        other => output::print(other, &[row]),
    }
}

fn start_runtime(command: Command) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failed::bug(format!("the runtime does not start: {error}")))?;
    let minds_signals = command.minds_signals();
    let result = runtime.block_on(async {
        tokio::select! {
            biased;
            result = run(command) => result,
            () = serve::interrupted(), if !minds_signals => Err(Failed::silent(exit::INTERRUPTED)),
        }
    });
    // Whatever still runs is of no use to anybody: connections to close, files of the resolver.
    runtime.shutdown_background();
    result
}

async fn run(command: Command) -> Result<(), Failed> {
    match command {
        Command::Demo(args) => demo::run(args).await,
        Command::Dev(args) => serve::dev(args).await,
        Command::Gateway(args) => serve::gateway(args).await,
        Command::Worker(args) => serve::worker(args).await,
        Command::Scheduler(args) => serve::scheduler(args).await,
        Command::Api(args) => serve::api(args).await,
        Command::All(args) => serve::all(args).await,
        Command::Migrate(args) => chores::migrate::run(args).await,
        Command::Tenant(args) => chores::tenant::run(args).await,
        Command::Instance(args) => chores::instance::run(args).await,
        Command::Backfill(args) => chores::backfill::run(args).await,
        Command::Sync(args) => chores::sync::run(args).await,
        Command::Verify(args) => chores::verify::run(args).await,
        Command::Jobs(args) => chores::jobs::run(args).await,
        Command::Dead(args) => chores::dead::run(args).await,
        Command::Queue(args) => chores::queue::run(args).await,
        Command::Schedule(args) => chores::schedule::run(args).await,
        Command::Webhook(args) => chores::webhook::run(args).await,
        Command::Seed(args) => chores::seed::run(args).await,
        Command::Apikey(args) => chores::apikey::run(args).await,
        Command::Audit(args) => chores::audit::run(args).await,
        Command::Keys(args) => chores::keys::run(args).await,
        Command::Doctor(args) => chores::doctor::run(args).await,
        Command::Simulate(args) => chores::simulate::run(args).await,
        Command::Openapi | Command::Version { .. } | Command::Completion(_) | Command::Man(_) | Command::Config(_) => {
            Ok(())
        }
    }
}
