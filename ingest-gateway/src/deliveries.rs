//! Which deliveries were taken a short while ago: Jira repeats one whose answer it did not get.
//!
//! Kept in this process only. A repetition that reaches another gateway is taken once more, and touching an issue twice
//! does no harm; so nothing in Redis is spent on it.

use std::{
    collections::{HashSet, hash_map::RandomState},
    hash::BuildHasher,
    sync::{Mutex, PoisonError},
};

use axum::http::{HeaderMap, HeaderName};
use domain::InstanceId;

use crate::signature::Signature;

/// The same for every repetition of one delivery, and unique within a site.
const IDENTIFIER: HeaderName = HeaderName::from_static("x-atlassian-webhook-identifier");

/// How many deliveries one generation remembers; there are two, of 8 bytes each.
const GENERATION: usize = 50_000;

/// The deliveries that were taken last.
#[derive(Default)]
pub(crate) struct Deliveries {
    hasher: RandomState,
    taken: Mutex<Generations>,
}

/// One delivery, as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Delivery(u64);

#[derive(Default)]
struct Generations {
    young: HashSet<Delivery>,
    old: HashSet<Delivery>,
}

impl Deliveries {
    /// The delivery with this identifier and this body; `None` without an identifier. The header is not signed, so it only
    /// counts together with the body's signature.
    pub(crate) fn of(&self, of: InstanceId, headers: &HeaderMap, signed: Option<Signature>) -> Option<Delivery> {
        let identifier = headers.get(IDENTIFIER)?.as_bytes();
        Some(Delivery(self.hasher.hash_one((of, identifier, signed))))
    }

    /// Whether it was taken before.
    pub(crate) fn came_before(&self, delivery: Option<Delivery>) -> bool {
        delivery.is_some_and(|delivery| self.taken.lock().unwrap_or_else(PoisonError::into_inner).contains(delivery))
    }

    /// To be called once Redis has it, and not before: what failed must be taken when it comes again.
    pub(crate) fn remember(&self, delivery: Option<Delivery>) {
        if let Some(delivery) = delivery {
            self.taken.lock().unwrap_or_else(PoisonError::into_inner).insert(delivery);
        }
    }
}

impl Generations {
    fn contains(&self, delivery: Delivery) -> bool {
        self.young.contains(&delivery) || self.old.contains(&delivery)
    }

    fn insert(&mut self, delivery: Delivery) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(delivery);
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(identifier: &str) -> HeaderMap {
        HeaderMap::from_iter([(IDENTIFIER, HeaderValue::from_str(identifier).expect("a header value"))])
    }

    fn signed(byte: u8) -> Option<Signature> {
        Signature::of(&HeaderMap::from_iter([(
            crate::signature::HEADER,
            HeaderValue::from_str(&format!("sha256={}", hex::encode([byte; 32]))).expect("a header value"),
        )]))
    }

    #[test]
    fn a_delivery_comes_before_once_it_was_remembered() {
        let (deliveries, acme) = (Deliveries::default(), InstanceId::generate());
        let first = deliveries.of(acme, &headers("d1"), signed(1));
        assert!(!deliveries.came_before(first));
        deliveries.remember(first);
        assert!(deliveries.came_before(deliveries.of(acme, &headers("d1"), signed(1))));
    }

    #[test]
    fn another_identifier_body_or_instance_is_another_delivery() {
        let (deliveries, acme) = (Deliveries::default(), InstanceId::generate());
        deliveries.remember(deliveries.of(acme, &headers("d1"), signed(1)));
        assert!(!deliveries.came_before(deliveries.of(acme, &headers("d2"), signed(1))));
        assert!(!deliveries.came_before(deliveries.of(acme, &headers("d1"), signed(2))));
        assert!(!deliveries.came_before(deliveries.of(InstanceId::generate(), &headers("d1"), signed(1))));
    }

    #[test]
    fn what_has_no_identifier_never_came_before() {
        let deliveries = Deliveries::default();
        let unnamed = deliveries.of(InstanceId::generate(), &HeaderMap::new(), signed(1));
        deliveries.remember(unnamed);
        assert!(!deliveries.came_before(unnamed));
    }

    #[test]
    fn the_memory_is_bounded_and_keeps_the_latest() {
        let mut taken = Generations::default();
        for number in 0..500_000 {
            taken.insert(Delivery(number));
        }
        assert!(taken.young.len() + taken.old.len() <= 2 * GENERATION);
        assert!(taken.contains(Delivery(499_999)) && taken.contains(Delivery(500_000 - GENERATION as u64)));
    }
}
