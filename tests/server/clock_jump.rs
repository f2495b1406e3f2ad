//! A clock jump deletes nothing permanently: sweeps use a monotonic clock.

use registrar::clock::Timestamp;
use serde_json::{Value, json};

use crate::events::until;
use crate::support::{Answer, START, TestServer, machine, minimal, with};

const DAY: u64 = 86_400;
const YEARS: u64 = 3_650 * DAY;

async fn told(server: &TestServer) -> Value {
    Answer::of(server.ask("GET", "/readyz")).await.body["sweepHeld"].clone()
}

async fn held_seconds(server: &TestServer) -> String {
    let text = Answer::of(server.ask("GET", "/metrics")).await.text;
    let line = text
        .lines()
        .find(|line| line.starts_with("registrar_sweep_held_seconds "));
    line.expect("the metric is there").to_owned()
}

#[tokio::test]
async fn everything_that_expired_is_available_again_when_the_clock_is_corrected() {
    let server = TestServer::registering(json!({
        "unusedClientLifetime": 60 * DAY, "inactiveClientLifetime": 60 * DAY,
    }))
    .await;
    let (inside, storage) = (server.inside(), server.storage());
    let expiring = server
        .register(&with(minimal(), json!({"lifetime": DAY})))
        .await;
    let (never_used, used) = (
        server.register(&minimal()).await,
        server.register(&machine()).await,
    );
    let token = server.access_token(&used).await;
    let nonce = storage.issue_nonce(server.now()).await.unwrap();
    let (value, now) = (json!("v"), server.now());
    storage.keep("script", "k", &value, now).await.unwrap();
    inside.sweep().await;
    assert_eq!(told(&server).await, Value::Null);

    server.clock.jump(YEARS);
    inside.sweep().await;
    let said = told(&server).await;
    assert!(
        said.as_str().unwrap().contains(&format!("{YEARS} s ahead")),
        "{said}"
    );
    // The metrics belong to the process, so a server of another test can sweep in between.
    let held = format!("registrar_sweep_held_seconds {YEARS}");
    until(async || {
        inside.sweep().await;
        held_seconds(&server).await == held
    })
    .await;
    server
        .read(&expiring)
        .await
        .expect_error(401, &["invalid_token"]);

    server.clock.advance(100);
    inside.sweep().await;
    server.clock.set(Timestamp::from_unix(START + 100));
    inside.sweep().await;
    assert_eq!(told(&server).await, Value::Null);
    until(async || {
        inside.sweep().await;
        held_seconds(&server).await == "registrar_sweep_held_seconds 0"
    })
    .await;
    for client in [&expiring, &never_used, &used] {
        server.read(client).await.expect_status(200);
    }
    let seen = server
        .basic(&server.administrator(), "/introspect", &[("token", &token)])
        .await;
    assert_eq!(seen.member("active"), true, "{}", seen.text);
    let consumed = storage.consume_nonce(&nonce, server.now()).await;
    assert!(consumed.unwrap());
    let kept = storage.kept("script", "k", server.now()).await;
    assert_eq!(kept.unwrap(), Some(value));

    // Time that really passes counts.
    server.clock.advance(DAY);
    inside.sweep().await;
    assert_eq!(
        storage.count_clients().await.unwrap(),
        3,
        "the administrator and the two clients that do not expire"
    );
}

#[tokio::test]
async fn delayed_removals_are_made_later_in_portions() {
    let server = TestServer::new().await;
    let (inside, storage) = (server.inside(), server.storage());
    for _ in 0..25 {
        server
            .register(&with(minimal(), json!({"lifetime": DAY})))
            .await;
    }
    let forever = server.register(&minimal()).await;
    inside.sweep().await;
    server.clock.jump(30 * DAY);
    let left = async || storage.count_clients().await.unwrap() - 2;
    for wait in [0, DAY - 1] {
        server.clock.advance(wait);
        inside.sweep().await;
        assert_eq!(left().await, 25);
    }
    assert!(
        told(&server)
            .await
            .as_str()
            .unwrap()
            .contains("for another 1 s")
    );
    server.clock.advance(1);
    for after in [15, 5, 0] {
        inside.sweep().await;
        assert_eq!((left().await, told(&server).await), (after, Value::Null));
    }
    server.read(&forever).await.expect_status(200);

    // Clients registered since then are removed on time, all of them.
    for _ in 0..25 {
        server
            .register(&with(minimal(), json!({"lifetime": 60})))
            .await;
    }
    server.clock.advance(60);
    inside.sweep().await;
    assert_eq!(left().await, 0);
}

#[tokio::test]
async fn a_server_delays_sweeps_once_after_downtime_and_otherwise_not_at_all() {
    for (hold, after) in [(DAY, 1), (0, 0)] {
        let server = TestServer::configured(|configuration| {
            configuration.settings.store.clock_jump_hold_seconds = hold;
        })
        .await;
        let (inside, storage) = (server.inside(), server.storage());
        server
            .register(&with(minimal(), json!({"lifetime": DAY})))
            .await;
        // The state of a month ago, before the first sweep of this start.
        storage.set_seen(START - 30 * DAY).await.unwrap();
        server.clock.jump(DAY);
        inside.sweep().await;
        assert_eq!(storage.count_clients().await.unwrap(), 1 + after);
        server.clock.advance(hold);
        inside.sweep().await;
        assert_eq!(storage.count_clients().await.unwrap(), 1);
        assert_eq!(storage.seen().await.unwrap(), Some(server.now()));
    }
}
