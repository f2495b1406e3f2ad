//! The connections or requests that wait for their peers, the oldest first. When a place is needed, the
//! oldest gives way, so a party that floods the room with slow connections pushes out its own.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// The waiting connections or requests.
#[derive(Debug, Default)]
pub(crate) struct Room(Mutex<Waiters>);

#[derive(Debug, Default)]
struct Waiters {
    /// The number of the next one. A smaller number means an earlier arrival.
    next: u64,
    waiting: BTreeMap<u64, (IpAddr, CancellationToken)>,
    by_party: BTreeSet<(IpAddr, u64)>,
}

impl Waiters {
    fn remove(&mut self, number: u64) -> Option<CancellationToken> {
        let (party, dismissed) = self.waiting.remove(&number)?;
        self.by_party.remove(&(party, number));
        Some(dismissed)
    }

    /// Returns the number of the entry of `party` that has waited longest.
    fn oldest_of(&self, party: IpAddr) -> Option<u64> {
        let mut of_party = self.by_party.range((party, 0)..=(party, u64::MAX));
        let (_, number) = of_party.next()?;
        Some(*number)
    }

    /// Dismisses an entry. Returns whether there was one.
    fn dismiss(&mut self, number: Option<u64>) -> bool {
        match number.and_then(|number| self.remove(number)) {
            Some(dismissed) => {
                dismissed.cancel();
                true
            }
            None => false,
        }
    }
}

/// A place in the room. Dropping it frees the place.
#[derive(Debug)]
pub(crate) struct WaitingPlace {
    room: Arc<Room>,
    number: u64,
}

impl WaitingPlace {
    /// Returns the number of the place. A smaller number means an earlier arrival.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }
}

impl Room {
    /// Adds a connection or request of `party`. `dismissed` is cancelled when it has to give way. `again` is
    /// its previous number, if it was in the room before and has not been active since.
    pub(crate) fn enter(
        self: &Arc<Self>,
        party: IpAddr,
        dismissed: CancellationToken,
        again: Option<u64>,
    ) -> WaitingPlace {
        let mut inside = self.inside();
        let number = again.unwrap_or(inside.next);
        if again.is_none() {
            inside.next = number.wrapping_add(1);
        }
        inside.waiting.insert(number, (party, dismissed));
        inside.by_party.insert((party, number));
        WaitingPlace {
            room: Arc::clone(self),
            number,
        }
    }

    /// Dismisses the entry that has waited longest. Returns whether there was one.
    pub(crate) fn dismiss_oldest(&self) -> bool {
        let mut inside = self.inside();
        let oldest = inside.waiting.first_key_value().map(|(number, _)| *number);
        inside.dismiss(oldest)
    }

    /// Dismisses the entry of `party` that has waited longest. Returns whether there was one.
    pub(crate) fn dismiss_oldest_of(&self, party: IpAddr) -> bool {
        let mut inside = self.inside();
        let oldest = inside.oldest_of(party);
        inside.dismiss(oldest)
    }

    /// Returns the number of waiting entries.
    pub(crate) fn len(&self) -> usize {
        self.inside().waiting.len()
    }

    /// Whether no entry waits.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn inside(&self) -> MutexGuard<'_, Waiters> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for WaitingPlace {
    fn drop(&mut self) {
        self.room.inside().remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entry_is_dropped() {
        let room = Arc::new(Room::default());
        let party = |last: u8| IpAddr::from([192, 0, 2, last]);
        let tokens: Vec<CancellationToken> = (0..4).map(|_| CancellationToken::new()).collect();
        let enter = |number: usize, last: u8| room.enter(party(last), tokens[number].clone(), None);
        let places = [enter(0, 1), enter(1, 2), enter(2, 1), enter(3, 2)];
        let dismissed = || {
            tokens
                .iter()
                .map(CancellationToken::is_cancelled)
                .collect::<Vec<_>>()
        };
        assert!(room.dismiss_oldest_of(party(2)));
        assert_eq!(dismissed(), [false, true, false, false]);
        assert!(room.dismiss_oldest());
        assert_eq!(dismissed(), [true, true, false, false]);
        assert!(!room.dismiss_oldest_of(party(9)));
        assert_eq!(room.len(), 2);
        drop(places);
        assert!(room.is_empty() && !room.dismiss_oldest());
    }
}
