//! K193 and K194: what is advertised can be registered, and nothing else.

use serde_json::{Value, json};

use crate::support::{Answer, TestServer, b0, with};

async fn document(server: &TestServer, path: &str) -> Value {
    let answer = Answer::of(server.ask("GET", path)).await;
    answer.expect_status(200);
    assert_eq!(answer.header("content-type"), "application/json");
    answer.body
}

#[tokio::test]
async fn k193_both_documents_say_the_same() {
    let server = TestServer::new().await;
    let one = document(&server, "/.well-known/openid-configuration").await;
    assert_eq!(one, document(&server, "/.well-known/oauth-authorization-server").await);
    assert_eq!(one["issuer"], json!(server.server().url()));
    let endpoint = one["registration_endpoint"].as_str().unwrap();
    Answer::of(server.ask("POST", endpoint).json(&b0())).await.expect_status(201);
    assert!(one["code_challenge_methods_supported"].as_array().unwrap().contains(&json!("S256")));
}

#[tokio::test]
async fn an_issuer_with_a_path_has_its_documents_where_the_standards_look() {
    let server = TestServer::configured(|configuration| {
        configuration.settings.server.issuer = Some("https://as.example.org/tenant".to_owned());
    })
    .await;
    let one = document(&server, "/.well-known/oauth-authorization-server/tenant").await;
    assert_eq!(one["issuer"], "https://as.example.org/tenant");
    assert_eq!(one, document(&server, "/tenant/.well-known/openid-configuration").await);
}

#[tokio::test]
async fn what_is_not_ours_is_published_beside_what_is() {
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
    assert_eq!(document["authorization_endpoint"], "https://as.example.org/authorize");
    assert_eq!(document["issuer"], json!(server.server().url()));
    assert!(!document["grant_types_supported"].as_array().unwrap().contains(&json!("made_up")));
}

/// A client that has whatever any value may need: keys, a certificate's subject, CIBA.
fn equipped() -> Value {
    with(b0(), json!({"jwks_uri": "https://client.example.org/jwks"}))
}

/// What a request needs beside `member` = `value` to be consistent.
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
        ("token_endpoint_auth_signing_alg", _) => json!({"token_endpoint_auth_method": "private_key_jwt"}),
        (member, _) => match member.strip_suffix("_enc") {
            Some(stem) => json!({format!("{stem}_alg"): "ECDH-ES"}),
            None => json!({}),
        },
    }
}

/// The request member that an advertised list bounds, and whether it holds a list itself.
fn registered_as(list: &str) -> Option<(String, bool)> {
    Some(match list {
        "grant_types_supported" => ("grant_types".to_owned(), true),
        "response_types_supported" => ("response_types".to_owned(), true),
        "response_modes_supported" => ("response_modes".to_owned(), true),
        "subject_types_supported" => ("subject_type".to_owned(), false),
        "token_endpoint_auth_methods_supported" => ("token_endpoint_auth_method".to_owned(), false),
        "backchannel_token_delivery_modes_supported" => ("backchannel_token_delivery_mode".to_owned(), false),
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
async fn k194_what_is_advertised_can_be_registered_and_nothing_else() {
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
        let Some((member, is_list)) = registered_as(list) else { continue };
        let one = |value: &str| if is_list { json!([value]) } else { json!(value) };
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
    assert!(tried > 100, "only {tried} values were tried");
}
