//! Documents of clients that this server publishes (OAuth Client ID Metadata Document).

mod admission;

use serde_json::{Value, json};

use crate::support::{Answer, Registered, TestServer, minimal, registering, with};
use crate::transfer;

const ISSUER: &str = "https://register.example.org";
const BASE: &str = "https://clients.example.org";

/// Starts a server with an `https` issuer that publishes documents on a host of their own.
async fn publishing(members: Value) -> TestServer {
    TestServer::configured(|configuration| {
        configuration.settings.server.issuer = Some(ISSUER.to_owned());
        configuration.settings.documents.base = Some(BASE.to_owned());
        registering(
            configuration,
            with(json!({"hostedClientDocuments": "any"}), members),
        );
    })
    .await
}

/// Returns a registration of a public client that asks for a document.
fn public() -> Value {
    let asks = json!({"token_endpoint_auth_method": "none", "client_document": true});
    with(minimal(), asks)
}

/// Returns `client` with the management URL at which the test reaches the server.
fn reachable(client: Registered) -> Registered {
    let uri = client.uri.strip_prefix(ISSUER).unwrap().to_owned();
    Registered { uri, ..client }
}

async fn register(server: &TestServer, body: &Value) -> Registered {
    reachable(server.register(body).await)
}

/// Returns an update that repeats the registered metadata, with `more`.
fn again(client: &Registered, more: Value) -> Value {
    let mut body = client.body.clone();
    let members = body.as_object_mut().unwrap();
    for name in [
        "registration_access_token",
        "registration_client_uri",
        "client_secret_expires_at",
        "client_id_issued_at",
    ] {
        members.remove(name);
    }
    with(body, more)
}

/// Prepares a request for the document of `client` at the path behind a proxy.
fn asked(server: &TestServer, method: &str, client: &Registered) -> reqwest::RequestBuilder {
    server.ask(method, &format!("/clients/{}", client.id))
}

async fn document(server: &TestServer, client: &Registered) -> Answer {
    let answer = Answer::of(asked(server, "GET", client)).await;
    answer.expect_status(200);
    answer
}

#[track_caller]
fn expect_nothing(answer: &Answer) {
    answer.expect_error(404, &["not_found"]);
    assert_eq!(answer.text, NOTHING);
}

const NOTHING: &str = r#"{"error":"not_found","error_description":"no endpoint at this path"}"#;

#[tokio::test]
async fn a_client_gets_a_document_with_what_it_registered() {
    let server = publishing(json!({})).await;
    let more = json!({"client_name#de": "KK", "scope": "openid", "lifetime": 600, "x_unknown": 1});
    let client = register(&server, &with(public(), more)).await;
    let url = format!("{BASE}/{}", client.id);
    assert_eq!(client.body["client_document_uri"], json!(url));
    assert_eq!(client.body.get("client_document"), None);

    let answer = document(&server, &client).await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("x-robots-tag"), "noindex");
    assert!(!answer.headers.contains_key("last-modified"));
    assert!(!answer.headers.contains_key("pragma"));
    let expected = format!(
        concat!(
            r#"{{"client_id":"{}","client_name":"K","client_name#de":"KK","#,
            r#""redirect_uris":["https://client.example.org/cb"],"token_endpoint_auth_method":"none","#,
            r#""token_endpoint_auth_methods_supported":["none"],"grant_types":["authorization_code"],"#,
            r#""response_types":["code"],"scope":"openid","application_type":"web","#,
            r#""subject_type":"public","id_token_signed_response_alg":"RS256"}}"#,
        ),
        url
    );
    assert_eq!(answer.text, expected);

    let read = server.read(&client).await;
    assert_eq!(read.member("client_document_uri"), &json!(url));
    let shown = server
        .called("GET", &format!("/admin/v1/clients/{}", client.id))
        .await;
    assert_eq!(shown.member("client_document_uri"), &json!(url));
    assert_eq!(shown.body["metadata"].get("client_document"), None);
}

