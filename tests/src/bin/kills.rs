//! Writes by an api that is killed again and again, at any instant: `kills [--kills N] [--seed N]`. Ends with 1 as soon as
//! something is open, there twice, or other than in Jira.

use std::time::{Duration, Instant};

use clap::Parser;
use tests::{FleetOptions, TestFleet, kills::Kills};
use worker::Settling;

#[derive(Parser)]
struct Args {
    /// How often the api is killed; each time four writes are under way.
    #[arg(long, default_value_t = 500)]
    kills: usize,
    /// What writes and instants are drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Within how many milliseconds of the writes: about as long as the first ones of a process take, so that about half of
    /// them are under way and the others are yet to be announced or answered already.
    #[arg(long, default_value_t = 200)]
    within: u64,
}

#[tokio::main]
async fn main() {
    let args = Args::parse();
    let settling = Settling { given_up: Duration::ZERO, indexed: Duration::ZERO };
    let jira = simulator::Config { issues: 200, ..Default::default() };
    let fleet = TestFleet::judging_nothing(FleetOptions { jira, settling, ..Default::default() }).await;
    fleet.backfill().await;
    let begun = Instant::now();
    let mut kills = Kills::new(&fleet, args.seed).await;
    kills.play(args.kills, Duration::from_millis(args.within)).await;
    let tally = kills.end().await;
    let announced: usize = tally.endings.values().sum();
    assert!(
        announced * 4 >= tally.wishes,
        "only {announced} writes were announced before the kills: give --within more"
    );
    println!("{} kills, {} writes asked for in {:.0} s", tally.kills, tally.wishes, begun.elapsed().as_secs_f64());
    println!("{} answered before the kill; of those announced ended {:?}", tally.answered, tally.endings);
    println!(
        "{} were settled by the sweep; nothing is open, nothing is there twice, and the mirror equals Jira",
        tally.settled
    );
}
