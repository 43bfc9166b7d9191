//! How far a backfill has come: at a terminal a bar for each project that is being copied and one for all; elsewhere a line
//! now and then. It is read from the rows, so whoever watches may go and come back.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar};
use jira::Standing;
use store::BackfillRow;

use crate::{
    output::{bar_style, say},
    pace::Pace,
};

/// Projects that have a bar of their own.
const BARS: usize = 12;
/// Between two lines where nobody sees bars.
const EVERY: Duration = Duration::from_secs(10);

/// What is shown.
pub(super) struct Progress {
    bars: Option<Bars>,
    /// Of all projects together.
    pace: Option<Pace>,
    /// When the last line was said, and how many issues were copied then.
    said: Option<(Instant, u64)>,
}

struct Bars {
    screen: MultiProgress,
    all: ProgressBar,
    projects: BTreeMap<String, ProgressBar>,
}

/// Issues that are copied, that are expected, and that are still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Count {
    synced: u64,
    expected: u64,
    rest: u64,
}

impl Progress {
    pub(super) fn new() -> Self {
        let bars = io::stderr().is_terminal().then(Bars::new);
        Self { bars, pace: None, said: None }
    }

    /// `standing` is how the site's budget stands, where that is known.
    pub(super) fn show(&mut self, rows: &[BackfillRow], standing: Option<Standing>) {
        if rows.is_empty() {
            return;
        }
        let all = rows.iter().map(Count::of).fold(Count { synced: 0, expected: 0, rest: 0 }, Count::plus);
        let now = Instant::now();
        let pace = self.pace.get_or_insert_with(|| Pace::new(now, all.synced));
        pace.observe(now, all.synced);
        let told = told(all, pace, standing);
        match &mut self.bars {
            Some(bars) => bars.show(rows, all, told),
            None => self.say(all, &told),
        }
    }

    /// Leaves nothing on the screen but what is said afterwards.
    pub(super) fn end(&self) {
        if let Some(bars) = &self.bars {
            // Nobody is told when the terminal is gone.
            let _ = bars.screen.clear();
        }
    }

    fn say(&mut self, all: Count, told: &str) {
        let now = Instant::now();
        match self.said {
            Some((at, _)) if now - at < EVERY && all.synced < all.expected => return,
            Some((_, synced)) if synced == all.synced => return,
            Some(_) => say!("Synced {}/{} issues{told}", all.synced, all.expected),
            None => say!("Synced {}/{} issues", all.synced, all.expected),
        }
        self.said = Some((now, all.synced));
    }
}

/// How fast it goes, how long the rest takes, and what the site still allows.
fn told(all: Count, pace: &Pace, standing: Option<Standing>) -> String {
    let mut told = pace.told(all.rest);
    match standing {
        Some(Standing { paused: Some(wait), .. }) => {
            told.push_str(&format!(", Jira asked for a pause of {} s more", wait.as_secs().max(1)));
        }
        Some(Standing { left: Some(left), .. }) => told.push_str(&format!(", {left:.0} requests in the budget")),
        _ => {}
    }
    told
}

impl Count {
    fn of(row: &BackfillRow) -> Self {
        let expected = row.expected.unwrap_or(row.synced).max(row.synced);
        Self { synced: row.synced, expected, rest: row.rest() }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            synced: self.synced + other.synced,
            expected: self.expected + other.expected,
            rest: self.rest + other.rest,
        }
    }

    fn put_on(self, bar: &ProgressBar) {
        bar.set_length(self.expected);
        bar.set_position(self.synced);
    }
}

impl Bars {
    fn new() -> Self {
        let screen = MultiProgress::new();
        let all = screen.add(bar("all", "{prefix:>12} {bar:30} {pos}/{len} issues{msg}"));
        Self { screen, all, projects: BTreeMap::new() }
    }

    fn show(&mut self, rows: &[BackfillRow], all: Count, told: String) {
        all.put_on(&self.all);
        self.all.set_message(told);
        for row in rows {
            if row.ended() {
                if let Some(bar) = self.projects.remove(&row.project_key) {
                    bar.finish_and_clear();
                }
            } else if self.projects.len() < BARS || self.projects.contains_key(&row.project_key) {
                let before = &self.all;
                let screen = &self.screen;
                let one = self.projects.entry(row.project_key.clone()).or_insert_with(|| {
                    screen.insert_before(before, bar(&row.project_key, "{prefix:>12} {bar:30} {pos}/{len}, {rate}"))
                });
                Count::of(row).put_on(one);
            }
        }
    }
}

fn bar(name: &str, template: &str) -> ProgressBar {
    ProgressBar::new(0).with_style(bar_style(template)).with_prefix(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pace_rest_and_budget_are_told() {
        let start = Instant::now();
        let mut pace = Pace::new(start, 1_000);
        for second in 1..=10 {
            pace.observe(start + Duration::from_secs(second), 1_000 + second * 200);
        }
        let all = Count { synced: 3_000, expected: 10_000, rest: 7_000 };
        assert_eq!(told(all, &pace, None), ", 200 a second, 35 s left");
        let left = Standing { left: Some(41.7), paused: None };
        assert_eq!(told(all, &pace, Some(left)), ", 200 a second, 35 s left, 42 requests in the budget");
        let paused = Standing { paused: Some(Duration::from_secs(30)), ..left };
        assert_eq!(told(all, &pace, Some(paused)), ", 200 a second, 35 s left, Jira asked for a pause of 30 s more");
        let done = Count { synced: 10_000, expected: 10_000, rest: 0 };
        assert_eq!(told(done, &pace, None), ", 200 a second");
    }
}
