//! Discovery: exactly the advertised values can be registered.

use registrar::config::ClientCertificates::{Off, Optional};
use registrar::config::Configuration;
use serde_json::{Value, json};

use crate::support::certificates::Files;
use crate::support::{Answer, TestServer, minimal, registering, with};

const OAUTH: &str = "/.well-known/oauth-authorization-server";

async fn document(server: &TestServer, path: &str) -> Value {
    let answer = Answer::of(server.ask("GET", path)).await;
    answer.expect_status(200);
    assert_eq!(answer.header("content-type"), "application/json");
    answer.body
}

#[tokio::test]
async fn both_documents_are_identical() {
    let server = TestServer::new().await;
    let one = document(&server, "/.well-known/openid-configuration").await;
    assert_eq!(
        one,
        document(&server, "/.well-known/oauth-authorization-server").await
    );
    assert_eq!(one["issuer"], json!(server.server().url()));
    let endpoint = one["registration_endpoint"].as_str().unwrap();
    Answer::of(server.ask("POST", endpoint).json(&minimal()))
        .await
        .expect_status(201);
    assert!(
        one["code_challenge_methods_supported"]
            .as_array()
            .unwrap()
            .contains(&json!("S256"))
    );
    let claims = one["claims_supported"].as_array().unwrap();
    assert!(
        claims[0] == "sub" && claims.contains(&json!("email")),
        "the claims of the scopes: {claims:?}"
    );
}

#[tokio::test]
async fn an_issuer_with_a_path_has_its_documents_at_the_standard_urls() {
    let server = TestServer::configured(|configuration| {
        configuration.settings.server.issuer = Some("https://as.example.org/tenant".to_owned());
    })
    .await;
    let one = document(&server, "/.well-known/oauth-authorization-server/tenant").await;
    assert_eq!(one["issuer"], "https://as.example.org/tenant");
    assert_eq!(
        one,
        document(&server, "/tenant/.well-known/openid-configuration").await
    );
}

#[tokio::test]
async fn configured_metadata_is_published_with_our_own() {
    let server = TestServer::configured(|configuration| {
        let members = json!({
            "authorization_endpoint": "https://as.example.org/authorize",
            "grant_types_supported": ["made_up"],
            "issuer": "https://wrong.example.org",
        });
        configuration.settings.discovery = members.as_object().unwrap().clone();
    })
    .await;
    let document = document(&server, "/.well-known/openid-configuration").await;
    assert_eq!(
        document["authorization_endpoint"],
        "https://as.example.org/authorize"
    );
    assert_eq!(document["issuer"], json!(server.server().url()));
    assert!(
        !document["grant_types_supported"]
            .as_array()
            .unwrap()
            .contains(&json!("made_up"))
    );
}

/// A client with everything that any value may require: keys, the subject of a certificate, CIBA.
fn equipped() -> Value {
    with(
        minimal(),
        json!({"jwks_uri": "https://client.example.org/jwks"}),
    )
}

/// Returns the members that a request with `member` = `value` needs to be consistent.
fn companions(member: &str, value: &str) -> Value {
    let ciba = "urn:openid:params:grant-type:ciba";
    match (member, value) {
        ("grant_types", "client_credentials") => json!({"response_types": []}),
        ("grant_types", "urn:openid:params:grant-type:ciba") => {
            json!({"backchannel_token_delivery_mode": "poll"})
        }
        ("grant_types", "implicit") => json!({"response_types": ["token"]}),
        ("backchannel_token_delivery_mode", _) => json!({
            "grant_types": ["authorization_code", ciba],
            "backchannel_client_notification_endpoint": "https://client.example.org/notify",
        }),
        ("backchannel_authentication_request_signing_alg", _) => json!({
            "grant_types": ["authorization_code", ciba],
            "backchannel_token_delivery_mode": "poll",
        }),
        ("token_endpoint_auth_method", "tls_client_auth") => {
            json!({"tls_client_auth_san_dns": "client.example.org"})
        }
        ("token_endpoint_auth_signing_alg", alg) if alg.starts_with("HS") => {
            json!({"token_endpoint_auth_method": "client_secret_jwt"})
        }
        ("token_endpoint_auth_signing_alg", _) => {
            json!({"token_endpoint_auth_method": "private_key_jwt"})
        }
        (member, _) => match member.strip_suffix("_enc") {
            Some(stem) => json!({format!("{stem}_alg"): "ECDH-ES"}),
            None => json!({}),
        },
    }
}

