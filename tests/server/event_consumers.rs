//! What operators do with events: replays, and events that were not delivered.

use std::sync::Arc;

use registrar::config::Configuration;
use registrar::testing::FakeHost;
use serde_json::{Value, json};

use crate::events::{FEED, each, hooks, page, posted, until};
use crate::support::{Registered, TestServer, minimal, with};

/// A script that tells another system of each client, with the reason.
const TELL: &str = "fn clientCreated(context) {
    let id = context.client.client_id;
    http::request(#{ method: \"PUT\", url: `https://other.example.org/${context.event.reason}`, body: #{ id: id } });
}";

async fn telling() -> (TestServer, Arc<FakeHost>) {
    let (server, host) = TestServer::hosted(&[("10-a.rhai", TELL)], |_| {}).await;
    for reason in ["request", "replay"] {
        let url = format!("https://other.example.org/{reason}");
        host.answer_json("PUT", &url, 200, &json!({}));
    }
    (server, host)
}

#[tokio::test]
async fn existing_clients_are_replayed_to_a_hook() {
    let (server, host) = telling().await;
    let wanted = with(minimal(), json!({"software_id": "wanted"}));
    let mut expected = Vec::new();
    for _ in 0..3 {
        expected.push(json!({"id": server.register(&wanted).await.id}));
        server.register(&minimal()).await;
    }
    until(async || host.calls().len() == 6).await;
    let request = |after: Option<&Value>| {
        let all = json!({"hook": "clientCreated", "filter": {"software_id": "wanted"}, "limit": 2});
        after.map_or(all.clone(), |after| with(all, json!({"after": after})))
    };
    let first = posted(&server, "replay", request(None)).await;
    first.expect_status(200);
    assert_eq!(first.body["replayed"], 2);
    let second = posted(&server, "replay", request(first.body.get("next"))).await;
    assert_eq!(
        (&second.body["replayed"], second.body.get("next")),
        (&json!(1), None)
    );
    assert!(second.body["lag"].as_u64().unwrap() <= 9, "{}", second.text);
    until(async || host.calls().len() == 9).await;
    let mut told: Vec<Value> = host.calls()[6..]
        .iter()
        .map(|call| {
            assert!(call.url.ends_with("/replay"), "{}", call.url);
            serde_json::from_slice(call.body.as_ref().unwrap()).unwrap()
        })
        .collect();
    for list in [&mut told, &mut expected] {
        list.sort_by_key(ToString::to_string);
    }
    assert_eq!(told, expected);

    // Followers do not see them, and go on behind them.
    let feed = page(&server, "after=6").await;
    assert_eq!(feed.body, json!({"events": [], "next": 9, "last": 9}));
    let audited = server.events(0).await;
    let audited: Vec<&Value> = audited
        .iter()
        .filter(|event| event["action"] == "events_replayed")
        .collect();
    assert_eq!(audited.len(), 2);
    assert_eq!(
        (&audited[0]["subject"], &audited[0]["details"]["clients"]),
        (&json!("hooks"), &json!(2))
    );
    assert_eq!(audited[0]["actor"], "administrator");
}

#[tokio::test]
async fn a_replay_must_name_what_it_fills() {
    let server = TestServer::new().await;
    for (body, status) in [
        (json!({}), 400),
        (json!({"hook": "clientCreated", "webhook": "a"}), 400),
        (json!({"hook": "clientDeleted"}), 400),
        (
            json!({"hook": "clientCreated", "filter": {"name": "x"}}),
            400,
        ),
        (
            json!({"hook": "clientCreated", "filter": {"trust_level": "high"}}),
            400,
        ),
        (json!({"hook": "clientCreated"}), 404),
        (json!({"webhook": "unknown"}), 404),
    ] {
        posted(&server, "replay", body.clone())
            .await
            .expect_status(status);
    }
    let (server, _) = telling().await;
    for bad in [
        json!({"hook": "clientCreated", "limit": 501}),
        json!({"hook": "clientCreated", "after": ""}),
    ] {
        posted(&server, "replay", bad)
            .await
            .expect_error(400, &["invalid_request"]);
    }
    let none = posted(&server, "replay", json!({"hook": "clientCreated"})).await;
    assert_eq!(
        none.body,
        json!({"replayed": 0, "lag": 0}),
        "the administrator is not replayed"
    );
}

