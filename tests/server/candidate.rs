//! The candidate: scripts beside the ones in force, as a shadow and as a canary, promoted, and replays.

use registrar::config::Configuration;
use serde_json::{Value, json};

use crate::reload::until;
use crate::support::{Answer, TestServer, minimal, with};

const CANDIDATE: &str = "/admin/v1/scripts/candidate";
const REPLAY: &str = "/admin/v1/scripts/replay";

const PRESENT: &str = "fn createClient(context) { context.client.software_version = \"1\"; true }
fn updateClient(context) { true }";
const NEXT: &str = "fn createClient(context) {
    if context.client.client_name == \"bad\" { throw #{ status: 403, error: \"access_denied\" } }
    kv::set(\"seen\", 1, 60);
    context.client.software_version = \"2\";
    true
}
fn updateClient(context) { true }";

/// A server with the candidate `next`.
async fn with_candidate(next: &str, change: impl FnOnce(&mut Configuration)) -> TestServer {
    let server = TestServer::scripted(&[("10-a.rhai", PRESENT)], |configuration| {
        let scripts = &mut configuration.settings.scripts;
        let directory = scripts.directory.with_file_name("next");
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(directory.join("10-a.rhai"), next).unwrap();
        scripts.candidate = Some(directory);
        change(configuration);
    })
    .await;
    until(async || (server.called("GET", CANDIDATE).await.status == 200).then_some(())).await;
    server
}

async fn report(server: &TestServer) -> Value {
    let answer = server.called("GET", CANDIDATE).await;
    answer.expect_status(200);
    answer.body
}

fn named(name: &str) -> Value {
    with(minimal(), json!({"client_name": name}))
}

#[tokio::test]
async fn a_shadow_shows_what_would_differ_and_has_no_effect() {
    let server = with_candidate(NEXT, |configuration| {
        configuration.live.registration.scripts_shadow = 1.0;
    })
    .await;
    let good = server.register(&named("good")).await;
    assert_eq!(good.body["software_version"], "1");
    server.register(&named("bad")).await;
    let update = good.update(json!({"client_name": "other"}));
    server.update(&good, &update).await.expect_status(200);
    // Nothing reaches the hooks.
    server
        .post(&json!({"redirect_uris": 5}))
        .await
        .expect_status(400);
    let judged = async || {
        let report = report(&server).await;
        let count = |name: &str| report["shadow"][name].as_u64().unwrap();
        (count("same") + count("different") == 3).then_some(report)
    };
    let report = until(judged).await;
    assert_eq!(
        report["shadow"],
        json!({"share": 1.0, "same": 1, "different": 2, "skipped": 0})
    );
    let differences = report["differences"].as_array().unwrap();
    assert_eq!(differences[0]["before"], json!({"status": 201}));
    assert_eq!(
        (
            &differences[0]["after"]["status"],
            &differences[0]["after"]["error"]
        ),
        (&json!(403), &json!("access_denied"))
    );
    assert!(differences[0]["correlation_id"].is_string());
    assert_eq!(
        differences[1]["members"],
        json!([{"member": "software_version", "before": "1", "after": "2"}])
    );
    // Only the two registered clients exist, and the administrator.
    let listed = server.called("GET", "/admin/v1/clients").await;
    assert_eq!(listed.body["clients"].as_array().unwrap().len(), 3);
}

/// When the candidate judges such a registration, its token is used up.
#[tokio::test]
async fn a_shadow_judges_the_registration_with_the_last_use_of_a_token() {
    let server = with_candidate(PRESENT, |configuration| {
        configuration.live.registration.scripts_shadow = 1.0;
    })
    .await;
    server.initial_access("one", json!({"uses": 1})).await;
    let registered = server.post_with("one", &named("good")).await;
    registered.expect_status(201);
    server
        .post_with("one", &named("good"))
        .await
        .expect_status(401);
    let judged = async || {
        let shadow = report(&server).await["shadow"].clone();
        (shadow["same"].as_u64() != Some(0) || shadow["different"].as_u64() != Some(0))
            .then_some(shadow)
    };
    assert_eq!(
        until(judged).await,
        json!({"share": 1.0, "same": 1, "different": 0, "skipped": 0})
    );
}

#[tokio::test]
async fn a_share_of_the_requests_is_decided_by_the_candidate() {
    let server = with_candidate(NEXT, |configuration| {
        configuration.live.registration.scripts_canary = 0.25;
    })
    .await;
    let mut decided = Vec::new();
    for _ in 0..8 {
        let client = server.register(&named("good")).await;
        decided.push(client.body["software_version"] == "2");
    }
    assert_eq!(
        decided.iter().filter(|by_next| **by_next).count(),
        2,
        "{decided:?}"
    );
    assert_eq!(report(&server).await["canary"]["decided"], 2);
}

