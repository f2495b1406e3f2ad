//! What one address can do: how many of its requests wait, how often it can ask, and how many codes it can try.

use serde_json::json;

use super::{PAGE, defer, list, poll, waiting};
use crate::support::{Answer, TestServer, machine, registering};

/// Starts a server where 200 requests may wait, and that trusts its proxy.
async fn bounded(approval: &'static str, more: serde_json::Value) -> TestServer {
    TestServer::configured(move |configuration| {
        let options = json!({"registrationApproval": approval, "registrationApprovalUri": PAGE});
        registering(configuration, options);
        registering(configuration, more);
        configuration.settings.limits.pending_registrations = 200;
        configuration.settings.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await
}

async fn post_from(server: &TestServer, address: &str, body: &serde_json::Value) -> Answer {
    let request = server.ask("POST", "/register").json(body);
    Answer::of(request.header("x-forwarded-for", address)).await
}

/// Registers from one network until that is refused. Returns how many were accepted.
async fn fill(server: &TestServer, body: &serde_json::Value, accepted: u16) -> usize {
    for count in 0.. {
        // Each address of the network is another one.
        let address = format!("2001:db8::{count:x}");
        let answer = post_from(server, &address, body).await;
        if answer.status != accepted {
            answer.expect_status(503);
            assert_eq!(answer.header("retry-after"), "60");
            return count;
        }
    }
    unreachable!("it counts until it is refused")
}

#[tokio::test]
async fn the_requests_of_one_network_do_not_keep_others_from_waiting() {
    let server = bounded("offered", json!({})).await;
    assert_eq!(fill(&server, &waiting(), 202).await, 20);
    let other = post_from(&server, "192.0.2.1", &waiting()).await;
    other.expect_status(202);
    assert_eq!(list(&server, "?limit=200").await.len(), 21);
    // A cancelled request makes room, but only for those of its own network.
    let ours = post_from(&server, "192.0.2.1", &waiting()).await;
    let code = ours.body["registration_code"].as_str().unwrap();
    let cancel = json!({"registration_code": code, "cancel_registration": true});
    server.post(&cancel).await.expect_status(204);
    assert_eq!(fill(&server, &waiting(), 202).await, 0);
}

#[tokio::test]
async fn one_network_has_a_share_of_the_disabled_clients_too() {
    let silent = json!({"registrationApprovalSilent": true});
    let server = bounded("required", silent).await;
    assert_eq!(fill(&server, &machine(), 201).await, 20);
    let clients = server
        .called("GET", "/admin/v1/clients?trust_level=open")
        .await;
    let clients = clients.body["clients"].as_array().unwrap().len();
    assert_eq!(clients, 20, "what was refused is not registered");
    post_from(&server, "192.0.2.1", &machine())
        .await
        .expect_status(201);
}

#[tokio::test]
async fn an_address_can_ask_for_decisions_ten_times_as_often_as_it_can_register() {
    let limits = json!({
        "rateLimitRegistrationRequestCount": 3, "rateLimitRegistrationPeriodInSeconds": 3600,
    });
    let server = bounded("offered", limits).await;
    let answer = post_from(&server, "192.0.2.1", &waiting()).await;
    let code = answer.body["registration_code"].as_str().unwrap();
    let body = json!({"registration_code": code});
    let mut answered = 0;
    loop {
        let answer = post_from(&server, "192.0.2.1", &body).await;
        if answer.text.contains("rateLimitRegistrationRequestCount") {
            answer.expect_status(429);
            assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
            break;
        }
        answered += 1;
    }
    assert_eq!(answered, 30);
    // Other addresses are not concerned, and neither is the request.
    let answer = post_from(&server, "192.0.2.2", &body).await;
    answer.expect_error(429, &["slow_down"]);
    server.clock.advance(120);
    post_from(&server, "192.0.2.2", &body)
        .await
        .expect_status(202);
}

#[tokio::test]
async fn codes_cannot_be_guessed_without_end() {
    let limits = json!({
        "rateLimitAuthenticationFailureCount": 7, "rateLimitAuthenticationFailurePeriodInSeconds": 3600,
    });
    let server = bounded("offered", limits).await;
    let (code, _) = defer(&server, &waiting()).await;
    let right = json!({"registration_code": code});
    let mut wrong = 0;
    while wrong < 100 {
        let guess = json!({"registration_code": format!("guess-{wrong}")});
        let answer = post_from(&server, "192.0.2.1", &guess).await;
        if answer.status == 429 {
            break;
        }
        answer.expect_error(400, &["invalid_registration"]);
        wrong += 1;
    }
    assert_eq!(wrong, 7);
    // From then on, that address does not learn any more whether a code is right.
    let answer = post_from(&server, "192.0.2.1", &right).await;
    answer.expect_status(429);
    let cancel = json!({"registration_code": code, "cancel_registration": true});
    let answer = post_from(&server, "192.0.2.1", &cancel).await;
    answer.expect_status(429);
    poll(&server, &code).await.expect_status(202);

    // An administrator can try as many of the short codes.
    let look = async |code: &str| {
        let path = format!("/admin/v1/pending?verification_code={code}");
        server.called("GET", &path).await
    };
    for _ in 0..7 {
        let found = look("BBBB-BBBB").await;
        found.expect_status(200);
        assert_eq!(found.body["pending"], json!([]));
    }
    look("BBBB-BBBB").await.expect_status(429);
    server
        .called("GET", "/admin/v1/pending")
        .await
        .expect_status(200);
}
