//! The OpenAPI document: it has every route, and no other.

use std::collections::BTreeSet;
use std::sync::Arc;

use registrar::reload::Reloads;
use registrar::{probes, routes};
use serde_json::Value;

use crate::support::{Answer, TestServer};

async fn document(server: &TestServer) -> Value {
    let token = server.administrator_token().await;
    let answer = Answer::of(server.ask("GET", "/admin/v1/openapi.json").bearer_auth(token)).await;
    answer.expect_status(200);
    answer.body
}

/// The methods that are documented, with their paths.
fn documented(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().expect("paths");
    let operations = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().expect("operations").keys().filter(|key| *key != "servers");
        methods.map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    operations.collect()
}

/// The methods that the routers of `server` answer, with their paths.
fn answered(server: &TestServer) -> BTreeSet<String> {
    let service = server.server().service();
    let operational = probes::router(Arc::clone(service), Arc::new(Reloads::default()));
    let admin = routes::admin(Arc::clone(service));
    let public = routes::public(Arc::clone(service), None);
    let mut all = BTreeSet::new();
    for router in [operational, admin, public] {
        all.extend(routed(&format!("{router:?}")));
    }
    // The registration endpoint takes every method itself.
    let registration = &service.settings.server.paths.registration;
    for method in ["GET", "POST", "PUT", "DELETE"] {
        all.insert(format!("{method} {registration}"));
    }
    all
}

/// What a router says of itself; axum has no other way to ask it.
fn routed(text: &str) -> Vec<String> {
    let (routes, paths) = text.split_once("node: Node { paths: ").expect("a router says which paths it has");
    let paths = paths.split_once('}').expect("the end of the paths").0;
    drop((routes, paths));
    panic!("{text}")
}

#[tokio::test]
async fn every_route_is_documented_and_no_other() {
    let server = TestServer::new().await;
    let (documented, answered) = (documented(&document(&server).await), answered(&server));
    assert!(answered.len() > 20, "{answered:?}");
    let missing: Vec<_> = answered.difference(&documented).collect();
    let invented: Vec<_> = documented.difference(&answered).collect();
    assert!(missing.is_empty() && invented.is_empty(), "missing: {missing:?}; invented: {invented:?}");
}
