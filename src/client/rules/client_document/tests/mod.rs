//! Each rule for documents.

mod well_known;

use serde_json::{Map, Value, json};

use super::redirects::redirects;
use super::*;
use crate::client::Requested;
use crate::client::rules::testing::scopes;
use crate::config::{
    ClientDocumentDefaultAuthMethod, ClientDocumentRedirectUris, FetchSettings, Limits,
    Registration,
};

const URL: &str = "https://app.example.org/oauth/client.json";

fn settings() -> Registration {
    Registration {
        // Editors have schemes such as `cursor:`.
        allow_private_use_uri_schemes_without_dot: true,
        ..Registration::default()
    }
}

/// Calls `work` with rules under these settings.
pub(super) fn with_rules<R>(settings: &Registration, work: impl FnOnce(&Rules<'_>) -> R) -> R {
    work(&Rules {
        settings,
        scopes: &scopes(),
        limits: &Limits::default(),
        fetch: &FetchSettings::default(),
        initial_access: None,
        registered: None,
        is_certified: false,
        document: None,
    })
}

/// Returns the metadata that is registered for the document, or everything that is wrong with it.
fn registered(
    settings: &Registration,
    url: &str,
    document: &Value,
) -> Result<Metadata, Vec<Violation>> {
    let Value::Object(document) = document.clone() else {
        panic!("a document is an object")
    };
    with_rules(settings, |rules| {
        let url = rules.client_url(url).unwrap();
        let object = rules.read_document(&url, document)?;
        let custom = &settings.dynamic_registration_custom_attributes;
        let valid = rules.validate(Requested::read(object, custom))?;
        Ok(valid.metadata().clone())
    })
}

/// Checks a document at its own URL. `expected` is either members of the registered metadata, with `null` for
/// absent ones, or all violations, each as `member: words of the rule`.
fn check_real(settings: &Registration, document: &Value, expected: Result<Value, &[&str]>) {
    let url = document["client_id"].as_str().unwrap_or(URL);
    match (registered(settings, url, document), expected) {
        (Ok(metadata), Ok(members)) => {
            for (name, value) in members.as_object().unwrap() {
                let registered = metadata.get(name).unwrap_or(&Value::Null);
                assert_eq!(registered, value, "{name} of {url}");
            }
            assert!(!crate::client::rules::needs_secret(&metadata));
        }
        (Err(found), Err(expected)) => {
            let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert_eq!(texts.len(), expected.len(), "{texts:#?}");
            for (text, expected) in texts.iter().zip(expected) {
                let (member, words) = expected.split_once(": ").unwrap();
                assert!(
                    text.starts_with(&format!("{member}: ")) && text.contains(words),
                    "{text} is not {expected}"
                );
            }
        }
        (result, expected) => panic!("{result:#?}\nis not\n{expected:#?}"),
    }
}

/// Checks a document at [`URL`] with these members beside its URL, its name and a redirect URI.
fn check_with(settings: &Registration, members: Value, expected: Result<Value, &[&str]>) {
    let mut document = json!({
        "client_id": URL,
        "client_name": "App",
        "redirect_uris": ["https://app.example.org/callback"],
    });
    let members: Map<String, Value> = serde_json::from_value(members).unwrap();
    document.as_object_mut().unwrap().extend(members);
    let id = document["client_id"].clone();
    document["client_id"] = json!(URL);
    let at_its_url = document.clone();
    if id == json!(URL) {
        return check_real(settings, &at_its_url, expected);
    }
    document["client_id"] = id;
    let Err(expected) = expected else {
        panic!("a document with another client_id is invalid")
    };
    let found = registered(settings, URL, &document).unwrap_err();
    let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), expected.len(), "{texts:#?}");
    for (text, expected) in texts.iter().zip(expected) {
        assert!(text.starts_with(expected), "{text} is not {expected}");
    }
}

fn check(members: Value, expected: Result<Value, &[&str]>) {
    check_with(&settings(), members, expected);
}

#[test]
fn a_document_names_its_own_url() {
    for (id, rule) in [
        (
            json!("https://app.example.org/oauth/client.json/"),
            "client_id: must be exactly the URL",
        ),
        (
            json!("https://APP.example.org/oauth/client.json"),
            "client_id: must be exactly the URL",
        ),
        (
            json!("https://app.example.org:443/oauth/client.json"),
            "client_id: must be exactly the URL",
        ),
        (
            json!(null),
            "client_id: is missing; it must be the URL of the document, https://app.example.org/",
        ),
        (json!(""), "client_id: is missing"),
        (json!([URL]), "client_id: must be a string"),
    ] {
        check(json!({"client_id": id}), Err(&[rule]));
    }
}

