//! The claims of a verified statement take precedence, and the request cannot express the same member
//! in another form.

use serde_json::{Value, json};

use crate::statements::{issuer, knowing, request};
use crate::support::{TestServer, with};

/// Starts a server that trusts an issuer, and registers a client with a statement with `claims`.
async fn registered(settings: Value, claims: Value, asked: Value) -> Result<Value, (u16, String)> {
    let issuer = issuer();
    let server = knowing(&issuer, settings).await;
    let answer = server
        .post(&with(request(&issuer.token(claims)), asked))
        .await;
    if answer.status == 201 {
        Ok(answer.body)
    } else {
        Err((answer.status, answer.text))
    }
}

#[tokio::test]
async fn a_verified_member_cannot_be_overridden_in_another_language_or_form() {
    let names = json!({"softwareStatementClaims": {"software_client_name": "client_name", "software_logo_uri": "logo_uri"}});
    let cases = [
        (
            json!({"client_name": "Bank"}),
            json!({"client_name#en": "Evil", "client_name#fr": "Mal"}),
        ),
        (
            json!({"software_client_name": "Bank"}),
            json!({"client_name#en": "Evil"}),
        ),
        (
            json!({"client_name#en": "Bank"}),
            json!({"client_name": "Evil", "client_name#fr": "Mal"}),
        ),
        (
            json!({"logo_uri": "https://bank.example/l"}),
            json!({"logo_uri#en": "https://evil.example/l"}),
        ),
        (
            json!({"software_logo_uri": "https://bank.example/l"}),
            json!({"logo_uri#de": "https://evil.example/l"}),
        ),
        (
            json!({"client_uri": "https://bank.example/"}),
            json!({"client_uri#en": "https://evil.example/"}),
        ),
        (
            json!({"tos_uri": "https://bank.example/"}),
            json!({"tos_uri#en": "https://evil.example/"}),
        ),
        (
            json!({"policy_uri": "https://bank.example/"}),
            json!({"policy_uri#en": "https://evil.example/"}),
        ),
        (
            json!({"organization_name": "Bank"}),
            json!({"organization_name#en": "Evil"}),
        ),
        (
            json!({"redirect_uris": ["https://bank.example/cb"]}),
            json!({"redirect_uris_regex": ".*"}),
        ),
        (
            json!({"id_token_signed_response_alg": "ES256"}),
            json!({"id_token_signing_alg_values_supported": ["RS256"]}),
        ),
        (
            json!({"scope": "openid"}),
            json!({"spontaneous_scopes": [".*"], "allow_spontaneous_scopes": true}),
        ),
    ];
    for (claims, asked) in cases {
        let settings = with(names.clone(), json!({"redirectUrisRegexEnabled": true}));
        let body = registered(settings, claims.clone(), asked.clone())
            .await
            .unwrap_or_else(|error| panic!("{claims}: {error:?}"));
        for name in asked.as_object().unwrap().keys() {
            let is_default = name == "client_name" && body[name] == "K";
            assert!(
                body.get(name).is_none_or(|value| value != &asked[name]) || is_default,
                "{claims} {name}: {body}"
            );
        }
        for (name, value) in claims.as_object().unwrap() {
            let member = name.strip_prefix("software_").unwrap_or(name);
            assert_eq!(&body[member], value, "{claims}");
        }
    }
}

#[tokio::test]
async fn languages_of_the_statement_itself_are_kept() {
    let claims = json!({"client_name": "Bank", "client_name#fr": "Banque"});
    let asked = json!({"client_name#fr": "Mal", "client_name#en": "Evil", "tos_uri#en": "https://client.example.org/"});
    let body = registered(json!({}), claims, asked).await.unwrap();
    assert_eq!(
        (&body["client_name"], &body["client_name#fr"]),
        (&json!("Bank"), &json!("Banque"))
    );
    assert_eq!(
        (body.get("client_name#en"), &body["tos_uri#en"]),
        (None, &json!("https://client.example.org/"))
    );
}

