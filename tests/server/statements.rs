//! Software statements (RFC 7591 section 2.3).

use registrar::config::Configuration;
use registrar::testing::Algorithm;
use serde_json::{Value, json};

use crate::support::{
    Answer, START, Signer, TestServer, fetches_locally, minimal, registering, with,
};

pub(crate) const REFUSED: &[&str] = &["invalid_software_statement"];
pub(crate) const UNAPPROVED: &[&str] = &["unapproved_software_statement"];

pub(crate) fn issuer() -> Signer {
    Signer::new("https://directory.example", Algorithm::Es256)
}

/// Starts a server that trusts `issuer`.
pub(crate) async fn knowing(issuer: &Signer, more: Value) -> TestServer {
    TestServer::registering(with(builtin(issuer, json!({})), more)).await
}

/// Returns the configuration of one issuer, with these additional members in its entry.
pub(crate) fn builtin(issuer: &Signer, entry: Value) -> Value {
    let entry = with(
        json!({"id": "directory", "type": "SSA", "issuers": [issuer.iss], "jwks": issuer.jwks()}),
        entry,
    );
    json!({"softwareStatementValidationType": "builtin", "dcrSsaValidationConfigs": [entry]})
}

/// Configures one issuer whose keys are at `url`.
pub(crate) fn keys_at(configuration: &mut Configuration, issuer: &Signer, url: &str) {
    fetches_locally(configuration);
    let entry = json!({"id": "1", "type": "SSA", "issuers": [issuer.iss], "jwksUri": url});
    let members =
        json!({"softwareStatementValidationType": "builtin", "dcrSsaValidationConfigs": [entry]});
    registering(configuration, members);
}

pub(crate) fn request(statement: &str) -> Value {
    with(minimal(), json!({"software_statement": statement}))
}

pub(crate) async fn post(server: &TestServer, statement: &str) -> Answer {
    server.post(&request(statement)).await
}

#[tokio::test]
async fn the_claims_of_the_statement_are_registered() {
    let issuer = issuer();
    let server = knowing(&issuer, json!({})).await;
    let statement = issuer.token(json!({
        "jti": "one", "sub": "s", "aud": server.url(""), "nbf": START, "software_id": "4NRB1",
        "client_name": "Named by the directory", "redirect_uris": ["https://vouched.example/cb"],
        "client_id": "chosen", "trusted_client": true, "evidence": "none", "unheard_of": 1,
    }));
    let client = server.register(&request(&statement)).await;
    assert_eq!(
        client.body["software_statement"],
        json!(statement),
        "the statement is returned byte for byte"
    );
    assert_eq!(client.body["client_name"], "Named by the directory");
    assert_eq!(
        client.body["redirect_uris"],
        json!(["https://vouched.example/cb"])
    );
    assert_eq!(client.body["software_id"], "4NRB1");
    for name in [
        "iss",
        "sub",
        "aud",
        "exp",
        "nbf",
        "iat",
        "jti",
        "evidence",
        "unheard_of",
    ] {
        assert_eq!(client.body.get(name), None, "{name}");
    }
    assert_ne!(client.body["client_id"], "chosen");
    assert_ne!(client.body["trusted_client"], true);
    assert_eq!(
        server.read(&client).await.body["software_statement"],
        json!(statement)
    );
    let provenance = server.provenance(&client).await;
    assert_eq!(provenance["trust_level"], "statement");
    assert_eq!(
        provenance["statement"],
        json!({"iss": issuer.iss, "jti": "one", "software_id": "4NRB1"})
    );
}

#[tokio::test]
async fn a_statement_that_is_not_signed_by_its_issuer_is_rejected() {
    let (issuer, other) = (
        issuer(),
        Signer::new("https://directory.example", Algorithm::Es256),
    );
    let server = knowing(&issuer, json!({})).await;
    let good = issuer.token(json!({}));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let flipped = format!(
        "{signed}.{}{}",
        if signature.starts_with('A') { "B" } else { "A" },
        &signature[1..]
    );
    let none = |alg: &str| {
        let part = |value: Value| base64url(&value.to_string());
        format!(
            "{}.{}.",
            part(json!({"alg": alg})),
            part(json!({"iss": issuer.iss}))
        )
    };
    let confused = Signer::sharing(&issuer.iss, &issuer.jwk().to_string()).token(json!({}));
    let forged = [
        flipped,
        none("none"),
        none("nOnE"),
        confused,
        other.token(json!({})),
        format!("{good}.a.b"),
    ];
    for statement in forged
        .iter()
        .map(String::as_str)
        .chain(["abc", "a.b.c", "..", " "])
    {
        let answer = post(&server, statement).await;
        answer.expect_error(400, REFUSED);
        assert!(!answer.text.contains(&good), "{}", answer.text);
    }
    server
        .post(&with(minimal(), json!({"software_statement": 5})))
        .await
        .expect_error(400, REFUSED);
    server.expect_empty().await;
}

