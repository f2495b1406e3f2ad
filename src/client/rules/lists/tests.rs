use serde_json::{Value, json};

use crate::client::{
    rules::testing::check, rules::testing::check_changed, rules::testing::check_with,
    rules::testing::with,
};
use crate::config::{Registration, UnsupportedListValues};

/// Returns settings under which every list supports exactly these values.
fn narrow() -> Registration {
    let list = |values: &[&str]| values.iter().map(|&value| value.to_owned()).collect();
    Registration {
        grant_types_supported: list(&["authorization_code", "refresh_token"]),
        response_types_supported: list(&["code"]),
        response_modes_supported: list(&["query"]),
        token_endpoint_auth_methods_supported: list(&["client_secret_basic", "none"]),
        acr_values_supported: list(&["urn:acr:silver"]),
        authorization_details_types_supported: list(&["account"]),
        ..Registration::default()
    }
}

/// Returns each list with a supported value, and the members that it requires.
fn lists() -> [(&'static str, &'static str); 7] {
    [
        ("grant_types", "authorization_code"),
        ("response_types", "code"),
        ("response_modes", "query"),
        (
            "additional_token_endpoint_auth_methods",
            "client_secret_basic",
        ),
        ("default_acr_values", "urn:acr:silver"),
        ("authorized_acr_values", "urn:acr:silver"),
        ("authorization_details_types", "account"),
    ]
}

#[test]
fn unsupported_values_are_left_out_of_every_list() {
    for (member, good) in lists() {
        for sent in [
            json!([good, "org.example.other"]),
            json!(["a", good, "b", "c"]),
        ] {
            check_with(
                &narrow(),
                json!({member: sent}),
                Ok(json!({member: [good]})),
            );
        }
        check_with(
            &narrow(),
            json!({member: [good]}),
            Ok(json!({member: [good]})),
        );
    }
}

#[test]
fn a_list_without_supported_values_is_rejected_and_the_supported_ones_are_named() {
    for (member, good) in lists() {
        let told = format!("{member}: contains no supported value (`a`, `b`, `c` and others)");
        check_with(
            &narrow(),
            json!({member: ["a", "b", "c", "d"]}),
            Err(&[&told]),
        );
        check_with(
            &narrow(),
            json!({member: ["a"]}),
            Err(&[&format!("{member}: (`a`); this server supports")]),
        );
        let found = super::nothing_left(member, (&[], &["a".to_owned()]), &[good.to_owned()]);
        assert!(
            found
                .rule
                .ends_with(&format!("this server supports only {good}")),
            "{found}"
        );
    }
}

#[test]
fn the_operator_may_have_unsupported_values_rejected() {
    let strict = Registration {
        unsupported_list_values: UnsupportedListValues::Refuse,
        ..narrow()
    };
    for (member, good) in lists() {
        check_with(
            &strict,
            json!({member: [good]}),
            Ok(json!({member: [good]})),
        );
        let told = format!("{member}[1]: `a` is not supported; this server supports");
        check_with(&strict, json!({member: [good, "a"]}), Err(&[&told]));
    }
}

#[test]
fn values_set_by_scripts_are_not_repaired() {
    for (member, good) in lists() {
        let client = with(
            json!({"redirect_uris": ["https://a.example/cb"]}),
            &json!({member: [good, "a"]}),
        );
        check_changed(
            &narrow(),
            client,
            Err(&[&format!("{member}[1]: not supported")]),
        );
    }
}

#[test]
fn of_choices_only_the_supported_ones_count() {
    let chosen = json!({"token_endpoint_auth_methods_supported": ["other", "none"]});
    for how in [UnsupportedListValues::Drop, UnsupportedListValues::Refuse] {
        let settings = Registration {
            unsupported_list_values: how,
            ..narrow()
        };
        check_with(
            &settings,
            chosen.clone(),
            Ok(json!({"token_endpoint_auth_method": "none"})),
        );
    }
    let hopeless = json!({"token_endpoint_auth_methods_supported": ["other"]});
    check_with(
        &narrow(),
        hopeless,
        Err(&[
            "token_endpoint_auth_methods_supported: this server supports client_secret_basic, none",
        ]),
    );
}

#[test]
fn values_without_a_list_of_the_server_are_kept() {
    let client = json!({"contacts": ["a@b.example"], "keywords": ["x"], "claims": ["y"]});
    check_with(&narrow(), client.clone(), Ok(client));
}

#[test]
fn a_list_of_encryption_algorithms_is_not_empty() {
    let list = "encrypted_response_enc_values_supported";
    check(
        json!({list: []}),
        Err(&[&format!("{list}: must not be empty")]),
    );
}

#[test]
fn lists_without_values_allow_any() {
    let client: Value =
        json!({"default_acr_values": ["urn:acr:gold"], "authorization_details_types": ["payment"]});
    check(client.clone(), Ok(client));
}
