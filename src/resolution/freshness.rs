//! How long a version of a document may be used.

use crate::base::Timestamp;
use crate::config::{ClientDocumentHold, Registration};
use crate::store::FetchState;

/// What a version of a document may be used for, by the time of its last fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    /// It is used without a fetch.
    Fresh,
    /// It is used, and fetched behind the answer.
    Due,
    /// It is fetched before it is used. If that fails, it may be used.
    Stale,
    /// It is fetched before it is used.
    Over,
}

/// The part of the lifetime after which a document that is in use is fetched again: 8 of 10.
const DUE_TENTHS: u64 = 8;

/// Returns until when a document is fresh that was fetched at `now`, if its server states this `lifetime`.
pub(super) fn fresh_until(
    settings: &Registration,
    lifetime: Option<u64>,
    now: Timestamp,
) -> Timestamp {
    let stated = lifetime.unwrap_or(settings.client_document_default_seconds);
    let bounded = stated.min(settings.client_document_maximum_seconds);
    now.plus(bounded.max(settings.client_document_minimum_seconds))
}

/// Returns what the version with this state may be used for at `now`.
pub(super) fn freshness(settings: &Registration, state: &FetchState, now: Timestamp) -> Freshness {
    // A change takes effect at once unless changes are held, and so does one that makes the document invalid.
    let keeps_rejected = settings.client_document_hold == ClientDocumentHold::Keep;
    if state.gone || (state.rejected && !keeps_rejected) {
        return Freshness::Over;
    }
    let fresh_until = state.fresh_until;
    if now < fresh_until {
        let lifetime = fresh_until.unix().saturating_sub(state.fetched_at.unix());
        let age = now.unix().saturating_sub(state.fetched_at.unix());
        let is_due = age.saturating_mul(10) >= lifetime.saturating_mul(DUE_TENTHS);
        return if is_due {
            Freshness::Due
        } else {
            Freshness::Fresh
        };
    }
    let stale_from = fresh_until.plus(settings.client_document_grace_seconds);
    // While the host fails, the version is known to be old.
    if now < stale_from && state.failing_since.is_none() {
        return Freshness::Due;
    }
    if now < fresh_until.plus(settings.client_document_stale_seconds) {
        Freshness::Stale
    } else {
        Freshness::Over
    }
}

/// Whether the URL had no document for so long that what comes back is a new client. Two failures that are far apart
/// show no absence between them.
pub(super) fn is_forgotten(settings: &Registration, state: &FetchState, now: Timestamp) -> bool {
    let absence = settings.client_document_absence_seconds;
    state
        .failing_since
        .is_some_and(|since| since.plus(absence) <= now)
        && is_failing(settings, state, now)
}

/// Whether the last failure is so recent that the URL counts as failing since then: at most half of the absence after
/// which it is forgotten.
pub(super) fn is_failing(settings: &Registration, state: &FetchState, now: Timestamp) -> bool {
    let longest = settings.client_document_absence_seconds / 2;
    state
        .last_failed_at
        .is_some_and(|at| now <= at.plus(longest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix(seconds)
    }

    #[test]
    fn the_lifetime_is_within_the_bounds_of_the_operator() {
        let settings = Registration::default();
        for (lifetime, expected) in [
            (None, 300),
            (Some(0), 300),
            (Some(299), 300),
            (Some(3_600), 3_600),
            (Some(86_400), 86_400),
            (Some(u64::MAX), 86_400),
        ] {
            assert_eq!(fresh_until(&settings, lifetime, at(7)), at(7 + expected));
        }
    }

    #[test]
    fn a_version_ages() {
        let settings = Registration::default();
        let state = FetchState {
            fetched_at: at(1_000),
            fresh_until: at(1_300),
            ..FetchState::default()
        };
        for (now, expected) in [
            (1_000, Freshness::Fresh),
            (1_239, Freshness::Fresh),
            (1_240, Freshness::Due),
            (1_299, Freshness::Due),
            (1_359, Freshness::Due),
            (1_360, Freshness::Stale),
            (4_899, Freshness::Stale),
            (4_900, Freshness::Over),
        ] {
            assert_eq!(freshness(&settings, &state, at(now)), expected, "{now}");
        }
        let failing = FetchState {
            failing_since: Some(at(1_300)),
            ..state.clone()
        };
        assert_eq!(freshness(&settings, &failing, at(1_301)), Freshness::Stale);
        let gone = FetchState {
            gone: true,
            ..state.clone()
        };
        assert_eq!(freshness(&settings, &gone, at(1_001)), Freshness::Over);
        let rejected = FetchState {
            rejected: true,
            ..state
        };
        for (hold, expected) in [
            (ClientDocumentHold::None, Freshness::Over),
            (ClientDocumentHold::Stop, Freshness::Over),
            (ClientDocumentHold::Keep, Freshness::Fresh),
        ] {
            let settings = Registration {
                client_document_hold: hold,
                ..Registration::default()
            };
            assert_eq!(freshness(&settings, &rejected, at(1_001)), expected);
        }
    }

    #[test]
    fn a_url_is_forgotten_if_it_kept_failing() {
        let settings = Registration::default();
        let failing = |last: u64| FetchState {
            failing_since: Some(at(1_300)),
            last_failed_at: Some(at(1_300 + last)),
            ..FetchState::default()
        };
        for (last, now, expected) in [
            (0, 2_592_000, false),
            (1_295_999, 2_592_000, false),
            (1_296_000, 2_592_000, true),
            (2_591_000, 2_591_999, false),
            (2_592_000, 9_999_999, false),
        ] {
            let state = failing(last);
            let forgotten = is_forgotten(&settings, &state, at(1_300 + now));
            assert_eq!(forgotten, expected, "{last} {now}");
        }
    }
}
