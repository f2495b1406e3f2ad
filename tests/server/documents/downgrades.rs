//! A client that authenticated with a key does not become public without an administrator.

use registrar::testing::Algorithm;
use serde_json::{Value, json};

use super::{PATH, World};
use crate::support::{Signer, with};

const METHOD: &str = "token_endpoint_auth_method";

/// Publishes a document of a client with a key, and puts it in force.
async fn keyed(world: &World) -> (String, Value) {
    let signer = Signer::new("k", Algorithm::Es256);
    let url = world.publish(
        PATH,
        json!({METHOD: "private_key_jwt", "jwks": signer.jwks()}),
    );
    if world.resolve(&url).await.status == 403 {
        let waiting = world.candidate(&url).await;
        world.approve(&url, &waiting["digest"]).await;
    }
    let client = world.client(&url).await;
    assert_eq!(client["metadata"][METHOD], "private_key_jwt");
    (url, client)
}

#[tokio::test]
async fn a_downgrade_waits_whatever_the_settings() {
    for approval in ["never", "first", "always"] {
        for hold in ["none", "keep", "stop"] {
            let world = World::new(json!({
                "clientDocumentApproval": approval, "clientDocumentHold": hold, "clientDocumentSensitive": [],
            }))
            .await;
            let (url, before) = keyed(&world).await;
            world.change(PATH, json!({METHOD: "none"}));
            if hold == "stop" {
                world.expect_pending(&url).await;
            } else {
                let client = world.client(&url).await;
                assert_eq!(client["metadata"], before["metadata"], "{approval} {hold}");
                let members = &client["document"]["held_change"];
                assert!(members.to_string().contains(METHOD), "{members}");
            }
            let shown = world.candidate(&url).await;
            assert_eq!(shown["change"]["downgrades"], json!([METHOD]));
            // An approval of other bytes does not help.
            let other = json!({"client_id": url, "digest": before["document"]["digest"]});
            let answer = world.order("approve", other).await;
            answer.expect_error(409, &["conflict"]);
            world.approve(&url, &shown["digest"]).await;
            let client = world.client(&url).await;
            assert_eq!(client["metadata"][METHOD], "none", "{approval} {hold}");
        }
    }
}

#[tokio::test]
async fn a_listed_or_approved_url_is_no_exception() {
    const URL: &str = "https://app.example.org/oauth/client.json";
    let pattern = "https://app.example.org/*";
    for settings in [
        json!({"clientDocumentApproved": [pattern]}),
        json!({"clientDocuments": "listed", "clientDocumentAllowList": [pattern]}),
    ] {
        let settings = with(json!({"clientDocumentApproval": "first"}), settings);
        let world = World::at(&["app.example.org"], &[], settings, |_| {}).await;
        let signer = Signer::new("k", Algorithm::Es256);
        world.publish_at(
            URL,
            json!({METHOD: "private_key_jwt", "jwks": signer.jwks()}),
        );
        if world.resolve(URL).await.status == 403 {
            let waiting = world.candidate(URL).await;
            world.approve(URL, &waiting["digest"]).await;
        }
        world.client(URL).await;
        world.publish_at(URL, json!({METHOD: "none"}));
        world.server.clock.advance(400);
        let client = world.client(URL).await;
        assert_eq!(client["metadata"][METHOD], "private_key_jwt");
        let shown = world.candidate(URL).await;
        assert_eq!(shown["change"]["downgrades"], json!([METHOD]));
    }
}

#[tokio::test]
async fn the_method_that_the_server_chooses_is_what_counts() {
    // The document says the same as before, and offers less.
    let world = World::new(json!({})).await;
    let signer = Signer::new("k", Algorithm::Es256);
    let offers = |methods: Value| {
        json!({
            METHOD: "x_future_auth", "token_endpoint_auth_methods_supported": methods, "jwks": signer.jwks(),
        })
    };
    let url = world.publish(PATH, offers(json!(["private_key_jwt", "none"])));
    let client = world.client(&url).await;
    assert_eq!(client["metadata"][METHOD], "private_key_jwt");
    world.change(PATH, offers(json!(["none"])));
    let client = world.client(&url).await;
    assert_eq!(client["metadata"][METHOD], "private_key_jwt");
    let shown = world.candidate(&url).await;
    assert_eq!(shown["change"]["downgrades"], json!([METHOD]));
}