#[tokio::test]
async fn a_document_has_one_url_and_is_only_read() {
    let server = publishing(json!({})).await;
    let client = register(&server, &public()).await;
    for (path, expected) in [
        (format!("/clients/{}?", client.id), 404),
        (format!("/clients/{}?a=b", client.id), 404),
        (format!("/clients/{}/", client.id), 404),
        (format!("/clients/{}", client.id.to_uppercase()), 404),
        (
            format!("/clients/%{:x}{}", client.id.as_bytes()[0], &client.id[1..]),
            404,
        ),
        (format!("/clients/{}", client.id), 200),
    ] {
        let answer = Answer::of(server.ask("GET", &path)).await;
        assert_eq!(answer.status, expected, "{path}");
    }
    let query = Answer::of(server.ask("GET", &format!("/clients/{}?a", client.id))).await;
    expect_nothing(&query);
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let answer = Answer::of(asked(&server, method, &client)).await;
        answer.expect_error(405, &["method_not_allowed"]);
        assert_eq!(answer.header("allow"), "GET, HEAD, OPTIONS");
    }
    let whole = document(&server, &client).await;
    let head = Answer::of(asked(&server, "HEAD", &client)).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    for name in ["etag", "cache-control", "content-type"] {
        assert_eq!(head.header(name), whole.header(name));
    }
}

#[tokio::test]
async fn a_known_document_is_not_sent_again() {
    let server = publishing(json!({"hostedClientDocumentSeconds": 60})).await;
    let client = register(&server, &public()).await;
    let first = document(&server, &client).await;
    let tag = first.header("etag").to_owned();
    for known in [tag.clone(), format!("W/{tag}"), "*".to_owned()] {
        let request = asked(&server, "GET", &client).header("if-none-match", known);
        let answer = Answer::of(request).await;
        assert_eq!((answer.status, answer.text.as_str()), (304, ""));
        assert_eq!(answer.header("etag"), tag);
        assert_eq!(answer.header("cache-control"), "public, max-age=60");
    }
    let renamed = again(&client, json!({"client_name": "Other"}));
    server.update(&client, &renamed).await.expect_status(200);
    let request = asked(&server, "GET", &client).header("if-none-match", &tag);
    let answer = Answer::of(request).await;
    assert_eq!(
        (answer.status, answer.member("client_name")),
        (200, &json!("Other"))
    );
    assert_ne!(answer.header("etag"), tag);
}

#[tokio::test]
async fn a_document_has_the_same_bytes_after_a_restart() {
    let first = publishing(json!({})).await;
    let keyed = json!({
        "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://client.example.org/jwks",
        "client_document": true, "contacts": ["a@client.example.org"],
    });
    let client = register(&first, &with(minimal(), keyed)).await;
    let before = document(&first, &client).await;
    assert_eq!(
        before.member("token_endpoint_auth_methods_supported"),
        &json!(["private_key_jwt"])
    );
    let data = first.folder.path().join("data");
    let kept = first.stop_and_keep().await;
    let second = TestServer::configured(|configuration| {
        configuration.settings.server.issuer = Some(ISSUER.to_owned());
        configuration.settings.documents.base = Some(BASE.to_owned());
        configuration.settings.store.url = format!("sled:{}", data.display()).into();
        registering(configuration, json!({"hostedClientDocuments": "any"}));
    })
    .await;
    let after = document(&second, &client).await;
    assert_eq!(after.text, before.text);
    assert_eq!(after.header("etag"), before.header("etag"));
    drop(kept);
}

