//! `jirafleet seed`: made-up tenants straight into the mirror, as large as wanted, without a Jira.
//!
//! What the simulator makes up goes through the one door, like everything else. The same arguments make the same rows, so
//! the same command again finds them there, and one that was interrupted goes on.

mod site;

use clap::Args as ClapArgs;
use indicatif::ProgressBar;
use serde::Serialize;

use crate::{
    config::Surroundings,
    exit::Failed,
    output::{self, Format, say},
    wire_up::House,
};
use site::Site;

#[derive(ClapArgs)]
pub(crate) struct Args {
    /// How many tenants.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    tenants: u32,
    /// Instances of each tenant.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=100))]
    instances: u32,
    /// Projects of each instance.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    projects: u32,
    /// Issues of each project.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=2_000_000))]
    issues: u32,
    /// What everything made up is drawn from: the same seed, the same rows. It is part of the names of what is made.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Pages that are written at once.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    writers: u32,
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    surroundings: Surroundings,
}

/// One instance, and what was done for it.
#[derive(Serialize)]
struct Row {
    tenant: String,
    instance: String,
    projects: u32,
    /// Made-up issues that the mirror holds now.
    issues: u64,
    /// Those of them that were not there before.
    added: u64,
}

impl output::Row for Row {
    const SCHEMA: &'static str = "jirafleet.seed/1";
}

pub(crate) async fn run(args: Args) -> Result<(), Failed> {
    // One connection beside the writers: instances are looked up while others are written.
    let house = House::open(&args.surroundings.resolve()?, args.writers + 1).await?;
    let bar = output::bar(args.all());
    let mut rows = Vec::new();
    for site in sites(&args) {
        rows.push(fill(&house, &args, &site, &bar).await?);
    }
    bar.finish_and_clear();
    summarise(&rows);
    output::print(args.output, &rows)
}

impl Args {
    /// Issues in all.
    fn all(&self) -> u64 {
        u64::from(self.tenants) * u64::from(self.instances) * self.of_an_instance()
    }

    fn of_an_instance(&self) -> u64 {
        u64::from(self.projects) * u64::from(self.issues)
    }
}

fn sites(args: &Args) -> impl Iterator<Item = Site> {
    let (seed, instances) = (args.seed, args.instances);
    let (projects, issues) = (args.projects, args.issues);
    (1..=args.tenants)
        .flat_map(move |tenant| (1..=instances).map(move |instance| Site { seed, tenant, instance, projects, issues }))
}

/// Registers an instance if that was not done yet, and writes whatever it lacks.
async fn fill(house: &House, args: &Args, site: &Site, bar: &ProgressBar) -> Result<Row, Failed> {
    let (tenant, instance) = site.registered(house).await?;
    let before = tenant.count_issues(instance).await?;
    if before == args.of_an_instance() {
        bar.inc(before);
    } else {
        site.write(&tenant, instance, args.writers as usize, bar).await?;
    }
    let issues = tenant.count_issues(instance).await?;
    Ok(Row {
        tenant: site.tenant_name(),
        instance: site.name(),
        projects: args.projects,
        issues,
        added: issues.saturating_sub(before),
    })
}

fn summarise(rows: &[Row]) {
    let issues: u64 = rows.iter().map(|row| row.issues).sum();
    let added: u64 = rows.iter().map(|row| row.added).sum();
    match issues - added {
        0 => say!("{added} issues were made up"),
        there if added == 0 => say!("all {there} issues were there already; another --seed makes others"),
        there => say!("{added} issues were made up, {there} were there already"),
    }
    say!("The instances are paused, since their sites do not exist. Next: jirafleet instance list");
}