/// Returns the request member that an advertised list limits, and whether the member is a list itself.
fn registered_as(list: &str) -> Option<(String, bool)> {
    Some(match list {
        "grant_types_supported" => ("grant_types".to_owned(), true),
        "response_types_supported" => ("response_types".to_owned(), true),
        "response_modes_supported" => ("response_modes".to_owned(), true),
        "subject_types_supported" => ("subject_type".to_owned(), false),
        "token_endpoint_auth_methods_supported" => ("token_endpoint_auth_method".to_owned(), false),
        "backchannel_token_delivery_modes_supported" => {
            ("backchannel_token_delivery_mode".to_owned(), false)
        }
        // The methods of these endpoints follow from the registration for the token endpoint.
        "revocation_endpoint_auth_signing_alg_values_supported"
        | "introspection_endpoint_auth_signing_alg_values_supported" => return None,
        _ => {
            let stem = list.strip_suffix("_values_supported")?;
            let member = match stem {
                "token_endpoint_auth_signing_alg"
                | "backchannel_authentication_request_signing_alg"
                | "access_token_signing_alg"
                | "request_object_signing_alg"
                | "request_object_encryption_alg"
                | "request_object_encryption_enc" => stem.to_owned(),
                _ => stem
                    .replace("_signing_alg", "_signed_response_alg")
                    .replace("_encryption_alg", "_encrypted_response_alg")
                    .replace("_encryption_enc", "_encrypted_response_enc"),
            };
            (member, false)
        }
    })
}

#[tokio::test]
async fn advertised_values_can_be_registered_and_no_others() {
    let server = TestServer::registering(json!({
        "grantTypesSupported": ["authorization_code", "implicit", "client_credentials", "refresh_token",
                                "urn:openid:params:grant-type:ciba"],
        "responseTypesSupported": ["code", "token", "id_token", "id_token token", "code id_token", "code token",
                                   "code id_token token"],
    }))
    .await;
    let document = document(&server, "/.well-known/openid-configuration").await;
    let mut tried = 0;
    for (list, values) in document.as_object().unwrap() {
        let Some((member, is_list)) = registered_as(list) else {
            continue;
        };
        let one = |value: &str| {
            if is_list {
                json!([value])
            } else {
                json!(value)
            }
        };
        for value in values.as_array().unwrap().iter().filter_map(Value::as_str) {
            let mut body = with(equipped(), companions(&member, value));
            body = with(body, json!({member.as_str(): one(value)}));
            if member == "response_types" {
                let grants: &[&str] = match (value.contains("code"), value.contains("token")) {
                    (true, true) => &["authorization_code", "implicit"],
                    (true, false) => &["authorization_code"],
                    (false, _) => &["implicit"],
                };
                body = with(body, json!({"grant_types": grants}));
            }
            let answer = server.post(&body).await;
            assert_eq!(answer.status, 201, "{member} = {value}: {}", answer.text);
            tried += 1;
        }
        let body = with(
            with(equipped(), companions(&member, "x")),
            json!({member.as_str(): one("x-not-advertised")}),
        );
        server.post(&body).await.expect_bad_metadata(&member);
    }
    assert!(
        tried > 100,
        "only {tried} values were tried; the test is incomplete"
    );
}

#[tokio::test]
async fn an_empty_list_is_published_only_if_required() {
    let server = TestServer::configured(|configuration| {
        // Configured metadata of others does not extend what can be registered here.
        let members = json!({"id_token_encryption_alg_values_supported": ["RSA-OAEP"]});
        configuration.settings.discovery = members.as_object().unwrap().clone();
        let none = json!({"responseTypesSupported": [], "idTokenEncryptionAlgValuesSupported": []});
        registering(configuration, none);
    })
    .await;
    let found = document(&server, OAUTH).await;
    assert_eq!(
        found["response_types_supported"],
        json!([]),
        "required by RFC 8414 section 2"
    );
    assert_eq!(found.get("id_token_encryption_alg_values_supported"), None);
    let body = json!({
        "grant_types": ["client_credentials"],
        "id_token_encrypted_response_alg": "RSA-OAEP",
        "jwks_uri": "https://client.example.org/jwks",
    });
    server
        .post(&body)
        .await
        .expect_bad_metadata("id_token_encrypted_response_alg");
}

#[tokio::test]
async fn the_methods_of_revocation_and_introspection_are_published() {
    let server = TestServer::new().await;
    let found = document(&server, OAUTH).await;
    let proving = [
        "client_secret_basic",
        "client_secret_post",
        "client_secret_jwt",
        "private_key_jwt",
    ];
    let (public, bearer) = (
        [&["none"], &proving[..]].concat(),
        [&proving[..], &["Bearer"]].concat(),
    );
    assert_eq!(
        found["revocation_endpoint_auth_methods_supported"],
        json!(public)
    );
    assert_eq!(
        found["introspection_endpoint_auth_methods_supported"],
        json!(bearer)
    );
    for endpoint in ["revocation", "introspection"] {
        let signed = &found[format!("{endpoint}_endpoint_auth_signing_alg_values_supported")];
        assert_eq!(
            signed, &found["token_endpoint_auth_signing_alg_values_supported"],
            "{endpoint}"
        );
    }
    // The endpoints accept these methods.
    let client = server
        .register(&with(
            minimal(),
            json!({"token_endpoint_auth_method": "none"}),
        ))
        .await;
    let parameters = [("token", "x"), ("client_id", client.id.as_str())];
    server.form("/revoke", &parameters).await.expect_status(200);
    server
        .form("/introspect", &parameters)
        .await
        .expect_error(401, &["invalid_client"]);
}

