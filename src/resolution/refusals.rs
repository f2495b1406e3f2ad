//! Which refusals are in the audit log. Strangers cause them as often as they like, so each URL has one event for a reason
//! in an hour.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::base::Timestamp;
use crate::resolution::ResolveError;
use crate::service::Service;
use crate::store::{Action, Author};

/// Seconds for which a refusal of a URL for the same reason is not recorded again.
const HOUR: u64 = 3_600;
/// The maximum number of refusals that are remembered.
const MOST: usize = 4_096;

/// The refusals of the last hour: the URL, the error code, and when the event was left.
#[derive(Default)]
pub(super) struct Refusals(Mutex<HashMap<(String, String), Timestamp>>);

impl Refusals {
    /// Leaves an event in the audit log that `url` was refused, unless there was one for the same reason in the last hour.
    pub(super) fn note(&self, service: &Service, url: &str, error: &ResolveError) {
        let Some(reason) = reason(error) else {
            return;
        };
        let now = service.clock.now();
        if self.is_new(url, reason, now) {
            let event = Author::default().did(Action::DocumentRefused, url, now);
            service.refusals.leave(event.refused(reason));
        }
    }

    fn is_new(&self, url: &str, reason: &str, now: Timestamp) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (url.to_owned(), reason.to_owned());
        if known.get(&key).is_some_and(|at| now < at.plus(HOUR)) {
            return false;
        }
        if known.len() >= MOST {
            known.retain(|_, at| now < at.plus(HOUR));
        }
        if known.len() >= MOST {
            // Events are repeated rather than withheld. The queue has a limit of its own for strangers.
            known.clear();
        }
        known.insert(key, now);
        true
    }
}

/// Returns the reason of a refusal that is recorded. A text that is no URL can be anything, a document that waits has an
/// event of its own, and the faults of this server are in its log.
fn reason(error: &ResolveError) -> Option<&str> {
    match error {
        ResolveError::Unknown | ResolveError::BadUrl(_) | ResolveError::Pending { .. } => None,
        ResolveError::Stopped(problem) if problem.status().is_server_error() => None,
        error => Some(error.code()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix(seconds)
    }

    #[test]
    fn a_refusal_is_new_once_in_an_hour() {
        let refusals = Refusals::default();
        for (url, reason, now, expected) in [
            ("a", "x", 0, true),
            ("a", "x", 3_599, false),
            ("a", "y", 3_599, true),
            ("b", "x", 3_599, true),
            ("a", "x", 3_600, true),
            ("a", "x", 7_199, false),
        ] {
            assert_eq!(
                refusals.is_new(url, reason, at(now)),
                expected,
                "{url} {now}"
            );
        }
    }

    #[test]
    fn a_flood_of_urls_is_bounded_and_old_refusals_go_first() {
        let refusals = Refusals::default();
        let number = || refusals.0.lock().unwrap().len();
        for url in 0..MOST - 1 {
            assert!(refusals.is_new(&url.to_string(), "x", at(0)));
        }
        assert!(refusals.is_new("late", "x", at(1_000)));
        assert_eq!(number(), MOST);
        assert!(refusals.is_new("one more", "x", at(3_600)));
        assert_eq!(number(), 2);
        assert!(!refusals.is_new("late", "x", at(3_601)));
        for url in 0..3 * MOST {
            refusals.is_new(&url.to_string(), "y", at(3_601));
            assert!(number() <= MOST);
        }
    }
}