#[tokio::test]
async fn a_canary_with_too_many_faults_ends_for_good() {
    let broken =
        "fn createClient(context) { let found = (); found = kv::get(\"x\"); found.name == 5 }";
    let server = with_candidate(broken, |configuration| {
        configuration.live.registration.scripts_canary = 1.0;
        configuration.live.registration.scripts_canary_faults = 2;
    })
    .await;
    for _ in 0..3 {
        server
            .post(&named("good"))
            .await
            .expect_error(500, &["server_error"]);
    }
    let client = server.register(&named("good")).await;
    assert_eq!(client.body["software_version"], "1");
    let share = async || {
        let answer = server.called("GET", "/admin/v1/config").await;
        (answer.body["registration"]["scriptsCanary"] == json!(0.0)).then_some(())
    };
    until(share).await;
    server.register(&named("good")).await;
    let report = report(&server).await;
    assert_eq!(
        (&report["canary"]["faults"], &report["canary"]["decided"]),
        (&json!(3), &json!(3))
    );
}

#[tokio::test]
async fn a_candidate_with_mistakes_is_none() {
    let server = with_candidate(NEXT, |_| {}).await;
    let next = server.folder.path().join("next/10-a.rhai");
    let mistake = "fn createClient(context) { if context.clinet == () { } true }";
    std::fs::write(&next, mistake).unwrap();
    until(async || (server.called("GET", CANDIDATE).await.status == 404).then_some(())).await;
    let ready = Answer::of(server.ask("GET", "/readyz")).await;
    let error = ready.body["candidateError"].as_str().unwrap();
    assert!(error.contains("did you mean 'client'?"), "{error}");
    let scripts = server.called("GET", "/admin/v1/scripts").await;
    assert_eq!(scripts.body["candidate_error"], error);
    std::fs::write(&next, NEXT).unwrap();
    until(async || (server.called("GET", CANDIDATE).await.status == 200).then_some(())).await;
}

#[tokio::test]
async fn a_promoted_candidate_is_pinned() {
    let server = with_candidate(NEXT, |_| {}).await;
    let version = report(&server).await["version"].clone();
    let path = format!("/admin/v1/scripts/versions/{}", version.as_str().unwrap());
    let shown = server.called("GET", &path).await;
    shown.expect_status(200);
    assert_eq!(shown.body["files"], json!({"10-a.rhai": NEXT}));
    let version = report(&server).await["version"].clone();
    let promoted = server.called("POST", "/admin/v1/scripts/promote").await;
    promoted.expect_status(200);
    assert_eq!(
        promoted.body,
        json!({"version": version, "is_pinned": true})
    );
    let client = server.register(&named("good")).await;
    assert_eq!(client.body["software_version"], "2");
}

#[tokio::test]
async fn recorded_requests_are_replayed_by_other_scripts() {
    let server = TestServer::scripted(&[("10-a.rhai", PRESENT)], |configuration| {
        configuration.live.registration.recorded_requests = 3;
    })
    .await;
    for name in ["first", "good", "bad", "good"] {
        let client = server.register(&named(name)).await;
        server.must_not_leak(&client.token);
    }
    let replayed = async |script: &str, after: u64| {
        let body = json!({"files": {"10-a.rhai": script}, "after": after, "limit": 2});
        Answer::of(server.administrate("POST", REPLAY).await.json(&body)).await
    };
    // The first is dropped when the fourth is recorded.
    let recorded = async || {
        let answer = replayed(NEXT, 1).await;
        answer.expect_status(200);
        let next = replayed(NEXT, answer.body["next"].as_u64().unwrap_or(99)).await;
        (next.body["judged"] == 1).then_some((answer, next))
    };
    let (first, next) = until(recorded).await;
    assert_eq!(
        (&first.body["judged"], &first.body["next"]),
        (&json!(2), &json!(3))
    );
    let differences = first.body["differences"].as_array().unwrap();
    assert_eq!(differences[0]["members"][0]["member"], "software_version");
    assert_eq!(differences[1]["after"]["error"], "access_denied");
    assert_eq!(
        (&next.body["judged"], next.body.get("next")),
        (&json!(1), None)
    );
    let same = replayed(PRESENT, 1).await;
    assert_eq!(same.body["differences"], json!([]));
    replayed("fn createClient(", 0)
        .await
        .expect_error(400, &["invalid_scripts"]);
    let from_start = replayed(PRESENT, 0).await;
    assert_eq!(from_start.body["next"], json!(3), "{}", from_start.text);
}
