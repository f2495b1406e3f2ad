//! Counters begin at 0. A counter that appears with its first event looks to Prometheus as if nothing had happened:
//! `rate` and `increase` need a value before.
//!
//! The values of labels are those that the code has. What only the configuration or the scripts name is added when
//! they take effect. Answered requests are not here: their labels have too many combinations that never occur.

use metrics::counter;

use super::labels::{
    ClientChange, DeliveryOutcome, DocumentOutcome, FetchOutcome, KeyLookup, PendingChange,
    Reloaded, ResolutionOutcome, ScriptOutcome, ShadowOutcome, Words, WriteOutcome,
};
use super::names;

/// The types of what waits for an administrator.
const PENDING_TYPES: &[&str] = &["registration", "update", "document"];

/// The outcomes of a reload.
const RELOADS: &[&str] = &["ok", "failed"];

/// Lets the counters whose labels are known begin.
pub(super) fn begin() {
    for name in [
        names::ANSWERS_CUT_OFF,
        names::RATE_LIMITED,
        names::CANARY,
        names::CLIENTS_EXPIRED,
        names::AUDIT_LOST,
    ] {
        counter!(name).increment(0);
    }
    for (name, outcomes) in [
        (names::SHADOWED, ShadowOutcome::WORDS),
        (names::FETCHES, FetchOutcome::WORDS),
        (names::KEY_LOOKUPS, KeyLookup::WORDS),
        (names::STORE_WRITES, WriteOutcome::WORDS),
        (names::HOSTED_DOCUMENTS, DocumentOutcome::WORDS),
        (names::DOCUMENT_RESOLUTIONS, ResolutionOutcome::WORDS),
    ] {
        for outcome in outcomes {
            counter!(name, "outcome" => *outcome).increment(0);
        }
    }
    for what in Reloaded::WORDS {
        for outcome in RELOADS {
            counter!(names::RELOADS, "what" => *what, "outcome" => *outcome).increment(0);
        }
    }
    for kind in PENDING_TYPES {
        for change in PendingChange::WORDS {
            counter!(names::PENDING_CHANGES, "type" => *kind, "change" => *change).increment(0);
        }
    }
}

/// Lets the counters of the clients of a trust level begin.
pub(super) fn clients(trust_level: &'static str) {
    for change in ClientChange::WORDS {
        counter!(names::CLIENTS, "change" => *change, "trust_level" => trust_level).increment(0);
    }
}

/// Lets the counters of a consumer of events begin.
pub(super) fn consumer(name: &str) {
    for outcome in DeliveryOutcome::WORDS {
        counter!(names::EVENT_ATTEMPTS, "consumer" => name.to_owned(), "outcome" => *outcome)
            .increment(0);
    }
}

/// Lets the counters of a hook of a script begin.
pub(super) fn script(script: &str, hook: &'static str) {
    for outcome in ScriptOutcome::WORDS {
        counter!(names::SCRIPT_CALLS, "script" => script.to_owned(), "hook" => hook, "outcome" => *outcome)
            .increment(0);
    }
}
