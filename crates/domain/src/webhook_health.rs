//! Whether webhooks can be relied upon, and how often to poll because of that.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What polling found out about an instance's webhooks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WebhookHealth {
    /// Nothing changed since anybody looked.
    #[default]
    Unknown,
    /// All that the last poll found had been told before.
    Healthy,
    /// Webhooks come, but the poll found changes of which none told.
    Lossy,
    /// The poll found changes, and no webhook came at all.
    Silent,
}

/// With healthy webhooks the poll is a safety net: this many intervals apart.
const RELAXED: u32 = 3;
/// Without webhooks the poll is the only messenger.
const ALONE: Duration = Duration::from_secs(60);

impl WebhookHealth {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Unknown, Self::Healthy, Self::Lossy, Self::Silent];

    /// Its stable name in the database and in listings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Lossy => "lossy",
            Self::Silent => "silent",
        }
    }

    /// The health of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|health| health.name() == name)
    }

    /// How often to poll an instance whose own interval is `interval`.
    pub fn poll_every(self, interval: Duration) -> Duration {
        match self {
            Self::Healthy => interval * RELAXED,
            Self::Unknown | Self::Lossy => interval,
            Self::Silent => interval.min(ALONE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_are_rarer_when_webhooks_come_and_denser_when_they_do_not() {
        let every = |health: WebhookHealth| health.poll_every(Duration::from_secs(300)).as_secs();
        assert_eq!(WebhookHealth::ALL.map(every), [300, 900, 300, 60]);
        let eager = WebhookHealth::Silent.poll_every(Duration::from_secs(5));
        assert_eq!(eager.as_secs(), 5, "an instance that is polled more often than that stays so");
    }

    #[test]
    fn names_lead_back() {
        for health in WebhookHealth::ALL {
            assert_eq!(WebhookHealth::from_name(health.name()), Some(health));
        }
        assert_eq!(WebhookHealth::from_name("fine"), None);
    }
}
