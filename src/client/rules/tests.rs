//! Rules that belong to several topics, and properties of all rules.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::client::{
    InitialAccessPolicy, Requested, Valid, member::MEMBERS, rules::Rules, rules::testing::check,
    rules::testing::check_changed, rules::testing::check_with, rules::testing::pairwise,
    rules::testing::scopes, rules::testing::with,
};
use crate::config::{FetchSettings, Limits, PageUriHosts, Registration};

#[test]
fn a_script_cannot_bypass_a_rule_by_removing_a_member() {
    let settings = Registration::default();
    let without_type =
        json!({"redirect_uris": ["http://evil.example/cb"], "grant_types": ["authorization_code"]});
    check_changed(
        &settings,
        without_type,
        Err(&["redirect_uris[0]: must be https"]),
    );
    check_changed(
        &settings,
        json!({"scope": "undefined"}),
        Err(&["redirect_uris: at least one", "scope: not defined"]),
    );
    let metadata = json!({"redirect_uris": ["https://a.example/cb"], "trusted_client": true});
    check_changed(
        &settings,
        metadata,
        Ok(json!({"trusted_client": true, "application_type": "web"})),
    );
}

#[test]
fn values_set_by_the_operator_are_registered() {
    check(
        json!({"trusted_client": true}),
        Ok(json!({"trusted_client": null, "persist_client_authorizations": true})),
    );
    let settings = Registration {
        trusted_client_enabled: true,
        dynamic_registration_persist_client_authorizations: false,
        ..Registration::default()
    };
    check_with(
        &settings,
        json!({}),
        Ok(json!({"trusted_client": true, "persist_client_authorizations": false})),
    );
}

#[test]
fn urls_that_servers_fetch_must_be_on_the_public_internet() {
    for host in [
        "127.0.0.1",
        "169.254.169.254",
        "[::1]",
        "localhost",
        "10.0.0.1",
    ] {
        let url = format!("https://{host}/x");
        for member in [
            "jwks_uri",
            "sector_identifier_uri",
            "backchannel_logout_uri",
            "logo_uri",
            "logo_uri#fr",
        ] {
            check(
                json!({member: url}),
                Err(&[&format!("{member}: public internet")]),
            );
        }
        check(
            json!({"request_uris": [url]}),
            Err(&["request_uris[0]: public internet"]),
        );
        // A browser opens this URL.
        for member in [
            "client_uri",
            "initiate_login_uri",
            "frontchannel_logout_uri",
        ] {
            check(json!({member: url}), Ok(json!({member: url})));
        }
    }
    let native =
        json!({"application_type": "native", "backchannel_logout_uri": "http://127.0.0.1:6379/"});
    check(native, Err(&["backchannel_logout_uri: https"]));
}

#[test]
fn pages_must_be_https_in_every_language() {
    check(
        json!({"logo_uri#fr": "http://a.example/x"}),
        Err(&["logo_uri#fr: https"]),
    );
    check(
        json!({"client_uri": "javascript:alert(1)"}),
        Err(&["client_uri: never allowed"]),
    );
    check(
        json!({"tos_uri": "https://a.example/t#section"}),
        Ok(json!({"tos_uri": "https://a.example/t#section"})),
    );
}

/// Returns an Ed25519 key for `usage`.
fn key(usage: &str) -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "use": usage, "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}

#[test]
fn an_algorithm_needs_a_key_that_it_can_use() {
    let with_key =
        |key: Value, member: &str, alg: &str| json!({"jwks": {"keys": [key]}, member: alg});
    let sealed = "id_token_encrypted_response_alg";
    check(
        with_key(key("sig"), sealed, "RSA-OAEP"),
        Err(&["id_token_encrypted_response_alg: RSA-OAEP"]),
    );
    check(
        with_key(key("sig"), sealed, "ECDH-ES"),
        Err(&["id_token_encrypted_response_alg: ECDH-ES"]),
    );
    let exchange =
        json!({"kty": "OKP", "crv": "X25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    check(with_key(exchange.clone(), sealed, "ECDH-ES"), Ok(json!({})));
    check(with_key(exchange, sealed, "dir"), Ok(json!({})));
    let signed = "request_object_signing_alg";
    check(with_key(key("sig"), signed, "EdDSA"), Ok(json!({})));
    check(
        with_key(key("enc"), signed, "EdDSA"),
        Err(&["request_object_signing_alg: EdDSA"]),
    );
    check(
        with_key(key("sig"), signed, "ES256"),
        Err(&["request_object_signing_alg: ES256"]),
    );
    let method = |key: Value| json!({"jwks": {"keys": [key]}, "token_endpoint_auth_method": "private_key_jwt"});
    check(method(key("sig")), Ok(json!({})));
    check(
        method(key("enc")),
        Err(&["token_endpoint_auth_method: to verify"]),
    );
}

#[test]
fn an_additional_method_has_the_requirements_of_the_first() {
    let also = |method: &str| {
        json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key("sig")]},
               "additional_token_endpoint_auth_methods": [method]})
    };
    check(also("client_secret_basic"), Ok(json!({})));
    check(
        also("made_up"),
        Err(&["additional_token_endpoint_auth_methods: contains no supported value"]),
    );
    check(
        json!({"additional_token_endpoint_auth_methods": ["private_key_jwt"]}),
        Err(&["additional_token_endpoint_auth_methods[0]: public keys"]),
    );
    check(
        json!({"additional_token_endpoint_auth_methods": ["none"], "grant_types": ["client_credentials"]}),
        Err(&["additional_token_endpoint_auth_methods[0]: client_credentials"]),
    );
    let members = |value: Value| crate::client::Metadata::new(value.as_object().cloned().unwrap());
    assert!(super::needs_secret(&members(also("client_secret_basic"))));
    assert!(!super::needs_secret(&members(also("tls_client_auth"))));
}