#[tokio::test]
async fn the_issuer_must_be_named_and_known() {
    let issuer = issuer();
    let server = knowing(&issuer, json!({})).await;
    let stranger = Signer::new("https://stranger.example", Algorithm::Es256);
    post(&server, &stranger.token(json!({})))
        .await
        .expect_error(400, UNAPPROVED);
    for iss in [json!(null), json!(""), json!(5)] {
        post(&server, &issuer.token(json!({"iss": iss})))
            .await
            .expect_error(400, REFUSED);
    }
    post(&server, &issuer.raw(&json!({}), json!({"iat": START})))
        .await
        .expect_error(400, REFUSED);
}

#[tokio::test]
async fn times_and_audience_are_checked() {
    let issuer = issuer();
    let server = knowing(
        &issuer,
        json!({"softwareStatementMaximumAge": 300, "acceptedAudiences": ["bank"]}),
    )
    .await;
    let (issuer_url, endpoint) = (server.url(""), server.url("/register"));
    let cases = [
        (json!({"exp": START - 61}), false),
        (json!({"exp": START.to_string()}), false),
        (json!({"nbf": START + 120}), false),
        (json!({"iat": START + 61}), false),
        (json!({"iat": START + 5}), true),
        (json!({"iat": START - 301}), false),
        (json!({"iat": START - 299}), true),
        (json!({"aud": "https://somebody-else.example"}), false),
        (json!({"aud": ["https://somebody-else.example"]}), false),
        (json!({"aud": issuer_url}), true),
        (json!({"aud": ["x", endpoint]}), true),
        (json!({"aud": "bank"}), true),
    ];
    for (claims, is_good) in cases {
        let answer = post(&server, &issuer.token(claims.clone())).await;
        if is_good {
            assert_eq!(answer.status, 201, "{claims}: {}", answer.text);
        } else {
            answer.expect_error(400, REFUSED);
        }
    }
}

#[tokio::test]
async fn a_header_with_critical_extensions_is_rejected() {
    let issuer = issuer();
    let server = knowing(&issuer, json!({})).await;
    for header in [
        json!({"crit": ["x"]}),
        json!({"b64": false, "crit": ["b64"]}),
        json!({"b64": false}),
    ] {
        let statement = issuer.raw(&header, json!({"iss": issuer.iss}));
        post(&server, &statement).await.expect_error(400, REFUSED);
    }
}

#[tokio::test]
async fn another_token_of_the_issuer_is_not_a_statement() {
    let issuer = issuer();
    let server = knowing(&issuer, json!({})).await;
    let id_token =
        json!({"iss": issuer.iss, "sub": "u", "aud": server.url(""), "nonce": "n", "at_hash": "h"});
    let ear = json!({"iss": issuer.iss, "eat_profile": "tag:github.com,2023:veraison/ear", "submods": {"a": {}}});
    let others = [
        (json!({}), id_token),
        (
            json!({"typ": "at+jwt"}),
            json!({"iss": issuer.iss, "client_id": "c", "scope": "openid"}),
        ),
        (json!({}), ear),
    ];
    for (header, claims) in others {
        post(&server, &issuer.raw(&header, claims))
            .await
            .expect_error(400, REFUSED);
    }
    let server = knowing(
        &issuer,
        json!({"softwareStatementTyp": "software-statement+jwt"}),
    )
    .await;
    for (header, status) in [
        (json!({}), 400),
        (json!({"typ": "JWT"}), 400),
        (json!({"typ": "application/software-statement+jwt"}), 201),
        (json!({"typ": "software-statement+jwt"}), 201),
    ] {
        post(&server, &issuer.raw(&header, json!({"iss": issuer.iss})))
            .await
            .expect_status(status);
    }
}

#[tokio::test]
async fn a_statement_is_required_or_rejected_but_never_ignored() {
    let issuer = issuer();
    // The type is `script` and there is no script, so the statement cannot be verified and is rejected. If the
    // client were registered without it, the client would believe that its statement was verified.
    post(&TestServer::new().await, &issuer.token(json!({})))
        .await
        .expect_error(400, REFUSED);
    let server = knowing(&issuer, json!({"softwareStatementRequired": true})).await;
    let answer = server.post(&minimal()).await;
    answer.expect_error(400, REFUSED);
    assert!(
        answer.text.contains("software_statement: is required"),
        "{}",
        answer.text
    );
    let client = server.register(&request(&issuer.token(json!({})))).await;
    let update = with(minimal(), json!({"client_id": client.id}));
    server
        .update(&client, &update)
        .await
        .expect_error(400, REFUSED);
    let update = with(
        request(&issuer.token(json!({"client_name": "B"}))),
        json!({"client_id": client.id}),
    );
    assert_eq!(
        server.update(&client, &update).await.body["client_name"],
        "B"
    );
}

