//! Client-Initiated Backchannel Authentication (CIBA Core 1.0 section 4).

use crate::client::{
    rules::Metadata, rules::Rules, rules::Violation, rules::is_faulted, rules::is_one_of,
    rules::sound_text, rules::unsupported, rules::violation,
};

const GRANT: &str = "urn:openid:params:grant-type:ciba";
const MODE: &str = "backchannel_token_delivery_mode";
const ENDPOINT: &str = "backchannel_client_notification_endpoint";
const SIGNING: &str = "backchannel_authentication_request_signing_alg";
const USER_CODE: &str = "backchannel_user_code_parameter";

/// Removes the CIBA members if their grant was left out.
pub(super) fn let_go(dropped: &[String], metadata: &mut Metadata) {
    if is_one_of(dropped, GRANT) {
        for member in [MODE, ENDPOINT, SIGNING, USER_CODE] {
            metadata.remove(member);
        }
    }
}

/// Checks that the CIBA members are present together, with the grant that they belong to.
pub(super) fn check(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    let has_grant = metadata.has_item("grant_types", GRANT);
    let supported = &cx.settings.backchannel_token_delivery_modes_supported;
    match sound_text(metadata, MODE, found) {
        Some(mode) if !is_one_of(supported, mode) => {
            found.push(unsupported(MODE, mode, supported));
        }
        Some(mode) => check_mode(mode, has_grant, metadata, found),
        None if has_grant && !is_faulted(found, MODE) => {
            let rule = format!(
                "is required with the grant type {GRANT}: one of {}",
                supported.join(", ")
            );
            found.push(violation(MODE, rule));
        }
        None => check_alone(has_grant, metadata, found),
    }
    if metadata.flag(USER_CODE) && !cx.settings.backchannel_user_code_parameter_supported {
        found.push(violation(
            USER_CODE,
            "user codes are not supported; leave it out",
        ));
    }
}

fn check_mode(mode: &str, has_grant: bool, metadata: &Metadata, found: &mut Vec<Violation>) {
    if mode != "push" && !has_grant && !is_faulted(found, "grant_types") {
        found.push(violation(
            MODE,
            format!("{mode} requires the grant type {GRANT} in grant_types"),
        ));
    }
    if mode != "poll" && !metadata.has(ENDPOINT) {
        found.push(violation(
            ENDPOINT,
            format!("is required, because the mode {mode} notifies the client"),
        ));
    }
}

/// Without a mode and without the grant, the other members have no meaning.
fn check_alone(has_grant: bool, metadata: &Metadata, found: &mut Vec<Violation>) {
    for member in [ENDPOINT, SIGNING] {
        if !has_grant && metadata.has(member) && !is_faulted(found, member) {
            found.push(violation(
                member,
                format!("is only for clients with the grant type {GRANT}"),
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::client::rules::testing::{check, check_with, pairwise, with};
    use crate::config::Registration;

    const NOTIFIED: &str = "https://client.example/notified";

    fn ciba(more: &Value) -> Value {
        with(
            json!({"grant_types": [GRANT], "redirect_uris": null, MODE: "poll"}),
            more,
        )
    }

    #[test]
    fn ciba_members_are_required_together() {
        check(ciba(&json!({})), Ok(json!({MODE: "poll"})));
        check(
            ciba(&json!({MODE: null})),
            Err(&[&format!("{MODE}: one of poll, ping, push")]),
        );
        check(
            ciba(&json!({MODE: "pull"})),
            Err(&[&format!("{MODE}: not supported")]),
        );
        for mode in ["ping", "push"] {
            check(
                ciba(&json!({MODE: mode})),
                Err(&[&format!("{ENDPOINT}: mode {mode}")]),
            );
            check(
                ciba(&json!({MODE: mode, ENDPOINT: NOTIFIED})),
                Ok(json!({MODE: mode})),
            );
        }
        check(
            json!({MODE: "poll"}),
            Err(&[&format!("{MODE}: requires the grant type")]),
        );
    }

    #[test]
    fn ciba_members_are_rejected_without_the_grant() {
        for (member, value) in [(ENDPOINT, NOTIFIED), (SIGNING, "ES256")] {
            let client = json!({member: value, "jwks_uri": "https://client.example/jwks"});
            check(
                client,
                Err(&[&format!(
                    "{member}: is only for clients with the grant type"
                )]),
            );
        }
    }

    #[test]
    fn ciba_members_are_removed_with_an_unsupported_grant() {
        let settings = Registration {
            grant_types_supported: vec!["authorization_code".to_owned()],
            ..Registration::default()
        };
        let members = json!({MODE: "ping", ENDPOINT: NOTIFIED, SIGNING: "ES256", USER_CODE: true});
        let both = with(
            json!({"grant_types": ["authorization_code", GRANT]}),
            &members,
        );
        let left = json!({MODE: null, ENDPOINT: null, SIGNING: null, USER_CODE: null});
        check_with(
            &settings,
            both,
            Ok(with(json!({"grant_types": ["authorization_code"]}), &left)),
        );
    }

    #[test]
    fn user_codes_need_a_server_that_supports_them() {
        let client = || ciba(&json!({"backchannel_user_code_parameter": true}));
        let settings = |is_on| Registration {
            backchannel_user_code_parameter_supported: is_on,
            ..Registration::default()
        };
        check_with(
            &settings(false),
            client(),
            Err(&["backchannel_user_code_parameter: leave it out"]),
        );
        check_with(
            &settings(true),
            client(),
            Ok(json!({"backchannel_user_code_parameter": true})),
        );
    }

    #[test]
    fn the_sector_of_a_polled_pairwise_client_is_that_of_its_keys() {
        let client = || ciba(&json!({"subject_type": "pairwise"}));
        check_with(&pairwise(), client(), Err(&["jwks_uri: poll and ping"]));
        let named = json!({"jwks_uri": "https://client.example/jwks"});
        check_with(&pairwise(), with(client(), &named), Ok(named));
    }
}
