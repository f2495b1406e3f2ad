//! The lifetime of a client: `lifetime` in seconds.

use crate::base::Timestamp;
use crate::client::{
    rules::Metadata, rules::Rules, rules::Violation, rules::hosted_document, rules::is_faulted,
    rules::violation,
};

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
    let usual = match u64::try_from(cx.settings.dynamic_registration_expiration_time) {
        Ok(0) | Err(_) => None,
        Ok(seconds) => Some(seconds),
    };
    let longest = cx.settings.maximum_client_lifetime.unwrap_or(u64::MAX);
    let of_document = hosted_document::maximum_lifetime(cx);
    let default = match cx.registered {
        Some(registered) if hosted_document::is_new(cx) => {
            lower(registered.count("lifetime"), of_document)
        }
        Some(registered) if usual.is_some() || of_document.is_some() => {
            registered.count("lifetime")
        }
        _ => {
            let least = lower(lower(usual, of_token(cx)), of_document);
            least.map(|seconds| seconds.min(longest))
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
    if let Some(most) = lower(cx.settings.maximum_client_lifetime, of_token(cx)) {
        check_count(cx, "lifetime", most, metadata, found);
    }
    check_with_document(cx, metadata, found);
}

/// Checks that a client with a document does not live longer than the operator allows. One that had the document
/// before was allowed to.
fn check_with_document(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    let Some(most) = hosted_document::maximum_lifetime(cx) else {
        return;
    };
    let registered = cx
        .registered
        .filter(|_| !hosted_document::is_new(cx))
        .and_then(|registered| registered.count("lifetime"));
    let seconds = metadata.count("lifetime");
    let is_too_long = seconds.is_some_and(|seconds| seconds > most) && seconds != registered;
    if is_too_long && !is_faulted(found, "lifetime") {
        let rule = format!("must be at most {most} seconds for a client with a document");
        found.push(violation("lifetime", rule));
    }
}

/// Returns the lower of two limits, each of which may be missing.
fn lower(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
}

/// Checks that a number of seconds is at most `most`. One that an update leaves unchanged was allowed before.
fn check_count(
    cx: &Rules<'_>,
    member: &str,
    most: u64,
    metadata: &Metadata,
    found: &mut Vec<Violation>,
) {
    let Some(seconds) = metadata.count(member) else {
        return;
    };
    let registered = cx
        .registered
        .and_then(|registered| registered.count(member));
    if seconds > most && registered != Some(seconds) && !is_faulted(found, member) {
        found.push(violation(member, format!("must be at most {most} seconds")));
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
        check_count(cx, member, most, metadata, found);
    }
}

/// Returns the upper limit of an initial access token.
fn of_token(cx: &Rules<'_>) -> Option<u64> {
    cx.initial_access.and_then(|policy| policy.maximum_lifetime)
}

/// Returns when a client with this valid metadata expires. `None`: it never expires.
pub(crate) fn expiry(metadata: &Metadata, issued_at: Timestamp) -> Option<Timestamp> {
    let seconds = metadata.count("lifetime")?;
    Some(issued_at.plus(seconds))
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
