//! Initial access tokens, and their policy over the whole life of the client that is registered with
//! one.

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Answer, Registered, START, TestServer, machine, minimal, with};

async fn required() -> TestServer {
    TestServer::registering(json!({"initialAccessToken": "required"})).await
}

/// Asserts 401 with `error` in the challenge and no client.
#[track_caller]
fn expect_invalid(answer: &Answer) {
    answer.expect_error(401, &["invalid_token"]);
    assert!(
        answer
            .header("www-authenticate")
            .contains(r#"Bearer realm="registrar", error="invalid_token""#)
    );
}

#[tokio::test]
async fn a_required_token_must_be_present() {
    let server = required().await;
    let answer = server.post(&minimal()).await;
    answer.expect_error(401, &["invalid_token"]);
    let challenge = answer.header("www-authenticate");
    assert!(
        challenge.starts_with("Bearer ") && !challenge.contains("error"),
        "{challenge}"
    );
    server.expect_empty().await;
}

#[tokio::test]
async fn a_program_learns_that_it_needs_no_token() {
    let (server, required) = (TestServer::new().await, required().await);
    for header in [
        "Basic YTpi",
        "Bearer undefined",
        "Bearer ",
        "Bearer",
        "undefined",
    ] {
        for (server, advice) in [(&server, true), (&required, false)] {
            let request = server
                .ask("POST", "/register")
                .header("authorization", header);
            let answer = Answer::of(request.json(&minimal())).await;
            expect_invalid(&answer);
            let text = &answer.text;
            assert_eq!(text.contains("omit the header"), advice, "{header}: {text}");
        }
    }
    server.expect_empty().await;
}

#[tokio::test]
async fn an_invalid_token_is_rejected_even_if_none_is_required() {
    for server in [required().await, TestServer::new().await] {
        server
            .initial_access("ended", json!({"expires_at": START}))
            .await;
        server.initial_access("none-left", json!({"uses": 0})).await;
        let revoked = server.initial_access("revoked", json!({})).await;
        let revocation = server
            .storage()
            .revoke_initial_access(&revoked, START)
            .await;
        assert!(revocation.unwrap());
        for token in ["wrong", "ended", "none-left", "revoked"] {
            expect_invalid(&server.post_with(token, &minimal()).await);
        }
        let basic = server
            .ask("POST", "/register")
            .basic_auth("a", Some("b"))
            .json(&minimal());
        expect_invalid(&Answer::of(basic).await);
        server.expect_empty().await;
    }
}

#[tokio::test]
async fn a_valid_token_registers_and_its_use_is_recorded() {
    for server in [required().await, TestServer::new().await] {
        let id = server
            .initial_access("good", json!({"note": "for a test"}))
            .await;
        let answer = server.post_with("good", &minimal()).await;
        answer.expect_status(201);
        let provenance = server.provenance(&Registered::of(answer.body)).await;
        assert_eq!(
            (
                &provenance["trust_level"],
                &provenance["initial_access_token"]
            ),
            (&json!("token"), &json!(id))
        );
        assert!(!id.contains("good"));
    }
}

#[tokio::test]
async fn tokens_are_ignored_when_disabled() {
    let server = TestServer::registering(json!({"initialAccessToken": "off"})).await;
    server.initial_access("good", json!({})).await;
    for token in ["good", "wrong"] {
        let answer = server.post_with(token, &minimal()).await;
        answer.expect_status(201);
        assert_eq!(
            server.provenance(&Registered::of(answer.body)).await["trust_level"],
            "open"
        );
    }
}

#[tokio::test]
async fn a_valid_token_of_another_type_gets_its_own_error() {
    for setting in ["optional", "required"] {
        let server = TestServer::registering(json!({"initialAccessToken": setting})).await;
        let token = server.administrator_token().await;
        let answer = server.post_with(&token, &minimal()).await;
        answer.expect_error(403, &["insufficient_scope"]);
        assert_eq!(
            answer.header("www-authenticate"),
            r#"Bearer realm="registrar", error="insufficient_scope""#
        );
        server.expect_empty().await;
    }
}

#[tokio::test]
async fn a_token_is_accepted_in_the_header_only() {
    let server = required().await;
    server.initial_access("good", json!({})).await;
    let in_query = server
        .ask("POST", "/register?access_token=good")
        .json(&minimal());
    Answer::of(in_query)
        .await
        .expect_error(401, &["invalid_token"]);
    server
        .post(&with(minimal(), json!({"access_token": "good"})))
        .await
        .expect_error(401, &["invalid_token"]);
    let form = server
        .post_bytes("application/x-www-form-urlencoded", "access_token=good")
        .await;
    assert!([401, 415].contains(&form.status), "{}", form.text);
    server.expect_empty().await;
}

#[tokio::test]
async fn a_policy_limits_what_is_registered() {
    let server = required().await;
    let policy = json!({
        "redirect_hosts": ["client.example.org"],
        "scopes": ["profile"],
        "grant_types": ["authorization_code"],
        "token_endpoint_auth_methods": ["none"],
        "maximum_lifetime": 600,
    });
    server
        .initial_access("tight", json!({"policy": policy}))
        .await;
    let body = |more: Value| {
        with(
            with(minimal(), json!({"token_endpoint_auth_method": "none"})),
            more,
        )
    };
    let good = server
        .post_with("tight", &body(json!({"scope": "profile email"})))
        .await;
    good.expect_status(201);
    assert_eq!(
        (good.member("scope"), good.member("lifetime")),
        (&json!("profile"), &json!(600))
    );
    let other_host = server
        .post_with(
            "tight",
            &body(json!({"redirect_uris": ["https://evil.example/cb"]})),
        )
        .await;
    other_host.expect_bad_redirect();
    let description = other_host.member("error_description").as_str().unwrap();
    assert!(
        description.contains("allows only client.example.org"),
        "{description}"
    );
    server
        .post_with("tight", &minimal())
        .await
        .expect_bad_metadata("token_endpoint_auth_method");
    let refresh = json!({"grant_types": ["authorization_code", "refresh_token"]});
    server
        .post_with("tight", &body(refresh))
        .await
        .expect_bad_metadata("grant_types[1]");
    server
        .post_with("tight", &body(json!({"lifetime": 601})))
        .await
        .expect_bad_metadata("at most 600 seconds");
}

#[tokio::test]
async fn an_update_follows_the_policy_even_after_the_token_is_deleted() {
    let server = required().await;
    let more = json!({"uses": 1, "policy": {"redirect_hosts": ["client.example.org"], "scopes": ["email"]}});
    let id = server.initial_access("once", more).await;
    let client = Registered::of(server.post_with("once", &minimal()).await.body);
    let elsewhere = client.update(json!({"redirect_uris": ["https://evil.example/cb"]}));
    server
        .update(&client, &elsewhere)
        .await
        .expect_bad_redirect();
    let other_scope = server
        .update(&client, &client.update(json!({"scope": "profile email"})))
        .await;
    other_scope.expect_status(200);
    assert_eq!(other_scope.member("scope"), "email");
    let provenance = server.provenance(&client).await;
    assert_eq!(
        (
            &provenance["trust_level"],
            &provenance["initial_access_token"]
        ),
        (&json!("token"), &json!(id))
    );
}

#[tokio::test]
async fn the_last_use_is_granted_once() {
    let server = required().await;
    server.initial_access("single", json!({"uses": 1})).await;
    let body = minimal();
    let answers = join_all((0..20).map(|_| server.post_with("single", &body))).await;
    let registered = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(registered, 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        expect_invalid(answer);
    }
    let count = server.storage().count_clients().await.unwrap();
    assert_eq!(count, 2, "one client and the administrator");
}

#[tokio::test]
async fn a_rejected_registration_costs_no_use() {
    let server = required().await;
    server.initial_access("single", json!({"uses": 1})).await;
    let bad = with(
        minimal(),
        json!({"redirect_uris": ["http://client.example.org/cb"]}),
    );
    server.post_with("single", &bad).await.expect_bad_redirect();
    server
        .post_with("single", &minimal())
        .await
        .expect_status(201);
    expect_invalid(&server.post_with("single", &minimal()).await);
}

#[tokio::test]
async fn the_rate_limit_does_not_apply_to_the_bearer_of_a_token() {
    let members = json!({
        "rateLimitRegistrationRequestCount": 2,
        "rateLimitRegistrationPeriodInSeconds": 3_600,
    });
    let server = TestServer::registering(members).await;
    server.initial_access("mine", json!({})).await;
    server.initial_access("yours", json!({})).await;
    for _ in 0..2 {
        server
            .post_with("wrong", &minimal())
            .await
            .expect_error(401, &["invalid_token"]);
    }
    let limited = server.post(&minimal()).await;
    limited.expect_error(429, &["too_many_requests"]);
    assert!(limited.header("retry-after").parse::<u64>().unwrap() >= 1);
    // An invalid token does not bypass the limit.
    server
        .post_with("wrong", &minimal())
        .await
        .expect_error(429, &["too_many_requests"]);
    for _ in 0..2 {
        server
            .post_with("mine", &minimal())
            .await
            .expect_status(201);
    }
    server
        .post_with("mine", &minimal())
        .await
        .expect_error(429, &["too_many_requests"]);
    server
        .post_with("yours", &minimal())
        .await
        .expect_status(201);
}

#[tokio::test]
async fn scripts_see_the_attributes_of_the_token() {
    let script = "fn createClient(context) {\n\
                      let token = context.initialAccessToken;\n\
                      context.client.client_name = if token == () { \"none\" } else { token.tenant };\n\
                      true\n\
                  }\n\
                  fn updateClient(context) {\n\
                      context.client.client_name = context.initialAccessToken.tenant + \"!\";\n\
                      true\n\
                  }";
    let server = TestServer::scripted(&[("10.rhai", script)], |_| {}).await;
    server
        .initial_access(
            "good",
            json!({"policy": {"attributes": {"tenant": "acme"}}}),
        )
        .await;
    assert_eq!(server.post(&minimal()).await.member("client_name"), "none");
    let client = Registered::of(server.post_with("good", &minimal()).await.body);
    assert_eq!(client.body["client_name"], "acme");
    assert_eq!(
        server
            .update(&client, &client.update(json!({})))
            .await
            .member("client_name"),
        "acme!"
    );
}

#[tokio::test]
async fn a_script_cannot_bypass_the_policy() {
    let script = "fn createClient(context) { context.client.scope = \"profile email\"; true }";
    let server = TestServer::scripted(&[("10.rhai", script)], |_| {}).await;
    server
        .initial_access("good", json!({"policy": {"scopes": ["email"]}}))
        .await;
    server
        .post_with("good", &machine())
        .await
        .expect_error(500, &["server_error"]);
    server.expect_empty().await;
}

/// A clock that advances by one second with each reading.
struct Hasty(std::sync::atomic::AtomicU64);

impl registrar::clock::Clock for Hasty {
    fn now(&self) -> registrar::clock::Timestamp {
        let seconds = self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        registrar::clock::Timestamp::from_unix(START + seconds)
    }

    fn ticks(&self) -> std::time::Duration {
        std::time::Duration::ZERO
    }
}

#[tokio::test]
async fn a_token_that_expires_before_the_answer_is_returned_all_the_same() {
    let server = TestServer::at(Arc::new(Hasty(0.into()))).await;
    let wanted = json!({"expires_in": 1, "note": "for a partner", "policy": null, "uses": 1});
    let request = server
        .administrate("POST", "/admin/v1/initial-access-tokens")
        .await
        .json(&wanted);
    let answer = Answer::of(request).await;
    answer.expect_status(201);
    assert_eq!(
        (&answer.body["uses"], &answer.body["used"]),
        (&json!(1), &json!(0))
    );
}
