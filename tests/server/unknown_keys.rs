//! Thousands of unknown keys: unauthenticated input costs a limited number of fetches and limited memory.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{StreamExt as _, stream};
use registrar::testing::Algorithm;
use serde_json::{Value, json};

use crate::support::{
    Origin, Reply, START, Signer, TestServer, fetches_locally, minimal, registering, with,
};

/// Number of simultaneous requests.
const AT_ONCE: usize = 32;

/// Number of statements. Ten thousand would take ten times as long in a debug build and show the same.
const STATEMENTS: usize = 1_000;

/// Returns an unsigned statement of `iss` that names the key `kid`.
fn naming(iss: &str, kid: &str) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signature = URL_SAFE_NO_PAD.encode([7; 64]);
    format!(
        "{}.{}.{signature}",
        part(json!({"alg": "ES256", "kid": kid})),
        part(json!({"iss": iss, "iat": START}))
    )
}

fn request(statement: &str) -> Value {
    with(minimal(), json!({"software_statement": statement}))
}

async fn server(members: Value) -> TestServer {
    TestServer::configured(|configuration| {
        fetches_locally(configuration);
        configuration.settings.fetch.keys_cached = 16;
        registering(configuration, members);
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_unknown_keys_cause_one_more_fetch_in_the_interval() {
    let (issuer, origin) = (
        Signer::new("https://directory.example", Algorithm::Es256),
        Origin::new().await,
    );
    let url = origin.at(
        "/jwks",
        Reply::json(issuer.jwks()).header("cache-control", "max-age=80000"),
    );
    let entry = json!({"id": "1", "type": "SSA", "issuers": [issuer.iss], "jwksUri": url});
    let members =
        json!({"softwareStatementValidationType": "builtin", "dcrSsaValidationConfigs": [entry]});
    let server = server(members).await;
    server.register(&request(&issuer.token(json!({})))).await;
    let refuse = async |from: usize, count: usize| {
        let all = stream::iter(from..from + count).map(|number| {
            let statement = naming(&issuer.iss, &format!("unknown-{number}"));
            let server = &server;
            async move {
                server
                    .post(&request(&statement))
                    .await
                    .expect_error(400, &["invalid_software_statement"]);
            }
        });
        all.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    };
    refuse(0, STATEMENTS / 2).await;
    assert_eq!(origin.hits("/jwks"), 2, "the first fetch and one refetch");
    server.clock.advance(29);
    refuse(STATEMENTS / 2, STATEMENTS * 4 / 10).await;
    assert_eq!(
        origin.hits("/jwks"),
        2,
        "no refetch before the interval is over"
    );
    server.clock.advance(1);
    refuse(STATEMENTS * 9 / 10, STATEMENTS / 10).await;
    assert_eq!(origin.hits("/jwks"), 3, "one refetch per interval");
    server.register(&request(&issuer.token(json!({})))).await;
    assert_eq!(origin.hits("/jwks"), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_sets_named_by_unauthenticated_clients_take_a_limited_number_of_slots() {
    let (stranger, origin) = (
        Signer::new("https://stranger.example", Algorithm::Es256),
        Origin::new().await,
    );
    let members = json!({
        "softwareStatementValidationType": "jwks_uri", "softwareStatementValidationClaimName": "keys",
    });
    let server = server(members).await;
    let register = async |number: usize| {
        let path = format!("/{number}");
        let url = origin.at(&path, Reply::json(stranger.jwks()));
        server
            .register(&request(&stranger.token(json!({"keys": url}))))
            .await;
        origin.hits(&path)
    };
    for number in 0..200 {
        assert_eq!(register(number).await, 1);
    }
    // The last sixteen are cached.
    assert_eq!(register(199).await, 1);
    assert_eq!(register(0).await, 2);
}