#[test]
fn duplicate_values_are_registered_once() {
    let twice = json!({"grant_types": ["refresh_token", "authorization_code", "refresh_token"], "response_types": ["code", "code"]});
    let once =
        json!({"grant_types": ["refresh_token", "authorization_code"], "response_types": ["code"]});
    check(twice, Ok(once));
}

#[test]
fn both_names_of_a_signature_on_curve_25519_are_accepted_and_kept() {
    let listed = |name: &str| Registration {
        id_token_signing_alg_values_supported: vec![name.to_owned()],
        default_signature_algorithm: name.to_owned(),
        ..Registration::default()
    };
    let member = "id_token_signed_response_alg";
    for name in ["EdDSA", "Ed25519"] {
        for member in [
            member,
            "userinfo_signed_response_alg",
            "authorization_signed_response_alg",
            "introspection_signed_response_alg",
            "access_token_signing_alg",
        ] {
            check(json!({member: name}), Ok(json!({member: name})));
        }
        for member in [
            "request_object_signing_alg",
            "token_endpoint_auth_signing_alg",
        ] {
            let client = json!({
                "jwks": {"keys": [key("sig")]}, "token_endpoint_auth_method": "private_key_jwt", member: name,
            });
            check(client, Ok(json!({member: name})));
        }
        let choices = json!({"id_token_signing_alg_values_supported": [name, "ES256"]});
        check(choices, Ok(json!({member: name})));
        check_with(
            &listed("EdDSA"),
            json!({member: name}),
            Ok(json!({member: name})),
        );
    }
    // EdDSA also means Ed448, so who lists only one curve does not allow it.
    check_with(
        &listed("Ed25519"),
        json!({member: "EdDSA"}),
        Err(&[&format!("{member}: supports only Ed25519")]),
    );
    check(
        json!({member: "ed25519"}),
        Err(&[&format!("{member}: not supported")]),
    );
}

#[test]
fn the_signing_algorithm_must_fit_the_method() {
    let chosen = json!({
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [key("sig")]},
        "token_endpoint_auth_signing_alg_values_supported": ["HS256", "EdDSA"],
    });
    check(
        chosen,
        Ok(json!({"token_endpoint_auth_signing_alg": "EdDSA"})),
    );
    let public =
        json!({"token_endpoint_auth_method": "none", "grant_types": ["client_credentials"]});
    check(
        public,
        Err(&["token_endpoint_auth_method: client_credentials"]),
    );
}

/// Returns a value that a client may send: of any type, and sometimes valid.
fn value() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "",
        "none",
        "RS256",
        "HS256",
        "ES256",
        "dir",
        "ECDH-ES",
        "A128GCM",
        "code",
        "token",
        "authorization_code",
        "client_credentials",
        "web",
        "native",
        "pairwise",
        "public",
        "poll",
        "https://a.example/cb",
        "https://b.example/cb#f",
        "http://127.0.0.1/cb",
        "com.example:/cb",
        "openid",
        "private_key_jwt",
        "tls_client_auth",
        "CN=x",
        "\u{202e}",
        "urn:openid:params:grant-type:ciba",
    ]);
    let text = words.prop_map(Value::from);
    let leaf = prop_oneof![
        6 => text,
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => ".{0,40}".prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            3 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            1 => prop::collection::btree_map("[a-z]{1,4}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn request() -> impl Strategy<Value = Map<String, Value>> {
    let names: Vec<&str> = MEMBERS.iter().map(|member| member.name).collect();
    prop::collection::btree_map(prop::sample::select(names), value(), 0..8).prop_map(|members| {
        // With one valid member, the later checks are more likely to run.
        let mut request = base();
        request.extend(
            members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value)),
        );
        request
    })
}