/// A script that fails for clients named `stuck` until another system answers.
const FAIL: &str = "fn clientCreated(context) {
    if context.client.client_name != \"stuck\" { return }
    if http::get(\"https://other.example.org/works\").status != 200 { throw \"the other system is down\" }
}";

/// A server whose hook fails, with three clients that it fails for.
async fn stuck(pauses: Vec<u64>) -> (TestServer, Arc<FakeHost>, Vec<Registered>) {
    let change = |configuration: &mut Configuration| {
        configuration.settings.scripts.retry_pauses_ms = pauses;
    };
    let (server, host) = TestServer::hosted(&[("10-a.rhai", FAIL)], change).await;
    host.answer_json("GET", "https://other.example.org/works", 503, &json!({}));
    let mut clients = Vec::new();
    for _ in 0..3 {
        let body = with(minimal(), json!({"client_name": "stuck"}));
        clients.push(server.register(&body).await);
    }
    (server, host, clients)
}

#[tokio::test]
async fn parked_events_are_listed_retried_and_skipped() {
    // Without pauses, there is one attempt.
    let (server, host, clients) = stuck(Vec::new()).await;
    until(async || hooks(&server).await["parked"] == 3).await;
    let parked = async |query: &str| {
        let path = format!("{FEED}/parked?consumer=hooks{query}");
        server.called("GET", &path).await
    };
    let all = parked("").await;
    assert_eq!(each(&all, "position"), [1, 2, 3].map(Value::from));
    let one = &all.body["events"][0];
    let names = ["client_id", "type", "attempts", "parked_at"];
    let values = [
        json!(clients[0].id),
        json!("client.created"),
        json!(1),
        json!(server.now()),
    ];
    assert_eq!(names.map(|name| one[name].clone()), values);
    assert!(
        one["error"]
            .as_str()
            .unwrap()
            .contains("the other system is down"),
        "{one}"
    );
    assert!(
        !all.text
            .contains(clients[0].body["client_secret"].as_str().unwrap())
    );
    assert!(
        !all.text.contains("redirect_uris"),
        "what scripts see of the request is not shown"
    );
    let first = parked("&limit=2").await;
    assert_eq!(
        (each(&first, "position").len(), &first.body["next"]),
        (2, &json!(2))
    );
    assert_eq!(each(&parked("&after=2").await, "position"), [json!(3)]);

    let order = |position: u64| json!({"consumer": "hooks", "position": position});
    let skipped = posted(&server, "skip", order(1)).await;
    let expected = with(
        order(1),
        json!({"client_id": clients[0].id, "was_parked": true}),
    );
    assert_eq!((skipped.status, skipped.body), (200, expected));
    posted(&server, "skip", order(1))
        .await
        .expect_error(404, &["not_found"]);

    host.answer_json("GET", "https://other.example.org/works", 200, &json!({}));
    posted(&server, "retry", order(2)).await.expect_status(200);
    until(async || hooks(&server).await["cursor"] == 4).await;
    let state = hooks(&server).await;
    assert_eq!((&state["parked"], &state["lag"]), (&json!(1), &json!(0)));
    let feed = page(&server, "after=3").await;
    assert_eq!(
        feed.body["events"],
        json!([]),
        "only the consumer gets it again"
    );
    let audited = server.events(0).await;
    for (action, client, position) in [("event_skipped", 0, 1), ("event_retried", 1, 2)] {
        let event = audited
            .iter()
            .find(|event| event["action"] == action)
            .expect(action);
        let details = json!({"consumer": "hooks", "position": position});
        assert_eq!(
            (&event["subject"], &event["details"]),
            (&json!(clients[client].id), &details)
        );
    }
}

