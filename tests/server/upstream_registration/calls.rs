//! Calls of the upstream server that end half done: what follows from them is never lost.

use serde_json::{Value, json};

use super::{Passage, World};
use crate::support::{Answer, TestServer, minimal, with};

#[tokio::test]
async fn a_registration_whose_answer_is_lost_is_reported_until_it_is_settled() {
    let world = World::new().await;
    world.relay.set(Passage::LosesAnswers);
    let answer = world.front.post(&minimal()).await;
    answer.expect_status(503);
    assert_eq!(answer.body["error"], "temporarily_unavailable");
    assert_eq!(answer.header("retry-after"), "30");
    world.front.expect_empty().await;
    assert_eq!(world.count_there().await, 2, "it is registered there");
    let calls = world.calls().await;
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0]["aim"], "unknown");
    assert_eq!(calls[0]["metadata"]["client_name"], "K");
    world.relay.set(Passage::Open);
    world.continue_calls().await;
    assert_eq!(
        world.calls().await.len(),
        1,
        "nobody but an operator can find out"
    );
    let audited = world.front.storage().audited(0).await.expect("it reads");
    let unknown = |event: &&Value| event["action"] == "upstream_outcome_unknown";
    assert_eq!(audited.iter().filter(unknown).count(), 1);
    let id = calls[0]["id"].as_str().expect("an id");
    let path = format!("/admin/v1/upstream-calls/{id}/settle");
    world.admin("POST", &path).await.expect_status(204);
    world.admin("POST", &path).await.expect_status(404);
    assert_eq!(world.calls().await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_registration_that_does_not_reach_the_upstream_server_leaves_nothing() {
    let world = World::new().await;
    let gone = TestServer::configured(|configuration| {
        // Nothing listens on this port.
        let url = "http://127.0.0.1:1/register".to_owned();
        configuration.settings.upstream_registration.url = Some(url);
    })
    .await;
    let answer = gone.post(&minimal()).await;
    answer.expect_status(503);
    gone.expect_empty().await;
    let calls = gone.called("GET", "/admin/v1/upstream-calls").await;
    assert_eq!(calls.body["calls"], json!([]));
    drop(world);
}

#[tokio::test]
async fn a_client_whose_answer_a_script_fails_is_deleted_at_the_upstream_server() {
    let script = "fn modifyPostResponse(context, response) { throw \"no\" }";
    let world = World::with(&[("10-a.rhai", script)], json!({}), json!({})).await;
    world.front.post(&minimal()).await.expect_status(500);
    world.front.expect_empty().await;
    assert_eq!(world.count_there().await, 1, "only its administrator");
    assert_eq!(world.calls().await, Vec::<Value>::new());
}

#[tokio::test]
async fn an_update_whose_answer_a_script_fails_is_undone_at_the_upstream_server() {
    let script = "fn modifyPutResponse(context, response) { throw \"no\" }";
    for rotation in ["never", "onUse"] {
        let there = json!({"rotateRegistrationAccessToken": rotation});
        let world = World::with(&[("10-a.rhai", script)], json!({}), there).await;
        let client = world.front.register(&minimal()).await;
        let members = json!({"client_id": client.id, "client_name": "Other"});
        let update = with(minimal(), members);
        for _ in 0..3 {
            world
                .front
                .update(&client, &update)
                .await
                .expect_status(500);
            let there = world.there(&client.id).await.expect("it is there");
            assert_eq!(there["metadata"]["client_name"], "K", "{rotation}");
            assert_eq!(world.calls().await, Vec::<Value>::new());
        }
        world.front.delete(&client).await.expect_status(204);
        assert_eq!(world.there(&client.id).await, None);
    }
}

#[tokio::test]
async fn an_update_whose_answer_is_lost_is_undone_when_the_upstream_server_is_back() {
    let world = World::new().await;
    let client = world.front.register(&minimal()).await;
    world.relay.set(Passage::LosesAnswers);
    let members = json!({"client_id": client.id, "client_name": "Other"});
    let update = with(minimal(), members);
    world
        .front
        .update(&client, &update)
        .await
        .expect_status(503);
    let there = world.there(&client.id).await.expect("it is there");
    assert_eq!(there["metadata"]["client_name"], "Other");
    let read = world.front.read(&client).await;
    assert_eq!(read.body["client_name"], "K");
    world.front.inside().continue_upstream().await;
    assert_eq!(world.calls().await[0]["aim"], "update");
    world.relay.set(Passage::Open);
    world.continue_calls().await;
    let there = world.there(&client.id).await.expect("it is there");
    assert_eq!(there["metadata"]["client_name"], "K");
    assert_eq!(world.calls().await, Vec::<Value>::new());
    // The next update takes effect on both sides.
    world
        .front
        .update(&client, &update)
        .await
        .expect_status(200);
    let there = world.there(&client.id).await.expect("it is there");
    assert_eq!(there["metadata"]["client_name"], "Other");
}

#[tokio::test]
async fn a_deletion_follows_when_the_upstream_server_is_back() {
    for passage in [Passage::LosesRequests, Passage::LosesAnswers] {
        let world = World::new().await;
        let client = world.front.register(&minimal()).await;
        world.relay.set(passage);
        world.front.delete(&client).await.expect_status(204);
        world.front.read(&client).await.expect_status(401);
        let calls = world.calls().await;
        assert_eq!(calls[0]["aim"], "delete");
        assert_eq!(calls[0]["client_id"], client.id);
        // It is not settled by hand.
        let path = format!("/admin/v1/upstream-calls/deletion:{}/settle", client.id);
        world.admin("POST", &path).await.expect_status(409);
        world.relay.set(Passage::Open);
        world.continue_calls().await;
        assert_eq!(world.there(&client.id).await, None, "{passage:?}");
        assert_eq!(world.calls().await, Vec::<Value>::new());
    }
}

#[tokio::test]
async fn a_client_that_disconnects_leaves_nothing_at_the_upstream_server() {
    let world = World::new().await;
    world.relay.set(Passage::HoldsAnswers);
    {
        let request = minimal();
        let mut registration = Box::pin(world.front.post(&request));
        tokio::select! {
            _ = &mut registration => panic!("its answer is held"),
            () = world.relay.answered(1) => (),
        }
    }
    world.relay.set(Passage::Open);
    // The call ends with the task that sent it: either the client is stored here, or it is deleted there.
    while world
        .calls()
        .await
        .iter()
        .any(|call| call["aim"] == "create")
    {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let mut both = (1, 2);
    for _ in 0..10 {
        if both.0 == both.1 {
            break;
        }
        world.continue_calls().await;
        let here = world.front.storage().count_clients().await;
        both = (here.expect("it reads"), world.count_there().await);
    }
    assert_eq!(both.0, both.1);
    assert_eq!(world.calls().await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_second_update_waits_for_the_first() {
    let world = World::new().await;
    let client = world.front.register(&minimal()).await;
    world.relay.set(Passage::HoldsAnswers);
    let first = with(
        minimal(),
        json!({"client_id": client.id, "client_name": "First"}),
    );
    let second = with(
        minimal(),
        json!({"client_id": client.id, "client_name": "Second"}),
    );
    let mut update = Box::pin(world.front.update(&client, &first));
    tokio::select! {
        _ = &mut update => panic!("its answer is held"),
        () = world.relay.answered(2) => (),
    }
    let busy = world.front.update(&client, &second).await;
    busy.expect_status(409);
    world.relay.set(Passage::Open);
    update.await.expect_status(200);
    let there = world.there(&client.id).await.expect("it is there");
    assert_eq!(there["metadata"]["client_name"], "First");
    world
        .front
        .update(&client, &second)
        .await
        .expect_status(200);
}

#[tokio::test]
async fn an_update_that_is_retried_during_an_outage_leaves_both_sides_the_same() {
    for rotation in ["never", "onUpdate", "onUse"] {
        let there = json!({"rotateRegistrationAccessToken": rotation});
        let world = World::with(&[], json!({}), there).await;
        let client = world.front.register(&minimal()).await;
        let update = with(
            minimal(),
            json!({"client_id": client.id, "client_name": "Other"}),
        );
        world.relay.set(Passage::LosesAnswers);
        world
            .front
            .update(&client, &update)
            .await
            .expect_status(503);
        world.relay.set(Passage::LosesRequests);
        let again = world.front.update(&client, &update).await;
        assert!([409, 503].contains(&again.status), "{:?}", again.body);
        world.relay.set(Passage::Open);
        world.continue_calls().await;
        let there = world.there(&client.id).await.expect("it is there");
        assert_eq!(there["metadata"]["client_name"], "K", "{rotation}");
        assert_eq!(world.calls().await, Vec::<Value>::new(), "{rotation}");
        world
            .front
            .update(&client, &update)
            .await
            .expect_status(200);
    }
}

#[tokio::test]
async fn a_client_that_is_deleted_during_its_update_is_deleted_there_whatever_token_it_has() {
    for rotation in ["never", "onUse"] {
        let there = json!({"rotateRegistrationAccessToken": rotation});
        let world = World::with(&[], json!({}), there).await;
        let client = world.front.register(&minimal()).await;
        let update = with(
            minimal(),
            json!({"client_id": client.id, "client_name": "Other"}),
        );
        world.relay.set(Passage::HoldsAnswers);
        let mut updating = Box::pin(world.front.update(&client, &update));
        tokio::select! {
            _ = &mut updating => panic!("its answer is held"),
            () = world.relay.answered(2) => (),
        }
        world.front.delete(&client).await.expect_status(204);
        world.relay.set(Passage::Open);
        assert!(updating.await.status >= 400);
        for _ in 0..3 {
            world.continue_calls().await;
        }
        assert_eq!(world.there(&client.id).await, None, "{rotation}");
        assert_eq!(world.calls().await, Vec::<Value>::new(), "{rotation}");
    }
}

#[tokio::test]
async fn a_client_can_be_disabled_while_the_upstream_server_is_down() {
    let world = World::new().await;
    let client = world.front.register(&minimal()).await;
    world.relay.set(Passage::LosesRequests);
    let path = format!("/admin/v1/clients/{}", client.id);
    let mut metadata = world.admin("GET", &path).await.body["metadata"].take();
    metadata["disabled"] = true.into();
    let request = world.front.administrate("PUT", &path).await.json(&metadata);
    Answer::of(request).await.expect_status(200);
    world.front.read(&client).await.expect_status(401);
}