#[test]
fn a_document_has_no_credentials() {
    check(
        json!({
            "client_secret": "s", "client_secret_expires_at": 0, "registration_access_token": "t",
            "registration_client_uri": "https://app.example.org/r",
        }),
        Err(&[
            "client_secret: everyone can read it",
            "client_secret_expires_at: must not be",
            "registration_access_token: must not be",
            "registration_client_uri: must not be",
        ]),
    );
    check(
        json!({"client_secret": null, "client_secret_expires_at": null}),
        Ok(json!({})),
    );
}

#[test]
fn a_shared_secret_is_rejected_alone_and_left_out_of_lists() {
    for method in [
        "client_secret_basic",
        "client_secret_post",
        "client_secret_jwt",
    ] {
        let rule = "token_endpoint_auth_method: must not use a shared secret";
        check(json!({"token_endpoint_auth_method": method}), Err(&[rule]));
        let offered = json!({
            "token_endpoint_auth_method": method,
            "token_endpoint_auth_methods_supported": [method, "none"],
        });
        check(offered, Err(&[rule]));
        let list = json!({"token_endpoint_auth_methods_supported": [method, "none"]});
        check(list, Ok(json!({"token_endpoint_auth_method": "none"})));
        let only = json!({"token_endpoint_auth_methods_supported": [method]});
        check(
            only,
            Err(&["token_endpoint_auth_methods_supported: only methods with a shared secret"]),
        );
        let further = json!({"additional_token_endpoint_auth_methods": [method]});
        check(
            further,
            Ok(json!({"additional_token_endpoint_auth_methods": null})),
        );
    }
    for (members, rule) in [
        (
            json!({"id_token_signed_response_alg": "HS256"}),
            "id_token_signed_response_alg: HS256",
        ),
        (
            json!({"request_object_encryption_alg": "dir"}),
            "request_object_encryption_alg: dir",
        ),
        (
            json!({"userinfo_signing_alg_values_supported": ["HS256", "HS512"]}),
            "userinfo_signing_alg_values_supported: only algorithms",
        ),
    ] {
        check(members, Err(&[rule]));
    }
    let list = json!({"id_token_signing_alg_values_supported": ["HS256", "ES256"]});
    check(list, Ok(json!({"id_token_signed_response_alg": "ES256"})));
    let of_secret = Registration {
        default_signature_algorithm: "HS256".to_owned(),
        ..settings()
    };
    check_with(
        &of_secret,
        json!({}),
        Ok(json!({"id_token_signed_response_alg": "RS256"})),
    );
}

#[test]
fn required_members_must_be_there() {
    check(
        json!({"client_name": null}),
        Err(&["client_name: is missing; this server requires it"]),
    );
    check(
        json!({"redirect_uris": null}),
        Err(&["redirect_uris: is missing; this server requires it"]),
    );
    let device = json!({
        "redirect_uris": null,
        "grant_types": ["urn:ietf:params:oauth:grant-type:device_code"],
    });
    check(
        device,
        Ok(json!({"redirect_uris": null, "application_type": "web"})),
    );
    let strict = Registration {
        client_document_required: vec!["tos_uri".to_owned()],
        ..settings()
    };
    check_with(
        &strict,
        json!({"client_name": null}),
        Err(&["tos_uri: is missing"]),
    );
}

#[test]
fn the_operator_decides_about_redirect_uris() {
    let uris = json!({"redirect_uris": [
        "https://app.example.org/cb", "https://app.example.org:8443/cb", "https://other.example.org/cb",
        "http://localhost/cb", "http://[::1]:5000/cb", "org.example.app:/cb", "com.other:/cb",
    ]});
    check(uris.clone(), Ok(json!({"application_type": "native"})));
    let same_host = Registration {
        client_document_redirect_uris: ClientDocumentRedirectUris::SameHost,
        ..settings()
    };
    check_with(
        &same_host,
        uris.clone(),
        Err(&["redirect_uris[2]: must be on the host of the document, app.example.org"]),
    );
    let far = Registration {
        client_document_loopback: false,
        ..settings()
    };
    check_with(
        &far,
        uris.clone(),
        Err(&[
            "redirect_uris[3]: must not be on loopback",
            "redirect_uris[4]: clientDocumentLoopback",
        ]),
    );
    let reversed = Registration {
        client_document_reversed_schemes: true,
        ..settings()
    };
    check_with(
        &reversed,
        uris,
        Err(&["redirect_uris[6]: must have the scheme org.example.app"]),
    );
}

#[test]
fn an_absent_application_type_follows_from_the_redirect_uris_whatever_the_default() {
    use crate::config::DefaultApplicationType::{Native, Web};
    for usual in [Web, Native] {
        let settings = Registration {
            default_application_type: usual,
            ..settings()
        };
        check_with(&settings, json!({}), Ok(json!({"application_type": "web"})));
        let local = json!({"redirect_uris": ["https://app.example.org/cb", "http://localhost/cb"]});
        check_with(&settings, local, Ok(json!({"application_type": "native"})));
    }
}

