//! The network between Jira and the mirror on a bad day: webhooks that come twice, late, shuffled, forged or never.

use std::time::Duration;

use rand::prelude::*;
use rand::rngs::Xoshiro256PlusPlus;

use crate::world::World;

/// How often a webhook meets which misfortune, each from 0.0 (never) to 1.0 (always).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mischief {
    /// Sent twice under the same identifier.
    pub duplicates: f64,
    /// Never sent, as after a long outage of the receiver.
    pub drops: f64,
    /// Accompanied by a copy with another identifier and a wrong signature.
    pub forgeries: f64,
    /// Held back for a random time up to this, which shuffles the order.
    pub delay: Duration,
}

/// What is done with one copy of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) delay: Duration,
    pub(super) forged: bool,
}

/// Draws fates; the same seed and the same order of webhooks give the same fates.
pub(super) struct Fortune {
    mischief: Mischief,
    dice: Xoshiro256PlusPlus,
}

impl Fortune {
    pub(super) fn new(seed: u64) -> Self {
        Self { mischief: Mischief::default(), dice: Xoshiro256PlusPlus::seed_from_u64(seed) }
    }

    /// The copies of the next webhook; none when it is dropped.
    pub(super) fn draw(&mut self) -> Vec<Fate> {
        let Mischief { duplicates, drops, forgeries, delay } = self.mischief;
        let mut chance = |of: f64| of > 0.0 && self.dice.random_bool(of.clamp(0.0, 1.0));
        let (dropped, twice, forged) = (chance(drops), chance(duplicates), chance(forgeries));
        let mut forged = if forged { vec![true] } else { Vec::new() };
        if !dropped {
            forged.extend([false].repeat(if twice { 2 } else { 1 }));
        }
        let mut fate = |forged| Fate { delay: self.dice.random_range(Duration::ZERO..=delay), forged };
        forged.into_iter().map(&mut fate).collect()
    }

    /// How long Jira waits before it tries again.
    pub(super) fn pause(&mut self) -> Duration {
        Duration::from_millis(self.dice.random_range(5 * 60_000..=15 * 60_000))
    }
}

impl World {
    /// Makes the way of webhooks as bad as this from now on; `Mischief::default()` makes it good again.
    pub fn set_mischief(&self, mischief: Mischief) {
        super::lock(&self.outbox.fortune).mischief = mischief;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(mischief: Mischief) -> Vec<Vec<Fate>> {
        let mut fortune = Fortune { mischief, ..Fortune::new(1) };
        (0..1000).map(|_| fortune.draw()).collect()
    }

    #[test]
    fn on_a_good_day_each_webhook_is_sent_once_and_at_once() {
        let once = vec![Fate { delay: Duration::ZERO, forged: false }];
        assert!(draw(Mischief::default()).iter().all(|fates| *fates == once));
    }

    #[test]
    fn on_a_bad_day_the_rates_hold() {
        let fates = draw(Mischief { duplicates: 0.3, drops: 0.1, forgeries: 0.02, delay: Duration::from_secs(1) });
        let count = |wanted: fn(&[Fate]) -> bool| fates.iter().filter(|fates| wanted(fates)).count();
        let honest = |fates: &[Fate]| fates.iter().filter(|fate| !fate.forged).count();
        assert!((50..150).contains(&fates.iter().filter(|fates| honest(fates) == 0).count()));
        assert!((200..350).contains(&fates.iter().filter(|fates| honest(fates) == 2).count()));
        assert!((5..40).contains(&count(|fates| fates.iter().any(|fate| fate.forged))));
    }
}
