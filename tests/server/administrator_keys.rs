//! Administrators that authenticate with a key: `private_key_jwt` with `jwks` and with `jwks_uri`.

use std::path::Path;

use registrar::clock::Clock as _;
use registrar::config::FetchSettings;
use registrar::server::{Server, Start, start};
use registrar::testing::Algorithm;
use serde_json::{Value, json};

use crate::administrator::in_folder;
use crate::administrators::ALL;
use crate::support::{
    Answer, GRANT, Origin, Registered, Reply, Signer, TestServer, development, fetches_locally,
    form,
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

/// A server that is started again with other settings.
pub(crate) struct Restarted {
    pub(crate) server: Server,
    http: reqwest::Client,
    credentials: Value,
}

impl Restarted {
    pub(crate) async fn new(folder: &Path, fetch: FetchSettings, audit_read: &str) -> Self {
        let mut configuration = in_folder(folder);
        configuration.settings.fetch = fetch;
        audit_read.clone_into(&mut configuration.settings.admin.scopes.audit_read);
        let server = start(Start::new(configuration)).await.expect("it starts");
        let file = folder.join("data/admin-credentials.json");
        Self {
            server,
            http: reqwest::Client::new(),
            credentials: serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap(),
        }
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        let request = self.http.post(format!("{}/token", self.server.url()));
        let secret = self.credentials["client_secret"].as_str();
        let request = form(request.basic_auth("administrator", secret), &[GRANT]);
        let signed_in = Answer::of(request).await;
        let token = signed_in.member("access_token").as_str().unwrap();
        let url = format!("{}{path}", self.server.url());
        let request = self.http.request(method.parse().unwrap(), url);
        Answer::of(request.bearer_auth(token).json(body)).await
    }
}

#[tokio::test]
async fn keys_that_the_rules_reject_by_now_prevent_neither_a_start_nor_other_changes() {
    let folder = tempfile::TempDir::new().unwrap();
    let before = Restarted::new(folder.path(), development(), "audit.read").await;
    let uri = "http://127.0.0.1:9/jwks";
    let wanted = json!({"name": "Robot", "all_scopes": true, "jwks_uri": uri});
    let made = before.call("POST", ALL, &wanted).await;
    made.expect_status(201);
    let robot = format!("{ALL}/{}", made.member("client_id").as_str().unwrap());
    before.server.stop().await;

    let after = Restarted::new(folder.path(), FetchSettings::default(), "a.read").await;
    let shown = after.call("GET", &robot, &Value::Null).await;
    assert_eq!(shown.member("jwks_uri"), &json!(uri));
    let scopes = shown.member("scopes").as_array().unwrap();
    assert!(scopes.contains(&json!("a.read")) && !scopes.contains(&json!("audit.read")));
    for patch in [
        json!({"name": "Robot 2"}),
        json!({"disabled": true}),
        json!({"disabled": false}),
        json!({"scopes": ["a.read"]}),
    ] {
        after.call("PATCH", &robot, &patch).await.expect_status(200);
    }
    // What the change sets is judged.
    for patch in [
        json!({"jwks_uri": "http://127.0.0.1:9/other"}),
        json!({"jwks": {"keys": []}}),
    ] {
        let answer = after.call("PATCH", &robot, &patch).await;
        answer.expect_error(400, &["invalid_request"]);
    }
    let patch = json!({"jwks": Signer::new("", Algorithm::Es256).jwks()});
    let changed = after.call("PATCH", &robot, &patch).await;
    assert_eq!(changed.member("jwks"), &patch["jwks"]);
    assert_eq!(changed.member("jwks_uri"), &Value::Null);
    after.server.stop().await;
}
