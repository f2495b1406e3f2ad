//! The file at `sector_identifier_uri`, and the hosts from which it is never fetched.

use registrar::testing::Algorithm;
use serde_json::{Value, json};

use crate::support::{
    Canary, Origin, PATIENCE, Reply, Signer, TestServer, fetches_locally, minimal, registering,
    with,
};
use crate::trial::tried;

const A: &str = "https://a.example.org/cb";
const B: &str = "https://b.example.org/cb?x=%20";

fn pairwise(file: &str) -> Value {
    with(
        minimal(),
        json!({"subject_type": "pairwise", "redirect_uris": [A, B], "sector_identifier_uri": file}),
    )
}

/// Starts a server that fetches from loopback with a timeout of `timeout_ms`.
async fn server(timeout_ms: u64) -> TestServer {
    TestServer::configured(|configuration| {
        fetches_locally(configuration);
        configuration.settings.fetch.timeout_ms = timeout_ms;
    })
    .await
}

#[tokio::test]
async fn the_sector_file_permits_a_pairwise_client_several_hosts() {
    let (server, origin) = (server(5_000).await, Origin::new().await);
    let file = origin.at(
        "/sector",
        Reply::json(json!([B, "https://other.example.org/", A])),
    );
    let client = server.register(&pairwise(&file)).await;
    assert_eq!(client.body["sector_identifier_uri"], json!(file));
    assert_eq!(origin.hits("/sector"), 1);
    assert_eq!(
        origin.asked("/sector", "accept").as_deref(),
        Some("application/json")
    );
}

#[tokio::test]
async fn every_redirect_uri_must_be_in_the_file_character_by_character() {
    let (server, origin) = (server(5_000).await, Origin::new().await);
    let (one, both) = ("redirect_uris[0]", "redirect_uris[0], redirect_uris[1]");
    for (near, absent) in [
        (json!([B]), one),
        (json!([]), both),
        (json!(["https://A.example.org/cb", B]), one),
        (json!(["https://a.example.org/cb/", B]), one),
        (json!(["https://a.example.org:443/cb", B]), one),
    ] {
        let file = origin.at("/sector", Reply::json(near));
        server
            .post(&pairwise(&file))
            .await
            .expect_bad_metadata(&format!("{absent}: must be in the file"));
    }
    // This also applies to a client that is not pairwise, since it names a sector.
    let public = with(
        minimal(),
        json!({"sector_identifier_uri": origin.url("/sector")}),
    );
    server
        .post(&public)
        .await
        .expect_bad_metadata("redirect_uris[0]");
}

/// A closed port, a silent port and other failures have the same text, so that it does not disclose
/// which ports are open.
const UNREACHABLE: &str = "the host is unreachable or did not send a complete answer in time";

#[tokio::test]
async fn an_unusable_file_rejects_the_client() {
    let (server, origin, canary) = (server(2_000).await, Origin::new().await, Canary::new());
    let inside = format!("http://127.0.0.1:{}/", canary.port());
    let array = json!([A, B]).to_string();
    let bad = [
        (Reply::status(404), "status 404"),
        (Reply::json(json!([A, B])).with_status(203), "status 203"),
        (Reply::json(json!([A, B])).with_status(500), "status 500"),
        (Reply::text("text/html", "<html></html>"), "content type"),
        (Reply::text("text/html", array.as_str()), "content type"),
        (
            Reply::text("application/json", "<html></html>"),
            "one JSON value",
        ),
        (
            Reply::text("application/json", format!("{array} {array}")),
            "one JSON value",
        ),
        (Reply::text("application/json", ""), "one JSON value"),
        (
            Reply::text("application/json", "[".repeat(100_000)),
            "one JSON value",
        ),
        (Reply::json(json!({"uris": [A, B]})), "array of strings"),
        (Reply::json(json!([A, B, 1])), "array of strings"),
        (Reply::json(json!(A)), "array of strings"),
        (Reply::endless(), "larger than 262144 bytes"),
        (
            Reply::json(json!([A, B])).header("x", "y".repeat(40_000)),
            "larger than 32768 bytes",
        ),
        (
            Reply::json(json!([A, B]))
                .with_status(302)
                .header("location", inside.as_str()),
            "redirect",
        ),
        (
            Reply::status(307).header("location", origin.url("/good")),
            "redirect",
        ),
    ];
    origin.set("/good", Reply::json(json!([A, B])));
    for (reply, words) in bad {
        let answer = server.post(&pairwise(&origin.at("/sector", reply))).await;
        answer.expect_bad_metadata("sector_identifier_uri: ");
        answer.expect_bad_metadata(words);
    }
    assert!(
        origin.sent() < 16 * 1024 * 1024,
        "{} bytes were read",
        origin.sent()
    );
    assert_eq!(origin.hits("/good"), 0);
    canary.expect_untouched();
    server
        .post(&pairwise(&origin.url("/good")))
        .await
        .expect_status(201);
}