#[tokio::test]
async fn waiting_events_are_retried_and_skipped() {
    let (server, host, clients) = stuck(vec![60_000]).await;
    let waits = async |count: usize| {
        let state = hooks(&server).await;
        let waiting = state["waiting"].as_array().unwrap();
        let failed = waiting
            .iter()
            .filter(|event| event["attempts"] == 1)
            .count();
        failed == count && waiting.len() == count
    };
    until(async || waits(3).await).await;
    let state = hooks(&server).await;
    assert_eq!((&state["lag"], &state["parked"]), (&json!(3), &json!(0)));
    let first = &state["waiting"][0];
    assert_eq!(first["client_id"], clients[0].id);
    assert_eq!(first["failing_since"], server.now());
    assert_eq!(first["due"], server.now() + 60);
    assert!(first["error"].as_str().unwrap().contains("down"), "{first}");

    let order = |position: u64| json!({"consumer": "hooks", "position": position});
    let skipped = posted(&server, "skip", order(1)).await;
    assert_eq!(
        (skipped.status, &skipped.body["was_parked"]),
        (200, &json!(false))
    );
    until(async || waits(2).await).await;
    host.answer_json("GET", "https://other.example.org/works", 200, &json!({}));
    posted(&server, "retry", order(3)).await.expect_status(200);
    // One success means that the other system works again, so the rest is delivered too.
    until(async || waits(0).await).await;
    for (path, body, status) in [
        ("retry", order(9), 404),
        ("skip", json!({"consumer": "unknown", "position": 2}), 404),
        ("skip", json!({"consumer": "hooks/o/1", "position": 2}), 404),
        ("skip", json!({"consumer": "hooks"}), 400),
        ("skip", json!({"consumer": "hooks", "position": -2}), 400),
        ("enable", json!({"consumer": "unknown"}), 404),
    ] {
        posted(&server, path, body).await.expect_status(status);
    }
    let unknown = server
        .called("GET", &format!("{FEED}/parked?consumer=unknown"))
        .await;
    unknown.expect_error(404, &["not_found"]);
    let unnamed = server.called("GET", &format!("{FEED}/parked")).await;
    unnamed.expect_error(400, &["invalid_request"]);
}

#[tokio::test]
async fn a_disabled_consumer_is_enabled() {
    let (server, host) = TestServer::hosted(&[], |_| {}).await;
    let storage = server.storage();
    storage.begin_disabled("hooks", "410 Gone").await.unwrap();
    host.answer_json("PUT", "https://other.example.org/request", 200, &json!({}));
    let client = server.register(&minimal()).await;
    server.write_script("10-a.rhai", TELL);
    until(async || !hooks(&server).await.is_null()).await;
    let state = hooks(&server).await;
    assert_eq!(
        (&state["disabled"], &state["lag"]),
        (&json!("410 Gone"), &json!(1))
    );
    assert!(host.calls().is_empty());
    for _ in 0..2 {
        posted(&server, "enable", json!({"consumer": "hooks"}))
            .await
            .expect_status(204);
        until(async || host.calls().len() == 1).await;
        until(async || hooks(&server).await.get("disabled").is_none()).await;
    }
    let told: Value = serde_json::from_slice(host.calls()[0].body.as_ref().unwrap()).unwrap();
    assert_eq!(told, json!({"id": client.id}));
    let audited = server.events(0).await;
    let enabled: Vec<&Value> = audited
        .iter()
        .filter(|event| event["action"] == "consumer_enabled")
        .collect();
    assert_eq!(
        (enabled.len(), &enabled[0]["subject"]),
        (1, &json!("hooks"))
    );
}
