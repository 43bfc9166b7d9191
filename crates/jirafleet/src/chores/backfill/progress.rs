//! How far a backfill has come: at a terminal a bar for each project that is being copied and one for all; elsewhere a line
//! now and then. It is read from the rows, so whoever watches may go and come back.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use store::BackfillRow;

use crate::output::say;

/// Projects that have a bar of their own.
const BARS: usize = 12;
/// Between two lines where nobody sees bars.
const EVERY: Duration = Duration::from_secs(10);

/// What is shown.
pub(super) struct Progress {
    bars: Option<Bars>,
    /// When the last line was said, and how many issues were copied then.
    said: Option<(Instant, u64)>,
}

struct Bars {
    screen: MultiProgress,
    all: ProgressBar,
    projects: BTreeMap<String, ProgressBar>,
}

/// Issues that are copied, and that are expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Count {
    synced: u64,
    expected: u64,
}

impl Progress {
    pub(super) fn new() -> Self {
        let bars = io::stderr().is_terminal().then(Bars::new);
        Self { bars, said: None }
    }

    pub(super) fn show(&mut self, rows: &[BackfillRow]) {
        if rows.is_empty() {
            return;
        }
        let all = rows.iter().map(Count::of).fold(Count { synced: 0, expected: 0 }, Count::plus);
        match &mut self.bars {
            Some(bars) => bars.show(rows, all),
            None => self.say(all),
        }
    }

    /// Leaves nothing on the screen but what is said afterwards.
    pub(super) fn end(&self) {
        if let Some(bars) = &self.bars {
            // Nobody is told when the terminal is gone.
            let _ = bars.screen.clear();
        }
    }

    fn say(&mut self, all: Count) {
        let now = Instant::now();
        match self.said {
            Some((at, _)) if now - at < EVERY && all.synced < all.expected => return,
            Some((_, synced)) if synced == all.synced => return,
            Some((at, synced)) => say!("{}", line(all, synced, now - at)),
            None => say!("Synced {}/{} issues", all.synced, all.expected),
        }
        self.said = Some((now, all.synced));
    }
}

/// What is copied, how fast that went since the last line, and how long the rest takes at that pace.
fn line(all: Count, before: u64, took: Duration) -> String {
    let done = all.synced.saturating_sub(before);
    let took = took.as_secs_f64().max(0.001);
    #[expect(clippy::cast_precision_loss, reason = "a pace for people")]
    let (pace, left) = (done as f64 / took, all.expected.saturating_sub(all.synced) as f64);
    let left = if left > 0.0 && pace > 0.0 { format!(", {:.0} s left", left / pace) } else { String::new() };
    format!("Synced {}/{} issues, {pace:.0} a second{left}", all.synced, all.expected)
}

impl Count {
    fn of(row: &BackfillRow) -> Self {
        Self { synced: row.synced, expected: row.expected.unwrap_or(row.synced).max(row.synced) }
    }

    fn plus(self, other: Self) -> Self {
        Self { synced: self.synced + other.synced, expected: self.expected + other.expected }
    }

    fn put_on(self, bar: &ProgressBar) {
        bar.set_length(self.expected);
        bar.set_position(self.synced);
    }
}

impl Bars {
    fn new() -> Self {
        let screen = MultiProgress::new();
        let all = screen.add(bar("all", "{prefix:>12} {bar:30} {pos}/{len} issues, {per_sec}, {eta} left"));
        Self { screen, all, projects: BTreeMap::new() }
    }

    fn show(&mut self, rows: &[BackfillRow], all: Count) {
        let is_first = self.all.position() == 0;
        all.put_on(&self.all);
        if is_first {
            // What was copied before anybody watched says nothing about the pace.
            self.all.reset_eta();
        }
        for row in rows {
            if row.ended() {
                if let Some(bar) = self.projects.remove(&row.project_key) {
                    bar.finish_and_clear();
                }
            } else if self.projects.len() < BARS || self.projects.contains_key(&row.project_key) {
                let before = &self.all;
                let screen = &self.screen;
                let one = self.projects.entry(row.project_key.clone()).or_insert_with(|| {
                    screen.insert_before(before, bar(&row.project_key, "{prefix:>12} {bar:30} {pos}/{len}, {per_sec}"))
                });
                Count::of(row).put_on(one);
            }
        }
    }
}

fn bar(name: &str, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style).with_prefix(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_the_pace_of_late_and_what_is_left() {
        let all = Count { synced: 3_000, expected: 10_000 };
        assert_eq!(line(all, 1_000, Duration::from_secs(10)), "Synced 3000/10000 issues, 200 a second, 35 s left");
        assert_eq!(line(all, 3_000, Duration::from_secs(10)), "Synced 3000/10000 issues, 0 a second");
        let done = Count { synced: 10_000, expected: 10_000 };
        assert_eq!(line(done, 9_000, Duration::from_secs(5)), "Synced 10000/10000 issues, 200 a second");
    }
}