#[tokio::test]
async fn the_host_of_documents_has_nothing_else() {
    let server = publishing(json!({})).await;
    let client = register(&server, &public()).await;
    let at = |path: &str| {
        let request = server.ask("GET", path);
        request.header("host", "clients.example.org")
    };
    let answer = Answer::of(at(&format!("/{}", client.id))).await;
    answer.expect_status(200);
    assert_eq!(answer.text, document(&server, &client).await.text);
    for path in [
        &format!("/{}?a", client.id),
        "/",
        "/register",
        "/healthz",
        "/jwks",
        "/.well-known/openid-configuration",
        "/clients/x",
    ] {
        expect_nothing(&Answer::of(at(path)).await);
    }
    let answer = Answer::of(server.ask("GET", &format!("/{}", client.id))).await;
    expect_nothing(&answer);
}

#[tokio::test]
async fn without_a_host_of_their_own_documents_are_below_the_issuer() {
    let server = TestServer::configured(|configuration| {
        let issuer = "https://as.example.org/tenant";
        configuration.settings.server.issuer = Some(issuer.to_owned());
        configuration.settings.server.paths.client_documents = "/apps".to_owned();
        registering(configuration, json!({"hostedClientDocuments": "any"}));
    })
    .await;
    let client = server.register(&public()).await;
    let url = format!("https://as.example.org/tenant/apps/{}", client.id);
    assert_eq!(client.body["client_document_uri"], json!(url));
    for path in ["/tenant/apps", "/apps"] {
        let answer = Answer::of(server.ask("GET", &format!("{path}/{}", client.id))).await;
        assert_eq!(
            (answer.status, answer.member("client_id")),
            (200, &json!(url))
        );
    }
}

#[tokio::test]
async fn a_document_ends_with_its_client() {
    let server = publishing(json!({})).await;
    let deleted = register(&server, &public()).await;
    document(&server, &deleted).await;
    server.delete(&deleted).await.expect_status(204);
    let disabled = register(&server, &public()).await;
    let path = format!("/admin/v1/clients/{}", disabled.id);
    let disable = server.administrate("PUT", &path).await;
    let body = again(&disabled, json!({"disabled": true}));
    Answer::of(disable.json(&body)).await.expect_status(200);
    let expired = register(&server, &with(public(), json!({"lifetime": 60}))).await;
    let without = register(&server, &with(public(), json!({"client_document": false}))).await;
    assert_eq!(without.body.get("client_document_uri"), None);
    document(&server, &expired).await;
    server.clock.advance(60);
    for client in [&deleted, &disabled, &expired, &without] {
        expect_nothing(&Answer::of(asked(&server, "GET", client)).await);
    }
    expect_nothing(&Answer::of(server.ask("GET", "/clients/x")).await);
}

#[tokio::test]
async fn a_withdrawn_document_never_comes_back() {
    let server = publishing(json!({})).await;
    let client = register(&server, &with(public(), json!({"client_document": null}))).await;
    assert_eq!(client.body.get("client_document_uri"), None);
    let on = again(&client, json!({"client_document": true}));
    let answer = server.update(&client, &on).await;
    answer.expect_status(200);
    assert!(answer.member("client_document_uri").is_string());
    document(&server, &client).await;
    // An update that does not mention the document keeps it.
    let answer = server.update(&client, &again(&client, json!({}))).await;
    assert!(answer.member("client_document_uri").is_string());
    let off = again(&client, json!({"client_document": false}));
    let answer = server.update(&client, &off).await;
    answer.expect_status(200);
    assert_eq!(answer.member("client_document_uri"), &Value::Null);
    expect_nothing(&Answer::of(asked(&server, "GET", &client)).await);
    let answer = server.update(&client, &on).await;
    answer.expect_bad_metadata("client_document: cannot be true again");
    server.update(&client, &off).await.expect_status(200);
    expect_nothing(&Answer::of(asked(&server, "GET", &client)).await);
}

