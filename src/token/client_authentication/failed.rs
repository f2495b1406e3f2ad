//! Failed client authentications. Each failure is counted, and logged with the client that was tried. It is
//! also recorded in the audit log if that client is an administrator, or there were too many failures.

use std::net::{IpAddr, Ipv4Addr};

use super::{PresentedCredentials, presented::ClientProof, presented::Presented};
use crate::client::Client;
use crate::service::{Context, Limited};
use crate::store::Action;
use crate::token::TokenError;

/// The number of characters of an unknown client identifier that are logged. A caller that sends the secret
/// as the identifier sends a longer text, since every secret of this server is longer.
const MOST_SHOWN: usize = 40;

/// Checks whether the caller may try, before its proof is verified. Comparing a secret costs almost nothing,
/// so a correct secret is accepted whatever failed before. Verifying keys and certificates is expensive.
///
/// # Errors
/// When the caller has failed too often.
pub(super) fn admit(
    cx: &Context<'_>,
    shown: &PresentedCredentials<'_>,
    presented: &Presented,
) -> Result<(), TokenError> {
    let is_costly = match presented.proof {
        ClientProof::Assertion(_) | ClientProof::Attestation => true,
        ClientProof::Nothing => shown.certificate.is_some(),
        ClientProof::Basic(_) | ClientProof::Post(_) | ClientProof::Unreadable => false,
    };
    if !is_costly {
        return Ok(());
    }
    let limits = &cx.snapshot.limits;
    match limits.check_failures(address(shown), name(presented)) {
        Ok(()) => Ok(()),
        Err(limited) => Err(too_often(cx, shown, presented, limited)),
    }
}

/// Counts a failure that is answered with its own reason.
///
/// # Errors
/// When the caller has failed too often.
pub(super) fn count(
    cx: &Context<'_>,
    shown: &PresentedCredentials<'_>,
    presented: &Presented,
) -> Result<(), TokenError> {
    let limits = &cx.snapshot.limits;
    match limits.count_failure(address(shown), name(presented)) {
        Ok(()) => Ok(()),
        Err(limited) => Err(too_often(cx, shown, presented, limited)),
    }
}

/// Counts, logs and audits a failed authentication. `client` is the named client, if it exists. Returns the
/// error for the caller.
pub(super) fn fail(
    cx: &Context<'_>,
    shown: &PresentedCredentials<'_>,
    presented: &Presented,
    client: Option<&Client>,
) -> TokenError {
    if let Err(error) = count(cx, shown, presented) {
        return error;
    }
    let tried = tried(name(presented), client.is_some());
    if client.is_some_and(Client::is_operators) {
        tracing::warn!(
            tried_client_id = tried,
            "administrator authentication failed"
        );
        audit(cx, shown, &tried, "invalid_client", 401);
    } else {
        tracing::info!(tried_client_id = tried, "client authentication failed");
    }
    TokenError::Client {
        by_header: shown.is_by_header(),
    }
}

fn too_often(
    cx: &Context<'_>,
    shown: &PresentedCredentials<'_>,
    presented: &Presented,
    limited: Limited,
) -> TokenError {
    // It is not known whether the client exists.
    let tried = tried(name(presented), false);
    tracing::warn!(
        tried_client_id = tried,
        "too many failed client authentications"
    );
    audit(cx, shown, &tried, "too_many_requests", 429);
    TokenError::TooOften(limited)
}

fn audit(
    cx: &Context<'_>,
    shown: &PresentedCredentials<'_>,
    tried: &str,
    error: &str,
    status: u16,
) {
    let now = cx.service.clock.now();
    let event = shown.author.did(Action::AuthenticationRefused, tried, now);
    let event = event.refused(error).with("status", status);
    cx.service.refusals.leave(event);
}

fn address(shown: &PresentedCredentials<'_>) -> IpAddr {
    match shown.author.address {
        Some(address) => address,
        None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    }
}

/// Returns the named client; empty if the name cannot be that of a client.
fn name(presented: &Presented) -> &str {
    match &presented.client_id {
        Some(id) => id.as_str(),
        None => "",
    }
}

/// Returns what is recorded of the client that was tried.
fn tried(name: &str, is_known: bool) -> String {
    match name.len() {
        0 => "(unreadable)".to_owned(),
        length if length > MOST_SHOWN && !is_known => format!("(unknown, of {length} characters)"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_shown_and_what_may_be_a_secret_is_not() {
        let secret = crate::base::random::client_secret().unwrap();
        let (token, id) = (
            crate::base::random::token().unwrap(),
            crate::base::random::client_id(),
        );
        for (name, is_known, expected) in [
            ("administrator", true, "administrator"),
            ("no-such-client", false, "no-such-client"),
            (id.as_str(), false, id.as_str()),
            (secret.expose(), false, "(unknown, of 86 characters)"),
            (token.expose(), false, "(unknown, of 43 characters)"),
            (&"x".repeat(128), true, &"x".repeat(128)),
            ("", false, "(unreadable)"),
        ] {
            assert_eq!(tried(name, is_known), expected);
        }
    }
}
