use serde_json::json;

use crate::client::{rules::testing::check, rules::testing::check_with};
use crate::config::{Registration, UnsupportedListValues};

fn hybrid() -> Registration {
    let mut settings = Registration::default();
    settings.grant_types_supported.push("implicit".to_owned());
    let types = ["id_token token", "id_token", "code id_token"];
    settings
        .response_types_supported
        .extend(types.map(str::to_owned));
    settings
}

#[test]
fn a_missing_member_is_derived_from_the_other() {
    check(
        json!({}),
        Ok(json!({"grant_types": ["authorization_code"], "response_types": ["code"]})),
    );
    check(
        json!({"grant_types": ["client_credentials"]}),
        Ok(json!({"response_types": []})),
    );
    check(
        json!({"grant_types": ["refresh_token", "authorization_code"]}),
        Ok(json!({"response_types": ["code"]})),
    );
    check_with(
        &hybrid(),
        json!({"grant_types": ["implicit"]}),
        Ok(json!({"response_types": ["id_token token"]})),
    );
    check_with(
        &hybrid(),
        json!({"response_types": ["id_token"]}),
        Ok(json!({"grant_types": ["implicit"]})),
    );
    check_with(
        &hybrid(),
        json!({"response_types": ["code id_token"]}),
        Ok(json!({"grant_types": ["authorization_code", "implicit"]})),
    );
}

#[test]
fn contradicting_members_are_rejected() {
    let client =
        |grants: &[&str], types: &[&str]| json!({"grant_types": grants, "response_types": types});
    check_with(
        &hybrid(),
        client(&["authorization_code"], &["id_token"]),
        Err(&[
            "grant_types: implicit",
            "response_types: authorization_code",
        ]),
    );
    check_with(
        &hybrid(),
        client(&["implicit"], &["code"]),
        Err(&["grant_types: add it", "response_types: remove implicit"]),
    );
    check_with(
        &hybrid(),
        client(&["authorization_code"], &["code id_token"]),
        Err(&["grant_types: implicit"]),
    );
    check(
        client(&["authorization_code"], &[]),
        Err(&["response_types: code"]),
    );
    check(
        client(&["client_credentials"], &["code"]),
        Err(&["grant_types: authorization_code"]),
    );
}

#[test]
fn a_hybrid_flow_needs_the_code_grant_only_if_so_configured() {
    let settings = Registration {
        hybrid_needs_implicit_grant: false,
        ..hybrid()
    };
    for grants in [
        json!(["authorization_code"]),
        json!(["authorization_code", "implicit"]),
    ] {
        let client = json!({"grant_types": grants, "response_types": ["code id_token"]});
        check_with(&settings, client.clone(), Ok(client));
    }
    let hybrid = json!({"response_types": ["code id_token"]});
    check_with(
        &settings,
        hybrid,
        Ok(json!({"grant_types": ["authorization_code"]})),
    );
    let implicit =
        json!({"grant_types": ["authorization_code"], "response_types": ["code", "id_token"]});
    check_with(&settings, implicit, Err(&["grant_types: implicit"]));
}

#[test]
fn the_order_of_words_is_irrelevant_but_kept() {
    for words in ["token id_token", "id_token token"] {
        let client = json!({"grant_types": ["implicit"], "response_types": [words]});
        check_with(&hybrid(), client.clone(), Ok(client));
    }
}

#[test]
fn only_supported_values_can_be_registered() {
    check(
        json!({"grant_types": []}),
        Err(&["grant_types: at least one"]),
    );
    check(
        json!({"response_types": []}),
        Err(&["response_types: a response type with code"]),
    );
    check(
        json!({"grant_types": ["foo"]}),
        Err(&["grant_types: supports authorization_code, refresh_token"]),
    );
    check(
        json!({"response_types": ["token"]}),
        Err(&["response_types: supports only code"]),
    );
    check(
        json!({"response_types": 5}),
        Err(&["response_types: an array"]),
    );
    check(
        json!({"response_types": ["code", "code code"]}),
        Ok(json!({"response_types": ["code"]})),
    );
    check(
        json!({"grant_types": ["implicit"]}),
        Err(&["grant_types: contains no supported value"]),
    );
}

#[test]
fn a_client_that_manages_itself_with_access_tokens_can_get_them() {
    let settings = Registration {
        dcr_authorization_with_client_credentials: true,
        ..Registration::default()
    };
    check_with(
        &settings,
        json!({}),
        Err(&["grant_types: must contain client_credentials"]),
    );
    check_with(
        &settings,
        json!({"grant_types": ["authorization_code", "client_credentials"]}),
        Ok(json!({"response_types": ["code"]})),
    );
}

