//! The key of the store is replaced while a request takes its time.

use std::sync::Arc;
use std::time::Duration;

use registrar::config::Configuration;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use crate::support::{Answer, Origin, Reply, TestServer, fetches_locally};

/// How long a script may wait. The rotation takes some seconds.
const PATIENCE: u64 = 120_000;

/// Returns the state of the key once `is_so`.
async fn state(server: &TestServer, token: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let limit = Instant::now() + Duration::from_mins(1);
    loop {
        let request = server.ask("GET", "/admin/v1/key").bearer_auth(token);
        let state = Answer::of(request).await.body;
        if is_so(&state) {
            return state;
        }
        assert!(Instant::now() < limit, "{state}");
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_client_that_is_registered_during_a_whole_rotation_keeps_its_secret() {
    let (origin, gate) = (Origin::new().await, Arc::new(Semaphore::new(0)));
    let url = origin.at("/slow", Reply::gated("{}", &gate));
    let script =
        format!("fn modifyPostResponse(response, context) {{ http::get(\"{url}\"); true }}");
    let change = |configuration: &mut Configuration| {
        fetches_locally(configuration);
        configuration.settings.fetch.timeout_ms = PATIENCE;
        configuration.settings.scripts.limits.http_ms = PATIENCE;
    };
    let server = TestServer::scripted(&[("10-slow.rhai", &script)], change).await;
    let token = server.administrator_token().await;
    let file = server.folder.path().join("data/registrar.key");
    let previous = std::fs::read_to_string(&file).expect("a key");

    let members = json!({"grant_types": ["client_credentials"], "scope": "openid"});
    let rotating = async {
        while origin.hits("/slow") == 0 {
            sleep(Duration::from_millis(20)).await;
        }
        let new = "bmV3IGtleSBuZXcga2V5IG5ldyBrZXkgbmV3IGtleSE=\n";
        std::fs::write(&file, format!("{new}{previous}")).expect("it is written");
        let complete = state(&server, &token, |state| {
            state["rotation"]["stage"] == "complete"
        });
        assert_eq!(complete.await["rotation"]["unopened"], 0);
        std::fs::write(&file, new).expect("it is written");
        state(&server, &token, |state| state["previous"] == json!([])).await;
        gate.add_permits(1);
    };
    let (client, ()) = tokio::join!(server.register(&members), rotating);
    let answer = server.read(&client).await;
    answer.expect_status(200);
    assert_eq!(answer.body["client_secret"], client.body["client_secret"]);
    // It authenticates with it too.
    server.access_token(&client).await;
}
