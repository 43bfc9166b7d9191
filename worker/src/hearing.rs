//! What a poll tells about webhooks: did they tell of everything that it found?

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Watermark, WebhookHealth};

/// Webhooks may take this long; younger changes prove nothing.
const GRACE: TimeDelta = TimeDelta::seconds(60);

/// What one reading of updates saw, as far as it tells about webhooks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Changes since the last poll that the mirror knew already.
    pub(crate) told: u64,
    /// Changes that it did not know, though webhooks had time.
    pub(crate) untold: u64,
}

impl Tally {
    /// Counts one changed issue.
    pub(crate) fn count(&mut self, (updated, is_news): (DateTime<Utc>, bool), mark: Watermark, began: DateTime<Utc>) {
        if updated > began - GRACE {
            return;
        }
        if is_news {
            self.untold += 1;
        } else if updated > mark.0 {
            self.told += 1;
        }
    }

    /// What that means, given when the last webhook came; `None` when nothing can be said.
    pub(crate) fn verdict(self, mark: Watermark, heard: Option<DateTime<Utc>>) -> Option<WebhookHealth> {
        let heard = heard.is_some_and(|at| at > mark.0);
        match (self, heard) {
            (Self { untold: 1.., .. }, true) => Some(WebhookHealth::Lossy),
            (Self { untold: 1.., .. }, false) => Some(WebhookHealth::Silent),
            (Self { told: 1.., .. }, true) => Some(WebhookHealth::Healthy),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000 + second, 0).expect("in range")
    }

    fn tally(changes: &[(i64, bool)]) -> Tally {
        let mut tally = Tally::default();
        changes.iter().for_each(|(updated, news)| tally.count((at(*updated), *news), Watermark(at(0)), at(300)));
        tally
    }

    #[test]
    fn changes_count_once_webhooks_had_their_time() {
        assert_eq!(tally(&[(100, false), (200, true), (280, true), (290, false)]), Tally { told: 1, untold: 1 });
        assert_eq!(
            tally(&[(-100, false), (-50, true)]),
            Tally { told: 0, untold: 1 },
            "the overlap proves nothing good"
        );
    }

    #[test]
    fn what_was_heard_decides_between_lossy_and_silent() {
        let verdict =
            |told, untold, heard: Option<i64>| Tally { told, untold }.verdict(Watermark(at(0)), heard.map(at));
        assert_eq!(verdict(5, 0, Some(10)), Some(WebhookHealth::Healthy));
        assert_eq!(verdict(5, 1, Some(10)), Some(WebhookHealth::Lossy));
        assert_eq!(verdict(0, 1, Some(-10)), Some(WebhookHealth::Silent));
        assert_eq!(verdict(5, 1, None), Some(WebhookHealth::Silent));
        assert_eq!(verdict(0, 0, Some(10)), None, "a quiet site proves nothing");
        assert_eq!(verdict(5, 0, None), None, "somebody else told");
    }
}
