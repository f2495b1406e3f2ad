//! Administrators that authenticate with a key: `private_key_jwt` with `jwks` and with `jwks_uri`.

use registrar::clock::Clock as _;
use registrar::testing::Algorithm;
use serde_json::{Value, json};

use crate::administrators::ALL;
use crate::support::{
    Answer, GRANT, Origin, Registered, Reply, Signer, TestServer, fetches_locally, form,
};

/// Returns the answer to a token request of `robot` with an assertion by `signer`.
async fn assert_key(server: &TestServer, robot: &Registered, signer: &Signer, jti: &str) -> Answer {
    let now = server.clock.now().unix();
    let claims = json!({
        "iss": robot.id, "sub": robot.id, "aud": server.server().url(), "jti": jti,
        "iat": now, "exp": now + 300,
    });
    let assertion = signer.raw(&json!({}), claims);
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let shown = [
        GRANT,
        ("client_assertion_type", kind),
        ("client_assertion", &assertion),
    ];
    Answer::of(form(server.ask("POST", "/token"), &shown)).await
}

#[tokio::test]
async fn an_administrator_authenticates_with_its_key() {
    let server = TestServer::new().await;
    let (old, new) = (
        Signer::new("", Algorithm::Es256),
        Signer::new("", Algorithm::Es256),
    );
    let robot = server
        .appoint(json!({"scopes": ["audit.read"], "jwks": old.jwks()}))
        .await;
    assert_eq!(robot.body["client_secret"], Value::Null);
    assert_eq!(robot.body["token_endpoint_auth_method"], "private_key_jwt");
    let signed_in = assert_key(&server, &robot, &old, "1").await;
    signed_in.expect_status(200);
    assert_key(&server, &robot, &new, "2")
        .await
        .expect_error(401, &["invalid_client"]);
    let changed = server
        .patch_admin(&robot.id, json!({"jwks": new.jwks()}))
        .await;
    changed.expect_status(200);
    let token = signed_in.member("access_token").as_str().unwrap();
    let audit = server.call_as(token, "GET", "/admin/v1/audit", None).await;
    audit.expect_error(401, &["invalid_token"]);
    assert_key(&server, &robot, &old, "3")
        .await
        .expect_error(401, &["invalid_client"]);
    assert_key(&server, &robot, &new, "4")
        .await
        .expect_status(200);
    let admin = server.administrator_token().await;
    let rotate = format!("{ALL}/{}/rotate", robot.id);
    let answer = server.call_as(&admin, "POST", &rotate, None).await;
    answer.expect_error(400, &["invalid_request"]);
}

#[tokio::test]
async fn the_keys_of_an_administrator_are_fetched_from_its_jwks_uri() {
    let server = TestServer::configured(fetches_locally).await;
    let origin = Origin::new().await;
    let (old, new) = (
        Signer::new("", Algorithm::Es256),
        Signer::new("", Algorithm::Es256),
    );
    let url = origin.at("/jwks", Reply::json(old.jwks()));
    let robot = server
        .appoint(json!({"scopes": ["audit.read"], "jwks_uri": url}))
        .await;
    assert_eq!(robot.body["client_secret"], Value::Null);
    assert_eq!(robot.body["jwks_uri"], json!(url));
    let signed_in = assert_key(&server, &robot, &old, "1").await;
    let token = signed_in.member("access_token").as_str().unwrap();
    let audit = server.call_as(token, "GET", "/admin/v1/audit", None).await;
    audit.expect_status(200);
    assert_key(&server, &robot, &new, "2")
        .await
        .expect_error(401, &["invalid_client"]);
    // An administrator with a URL replaces its keys there.
    origin.set("/jwks", Reply::json(new.jwks()));
    server.clock.advance(3_600);
    assert_key(&server, &robot, &new, "3")
        .await
        .expect_status(200);
    assert_key(&server, &robot, &old, "4")
        .await
        .expect_error(401, &["invalid_client"]);
}
