//! How far a progressive reading has come.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// When the last complete reading of a stream *began*. It only moves forward.
///
/// The newest `updated` that came back would be a trap: the search index lags, so an issue indexed late would be lost for
/// ever once a later one had moved the mark past it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Watermark(pub DateTime<Utc>);

impl Watermark {
    /// How far the search index may lag behind what people did: each reading looks back this much further.
    pub const OVERLAP: TimeDelta = TimeDelta::minutes(10);

    /// From when the next reading must read.
    pub fn reread_from(self) -> DateTime<Utc> {
        self.0 - Self::OVERLAP
    }

    /// The later of the two: a mark never goes back.
    #[must_use]
    pub fn advanced_to(self, began: DateTime<Utc>) -> Self {
        Self(self.0.max(began))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_never_goes_back() {
        let noon = DateTime::from_timestamp(1_790_000_000, 0).expect("in range");
        let mark = Watermark(noon);
        assert_eq!(mark.advanced_to(noon - TimeDelta::hours(1)), mark);
        assert_eq!(mark.reread_from(), noon - TimeDelta::minutes(10));
    }
}
