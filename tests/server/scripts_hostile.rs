//! Hostile scripts: their own request fails, and other requests are answered as usual.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use registrar::config::Configuration;
use serde_json::{Value, json};

use crate::support::{Answer, Registered, TestServer, minimal, with};

/// Returns a script that runs `body` only for clients with this name.
fn only(name: &str, body: &str) -> String {
    format!(
        "fn createClient(context) {{ if context.client.client_name == \"{name}\" {{ {body} }} true }}"
    )
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Sends requests that need no script, and registers a client that the script accepts.
async fn others(server: &TestServer, client: &Registered) {
    for _ in 0..10 {
        server.read(client).await.expect_status(200);
        Answer::of(server.ask("GET", "/.well-known/openid-configuration"))
            .await
            .expect_status(200);
        server.post(&minimal()).await.expect_status(201);
    }
}

/// Posts clients for which the script misbehaves, all at once; `done` counts the answers.
fn bad<'a>(
    server: &'a TestServer,
    many: usize,
    done: &'a AtomicUsize,
) -> impl Future<Output = Vec<Answer>> + 'a {
    let body = with(minimal(), json!({"client_name": "bad"}));
    let one = move |body: Value| async move {
        let answer = server.post(&body).await;
        done.fetch_add(1, Ordering::SeqCst);
        answer
    };
    join_all((0..many).map(move |_| one(body.clone())))
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_that_wait_for_a_slow_verifier_do_not_delay_others() {
    let script = only("bad", "http::get(\"https://verifier.example.org/\");");
    let few =
        |configuration: &mut Configuration| configuration.settings.scripts.limits.concurrent = 2;
    let (server, host) = TestServer::hosted(&[("10-a.rhai", &script)], few).await;
    host.answer_json("GET", "https://verifier.example.org/", 200, &json!({}));
    host.hold();
    let (client, done) = (server.register(&minimal()).await, AtomicUsize::new(0));
    let others = async {
        until(|| host.waiting() == 10).await;
        others(&server, &client).await;
        assert_eq!(
            (host.waiting(), done.load(Ordering::SeqCst)),
            (10, 0),
            "all ten are still waiting"
        );
        host.release();
    };
    let (answers, ()) = tokio::join!(bad(&server, 10, &done), others);
    for answer in answers {
        answer.expect_status(201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verifier_that_never_answers_ends_with_a_fault() {
    let script = only("bad", "http::get(\"https://verifier.example.org/\");");
    let impatient =
        |configuration: &mut Configuration| configuration.settings.scripts.limits.http_ms = 50;
    let (server, host) = TestServer::hosted(&[("10-a.rhai", &script)], impatient).await;
    host.hold();
    server
        .post(&with(minimal(), json!({"client_name": "bad"})))
        .await
        .expect_error(500, &["server_error"]);
    server.post(&minimal()).await.expect_status(201);
}

/// Returns a script of about 20 000 operations, which must not fail however many requests run it at once.
fn busy_script() -> String {
    only("bad", "let i = 0; while i < 4_000 { i += 1; }")
}

#[tokio::test(flavor = "multi_thread")]
async fn queued_requests_are_not_a_fault_of_the_script() {
    let patient = |configuration: &mut Configuration| {
        let limits = &mut configuration.settings.scripts.limits;
        // One call takes far less than the limit and all of them together take longer, even on a slow
        // machine.
        (limits.deadline_ms, limits.queue_ms) = (1_000, 120_000);
    };
    let server = TestServer::scripted(&[("10-a.rhai", &busy_script())], patient).await;
    for answer in bad(&server, 64, &AtomicUsize::new(0)).await {
        answer.expect_status(201);
    }
}

/// The same for a minute with the limits of the shipped configuration:
/// `cargo test --release --test server sixty_four -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute; the deadline is that of a release build"]
async fn sixty_four_connections_for_a_minute_get_no_500() {
    let server = TestServer::scripted(&[("10-a.rhai", &busy_script())], |_| {}).await;
    let body = with(minimal(), json!({"client_name": "bad"}));
    let end = std::time::Instant::now() + Duration::from_mins(1);
    let connection = async || {
        let mut statuses = std::collections::BTreeMap::<u16, usize>::new();
        while std::time::Instant::now() < end {
            *statuses.entry(server.post(&body).await.status).or_default() += 1;
        }
        statuses
    };
    let mut all = std::collections::BTreeMap::<u16, usize>::new();
    for statuses in join_all((0..64).map(|_| connection())).await {
        for (status, count) in statuses {
            *all.entry(status).or_default() += count;
        }
    }
    eprintln!("answers by status: {all:?}");
    assert!(
        all.keys().all(|status| [201, 503].contains(status)),
        "{all:?}"
    );
    assert!(all.contains_key(&201));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_a_slot_is_told_to_retry() {
    let impatient = |configuration: &mut Configuration| {
        let limits = &mut configuration.settings.scripts.limits;
        (limits.concurrent, limits.queue_ms, limits.deadline_ms) = (1, 1, 10_000);
    };
    let server = TestServer::scripted(&[("10-a.rhai", &busy_script())], impatient).await;
    let answers = bad(&server, 16, &AtomicUsize::new(0)).await;
    let (done, busy): (Vec<&Answer>, Vec<&Answer>) =
        answers.iter().partition(|answer| answer.status == 201);
    assert!(
        !done.is_empty() && !busy.is_empty(),
        "{} of {}",
        done.len(),
        answers.len()
    );
    for answer in busy {
        answer.expect_error(503, &["temporarily_unavailable"]);
        assert_eq!(answer.header("retry-after"), "1");
    }
    assert_eq!(faults(&server), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_answered_while_scripts_loop() {
    let script = only("bad", "loop { }");
    let endless = |configuration: &mut Configuration| {
        let limits = &mut configuration.settings.scripts.limits;
        (limits.operations, limits.deadline_ms) = (u64::MAX, 4_000);
    };
    let server = TestServer::scripted(&[("10-a.rhai", &script)], endless).await;
    let (client, done) = (server.register(&minimal()).await, AtomicUsize::new(0));
    let others = async {
        others(&server, &client).await;
        assert_eq!(
            done.load(Ordering::SeqCst),
            0,
            "the loops are still running"
        );
    };
    let (answers, ()) = tokio::join!(bad(&server, 2, &done), others);
    answers.iter().for_each(expect_ended);
}

/// A script is ended by a limit, or because it got no processor time on a busy machine.
fn expect_ended(answer: &Answer) {
    match answer.status {
        503 => answer.expect_error(503, &["temporarily_unavailable"]),
        _ => answer.expect_error(500, &["server_error"]),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_answered_whatever_a_script_tries() {
    let tries = [
        "createClient(context)",
        "let s = \"aaaaaaaa\"; loop { s += s; }",
        "let a = [1]; loop { a += a; }",
        "let s = \"\"; s.pad(65536, 'a'); let t = s; s.replace(\"a\", t);",
        "let s = \"\"; s.pad(9, \"\");",
        "let x = []; x.pad(1023, 0); let a = []; a.pad(18014398509481984, x);",
        "let m = #{}; let i = 0; loop { m[`k${i}`] = i; i += 1; }",
        "sleep(10);",
        "import \"../x\" as x; x::f();",
        "import \"/etc/passwd\" as x; x::f();",
        "throw 5;",
        "return || true;",
        "let s = \"aaaaaaaa\"; for i in 0..12 { s += s; } let i = 0; loop { context.client[`client_name#a${i}`] = s; i += 1; }",
    ];
    for body in tries {
        let server = TestServer::scripted(&[("10-a.rhai", &only("bad", body))], |_| {}).await;
        let (client, done) = (server.register(&minimal()).await, AtomicUsize::new(0));
        let (answers, ()) = tokio::join!(bad(&server, 4, &done), others(&server, &client));
        answers.iter().for_each(expect_ended);
    }
}

/// Returns how many calls of scripts have failed.
fn faults(server: &TestServer) -> u64 {
    let loaded = server.inside().scripts();
    let scripts = loaded["scripts"].as_array().unwrap().iter();
    scripts.filter_map(|script| script["faults"].as_u64()).sum()
}

#[tokio::test]
async fn an_answer_that_grows_without_limit_is_a_fault() {
    let script = "fn modifyReadResponse(response, context) {
        let s = \"aaaaaaaa\"; for i in 0..12 { s += s; }
        for i in 0..20 { response[`a${i}`] = s; }
        true
    }";
    let server = TestServer::scripted(&[("10-a.rhai", script)], |_| {}).await;
    let client = server.register(&minimal()).await;
    server
        .read(&client)
        .await
        .expect_error(500, &["server_error"]);
}

#[tokio::test]
async fn a_fault_in_any_deciding_hook_rejects_the_request() {
    let hooks = [
        "createClient(context)",
        "updateClient(context)",
        "deleteClient(context)",
        "modifyPostResponse(response, context)",
        "modifyPutResponse(response, context)",
        "modifyReadResponse(response, context)",
    ];
    for hook in hooks {
        let script = format!(
            "fn {hook} {{ if context.httpRequest.headers.contains(\"x-fault\") {{ throw 5 }} true }}"
        );
        let server = TestServer::scripted(&[("10-a.rhai", &script)], |_| {}).await;
        let client = server.register(&minimal()).await;
        let ask = |method: &str, uri: &str| {
            server
                .ask(method, uri)
                .header("x-fault", "1")
                .bearer_auth(&client.token)
        };
        let request = match hook.split('(').next().unwrap() {
            "createClient" | "modifyPostResponse" => server
                .ask("POST", "/register")
                .header("x-fault", "1")
                .json(&minimal()),
            "updateClient" | "modifyPutResponse" => {
                ask("PUT", &client.uri).json(&client.update(json!({"client_name": "B"})))
            }
            "deleteClient" => ask("DELETE", &client.uri),
            _ => ask("GET", &client.uri),
        };
        Answer::of(request)
            .await
            .expect_error(500, &["server_error"]);
        let read = server.read(&client).await;
        read.expect_status(200);
        assert_eq!(read.body["client_name"], "K", "{hook}: nothing was changed");
        assert_eq!(faults(&server), 1, "{hook}");
    }
}

#[tokio::test]
async fn a_verifier_that_is_down_is_a_failure_that_a_script_can_catch() {
    let script = "fn createClient(context) {
        try { http::get(\"https://a.example/\"); } catch (error) { context.client.client_name = `${error}`; }
        true
    }";
    let (server, _host) = TestServer::hosted(&[("10-a.rhai", script)], |_| {}).await;
    let name = server.register(&minimal()).await.body["client_name"].clone();
    assert_eq!(
        name,
        "no fake response is defined for GET https://a.example/"
    );
}
