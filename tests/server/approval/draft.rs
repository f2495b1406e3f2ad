//! The message examples of draft-dellaert-oauth-approval-based-dcr-00, section by section, and what it requires beside
//! them.

use serde_json::{Value, json};

use super::{PAGE, decide, list, poll, server};
use crate::support::{Answer, Registered, TestServer, with};

/// The registration request of section 3.1.
fn request() -> Value {
    json!({
        "client_name": "Example Client",
        "redirect_uris": ["http://127.0.0.1:41337/callback"],
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "registration_mode": ["approval"],
    })
}

/// Sends the request, and returns the answer of section 3.2.2 and the identifier for administrators.
async fn deferred(server: &TestServer) -> (Value, String) {
    let answer = server.post(&request()).await;
    answer.expect_status(202);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    let id = list(server, "?state=waiting").await[0]["id"].clone();
    (answer.body, id.as_str().unwrap().to_owned())
}

fn code(deferred: &Value) -> &str {
    deferred["registration_code"].as_str().unwrap()
}

async fn cancel(server: &TestServer, code: &str) -> Answer {
    let body = json!({"registration_code": code, "cancel_registration": true});
    server.post(&body).await
}

fn expect_error_of_section_3_3_5(answer: &Answer, code: &str) {
    answer.expect_error(400, &[code]);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(answer.body["error_description"].is_string());
}

#[tokio::test]
async fn the_messages_of_a_registration_that_is_approved() {
    let server = server("required", json!({})).await;
    let (deferred, id) = deferred(&server).await;
    let code = code(&deferred);
    // At least 128 bits, of which 160 are recommended (section 6.4).
    assert!(code.len() >= 27, "{}", code.len());
    let shown = deferred["verification_code"].as_str().unwrap();
    assert_eq!(shown.len(), "FBWS-TRGI".len());
    assert_eq!(deferred["verification_uri"], PAGE);
    let complete = deferred["verification_uri_complete"].as_str().unwrap();
    assert!(complete.contains(shown), "{complete}");
    assert!(deferred["expires_in"].is_u64() && deferred["interval"].is_u64());

    let waiting = poll(&server, code).await;
    waiting.expect_status(202);
    assert_eq!(waiting.header("cache-control"), "no-store");
    let hasty = poll(&server, code).await;
    hasty.expect_status(429);
    assert_eq!(hasty.header("retry-after"), "10");
    assert_eq!(hasty.header("cache-control"), "no-store");

    // The approver sees what is registered, and when it was asked for (sections 4 and 6.2).
    let path = format!("/admin/v1/pending/{id}");
    let record = server.called("GET", &path).await;
    assert_eq!(record.body["metadata"]["client_name"], "Example Client");
    assert!(record.body["requested_at"].is_u64());
    decide(&server, &id, "approve", "").await.expect_status(204);
    let created = poll(&server, code).await;
    created.expect_status(201);
    assert_eq!(created.header("content-type"), "application/json");
    assert_eq!(created.header("cache-control"), "no-store");
    for (member, value) in request().as_object().unwrap() {
        let expected = (member != "registration_mode").then_some(value);
        assert_eq!(created.body.get(member), expected, "{member}");
    }
    for member in [
        "client_id",
        "client_secret",
        "client_id_issued_at",
        "client_secret_expires_at",
        "registration_access_token",
        "registration_client_uri",
    ] {
        assert!(created.body.get(member).is_some(), "{member}");
    }
    let client = Registered::of(created.body);
    server.read(&client).await.expect_status(200);
    // The approver is bound to the client (section 4.1).
    let approval = server.provenance(&client).await["approval"].take();
    assert!(approval["by"].is_string());
    // The code is used up, whatever is asked with it.
    let again = poll(&server, code).await;
    expect_error_of_section_3_3_5(&again, "invalid_registration");
    let again = cancel(&server, code).await;
    expect_error_of_section_3_3_5(&again, "invalid_registration");
}

#[tokio::test]
async fn the_messages_of_a_registration_that_is_not_approved() {
    let server = server("required", json!({})).await;
    let (denied, id) = deferred(&server).await;
    decide(&server, &id, "deny", "").await.expect_status(204);
    let answer = poll(&server, code(&denied)).await;
    expect_error_of_section_3_3_5(&answer, "access_denied");
    // A decision cannot be cancelled, so its record stays for the administrators.
    let answer = cancel(&server, code(&denied)).await;
    expect_error_of_section_3_3_5(&answer, "access_denied");
    assert_eq!(list(&server, "?state=denied").await.len(), 1);

    let (late, _) = deferred(&server).await;
    server.clock.advance(600);
    for answer in [
        poll(&server, code(&late)).await,
        cancel(&server, code(&late)).await,
    ] {
        expect_error_of_section_3_3_5(&answer, "expired_token");
    }

    let (cancelled, _) = deferred(&server).await;
    let answer = cancel(&server, code(&cancelled)).await;
    answer.expect_status(204);
    assert!(answer.text.is_empty());
    for answer in [
        poll(&server, code(&cancelled)).await,
        cancel(&server, code(&cancelled)).await,
        poll(
            &server,
            "ZDY2NTFiYTg1N2I4NGFjYWY5N2ZmZGZhYmJiMTE0NjIyMTBjMzYyMwo",
        )
        .await,
    ] {
        expect_error_of_section_3_3_5(&answer, "invalid_registration");
    }
    let not_yet = json!({"registration_code": code(&cancelled), "cancel_registration": false});
    let answer = server.post(&not_yet).await;
    expect_error_of_section_3_3_5(&answer, "invalid_registration");
}

#[tokio::test]
async fn a_client_that_does_not_opt_in_is_never_deferred() {
    let server = server("required", json!({})).await;
    for modes in [
        json!([]),
        json!(["immediate"]),
        json!(["another", "immediate"]),
        Value::Null,
    ] {
        let answer = server
            .post(&with(request(), json!({"registration_mode": modes})))
            .await;
        expect_error_of_section_3_3_5(&answer, "invalid_client_metadata");
    }
    let path = "/.well-known/oauth-authorization-server";
    let metadata = Answer::of(server.ask("GET", path)).await;
    let modes = &metadata.body["registration_modes_supported"];
    assert!(modes.as_array().unwrap().contains(&json!("approval")));
    // Modes that are not known are ignored beside it.
    let known = json!({"registration_mode": ["another", "approval"]});
    server
        .post(&with(request(), known))
        .await
        .expect_status(202);
}

#[tokio::test]
async fn what_waits_can_be_collected_after_approval_was_switched_off() {
    let server = server("offered", json!({})).await;
    let (deferred, id) = deferred(&server).await;
    let patch =
        json!([{"op": "add", "path": "/registration/registrationApproval", "value": "off"}]);
    crate::webhooks::patch(&server, patch)
        .await
        .expect_status(200);
    poll(&server, code(&deferred)).await.expect_status(202);
    decide(&server, &id, "approve", "").await.expect_status(204);
    poll(&server, code(&deferred)).await.expect_status(201);
    // Nothing else waits here, so that this is a registration without metadata.
    poll(&server, code(&deferred)).await.expect_bad_redirect();
}
