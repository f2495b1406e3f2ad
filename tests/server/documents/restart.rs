//! What administrators have decided outlives a restart.

use registrar::config::ClientDocuments;
use serde_json::json;

use super::{PATH, World};
use crate::support::{Answer, TestServer, development_with, registering};

#[tokio::test]
async fn approvals_denials_and_what_waits_outlive_a_restart() {
    let settings = json!({"clientDocumentApproval": "first"});
    let world = World::new(settings.clone()).await;
    let approved = world.publish(PATH, json!({}));
    let denied = world.publish("/oauth/denied.json", json!({}));
    let waiting = world.publish("/oauth/waiting.json", json!({}));
    for url in [&approved, &denied, &waiting] {
        world.expect_pending(url).await;
    }
    let digest = world.candidate_digest(&approved).await;
    world.approve(&approved, &digest.into()).await;
    let denial = json!({"client_id": denied});
    world.order("deny", denial).await.expect_status(204);
    let before = world.client(&approved).await;
    let digest_of_waiting = world.candidate_digest(&waiting).await;

    let administrator = world.server.administrator();
    let data = world.server.folder.path().join("data");
    let kept = world.server.stop_and_keep().await;
    let server = TestServer::configured(|configuration| {
        configuration.settings.fetch = development_with(&world.files);
        configuration.settings.store.url = format!("sled:{}", data.display()).into();
        configuration.live.registration.client_documents = ClientDocuments::Any;
        registering(configuration, settings);
    })
    .await;
    let ask = async |url: &str| {
        let token = server.access_token(&administrator).await;
        let url: String = url::form_urlencoded::byte_serialize(url.as_bytes()).collect();
        let path = format!("/admin/v1/clients/resolve?client_id={url}");
        Answer::of(server.ask("GET", &path).bearer_auth(token)).await
    };
    let after = ask(&approved).await;
    after.expect_status(200);
    let after = after.body;
    assert_eq!(
        after["document"]["approved"],
        before["document"]["approved"]
    );
    assert_eq!(after["document"]["digest"], before["document"]["digest"]);
    let answer = ask(&denied).await;
    answer.expect_error(403, &["document_denied"]);
    let answer = ask(&waiting).await;
    answer.expect_error(403, &["document_pending"]);
    let token = server.access_token(&administrator).await;
    let approve = server.ask("POST", "/admin/v1/client-documents/approve");
    let approval = json!({"client_id": waiting, "digest": digest_of_waiting});
    let approved = Answer::of(approve.bearer_auth(token).json(&approval)).await;
    approved.expect_status(200);
    drop(kept);
}

impl World {
    /// Returns the digest of the octets that wait.
    async fn candidate_digest(&self, url: &str) -> String {
        let candidate = self.candidate(url).await;
        candidate["digest"].as_str().unwrap().to_owned()
    }
}