#[test]
fn the_password_grant_must_be_enabled() {
    let mut settings = Registration::default();
    settings.grant_types_supported.push("password".to_owned());
    let client = json!({"grant_types": ["password"]});
    check_with(
        &settings,
        client.clone(),
        Err(&["grant_types: contains no supported value"]),
    );
    settings.dynamic_registration_password_grant_type_enabled = true;
    check_with(&settings, client, Ok(json!({"response_types": []})));
}

#[test]
fn the_remaining_values_of_both_lists_agree() {
    let sent =
        |grants: &[&str], types: &[&str]| json!({"grant_types": grants, "response_types": types});
    // Covers every flow that the client supports, not the flows of the server.
    let all = sent(
        &["authorization_code", "implicit", "refresh_token"],
        &[
            "code",
            "id_token",
            "id_token token",
            "code id_token",
            "code token",
            "code id_token token",
        ],
    );
    check(
        all.clone(),
        Ok(sent(&["authorization_code", "refresh_token"], &["code"])),
    );
    let both = sent(
        &["authorization_code", "implicit", "refresh_token"],
        &["code", "id_token", "id_token token", "code id_token"],
    );
    check_with(&hybrid(), all, Ok(both));
    // The grant is supported, but no response type of the client needs it.
    let token = sent(&["authorization_code", "implicit"], &["code", "token"]);
    check_with(
        &hybrid(),
        token,
        Ok(sent(&["authorization_code"], &["code"])),
    );
    let code = sent(
        &["authorization_code", "implicit"],
        &["id_token", "code code"],
    );
    check_with(&hybrid(), code, Ok(sent(&["implicit"], &["id_token"])));
    // Lists that were inconsistent in the request are not repaired.
    check_with(
        &hybrid(),
        sent(&["authorization_code"], &["code", "id_token", "x"]),
        Err(&["grant_types: must contain implicit"]),
    );
    check(
        sent(&["client_credentials", "x"], &["code"]),
        Err(&["grant_types: must contain authorization_code"]),
    );
}

#[test]
fn a_grant_that_redirects_needs_a_response_type_of_the_server() {
    let mut settings = Registration::default();
    settings.grant_types_supported.push("implicit".to_owned());
    let both = json!({"grant_types": ["authorization_code", "implicit"]});
    check_with(
        &settings,
        both,
        Ok(json!({"grant_types": ["authorization_code"], "response_types": ["code"]})),
    );
    check_with(
        &settings,
        json!({"grant_types": ["implicit"]}),
        Err(&["grant_types: supports authorization_code"]),
    );
}

#[test]
fn a_grant_type_with_a_short_name_is_named_in_full() {
    let device = "for `device_code`, send urn:ietf:params:oauth:grant-type:device_code";
    for (sent, beside) in [
        (json!(["device_code"]), ""),
        (
            json!(["device_code", "refresh_token"]),
            " other than refresh_token",
        ),
    ] {
        let useless = format!("grant_types: contains no supported value{beside} (`device_code`)");
        check(json!({"grant_types": sent}), Err(&[&useless]));
        check(
            json!({"grant_types": sent}),
            Err(&[&format!("grant_types: {device}")]),
        );
    }
    for (short, full) in [
        ("jwt-bearer", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        (
            "token_exchange",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ),
        ("ciba", "urn:openid:params:grant-type:ciba"),
        ("Client-Credentials", "client_credentials"),
    ] {
        let hint = format!("grant_types: for `{short}`, send {full}");
        check(json!({"grant_types": [short]}), Err(&[&hint]));
        let refuse = Registration {
            unsupported_list_values: UnsupportedListValues::Refuse,
            ..Registration::default()
        };
        let both = json!({"grant_types": ["authorization_code", short]});
        check_with(
            &refuse,
            both.clone(),
            Err(&[&format!("grant_types[1]: for `{short}`, send {full}")]),
        );
        // What the client can do without it, it may do (MSC2966).
        check(both, Ok(json!({"grant_types": ["authorization_code"]})));
    }
    let alone = json!({"grant_types": ["refresh_token"]});
    check(alone.clone(), Ok(alone));
}

#[test]
fn a_grant_without_redirection_and_a_response_type_do_not_fit() {
    let device = json!({
        "grant_types": ["urn:ietf:params:oauth:grant-type:device_code"], "response_types": ["code"],
    });
    let rule = "grant_types: add it, or send response_types without code (empty, if";
    check(device, Err(&[rule]));
}