#[tokio::test]
async fn a_mapped_claim_takes_precedence_over_the_request() {
    let names = json!({"softwareStatementClaims": {"software_client_name": "client_name", "software_scope": "scope"}});
    let claims = json!({"software_client_name": "Vouched", "software_scope": "openid"});
    let body = registered(names.clone(), claims, json!({"scope": "openid profile"}))
        .await
        .unwrap();
    assert_eq!(
        (&body["client_name"], &body["scope"]),
        (&json!("Vouched"), &json!("openid"))
    );
    // A claim with the name of the member takes precedence over a mapped one.
    let claims = json!({"software_client_name": "Second", "client_name": "First"});
    assert_eq!(
        registered(names, claims, json!({})).await.unwrap()["client_name"],
        "First"
    );
}

#[tokio::test]
async fn an_issuer_cannot_grant_other_scopes_by_a_mapped_claim() {
    let issuer = issuer();
    let entry = json!({"scopes": ["openid"]});
    let settings = with(
        crate::statements::builtin(&issuer, entry),
        json!({"softwareStatementClaims": {"software_scope": "scope"}, "dynamicRegistrationScopesParamEnabled": false}),
    );
    let server = TestServer::registering(settings).await;
    let client = server
        .register(&request(
            &issuer.token(json!({"software_scope": "openid email"})),
        ))
        .await;
    assert_eq!(client.body["scope"], "openid");
    // If no scope is left, the scope of the request does not return.
    let none = with(
        request(&issuer.token(json!({"software_scope": "email"}))),
        json!({"scope": "email"}),
    );
    assert_eq!(server.register(&none).await.body.get("scope"), None);
}

#[tokio::test]
async fn redirect_uris_are_those_of_the_statement_or_a_subset() {
    let (a, b, c) = (
        "https://vouched.example/a",
        "https://vouched.example/b",
        "https://vouched.example/c",
    );
    let cases = [
        ("replace", json!([a]), Ok(json!([a, b]))),
        ("replace", json!([c]), Ok(json!([a, b]))),
        ("replace", json!(null), Ok(json!([a, b]))),
        ("subset", json!([a]), Ok(json!([a]))),
        ("subset", json!([b, a]), Ok(json!([b, a]))),
        ("subset", json!(null), Ok(json!([a, b]))),
        ("subset", json!(""), Ok(json!([a, b]))),
        ("subset", json!([c]), Err("redirect_uris[0]")),
        (
            "subset",
            json!([a, c, "https://vouched.example/A"]),
            Err("redirect_uris[2]"),
        ),
        ("subset", json!([format!("{a}/")]), Err("redirect_uris[0]")),
        ("subset", json!([5]), Err("redirect_uris[0]")),
        ("subset", json!(c), Err("redirect_uris[0]")),
        ("subset", json!([]), Err("redirect_uris")),
    ];
    for claim in ["redirect_uris", "software_redirect_uris"] {
        let issuer = issuer();
        for (mode, asked, expected) in &cases {
            let settings = json!({
                "softwareStatementRedirectUris": mode,
                "softwareStatementClaims": {"software_redirect_uris": "redirect_uris"},
            });
            let server = knowing(&issuer, settings).await;
            let body = with(
                request(&issuer.token(json!({claim: [a, b]}))),
                json!({"redirect_uris": asked}),
            );
            let answer = server.post(&body).await;
            match expected {
                Ok(uris) => {
                    assert_eq!(answer.status, 201, "{mode} {asked}: {}", answer.text);
                    assert_eq!(&answer.body["redirect_uris"], uris, "{mode} {asked}");
                }
                Err(place) => {
                    answer.expect_error(400, &["invalid_redirect_uri", "invalid_client_metadata"]);
                    assert!(
                        answer.text.contains(place),
                        "{mode} {asked}: {}",
                        answer.text
                    );
                    server.expect_empty().await;
                }
            }
        }
    }
}
