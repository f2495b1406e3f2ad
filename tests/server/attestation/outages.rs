//! A verifier that does not work: no client is registered, and the client can retry.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::net::TcpSocket;

use super::verifier::{
    DISCOVERY, SESSION, SESSIONS, Verifier, attested, complete, result, session, unavailable,
};
use super::{nonce, stale};
use crate::support::{Reply, minimal};

#[tokio::test]
async fn a_verifier_that_is_down_is_an_outage() {
    // A port that is in use but has no listener.
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    let verifier = Verifier::new().await;
    for nonce_from in ["server", "verifier"] {
        let server = verifier
            .server(json!({"url": url, "nonceFrom": nonce_from}))
            .await;
        if nonce_from == "verifier" {
            unavailable(&server.post(&minimal()).await);
        } else {
            let nonce = nonce(&server).await;
            unavailable(&server.post(&attested(&nonce)).await);
        }
        server.expect_empty().await;
    }
}

#[tokio::test]
async fn a_verifier_that_is_slow_or_fails_at_any_step_is_an_outage() {
    let verifier = Verifier::new().await;
    let server = verifier.server(json!({"timeoutMs": 300})).await;
    let steps = [DISCOVERY, SESSIONS, SESSION];
    let failures = [
        Reply::never(),
        Reply::status(500),
        Reply::status(502),
        Reply::status(301).header("location", SESSION),
        Reply::text("text/html", "<html>"),
        Reply::endless(),
    ];
    for step in steps {
        for failure in &failures {
            // The discovery document is cached for a minute.
            server.clock.advance(61);
            verifier.is("READY");
            let nonce = nonce(&server).await;
            verifier.says(&nonce, result(&nonce, json!({})));
            verifier.origin.set(step, failure.clone());
            let answer = server.post(&attested(&nonce)).await;
            assert_eq!(answer.status, 503, "{step} {failure:?}: {}", answer.text);
            unavailable(&answer);
        }
    }
    server.expect_empty().await;
}

#[tokio::test]
async fn a_verifier_that_is_not_ready_is_an_outage_until_it_is_ready() {
    let verifier = Verifier::new().await;
    let server = verifier.server(json!({})).await;
    for state in ["DOWN", "INITIALIZING", "TERMINATING"] {
        verifier.is(state);
        let nonce = nonce(&server).await;
        verifier.says(&nonce, result(&nonce, json!({})));
        unavailable(&server.post(&attested(&nonce)).await);
        // A nonce is used up even if the verifier was down.
        stale(&server.post(&attested(&nonce)).await);
    }
    server.expect_empty().await;
    verifier.is("READY");
    let nonce = nonce(&server).await;
    let claims = json!({"iat": server.now()});
    verifier.says(
        &nonce,
        crate::support::with(result(&nonce, json!({})), claims),
    );
    server.register(&attested(&nonce)).await;
}

#[tokio::test]
async fn a_slow_appraisal_is_polled() {
    let verifier = Verifier::new().await;
    let server = verifier.server(json!({"pollMs": 10})).await;
    let nonce = nonce(&server).await;
    verifier.opens(&nonce);
    let processing = || Reply::json(session("processing", &nonce));
    let done = complete(&nonce, &verifier.sign(result(&nonce, json!({}))));
    verifier
        .origin
        .set_each(SESSION, [processing().with_status(202), processing(), done]);
    let begun = Instant::now();
    server.register(&attested(&nonce)).await;
    assert!(
        begun.elapsed() >= Duration::from_millis(10 + 20),
        "the pauses between polls grow"
    );
    let asked = verifier.origin.received(SESSION);
    let methods: Vec<&str> = asked
        .iter()
        .map(|request| request.method().as_str())
        .collect();
    assert_eq!(methods, ["POST", "GET", "GET"]);
}

#[tokio::test]
async fn an_appraisal_that_does_not_end_is_an_outage_but_a_failed_one_is_not() {
    let verifier = Verifier::new().await;
    let server = verifier.server(json!({"polls": 2, "pollMs": 10})).await;
    let first = nonce(&server).await;
    verifier.opens(&first);
    verifier.origin.set(
        SESSION,
        Reply::json(session("processing", &first)).with_status(202),
    );
    unavailable(&server.post(&attested(&first)).await);
    assert_eq!(verifier.origin.hits(SESSION), 3);

    let processing = |nonce: &str| Reply::json(session("processing", nonce)).with_status(202);
    let second = nonce(&server).await;
    verifier.opens(&second);
    let failed = Reply::json(session("failed", &second));
    verifier
        .origin
        .set_each(SESSION, [processing(&second), failed]);
    server
        .post(&attested(&second))
        .await
        .expect_bad_metadata("could not be appraised");

    let third = nonce(&server).await;
    verifier.opens(&third);
    verifier
        .origin
        .set_each(SESSION, [processing(&third), Reply::status(404)]);
    stale(&server.post(&attested(&third)).await);
    server.expect_empty().await;
}

#[tokio::test]
async fn the_status_of_the_verifier_decides_between_a_client_error_and_an_outage() {
    let verifier = Verifier::new().await;
    let server = verifier.server(json!({})).await;
    let problem =
        |status: u16| Reply::json(json!({"title": "no", "detail": "0oRDoQ"})).with_status(status);
    let answers = [
        (problem(400), 400, "invalid_client_metadata"),
        (problem(404), 400, "stale_evidence"),
        (problem(406), 503, "temporarily_unavailable"),
        (
            problem(415).header("accept", "application/cmw"),
            400,
            "invalid_client_metadata",
        ),
        (
            Reply::json(session("complete", "x")),
            503,
            "temporarily_unavailable",
        ),
    ];
    for (reply, status, code) in answers {
        let nonce = nonce(&server).await;
        verifier.opens(&nonce);
        verifier.origin.set(SESSION, reply);
        let answer = server.post(&attested(&nonce)).await;
        answer.expect_error(status, &[code]);
        assert!(!answer.text.contains("0oRDoQ"), "{}", answer.text);
    }
    server.expect_empty().await;
}