#[tokio::test]
async fn a_server_that_hangs_costs_only_the_timeout() {
    let (server, origin) = (server(200).await, Origin::new().await);
    let file = origin.at("/sector", Reply::never());
    let body = pairwise(&file);
    let answer = tokio::time::timeout(PATIENCE, server.post(&body));
    answer.await.unwrap().expect_bad_metadata(UNREACHABLE);
    let nobody = Canary::new();
    let file = format!("http://127.0.0.1:{}/", nobody.port());
    drop(nobody);
    server
        .post(&pairwise(&file))
        .await
        .expect_bad_metadata(UNREACHABLE);
}

#[tokio::test]
async fn an_update_is_checked_against_the_current_file() {
    let (server, origin) = (server(5_000).await, Origin::new().await);
    let file = origin.at("/sector", Reply::json(json!([A, B])));
    let client = server.register(&pairwise(&file)).await;
    server
        .update(&client, &client.update(json!({})))
        .await
        .expect_status(200);
    assert_eq!(origin.hits("/sector"), 2);
    origin.set("/sector", Reply::json(json!([B])));
    server
        .update(&client, &client.update(json!({})))
        .await
        .expect_bad_metadata("redirect_uris[0]");
    assert_eq!(
        server.read(&client).await.body["redirect_uris"],
        json!([A, B])
    );
    server
        .update(&client, &client.update(json!({"redirect_uris": [B]})))
        .await
        .expect_status(200);
}

#[tokio::test]
async fn redirect_uris_set_by_a_script_must_be_in_the_file_too() {
    let script = r#"
        fn createClient(context) {
            let uris = context.client.redirect_uris;
            if context.client.client_name == "more" { uris.push("https://c.example.org/cb"); }
            context.client.redirect_uris = uris;
            true
        }
    "#;
    let server = TestServer::scripted(&[("10.rhai", script)], fetches_locally).await;
    let origin = Origin::new().await;
    let file = origin.at("/sector", Reply::json(json!([A, B])));
    server.post(&pairwise(&file)).await.expect_status(201);
    assert_eq!(origin.hits("/sector"), 1);
    let more = with(pairwise(&file), json!({"client_name": "more"}));
    server
        .post(&more)
        .await
        .expect_error(500, &["server_error"]);
    origin.set(
        "/sector",
        Reply::json(json!([A, B, "https://c.example.org/cb"])),
    );
    server.post(&more).await.expect_status(201);
}

/// Returns URLs in all spellings that lead to `port` on this machine or in its network.
fn inside(port: u16) -> Vec<String> {
    let hosts = [
        "127.0.0.1",
        "127.1",
        "127.0.0.1.",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "017700000001",
        "0177.0x0.1",
        "0.0.0.0",
        "0",
        "[::1]",
        "[::]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "localhost",
        "localhost.",
        "LocalHost",
        "a.localhost",
        "%31%32%37.0.0.1",
        "a.example@127.0.0.1",
        "127.0.0.1\\@a.example",
        "169.254.169.254",
        "metadata.google.internal",
        "10.0.0.1",
        "intranet",
    ];
    let urls = hosts.iter().flat_map(|host| {
        [
            format!("https://{host}:{port}/"),
            format!("http://{host}:{port}/"),
            format!("https://{host}/"),
        ]
    });
    urls.collect()
}

#[tokio::test]
async fn a_client_cannot_make_the_server_fetch_from_its_own_network() {
    let (server, canary) = (TestServer::new().await, Canary::new());
    for url in inside(canary.port()) {
        for member in ["sector_identifier_uri", "jwks_uri"] {
            let answer = server.post(&with(minimal(), json!({member: url}))).await;
            answer.expect_bad_metadata(&format!("{member}: "));
            canary.expect_untouched();
        }
    }
}

