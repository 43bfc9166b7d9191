//! One query for all who ask for the same at once, within a process.
//!
//! Whoever saw the same lease may share what is read under it: it was read after the lease was taken, and every drop that
//! came before a passenger did would have ended that lease. Without a lease a passenger takes only what was begun after it
//! came itself, so of any number that come at once two at most ask.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use crate::Error;

/// For how long those find a landed flight who saw its lease just before it was used up.
const LINGER: Duration = Duration::from_millis(100);

/// What is asked for, and the lease that was seen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Seat {
    pub(super) name: String,
    pub(super) token: Option<String>,
}

/// What a flight brings: the entry's text, or why there is none.
type Landed = Result<Arc<[u8]>, Error>;

/// Every query under way.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<Seat, Flight>>);

/// One query as those see it who wait for it.
#[derive(Clone)]
pub(super) struct Flight {
    began: Instant,
    landed: watch::Receiver<Option<Landed>>,
}

/// Whoever asks for all. Dropped before it landed it leaves its passengers to themselves.
pub(super) struct Pilot {
    seat: Seat,
    landed: watch::Sender<Option<Landed>>,
    flights: Arc<Flights>,
}

pub(super) enum Place {
    Pilot(Pilot),
    Passenger(Flight),
}

impl Flights {
    /// A place on the flight that is under way, else the first place of a new one.
    pub(super) fn board(self: &Arc<Self>, seat: &Seat) -> Place {
        let mut flights = self.lock();
        if let Some(flight) = flights.get(seat) {
            return Place::Passenger(flight.clone());
        }
        let (landed, waiting) = watch::channel(None);
        flights.insert(seat.clone(), Flight { began: Instant::now(), landed: waiting });
        Place::Pilot(Pilot { seat: seat.clone(), landed, flights: Arc::clone(self) })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Seat, Flight>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight {
    /// What it brought; `None` for a passenger that must look for another one.
    pub(super) async fn landed(mut self, seat: &Seat, arrived: Instant) -> Option<Landed> {
        let landed = self.landed.wait_for(Option::is_some).await.ok()?.clone()?;
        (seat.token.is_some() || self.began >= arrived).then_some(landed)
    }
}

impl Pilot {
    /// Hands out what was read. Without a lease the flight ends before anybody hears of it, so that whoever does not take
    /// it finds no trace of it.
    pub(super) fn land(self, landed: Landed) {
        let lingers = self.seat.token.is_some() && landed.is_ok();
        if !lingers {
            self.flights.lock().remove(&self.seat);
        }
        self.landed.send_replace(Some(landed));
        if lingers {
            tokio::spawn(async move {
                tokio::time::sleep(LINGER).await;
                drop(self);
            });
        }
    }
}

impl Drop for Pilot {
    fn drop(&mut self) {
        let mut flights = self.flights.lock();
        // Where this one has ended, the next may be under way.
        if flights.get(&self.seat).is_some_and(|flight| flight.landed.same_channel(&self.landed.subscribe())) {
            flights.remove(&self.seat);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn seat(token: Option<&str>) -> Seat {
        Seat { name: "a".to_owned(), token: token.map(str::to_owned) }
    }

    fn pilot(flights: &Arc<Flights>, seat: &Seat) -> Pilot {
        match flights.board(seat) {
            Place::Pilot(pilot) => pilot,
            Place::Passenger(_) => panic!("somebody else flies"),
        }
    }

    fn passenger(flights: &Arc<Flights>, seat: &Seat) -> Flight {
        match flights.board(seat) {
            Place::Pilot(_) => panic!("nobody flies"),
            Place::Passenger(flight) => flight,
        }
    }

    #[tokio::test]
    async fn under_one_lease_all_share_also_those_who_come_late() {
        let (flights, seat) = (Arc::default(), seat(Some("t")));
        let one = pilot(&flights, &seat);
        let early = passenger(&flights, &seat);
        let arrived = Instant::now();
        one.land(Ok(Arc::from(*b"x")));
        assert_eq!(*early.landed(&seat, arrived).await.unwrap().unwrap(), *b"x");
        assert_eq!(*passenger(&flights, &seat).landed(&seat, Instant::now()).await.unwrap().unwrap(), *b"x");
        let other = Seat { token: Some("u".to_owned()), ..seat };
        drop(pilot(&flights, &other));
    }

    #[tokio::test]
    async fn without_a_lease_only_what_began_later_is_taken() {
        let (flights, seat) = (Arc::default(), seat(None));
        let before = Instant::now();
        let one = pilot(&flights, &seat);
        let (early, late) = (passenger(&flights, &seat), passenger(&flights, &seat));
        one.land(Ok(Arc::from(*b"x")));
        assert!(early.landed(&seat, before).await.is_some());
        assert!(late.landed(&seat, Instant::now()).await.is_none());
        drop(pilot(&flights, &seat));
        assert!(flights.lock().is_empty());
    }

    #[tokio::test]
    async fn a_pilot_that_vanishes_or_fails_leaves_no_trace() {
        let (flights, seat) = (Arc::default(), seat(Some("t")));
        let one = pilot(&flights, &seat);
        let waiting = passenger(&flights, &seat);
        drop(one);
        assert!(waiting.landed(&seat, Instant::now()).await.is_none());
        let one = pilot(&flights, &seat);
        let waiting = passenger(&flights, &seat);
        one.land(Err(Error::Overtaken));
        assert!(matches!(waiting.landed(&seat, Instant::now()).await, Some(Err(Error::Overtaken))));
        assert!(flights.lock().is_empty());
    }
}