#[tokio::test]
async fn published_methods_are_those_that_can_be_registered_and_are_supported() {
    let rs256_and_hs256 = json!(["RS256", "HS256"]);
    for (methods, taken, signed) in [
        (
            json!(["private_key_jwt", "attest_jwt_client_auth"]),
            json!(["private_key_jwt"]),
            json!(["RS256"]),
        ),
        (
            json!(["client_secret_jwt"]),
            json!(["client_secret_jwt"]),
            json!(["HS256"]),
        ),
        (
            json!(["client_secret_post"]),
            json!(["client_secret_post"]),
            json!(null),
        ),
        (json!(["tls_client_auth"]), json!([]), json!(null)),
    ] {
        let server = TestServer::registering(json!({
            "tokenEndpointAuthMethodsSupported": methods,
            "tokenEndpointAuthSigningAlgValuesSupported": rs256_and_hs256,
        }))
        .await;
        let found = document(&server, OAUTH).await;
        assert_eq!(
            found["revocation_endpoint_auth_methods_supported"], taken,
            "{methods}"
        );
        let also = found["introspection_endpoint_auth_methods_supported"]
            .as_array()
            .unwrap();
        assert_eq!(
            also.split_last(),
            Some((&json!("Bearer"), taken.as_array().unwrap().as_slice()))
        );
        for endpoint in ["revocation", "introspection"] {
            let name = format!("{endpoint}_endpoint_auth_signing_alg_values_supported");
            assert_eq!(found[&name], signed, "{name} with {methods}");
        }
    }
}

#[tokio::test]
async fn the_operator_states_the_methods_of_an_external_endpoint() {
    let members = json!({
        "token_endpoint": "https://as.example.org/token",
        "revocation_endpoint": "https://as.example.org/revoke",
        "introspection_endpoint": "https://as.example.org/introspect",
        "introspection_endpoint_auth_methods_supported": ["private_key_jwt"],
        "tls_client_certificate_bound_access_tokens": true,
    });
    let server = TestServer::configured(|configuration| {
        configuration.settings.discovery = members.as_object().unwrap().clone();
    })
    .await;
    let found = document(&server, OAUTH).await;
    for (name, value) in members.as_object().unwrap() {
        assert_eq!(&found[name], value, "{name}");
    }
    for name in [
        "revocation_endpoint_auth_methods_supported",
        "revocation_endpoint_auth_signing_alg_values_supported",
    ] {
        assert_eq!(found.get(name), None, "{name}");
    }
}

/// Returns the published metadata about certificates: the methods at the revocation endpoint, and
/// whether tokens are bound to certificates.
async fn by_certificate(files: &Files, change: impl FnOnce(&mut Configuration)) -> Value {
    let mut server = TestServer::configured(change).await;
    server.use_client(files.client(None));
    let found = document(&server, OAUTH).await;
    let methods = found["revocation_endpoint_auth_methods_supported"]
        .as_array()
        .unwrap()
        .iter();
    let methods: Vec<&str> = methods
        .filter_map(Value::as_str)
        .filter(|one| one.contains("tls"))
        .collect();
    json!([methods, found["tls_client_certificate_bound_access_tokens"]])
}

#[tokio::test]
async fn certificate_methods_are_published_only_if_certificates_can_arrive() {
    let files = Files::new();
    let unasked = |configuration: &mut Configuration| files.switch_on(configuration, Off);
    let asked = |configuration: &mut Configuration| files.switch_on(configuration, Optional);
    let without_authority = |configuration: &mut Configuration| {
        files.switch_on(configuration, Optional);
        configuration.settings.server.tls.client_ca = None;
    };
    let behind_proxy = |configuration: &mut Configuration| {
        configuration.settings.server.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    };
    let behind_silent_proxy = |configuration: &mut Configuration| {
        behind_proxy(configuration);
        configuration.settings.server.certificate_headers.clear();
    };
    let claimed = |configuration: &mut Configuration| {
        let name = "tls_client_certificate_bound_access_tokens".to_owned();
        configuration.settings.discovery.insert(name, true.into());
    };
    let (all, none) = (
        json!([["tls_client_auth", "self_signed_tls_client_auth"], true]),
        json!([[], null]),
    );
    assert_eq!(by_certificate(&files, |_| {}).await, none);
    assert_eq!(by_certificate(&files, claimed).await, none);
    assert_eq!(by_certificate(&files, unasked).await, none);
    assert_eq!(by_certificate(&files, behind_silent_proxy).await, none);
    assert_eq!(by_certificate(&files, asked).await, all);
    assert_eq!(by_certificate(&files, behind_proxy).await, all);
    let by_key = json!([["self_signed_tls_client_auth"], true]);
    assert_eq!(by_certificate(&files, without_authority).await, by_key);
}
