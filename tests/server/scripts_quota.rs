//! What a script reserves with `kv::reserve` is counted together with the client: exactly, and never for a request that
//! is rejected.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::statements::{builtin, issuer, post};
use crate::support::{Answer, START, TestServer, minimal, registering, with};

const QUOTA: &str = r#"
    fn quota(context) {
        if !kv::reserve("clients", 20, 86400) {
            throw #{ status: 429, error: "quota", retry_after: 86400 };
        }
        true
    }
    fn createClient(context) { quota(context) }
    fn updateClient(context) { context.client.client_name != "counted" || quota(context) }
    fn modifyReadResponse(response, context) { kv::reserve("no", 1, 60); true }
"#;
const LATER: &str = r#"
    fn createClient(context) {
        switch context.client.client_name {
            "refused" => false,
            "spoiled" => { context.client.redirect_uris = ["not a uri"]; true }
            _ => true
        }
    }
    fn modifyPostResponse(response, context) {
        if context.client.client_name == "unanswered" { throw "no answer"; }
        true
    }
"#;

async fn server() -> TestServer {
    TestServer::scripted(
        &[("10-quota.rhai", QUOTA), ("20-later.rhai", LATER)],
        |_| {},
    )
    .await
}

fn named(name: &str) -> Value {
    with(minimal(), json!({"client_name": name}))
}

/// Asserts that the quota is used up, and says when it begins anew.
fn expect_used_up(answer: &Answer) {
    assert_eq!(answer.status, 429, "{}", answer.body);
    assert_eq!(answer.header("retry-after"), "86400");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_is_exact_under_fifty_requests_at_once() {
    let server = server().await;
    let body = minimal();
    let answers = join_all((0..50).map(|_| server.post(&body))).await;
    let mut created = 0;
    for answer in &answers {
        match answer.status {
            201 => created += 1,
            _ => expect_used_up(answer),
        }
    }
    assert_eq!(created, 20);
    expect_used_up(&server.post(&body).await);
    server.clock.advance(86_400);
    server.register(&body).await;
}

/// The claims of a statement for a client of `organisation`, which is valid for two days.
fn of(organisation: &str) -> Value {
    json!({"org_id": organisation, "exp": START + 2 * 86_400})
}

/// The recipe of the manual.
#[tokio::test(flavor = "multi_thread")]
async fn the_quota_of_an_organisation_is_exact_and_ends_with_the_day() {
    let recipe = include_str!("../../examples/scripts/quota-per-organisation/80-quota.rhai");
    let issuer = issuer();
    let server = TestServer::scripted(&[("80-quota.rhai", recipe)], |configuration| {
        registering(configuration, builtin(&issuer, json!({})));
    })
    .await;
    server.clock.advance(80_000);
    for organisation in ["one", "two"] {
        let statement = issuer.token(of(organisation));
        let answers = join_all((0..50).map(|_| post(&server, &statement))).await;
        let created = answers.iter().filter(|answer| answer.status == 201);
        assert_eq!(created.count(), 20, "{organisation}");
        for answer in answers.iter().filter(|answer| answer.status != 201) {
            assert_eq!(answer.status, 429, "{}", answer.body);
            assert_eq!(answer.header("retry-after"), "6400");
        }
    }
    server.clock.advance(6_400);
    let statement = issuer.token(of("one"));
    post(&server, &statement).await.expect_status(201);
}

#[tokio::test]
async fn what_is_rejected_later_is_not_counted() {
    let server = server().await;
    for _ in 0..21 {
        for (name, status) in [("refused", 400), ("spoiled", 500), ("unanswered", 500)] {
            server.post(&named(name)).await.expect_status(status);
        }
    }
    let client = server.register(&named("first")).await;
    for number in 1..19 {
        server.register(&named(&format!("client {number}"))).await;
    }
    // An update can be counted too, once.
    let update = client.update(json!({"client_name": "counted"}));
    server.update(&client, &update).await.expect_status(200);
    expect_used_up(&server.post(&minimal()).await);
    expect_used_up(&server.update(&client, &update).await);
    server
        .read(&client)
        .await
        .expect_error(500, &["server_error"]);
}
