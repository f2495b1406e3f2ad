//! Requests of real programs, sent to the configurations that are shipped for them.
//!
//! `tests/fixtures/clients/` has the requests, one file per ecosystem. Each names its public source and
//! what its program requires of the answer. `in` lists the configurations that it is sent to: "default"
//! is `config/registrar.toml`, any other name is `examples/config/NAME.toml`.

mod case;
mod expect;

use std::collections::BTreeSet;

use self::case::Case;
use super::shipped;
use crate::support::{Answer, TestServer};

/// Sends every request for the configuration `name`, and reports the faults of all of them together.
async fn replay(name: &str) {
    let server = shipped::server(name).await;
    let mut faults = Vec::new();
    let cases: Vec<Case> = case::all()
        .into_iter()
        .filter(|case| case.is_for(name))
        .collect();
    assert!(!cases.is_empty(), "no request is for {name}");
    for case in &cases {
        let answer = send(&server, case).await;
        let found = case.expected(name).faults(case.body.as_ref(), &answer);
        faults.extend(
            found
                .into_iter()
                .map(|fault| format!("{}: {fault}", case.name)),
        );
    }
    assert!(
        faults.is_empty(),
        "{} requests, {name}:\n{}",
        cases.len(),
        faults.join("\n")
    );
}

async fn send(server: &TestServer, case: &Case) -> Answer {
    let mut request = server.ask(&case.method, &case.path);
    for (name, value) in &case.headers {
        request = request.header(name, value);
    }
    match &case.body {
        Some(body) => Answer::of(request.json(body)).await,
        None => Answer::of(request).await,
    }
}

#[tokio::test]
async fn programs_of_all_types_with_the_default_configuration() {
    replay("default").await;
}

#[tokio::test]
async fn mcp_clients() {
    replay("mcp").await;
}

#[tokio::test]
async fn matrix_clients() {
    replay("matrix").await;
}

#[tokio::test]
async fn lti_tools() {
    replay("lti").await;
}

#[tokio::test]
async fn smart_apps() {
    replay("smart").await;
}

#[tokio::test]
async fn solid_apps() {
    replay("solid").await;
}

#[test]
fn each_request_names_its_source_and_is_sent_somewhere() {
    let mut names = BTreeSet::new();
    for case in case::all() {
        assert!(
            names.insert(case.name.clone()),
            "{} exists twice",
            case.name
        );
        assert!(!case.source.is_empty(), "{} names no source", case.name);
        for name in case.configurations() {
            let known = ["default", "mcp", "matrix", "lti", "smart", "solid"].contains(&name);
            assert!(known, "{}: no test sends requests to {name}", case.name);
        }
    }
}