fn base() -> Map<String, Value> {
    let base = json!({"redirect_uris": ["https://a.example/cb"]});
    base.as_object().cloned().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn no_request_panics_and_valid_metadata_stays_valid(request in request()) {
        let (settings, limits, scopes) = (Registration::default(), Limits::default(), scopes());
        let rules = Rules { settings: &settings, scopes: &scopes, limits: &limits, fetch: &FetchSettings::default(), initial_access: None, registered: None, is_certified: false, document: None };
        if let Ok(valid) = rules.validate(Requested::read(request, &[])) {
            let again = rules.validate_changed(valid.metadata().clone());
            prop_assert_eq!(again.map(|again| again.metadata().clone()), Ok(valid.metadata().clone()));
        }
    }

    #[test]
    fn changes_are_judged_as_the_whole_is(
        first in request(), changes in request(), removed in prop::collection::vec(any::<prop::sample::Index>(), 0..3)
    ) {
        let (limits, scopes) = (Limits::default(), scopes());
        let settings = Registration { page_uri_hosts: PageUriHosts::RedirectHost, ..Registration::default() };
        let policy = InitialAccessPolicy { redirect_hosts: Some(vec!["a.example".to_owned()]), ..InitialAccessPolicy::default() };
        let rules = Rules { settings: &settings, scopes: &scopes, limits: &limits, fetch: &FetchSettings::default(), initial_access: Some(&policy), registered: None, is_certified: false, document: None };
        let valid = match rules.validate(Requested::read(first, &[])) {
            Ok(valid) => valid,
            Err(_) => rules.validate(Requested::read(base(), &[])).unwrap(),
        };
        let mut changed = valid.metadata().clone();
        for (name, value) in changes {
            changed.set(&name, value);
        }
        for index in removed {
            let names: Vec<String> = changed.iter().map(|(name, _)| name.to_owned()).collect();
            if !names.is_empty() {
                changed.remove(index.get(names.as_slice()).as_str());
            }
        }
        let outcome = |result: Result<Valid, _>| result.map(|valid| valid.metadata().clone());
        prop_assert_eq!(
            outcome(rules.validate_changes(&valid, changed.clone())),
            outcome(rules.validate_changed(changed))
        );
    }
}

#[test]
fn a_script_that_empties_a_member_removes_it() {
    let changed =
        json!({"redirect_uris": ["https://client.example/cb"], "client_name": "", "logo_uri": ""});
    check_changed(
        &Registration::default(),
        changed,
        Ok(json!({"client_name": null, "logo_uri": null})),
    );
}

#[test]
fn a_pairwise_client_has_a_sector() {
    let native = || {
        json!({
            "application_type": "native", "subject_type": "pairwise", "redirect_uris": ["com.example.app:/cb"],
        })
    };
    check_with(
        &pairwise(),
        native(),
        Err(&["sector_identifier_uri: no redirect URI with a host"]),
    );
    let named = json!({"sector_identifier_uri": "https://sector.example/file"});
    check_with(
        &pairwise(),
        with(native(), &named),
        Ok(json!({"subject_type": "pairwise"})),
    );
}

#[test]
fn of_several_methods_one_with_fulfilled_requirements_is_chosen() {
    let sent = |methods: &[&str]| json!({"token_endpoint_auth_methods_supported": methods});
    let chosen = |method: &str| Ok(json!({"token_endpoint_auth_method": method}));
    let methods = ["private_key_jwt", "tls_client_auth", "client_secret_basic"];
    check(sent(&methods), chosen("client_secret_basic"));
    let mut with_subject = sent(&methods);
    with_subject["tls_client_auth_subject_dn"] = "CN=client".into();
    check(with_subject, chosen("tls_client_auth"));
    check(
        sent(&["private_key_jwt"]),
        Err(&["token_endpoint_auth_method: jwks_uri or jwks"]),
    );
}

#[test]
fn origins_and_offer_endpoints_must_be_well_formed() {
    check(
        json!({"authorized_origins": ["https://a.example/x"]}),
        Err(&["authorized_origins[0]: an origin"]),
    );
    check(
        json!({"authorized_origins": ["https://a.example"]}),
        Ok(json!({})),
    );
    check(
        json!({"credential_offer_endpoint": "nowhere"}),
        Err(&["credential_offer_endpoint: absolute URI"]),
    );
    let offer = json!({"credential_offer_endpoint": "openid-credential-offer://"});
    check(offer.clone(), Ok(offer));
}
