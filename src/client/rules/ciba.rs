//! Client-Initiated Backchannel Authentication (CIBA Core 1.0 section 4).

use super::Rules;
use super::report::{is_faulted, unsupported, violation};
use crate::client::Metadata;
use crate::model::Violation;

const GRANT: &str = "urn:openid:params:grant-type:ciba";
const MODE: &str = "backchannel_token_delivery_mode";
const ENDPOINT: &str = "backchannel_client_notification_endpoint";

/// The members of CIBA are there together, with the grant that they are for.
pub(super) fn check(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    let has_grant = metadata.texts("grant_types").any(|grant| grant == GRANT);
    let supported = &cx.settings.backchannel_token_delivery_modes_supported;
    match metadata.text(MODE).filter(|_| !is_faulted(found, MODE)) {
        Some(mode) if !supported.iter().any(|one| one == mode) => {
            found.push(unsupported(MODE, mode, supported));
        }
        Some(mode) => check_mode(mode, has_grant, metadata, found),
        None if has_grant && !is_faulted(found, MODE) => {
            let rule = format!("must be there with the grant type {GRANT}: one of {}", supported.join(", "));
            found.push(violation(MODE, rule));
        }
        None => check_alone(has_grant, metadata, found),
    }
    let wants_codes = metadata.flag("backchannel_user_code_parameter");
    if wants_codes && !cx.settings.backchannel_user_code_parameter_supported {
        found
            .push(violation("backchannel_user_code_parameter", "user codes are not supported; leave it out"));
    }
}

fn check_mode(mode: &str, has_grant: bool, metadata: &Metadata, found: &mut Vec<Violation>) {
    if mode != "push" && !has_grant && !is_faulted(found, "grant_types") {
        found.push(violation(MODE, format!("{mode} needs the grant type {GRANT} in grant_types")));
    }
    if mode != "poll" && !metadata.has(ENDPOINT) {
        found.push(violation(ENDPOINT, format!("must be there: the mode {mode} notifies the client")));
    }
}

/// Without a mode and without the grant, the other members mean nothing.
fn check_alone(has_grant: bool, metadata: &Metadata, found: &mut Vec<Violation>) {
    for member in [ENDPOINT, "backchannel_authentication_request_signing_alg"] {
        if !has_grant && metadata.has(member) && !is_faulted(found, member) {
            found.push(violation(member, format!("is for clients with the grant type {GRANT}")));
        }
    }
}
