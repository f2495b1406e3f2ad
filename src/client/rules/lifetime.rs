//! The lifetime of a client: `lifetime` in seconds.

use super::Rules;
use super::report::{is_faulted, violation};
use crate::base::{Timestamp, Violation};
use crate::client::Metadata;

/// Removes a requested lifetime that does not apply: if the operator forbids such requests, or if
/// it is 0. A value of 0 must not make a client live longer than a client that sends none.
pub(super) fn ask(cx: &Rules<'_>, metadata: &mut Metadata) {
    let forbidden = cx.settings.dcr_forbid_expiration_time_in_request;
    if forbidden || metadata.count("lifetime") == Some(0) {
        metadata.remove("lifetime");
    }
}

/// Settles `lifetime`. Afterwards it is the lifetime that applies, and it is absent if the client
/// never expires. A client whose initial access token limits the lifetime gets the longest one
/// allowed.
///
/// The lifetime counts from the registration of the client. A default that was configured later may
/// already have passed for this client, so an update without a lifetime keeps the registered one.
pub(super) fn settle(cx: &Rules<'_>, metadata: &mut Metadata) {
    let usual = u64::try_from(cx.settings.dynamic_registration_expiration_time)
        .ok()
        .filter(|&one| one > 0);
    let longest = cx.settings.maximum_client_lifetime.unwrap_or(u64::MAX);
    let default = match cx.registered {
        Some(registered) if usual.is_some() => registered.count("lifetime"),
        _ => {
            let shortest = usual.into_iter().chain(of_token(cx)).min();
            shortest.map(|seconds| seconds.min(longest))
        }
    };
    if let Some(seconds) = default {
        metadata.set_default("lifetime", seconds);
    }
}

/// Checks that a lifetime is at most what the operator and the initial access token allow. A
/// lifetime that an update leaves unchanged was allowed before.
pub(super) fn check(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    check_tokens(cx, metadata, found);
    let Some(most) = cx
        .settings
        .maximum_client_lifetime
        .into_iter()
        .chain(of_token(cx))
        .min()
    else {
        return;
    };
    let lifetime = metadata.count("lifetime");
    let is_kept = cx
        .registered
        .is_some_and(|registered| registered.count("lifetime") == lifetime);
    if lifetime.is_some_and(|seconds| seconds > most) && !is_kept && !is_faulted(found, "lifetime")
    {
        found.push(violation(
            "lifetime",
            format!("must be at most {most} seconds"),
        ));
    }
}

/// Lifetimes that a client registers for tokens of the upstream authorization server.
const OF_TOKENS: &[&str] = &[
    "access_token_lifetime",
    "refresh_token_lifetime",
    "id_token_lifetime",
    "par_lifetime",
];

/// Checks that none of them is longer than the operator allows. One that an update leaves unchanged
/// was allowed before.
fn check_tokens(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    let most = cx.settings.maximum_token_lifetime;
    for member in OF_TOKENS {
        let seconds = metadata.count(member);
        let is_kept = cx
            .registered
            .is_some_and(|registered| registered.count(member) == seconds);
        if seconds.is_some_and(|seconds| seconds > most) && !is_kept && !is_faulted(found, member) {
            found.push(violation(member, format!("must be at most {most} seconds")));
        }
    }
}

/// Returns the upper limit of an initial access token.
fn of_token(cx: &Rules<'_>) -> Option<u64> {
    cx.initial_access.and_then(|policy| policy.maximum_lifetime)
}

/// Returns when a client with this valid metadata expires. `None`: it never expires.
pub fn expiry(metadata: &Metadata, issued_at: Timestamp) -> Option<Timestamp> {
    metadata
        .count("lifetime")
        .map(|seconds| issued_at.plus(seconds))
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;
    use crate::client::member::{MEMBERS, MemberKind};
    use crate::client::rules::testing::{check, check_with};
    use crate::config::Registration;

    #[test]
    fn the_default_lifetime_does_not_exceed_the_maximum() {
        let settings = Registration {
            dynamic_registration_expiration_time: 3_600,
            maximum_client_lifetime: Some(600),
            ..Registration::default()
        };
        check_with(&settings, json!({}), Ok(json!({"lifetime": 600})));
        check_with(
            &settings,
            json!({"lifetime": 60}),
            Ok(json!({"lifetime": 60})),
        );
        check_with(
            &settings,
            json!({"lifetime": 601}),
            Err(&["lifetime: must be at most 600 seconds"]),
        );
    }

    #[test]
    fn every_lifetime_is_limited() {
        for member in OF_TOKENS {
            let sent =
                |seconds: u64| json!(Map::from_iter([((*member).to_owned(), json!(seconds))]));
            check(sent(31_536_000), Ok(sent(31_536_000)));
            check(
                sent(31_536_001),
                Err(&[&format!("{member}: must be at most 31536000 seconds")]),
            );
        }
        let is_lifetime = |name: &str| name.ends_with("_lifetime");
        let named = MEMBERS
            .iter()
            .filter(|member| member.kind == MemberKind::Count && is_lifetime(member.name));
        assert_eq!(
            named.count(),
            OF_TOKENS.len(),
            "another lifetime needs a limit"
        );
    }
}