#[tokio::test]
async fn a_statement_registers_one_client_if_so_configured() {
    let issuer = issuer();
    let server = knowing(&issuer, json!({"softwareStatementSingleUse": true})).await;
    for statement in [issuer.token(json!({"jti": "j"})), issuer.token(json!({}))] {
        let bad = with(request(&statement), json!({"redirect_uris": ["http://x"]}));
        server
            .post(&bad)
            .await
            .expect_error(400, &["invalid_redirect_uri"]);
        let client = server.register(&request(&statement)).await;
        post(&server, &statement)
            .await
            .expect_error(400, UNAPPROVED);
        let own = with(request(&statement), json!({"client_id": client.id}));
        server.update(&client, &own).await.expect_status(200);
    }
    let raced = issuer.token(json!({"jti": "raced"}));
    let answers = futures_util::future::join_all((0..20).map(|_| post(&server, &raced))).await;
    assert_eq!(
        answers.iter().filter(|answer| answer.status == 201).count(),
        1
    );
    assert_eq!(
        answers.iter().filter(|answer| answer.status == 400).count(),
        19
    );
}

#[tokio::test]
async fn an_issuer_has_its_scopes_claims_and_algorithms() {
    let issuer = issuer();
    let entry = json!({"scopes": ["openid"], "allowedClaims": ["scope", "software_id"], "algorithms": ["ES256"]});
    let server = TestServer::registering(builtin(&issuer, entry)).await;
    let statement = issuer
        .token(json!({"scope": "openid profile", "software_id": "s", "client_name": "not taken"}));
    let client = server.register(&request(&statement)).await;
    assert_eq!(client.body["scope"], "openid");
    assert_eq!(
        (&client.body["software_id"], &client.body["client_name"]),
        (&json!("s"), &json!("K"))
    );
    let entry = json!({"algorithms": ["PS256"]});
    let server = TestServer::registering(builtin(&issuer, entry)).await;
    post(&server, &issuer.token(json!({})))
        .await
        .expect_error(400, REFUSED);
}

#[tokio::test]
async fn claim_names_of_a_directory_are_mapped_to_metadata() {
    let issuer = issuer();
    let claims =
        json!({"software_jwks_endpoint": "jwks_uri", "software_client_name": "client_name"});
    let server = knowing(&issuer, json!({"softwareStatementClaims": claims})).await;
    let statement = issuer.token(json!({
        "software_jwks_endpoint": "https://keystore.example/software.jwks", "software_client_name": "Named there",
    }));
    let keyed = with(
        request(&statement),
        json!({"token_endpoint_auth_method": "private_key_jwt"}),
    );
    let client = server.register(&keyed).await;
    assert_eq!(
        client.body["jwks_uri"],
        "https://keystore.example/software.jwks"
    );
    assert_eq!(
        client.body["client_name"], "Named there",
        "the statement takes precedence over the request"
    );
    let error = registrar::testing::judge(registrar::config::Live {
        registration: registrar::config::Registration {
            software_statement_claims: [("a".to_owned(), "client_secret".to_owned())].into(),
            ..registrar::config::Registration::default()
        },
        ..registrar::config::Live::default()
    });
    assert!(
        error
            .unwrap_err()
            .contains("'client_secret' is not metadata that a client may set")
    );
}

#[tokio::test]
async fn a_trusted_issuer_grants_its_scopes_and_no_others_are_accepted() {
    let issuer = issuer();
    let trusted = json!({issuer.iss.clone(): {"automaticallyGrantedScopes": ["email", "profile"]}});
    let server = knowing(
        &issuer,
        json!({"trustedSsaIssuers": trusted, "dynamicRegistrationScopesParamEnabled": false}),
    )
    .await;
    let client = server
        .register(&request(&issuer.token(json!({"scope": "profile"}))))
        .await;
    assert_eq!(client.body["scope"], "profile email");
    let others = json!({"https://another.example": {}});
    let server = knowing(&issuer, json!({"trustedSsaIssuers": others})).await;
    post(&server, &issuer.token(json!({})))
        .await
        .expect_error(400, UNAPPROVED);
}

fn base64url(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}
