//! The unread answers of all connections, limited in number and in bytes. Beyond a limit, the party that
//! holds most loses its oldest answer, so nobody can push out the answer of a party that holds less.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::telemetry::meter;

/// The bytes that an answer takes besides its body, for its head, its stream and its task.
const HEAD_BYTES: usize = 4_096;

/// What carries an answer: a stream, or a whole connection.
pub(super) trait Way: Send + Sync {
    /// The answer has to give up its place.
    fn give_way(&self);
}

/// The unread answers of all connections of a server.
pub(crate) struct Untaken {
    bytes: usize,
    answers: usize,
    inside: Mutex<UnreadAnswers>,
}

#[derive(Default)]
struct UnreadAnswers {
    /// The number of the next answer. A smaller number means an earlier answer.
    next: u64,
    held: BTreeMap<(IpAddr, u64), HeldAnswer>,
    bytes: usize,
    /// The bytes of each party, and the parties ordered by bytes.
    parties: HashMap<IpAddr, usize>,
    heaviest: BTreeSet<(usize, IpAddr)>,
}

struct HeldAnswer {
    bytes: usize,
    way: Arc<dyn Way>,
}

/// An answer that counts until this is dropped.
pub(super) struct UnreadAnswer {
    untaken: Arc<Untaken>,
    key: (IpAddr, u64),
}

impl Untaken {
    /// At most `answers` answers of at most `bytes` bytes together. A single answer is never too large.
    pub(crate) fn new(bytes: usize, answers: usize) -> Self {
        Self {
            bytes,
            answers,
            inside: Mutex::default(),
        }
    }

    /// Counts an answer of `party` with a body of `bytes` bytes. Other answers give way until the limits are
    /// met.
    pub(super) fn enter(
        self: &Arc<Self>,
        party: IpAddr,
        bytes: usize,
        way: Arc<dyn Way>,
    ) -> UnreadAnswer {
        let mut inside = self.inside();
        let key = (party, inside.next);
        inside.next = inside.next.wrapping_add(1);
        inside.insert(
            key,
            HeldAnswer {
                bytes: bytes.saturating_add(HEAD_BYTES),
                way,
            },
        );
        let mut over = Vec::new();
        while (inside.bytes > self.bytes || inside.held.len() > self.answers)
            && inside.held.len() > 1
        {
            let Some(answer) = inside.remove_oldest_of_heaviest() else {
                break;
            };
            over.push(answer.way);
        }
        drop(inside);
        for way in over {
            meter::answer_cut_off();
            way.give_way();
        }
        UnreadAnswer {
            untaken: Arc::clone(self),
            key,
        }
    }

    /// Returns how many bytes are held.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.inside().bytes
    }

    fn inside(&self) -> MutexGuard<'_, UnreadAnswers> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnreadAnswers {
    fn insert(&mut self, key: (IpAddr, u64), answer: HeldAnswer) {
        self.bytes = self.bytes.saturating_add(answer.bytes);
        let now = self.weight(key.0).saturating_add(answer.bytes);
        self.weigh(key.0, now);
        self.held.insert(key, answer);
    }

    fn remove(&mut self, key: (IpAddr, u64)) -> Option<HeldAnswer> {
        let answer = self.held.remove(&key)?;
        self.bytes = self.bytes.saturating_sub(answer.bytes);
        let now = self.weight(key.0).saturating_sub(answer.bytes);
        self.weigh(key.0, now);
        Some(answer)
    }

    fn remove_oldest_of_heaviest(&mut self) -> Option<HeldAnswer> {
        let party = self.heaviest.last()?.1;
        let oldest = *self.held.range((party, 0)..=(party, u64::MAX)).next()?.0;
        self.remove(oldest)
    }

    fn weight(&self, party: IpAddr) -> usize {
        self.parties.get(&party).copied().unwrap_or_default()
    }

    fn weigh(&mut self, party: IpAddr, bytes: usize) {
        if let Some(before) = self.parties.remove(&party) {
            self.heaviest.remove(&(before, party));
        }
        if bytes > 0 {
            self.parties.insert(party, bytes);
            self.heaviest.insert((bytes, party));
        }
    }
}

impl Drop for UnreadAnswer {
    fn drop(&mut self) {
        self.untaken.inside().remove(self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[derive(Default)]
    struct Told(AtomicBool);

    impl Way for Told {
        fn give_way(&self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    /// Adds answers, each with its party and the bytes besides its head. Checks which ones had to give way,
    /// and that the limits were met all the time.
    fn check(bytes: usize, answers: usize, entered: &[(u8, usize)], gone: &[usize]) {
        let untaken = Arc::new(Untaken::new(bytes, answers));
        let told: Vec<Arc<Told>> = entered.iter().map(|_| Arc::default()).collect();
        let mut places = Vec::new();
        for ((party, size), told) in entered.iter().zip(&told) {
            let way: Arc<dyn Way> = told.clone();
            places.push(untaken.enter(IpAddr::from([192, 0, 2, *party]), *size, way));
            assert!(
                untaken.held() <= bytes.max(size + HEAD_BYTES),
                "{entered:?}"
            );
            assert!(untaken.inside().held.len() <= answers, "{entered:?}");
        }
        let found: Vec<usize> = (0..told.len())
            .filter(|number| told[*number].0.load(Ordering::Relaxed))
            .collect();
        assert_eq!(found, gone, "{entered:?}");
        drop(places);
        let inside = untaken.inside();
        assert!(inside.bytes == 0 && inside.parties.is_empty() && inside.heaviest.is_empty());
    }

    #[test]
    fn the_party_with_most_bytes_loses_its_oldest_answer() {
        let room = 3 * (HEAD_BYTES + 1_000);
        check(room, 9, &[(1, 1_000), (1, 1_000), (1, 1_000)], &[]);
        check(
            room,
            9,
            &[(1, 1_000), (1, 1_000), (1, 1_000), (1, 1_000)],
            &[0],
        );
        check(
            room,
            9,
            &[(2, 1_000), (1, 1_000), (1, 1_000), (1, 1_000), (1, 1_000)],
            &[1, 2],
        );
        check(
            room,
            9,
            &[(2, 10), (1, 1_000), (3, 9_000), (1, 9_000)],
            &[1, 2, 3],
        );
        check(room, 2, &[(2, 1), (1, 1), (1, 1), (1, 1)], &[1, 2]);
        check(10, 9, &[(1, 1_000)], &[]);
        check(10, 9, &[(1, 1_000), (2, 1_000)], &[1]);
    }
}