#[tokio::test]
async fn documents_are_withheld_while_the_operator_disables_them() {
    let server = publishing(json!({})).await;
    let client = register(&server, &public()).await;
    let patched = |value: &'static str| {
        let operation = json!([{"op": "replace", "path": "/registration/hostedClientDocuments", "value": value}]);
        let server = &server;
        async move {
            let request = server.administrate("PATCH", "/admin/v1/config").await;
            let request = request.header("content-type", "application/json-patch+json");
            let answer = Answer::of(request.body(operation.to_string())).await;
            answer.expect_status(200);
        }
    };
    patched("off").await;
    expect_nothing(&Answer::of(asked(&server, "GET", &client)).await);
    let read = server.read(&client).await;
    assert_eq!(read.member("client_document_uri"), &Value::Null);
    // The client keeps the mark, so that the document appears again.
    server
        .update(&client, &again(&client, json!({})))
        .await
        .expect_status(200);
    patched("token").await;
    document(&server, &client).await;
}

#[tokio::test]
async fn custom_attributes_are_published_if_the_operator_names_them() {
    let server = publishing(json!({
        "dynamicRegistrationCustomAttributes": ["x_open", "x_internal"],
        "hostedClientDocumentAttributes": ["x_open"],
    }))
    .await;
    let more = json!({"x_open": {"a": 1}, "x_internal": 2, "groups": ["g"]});
    let client = register(&server, &with(public(), more)).await;
    let answer = document(&server, &client).await;
    assert_eq!(answer.member("x_open"), &json!({"a": 1}));
    assert_eq!(answer.member("x_internal"), &Value::Null);
    assert_eq!(answer.member("groups"), &Value::Null);
}

#[tokio::test]
async fn publication_and_withdrawal_are_in_the_audit_log() {
    let server = publishing(json!({})).await;
    let begin = server.last_event().await;
    let client = register(&server, &public()).await;
    server
        .update(&client, &again(&client, json!({"client_name": "L"})))
        .await
        .expect_status(200);
    let off = again(&client, json!({"client_document": false}));
    server.update(&client, &off).await.expect_status(200);
    let other = register(&server, &public()).await;
    server.delete(&other).await.expect_status(204);
    let events = server.events(begin).await;
    let seen: Vec<&str> = events
        .iter()
        .map(|event| event["action"].as_str().unwrap())
        .collect();
    assert_eq!(
        seen,
        [
            "client_created",
            "document_published",
            "client_updated",
            "client_updated",
            "document_withdrawn",
            "client_created",
            "document_published",
            "client_deleted",
            "document_withdrawn",
        ]
    );
    assert_eq!(events[1]["subject"], json!(client.id));
    let url = format!("{BASE}/{}", client.id);
    assert_eq!(events[1]["details"]["url"], json!(url));
}

#[tokio::test]
async fn a_document_moves_with_its_client() {
    let source = publishing(json!({})).await;
    let published = register(&source, &public()).await;
    let withdrawn = register(&source, &public()).await;
    let off = again(&withdrawn, json!({"client_document": false}));
    source.update(&withdrawn, &off).await.expect_status(200);
    let lines = transfer::export(&source).await;
    let target = publishing(json!({})).await;
    transfer::import(&target, "", lines.clone())
        .await
        .expect_status(200);
    assert_eq!(
        document(&target, &published).await.text,
        document(&source, &published).await.text
    );
    let on = again(&withdrawn, json!({"client_document": true}));
    let answer = target.update(&withdrawn, &on).await;
    answer.expect_bad_metadata("client_document: cannot be true again");

    // An identifier of another server may not fit in a URL.
    let odd = lines.replace(&published.id, "an/id");
    let answer = transfer::import(&target, "?existing=skip", odd.clone()).await;
    answer.expect_error(400, &["invalid_import"]);
    let without = odd.replace(r#","hosted_document":"published""#, "");
    transfer::import(&target, "?existing=skip", without)
        .await
        .expect_status(200);
    let on = with(public(), json!({"client_id": "an/id"}));
    let request = target
        .administrate("PUT", "/admin/v1/clients/an%2Fid")
        .await;
    let answer = Answer::of(request.json(&on)).await;
    answer.expect_bad_metadata("the client_id of this client cannot be a part of a URL");
}