/// Configures statements that name the URL of their own keys in the claim `keys`.
fn own_keys(configuration: &mut registrar::config::Configuration) {
    let members = json!({
        "softwareStatementValidationType": "jwks_uri", "softwareStatementValidationClaimName": "keys",
    });
    registering(configuration, members);
}

#[tokio::test]
async fn a_statement_cannot_make_the_server_fetch_from_its_own_network() {
    let (server, canary) = (TestServer::configured(own_keys).await, Canary::new());
    let signer = Signer::new("https://signer.example", Algorithm::Es256);
    for url in inside(canary.port()) {
        let statement = signer.token(json!({ "keys": url }));
        let answer = server
            .post(&with(minimal(), json!({ "software_statement": statement })))
            .await;
        answer.expect_error(400, &["invalid_software_statement"]);
        canary.expect_untouched();
    }
}

#[tokio::test]
async fn keys_behind_a_redirect_into_the_network_are_not_fetched() {
    let (origin, canary) = (Origin::new().await, Canary::new());
    let server = TestServer::configured(|configuration| {
        own_keys(configuration);
        configuration.settings.fetch.allow_http = true;
        configuration.settings.fetch.allowed_hosts =
            vec![origin.address().to_string().parse().unwrap()];
    })
    .await;
    let signer = Signer::new("https://signer.example", Algorithm::Es256);
    let post = async |url: &str| {
        let statement = signer.token(json!({ "keys": url }));
        server
            .post(&with(minimal(), json!({ "software_statement": statement })))
            .await
    };
    for status in [301, 302, 303, 307, 308] {
        let inside = format!("http://127.0.0.1:{}/", canary.port());
        let path = format!("/{status}");
        let url = origin.at(&path, Reply::status(status).header("location", inside));
        post(&url)
            .await
            .expect_error(400, &["invalid_software_statement"]);
        assert_eq!(origin.hits(&path), 1);
    }
    canary.expect_untouched();
    post(&origin.at("/keys", Reply::json(signer.jwks())))
        .await
        .expect_status(201);
}

#[tokio::test]
async fn a_redirect_into_the_network_is_not_followed() {
    let (origin, canary) = (Origin::new().await, Canary::new());
    let server = TestServer::configured(|configuration| {
        fetches_locally(configuration);
        configuration.settings.fetch.allow_private_addresses = false;
        let host = origin.address().to_string().parse().unwrap();
        configuration.settings.fetch.allowed_hosts = vec![host];
    })
    .await;
    for status in [301, 302, 303, 307, 308] {
        let inside = format!("http://127.0.0.1:{}/", canary.port());
        let file = origin.at("/sector", Reply::status(status).header("location", inside));
        server
            .post(&pairwise(&file))
            .await
            .expect_bad_metadata("redirect");
    }
    canary.expect_untouched();
    let elsewhere = format!("http://127.0.0.1:{}/", canary.port());
    server
        .post(&pairwise(&elsewhere))
        .await
        .expect_bad_metadata("sector_identifier_uri");
    canary.expect_untouched();
    let file = origin.at("/sector", Reply::json(json!([A, B])));
    server.post(&pairwise(&file)).await.expect_status(201);
}

#[tokio::test]
async fn a_trial_fetches_the_file_and_keeps_nothing_of_it() {
    let (server, origin) = (server(5_000).await, Origin::new().await);
    let file = origin.at("/sector", Reply::json(json!([A, B])));
    let input = json!({"body": pairwise(&file)});
    for turn in 1..=2 {
        let judged = tried(&server, &input).await;
        assert_eq!(judged["answer"]["status"], 201, "{judged}");
        assert_eq!(origin.hits("/sector"), turn);
    }
    let elsewhere = origin.at("/sector", Reply::json(json!([A])));
    let judged = tried(&server, &json!({"body": pairwise(&elsewhere)})).await;
    assert_eq!(judged["answer"]["status"], 400, "{judged}");
    let steps = judged["steps"].as_array().unwrap();
    let rejecting = steps.iter().find(|step| step["verdict"] == "rejected");
    let rejecting = rejecting.expect("a step rejected the request");
    let reason = rejecting["reason"].as_str().unwrap();
    assert!(reason.contains("redirect_uris"), "{rejecting}");
}
