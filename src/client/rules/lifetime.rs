//! How long a client lives: `lifetime` in seconds.

use super::Rules;
use super::report::{is_faulted, violation};
use crate::client::Metadata;
use crate::clock::Timestamp;
use crate::model::Violation;

/// A wish that is not heard: where the operator forbids it, and 0, which must not make a client
/// live longer than one that wishes nothing.
pub(super) fn ask(cx: &Rules<'_>, metadata: &mut Metadata) {
    let forbidden = cx.settings.dcr_forbid_expiration_time_in_request;
    if forbidden || metadata.count("lifetime") == Some(0) {
        metadata.remove("lifetime");
    }
}

/// After this, `lifetime` is what is in force, and absent when the client never expires.
pub(super) fn settle(cx: &Rules<'_>, metadata: &mut Metadata) {
    let seconds = u64::try_from(cx.settings.dynamic_registration_expiration_time).unwrap_or(0);
    if seconds > 0 {
        metadata.set_default("lifetime", seconds);
    }
}

/// A lifetime is at most what the operator allows.
pub(super) fn check(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    let Some(most) = cx.settings.maximum_client_lifetime else { return };
    if metadata.count("lifetime").is_some_and(|seconds| seconds > most) && !is_faulted(found, "lifetime") {
        found.push(violation("lifetime", format!("must be {most} seconds or less")));
    }
}

/// When a client with this valid metadata expires; none: never.
pub fn expiry(metadata: &Metadata, issued_at: Timestamp) -> Option<Timestamp> {
    metadata.count("lifetime").map(|seconds| issued_at.plus(seconds))
}