#[test]
fn lists_are_narrowed_whatever_the_server_does_with_those_of_requests() {
    let strict = Registration {
        unsupported_list_values: UnsupportedListValues::Refuse,
        acr_values_supported: vec!["gold".to_owned()],
        ..settings()
    };
    let lists = json!({
        "grant_types": ["authorization_code", "implicit", "urn:example:unknown"],
        "response_types": ["code", "token"],
        "response_modes": ["query", "web_message"],
        "default_acr_values": ["gold", "silver"],
    });
    check_with(
        &strict,
        lists,
        Ok(json!({
            "grant_types": ["authorization_code"],
            "response_types": ["code"],
            "response_modes": ["query"],
            "default_acr_values": ["gold"],
        })),
    );
    check_with(
        &strict,
        json!({"response_modes": ["web_message"]}),
        Err(&["response_modes: contains no supported value"]),
    );
    // A single value means what it says.
    check(
        json!({"id_token_signed_response_alg": "ES1024"}),
        Err(&["id_token_signed_response_alg: not supported"]),
    );
}

#[test]
fn a_document_without_a_method_is_public_or_invalid() {
    check(json!({}), Ok(json!({"token_endpoint_auth_method": "none"})));
    let strict = Registration {
        client_document_default_auth_method: ClientDocumentDefaultAuthMethod::Refuse,
        ..settings()
    };
    check_with(
        &strict,
        json!({}),
        Err(&["token_endpoint_auth_method: is missing"]),
    );
    let offered = json!({"token_endpoint_auth_methods_supported": ["none"]});
    check_with(
        &strict,
        offered,
        Ok(json!({"token_endpoint_auth_method": "none"})),
    );
    check(
        json!({"token_endpoint_auth_methods_supported": ["spiffe_jwt"]}),
        Err(&["token_endpoint_auth_methods_supported: no supported value"]),
    );
    check(
        json!({"token_endpoint_auth_method": "spiffe_jwt"}),
        Err(&["token_endpoint_auth_method: not supported"]),
    );
    check(
        json!({"token_endpoint_auth_method": 1}),
        Err(&["token_endpoint_auth_method: must be a string"]),
    );
    // The client authenticates with its key or not at all, even if its list has something weaker.
    check(
        json!({
            "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
        }),
        Err(&["token_endpoint_auth_method: needs the client's public keys"]),
    );
    // The preferred method need not be in the list.
    check(
        json!({"token_endpoint_auth_method": "none", "token_endpoint_auth_methods_supported": ["private_key_jwt"]}),
        Ok(json!({"token_endpoint_auth_method": "none"})),
    );
}

#[test]
fn what_only_a_server_or_a_registration_has_is_not_heard() {
    check(
        json!({"lifetime": 60, "evidence": "e", "trusted_client": true, "disabled": true, "client_id_issued_at": 1}),
        Ok(json!({"lifetime": null, "trusted_client": null, "disabled": null})),
    );
}

#[test]
fn a_special_host_is_only_accepted_if_it_is_listed() {
    let listed = FetchSettings {
        allowed_hosts: vec![
            "localhost:8443".parse().unwrap(),
            "10.0.0.5".parse().unwrap(),
        ],
        ..FetchSettings::default()
    };
    let settings = settings();
    let accepts = |fetch: &FetchSettings, url: &str| {
        let rules = Rules {
            settings: &settings,
            scopes: &[],
            limits: &Limits::default(),
            fetch,
            initial_access: None,
            registered: None,
            is_certified: false,
            document: None,
        };
        rules.client_url(url).is_ok()
    };
    let usual = FetchSettings::default();
    for url in ["https://localhost:8443/c", "https://10.0.0.5/c"] {
        assert!(!accepts(&usual, url) && accepts(&listed, url), "{url}");
    }
    for url in [
        "https://intranet/c",
        "https://8.8.8.8/c",
        "https://[2606:4700::1111]/c",
        "https://db.local/c",
    ] {
        assert!(!accepts(&usual, url), "{url}");
    }
    assert!(!accepts(&listed, "https://localhost/c") && accepts(&usual, URL));
}

#[test]
fn the_facts_for_a_consent_page_follow_from_the_redirect_uris() {
    let facts = |uris: &[&str]| {
        let mut metadata = Metadata::default();
        metadata.set("redirect_uris", uris.to_vec());
        let url = with_rules(&settings(), |rules| rules.client_url(URL)).unwrap();
        let facts = redirects(&metadata, &url);
        (facts.loopback_only, facts.cross_host)
    };
    assert_eq!(
        facts(&["http://localhost/cb", "http://127.0.0.1:1/cb"]),
        (true, vec![])
    );
    assert_eq!(
        facts(&["http://localhost/cb", "com.example:/cb"]),
        (false, vec![])
    );
    let both = facts(&["https://app.example.org/cb", "https://www.example.org/cb"]);
    assert_eq!(both, (false, vec!["https://www.example.org/cb".to_owned()]));
    assert_eq!(facts(&[]), (false, vec![]));
}
