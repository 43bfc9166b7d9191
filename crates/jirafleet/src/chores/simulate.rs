//! `jirafleet simulate`: the simulated Jira alone, to point anything at.

use std::{net::SocketAddr, time::Duration};

use clap::Args as ClapArgs;
use simulator::{Config, Limits, Links, Simulator};

use crate::{
    exit::Failed,
    output::{self, say},
    serve::Signals,
};

#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8090", value_name = "ADDR")]
    listen: SocketAddr,
    /// What everything made up is drawn from: the same seed, the same site.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Issues in all.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(0..=2_000_000))]
    issues: u32,
    /// How late searches see a change, at most; each change draws its own lag.
    #[arg(long, default_value_t = 0, value_name = "MS", value_parser = clap::value_parser!(u64).range(0..=3_600_000))]
    index_lag: u64,
    /// Keep Jira's limits: requests per second and endpoint, and writes on one issue.
    #[arg(long)]
    rate_limits: bool,
    /// Where to send webhooks, as in http://127.0.0.1:8080/webhooks/acme
    #[arg(long, value_name = "URL", requires = "webhook_secret_file")]
    webhook_url: Option<String>,
    /// A file that holds the secret webhooks are signed with.
    #[arg(long, value_name = "FILE")]
    webhook_secret_file: Option<std::path::PathBuf>,
}

pub(crate) async fn run(args: Args) -> Result<(), Failed> {
    let config = config(&args);
    let (email, token) = (config.email.clone(), config.token.clone());
    let simulator = Simulator::start(config).await.map_err(|error| {
        Failed::new(
            crate::exit::UNAVAILABLE,
            format!("{} cannot be listened on: {error}; choose another --listen", args.listen),
        )
    })?;
    if let (Some(url), Some(file)) = (&args.webhook_url, &args.webhook_secret_file) {
        simulator.world().set_webhook(url, &crate::config::read_secret("webhook secret", file)?);
    }
    output::line(simulator.url())?;
    say!("a simulated Jira with {} issues; sign in as {email} with the token {token:?}", args.issues);
    let host = simulator.url().replace("http://", "");
    say!("Next: jirafleet dev --allow-insecure-sites {host}");
    Signals::new()?.next().await;
    simulator.stop().await;
    Ok(())
}

fn config(args: &Args) -> Config {
    let limits = Limits { burst: Some(1.0), per_issue_writes: true, ..Limits::default() };
    Config {
        listen: args.listen,
        // A client that follows a link shows its token to whoever is there.
        links: Links::Served,
        seed: args.seed,
        issues: args.issues as usize,
        index_lag: Duration::ZERO..=Duration::from_millis(args.index_lag),
        limits: if args.rate_limits { limits } else { Limits::default() },
        ..Config::default()
    }
}
