//! The OpenAPI document has exactly the routes of the server.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Answer, TestServer};

async fn document(server: &TestServer) -> Value {
    let token = server.administrator_token().await;
    let answer = Answer::of(
        server
            .ask("GET", "/admin/v1/openapi.json")
            .bearer_auth(token),
    )
    .await;
    answer.expect_status(200);
    answer.body
}

/// Returns the documented methods with their paths.
fn documented(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().expect("paths");
    let operations = paths.iter().flat_map(|(path, item)| {
        let methods = item
            .as_object()
            .expect("operations")
            .keys()
            .filter(|key| *key != "servers");
        methods.map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    operations.collect()
}

/// Returns the methods that the routers of `server` answer, with their paths.
fn answered(server: &TestServer) -> BTreeSet<String> {
    let inside = server.inside();
    let mut all = BTreeSet::new();
    for router in inside.routers() {
        all.extend(routed(&router));
    }
    // The registration endpoint handles every method itself.
    let registration = &inside.settings().server.paths.registration;
    for method in ["GET", "POST", "PUT", "DELETE"] {
        all.insert(format!("{method} {registration}"));
    }
    all
}

/// Returns the routes in the debug output of a router; axum has no other way to list them.
fn routed(text: &str) -> BTreeSet<String> {
    let own = text.split("fallback_router").next().expect("a router");
    let (routes, paths) = own
        .split_once("node: Node")
        .expect("the output of a router lists its paths");
    let numbered = |part: &str| -> Vec<(String, String)> {
        let entries = part
            .split("RouteId(")
            .skip(1)
            .filter_map(|entry| entry.split_once("): "));
        entries
            .map(|(number, rest)| (number.to_owned(), rest.to_owned()))
            .collect()
    };
    let paths: Vec<(String, String)> = numbered(paths);
    assert!(
        !paths.is_empty(),
        "axum prints its routers in another form: {text}"
    );
    let mut found = BTreeSet::new();
    for (number, methods) in numbered(routes) {
        let (_, path) = paths
            .iter()
            .find(|(other, _)| *other == number)
            .expect("a path");
        let path = path.split('"').nth(1).expect("a text");
        for method in ["get", "put", "post", "patch", "delete"] {
            let (_, handler) = methods
                .split_once(&format!("{method}: "))
                .expect("a method");
            if !handler.starts_with("None") {
                found.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
    found
}

#[tokio::test]
async fn routes_of_the_admin_listener_are_documented_at_its_address() {
    for (listen, is_named) in [("127.0.0.1:0", true), ("0.0.0.0:0", false)] {
        let server = TestServer::configured(|configuration| {
            configuration.settings.admin.listen = Some(listen.parse().unwrap());
        })
        .await;
        let port = server
            .server()
            .admin_address()
            .expect("an admin listener")
            .port();
        let (origin, token) = (
            format!("http://127.0.0.1:{port}"),
            server.administrator_token().await,
        );
        let url = format!("{origin}/admin/v1/openapi.json");
        let answer = Answer::of(server.ask("GET", &url).bearer_auth(token)).await;
        answer.expect_status(200);
        let expected = if is_named { origin } else { "/".to_owned() };
        for path in ["/admin/v1/clients", "/healthz"] {
            assert_eq!(
                answer.body["paths"][path]["servers"],
                json!([{"url": expected}]),
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn every_route_is_documented_and_no_other() {
    let server = TestServer::new().await;
    let (documented, answered) = (documented(&document(&server).await), answered(&server));
    assert!(answered.len() > 20, "{answered:?}");
    let missing: Vec<_> = answered.difference(&documented).collect();
    let invented: Vec<_> = documented.difference(&answered).collect();
    assert!(
        missing.is_empty() && invented.is_empty(),
        "missing: {missing:?}; invented: {invented:?}"
    );
}

#[tokio::test]
async fn every_reference_resolves_and_every_name_is_unique() {
    let server = TestServer::new().await;
    let document = document(&server).await;
    let text = document.to_string();
    let references = text
        .split("\"$ref\":\"#")
        .skip(1)
        .map(|rest| rest.split('"').next().expect("a reference"));
    let mut seen = 0;
    for reference in references {
        assert!(document.pointer(reference).is_some(), "{reference}");
        seen += 1;
    }
    assert!(seen > 100, "{seen}");
    let items = document["paths"].as_object().expect("paths").values();
    let operations = items.flat_map(|item| item.as_object().expect("operations").values());
    let ids: Vec<&str> = operations
        .filter_map(|operation| operation["operationId"].as_str())
        .collect();
    assert_eq!(
        ids.iter().collect::<BTreeSet<_>>().len(),
        ids.len(),
        "{ids:?}"
    );
}

#[tokio::test]
async fn paths_scopes_and_servers_are_those_of_the_configuration() {
    let server = TestServer::configured(|configuration| {
        configuration.settings.server.paths.registration = "/dcr".to_owned();
        configuration.settings.server.paths.config = "/live".to_owned();
        configuration.settings.server.issuer = Some("https://as.example.org/tenant".to_owned());
        configuration.settings.admin.scopes.clients_read = "look".to_owned();
    })
    .await;
    let document = document(&server).await;
    let paths = &document["paths"];
    assert!(paths["/dcr"]["post"].is_object() && paths.get("/register").is_none());
    assert!(paths["/live"]["patch"].is_object());
    let security = &paths["/admin/v1/clients"]["get"]["security"];
    assert_eq!(*security, json!([{"administrator": ["look"]}]));
    let flow =
        &document["components"]["securitySchemes"]["administrator"]["flows"]["clientCredentials"];
    assert_eq!(flow["tokenUrl"], "https://as.example.org/tenant/token");
    assert!(flow["scopes"]["look"].is_string());
    assert_eq!(
        document["servers"],
        json!([{"url": "https://as.example.org/tenant"}])
    );
    let own = json!([{"url": "https://as.example.org"}]);
    assert_eq!(
        paths["/tenant/.well-known/openid-configuration"]["servers"],
        own
    );
    assert_eq!(
        paths["/.well-known/oauth-authorization-server/tenant"]["servers"],
        own
    );
}

#[tokio::test]
async fn an_invalid_name_is_answered_as_documented() {
    let server = TestServer::new().await;
    let token = server.administrator_token().await;
    for path in [
        "/admin/v1/clients/%FF",
        "/admin/v1/initial-access-tokens/%FF",
    ] {
        for method in ["GET", "DELETE"] {
            let answer = Answer::of(server.ask(method, path).bearer_auth(&token)).await;
            answer.expect_error(404, &["not_found"]);
        }
    }
}

#[tokio::test]
async fn a_page_begins_after_an_identifier() {
    let server = TestServer::new().await;
    let token = server.administrator_token().await;
    let answer = Answer::of(
        server
            .ask("GET", "/admin/v1/clients?after=")
            .bearer_auth(&token),
    )
    .await;
    answer.expect_error(400, &["invalid_request"]);
    assert!(
        answer.text.contains("after must be the identifier"),
        "{}",
        answer.text
    );
}
