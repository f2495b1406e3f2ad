//! A clock jump deletes nothing permanently: sweeps use a monotonic clock.

use registrar::clock::{Clock, Timestamp};
use registrar::server::lifecycle::sweep_once;
use registrar::store::expiring::key_values::KeyValueLimits;
use registrar::store::seen::Seen;
use serde_json::{Value, json};

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
    let service = server.server().service();
    let (store, now) = (&service.store, || server.clock.now());
    let expiring = server
        .register(&with(minimal(), json!({"lifetime": DAY})))
        .await;
    let (never_used, used) = (
        server.register(&minimal()).await,
        server.register(&machine()).await,
    );
    let token = server.access_token(&used).await;
    let nonce = store.nonces.issue(now(), 300, 10).await.unwrap();
    let limits = KeyValueLimits {
        entries: 10,
        key_bytes: 10,
        value_bytes: 10,
    };
    let kept = store.key_values.of("script", limits);
    kept.set("k", &json!("v"), now().plus(300), now())
        .await
        .unwrap();
    sweep_once(service).await;
    assert_eq!(told(&server).await, Value::Null);

    server.clock.jump(YEARS);
    sweep_once(service).await;
    let said = told(&server).await;
    assert!(
        said.as_str().unwrap().contains(&format!("{YEARS} s ahead")),
        "{said}"
    );
    assert_eq!(
        held_seconds(&server).await,
        format!("registrar_sweep_held_seconds {YEARS}")
    );
    server
        .read(&expiring)
        .await
        .expect_error(401, &["invalid_token"]);

    server.clock.advance(100);
    sweep_once(service).await;
    server.clock.set(Timestamp::from_unix(START + 100));
    sweep_once(service).await;
    assert_eq!(told(&server).await, Value::Null);
    assert_eq!(
        held_seconds(&server).await,
        "registrar_sweep_held_seconds 0"
    );
    for client in [&expiring, &never_used, &used] {
        server.read(client).await.expect_status(200);
    }
    let seen = server
        .basic(&server.administrator(), "/introspect", &[("token", &token)])
        .await;
    assert_eq!(seen.member("active"), true, "{}", seen.text);
    assert!(store.nonces.consume(&nonce, now()).await.unwrap());
    assert_eq!(kept.get("k", now()).await.unwrap(), Some(json!("v")));

    // Time that really passes counts.
    server.clock.advance(DAY);
    sweep_once(service).await;
    assert_eq!(
        store.clients.count_all().await.unwrap(),
        3,
        "the administrator and the two clients that do not expire"
    );
}

#[tokio::test]
async fn delayed_removals_are_made_later_in_portions() {
    let server = TestServer::new().await;
    let service = server.server().service();
    for _ in 0..25 {
        server
            .register(&with(minimal(), json!({"lifetime": DAY})))
            .await;
    }
    let forever = server.register(&minimal()).await;
    sweep_once(service).await;
    server.clock.jump(30 * DAY);
    let left = async || service.store.clients.count_all().await.unwrap() - 2;
    for wait in [0, DAY - 1] {
        server.clock.advance(wait);
        sweep_once(service).await;
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
        sweep_once(service).await;
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
    sweep_once(service).await;
    assert_eq!(left().await, 0);
}

#[tokio::test]
async fn a_server_delays_sweeps_once_after_downtime_and_otherwise_not_at_all() {
    for (hold, after) in [(DAY, 1), (0, 0)] {
        let server = TestServer::configured(|configuration| {
            configuration.settings.store.clock_jump_hold_seconds = hold;
        })
        .await;
        let service = server.server().service();
        server
            .register(&with(minimal(), json!({"lifetime": DAY})))
            .await;
        // The state of a month ago, before the first sweep of this start.
        let seen = Seen {
            moment: Timestamp::from_unix(START - 30 * DAY),
            waited: 0,
        };
        service.store.set_seen(seen).await.unwrap();
        server.clock.jump(DAY);
        sweep_once(service).await;
        assert_eq!(service.store.clients.count_all().await.unwrap(), 1 + after);
        server.clock.advance(hold);
        sweep_once(service).await;
        assert_eq!(service.store.clients.count_all().await.unwrap(), 1);
        assert_eq!(
            service.store.seen().await.unwrap().unwrap().moment,
            server.clock.now()
        );
    }
}
