//! The list of documents that wait, page by page.

use serde_json::{Value, json};

use super::{World, encoded};

impl World {
    /// Returns the URLs on a page of `limit` documents after the position `after`, and the position of the next page.
    async fn listed(
        &self,
        state: &str,
        limit: usize,
        after: &str,
    ) -> (Vec<String>, Option<String>) {
        let mut path = format!("/admin/v1/client-documents?state={state}&limit={limit}");
        if !after.is_empty() {
            path = format!("{path}&after={}", encoded(after));
        }
        let answer = self.ask("GET", &path).await;
        answer.expect_status(200);
        let documents = answer.body["documents"].as_array().unwrap();
        let urls = documents
            .iter()
            .map(|document| document["client_id"].as_str().unwrap());
        let next = answer.body.get("next").and_then(Value::as_str);
        (urls.map(str::to_owned).collect(), next.map(str::to_owned))
    }
}

#[tokio::test]
async fn a_page_goes_on_where_the_last_one_ended_although_its_last_item_is_gone() {
    let world = World::new(json!({"clientDocumentApproval": "first"})).await;
    let mut urls = Vec::new();
    // The first two begin to wait in the same second, and the order of the others is not that of their URLs.
    for (path, seconds) in [("/a", 0), ("/b", 0), ("/d", 10), ("/c", 10), ("/e", 10)] {
        world.server.clock.advance(seconds);
        let url = world.publish(path, json!({}));
        let answer = world.resolve(&url).await;
        answer.expect_error(403, &["document_pending"]);
        urls.push(url);
    }
    let (first, next) = world.listed("waiting", 2, "").await;
    assert_eq!(first, urls[..2]);
    let denial = json!({"client_id": urls[1]});
    world.order("deny", denial).await.expect_status(204);
    let (second, next) = world.listed("waiting", 2, &next.unwrap()).await;
    assert_eq!(second, urls[2..4]);
    for url in &second {
        let denial = json!({"client_id": url});
        world.order("deny", denial).await.expect_status(204);
    }
    let (last, next) = world.listed("waiting", 2, &next.unwrap()).await;
    assert_eq!((last.as_slice(), next), (&urls[4..], None));
    // Denials have pages too.
    let (denied, next) = world.listed("denied", 1, "").await;
    let (others, none) = world.listed("denied", 2, &next.unwrap()).await;
    let mut all = [denied, others].concat();
    all.sort();
    assert_eq!(
        (all.as_slice(), none),
        (
            [&urls[1], &urls[3], &urls[2]].map(String::clone).as_slice(),
            None
        )
    );
}

#[tokio::test]
async fn a_position_that_no_page_has_named_is_rejected() {
    let world = World::new(json!({})).await;
    for after in ["x", "https%3A%2F%2Fa.example%2Fc", ".x", "-1.x"] {
        let path = format!("/admin/v1/client-documents?after={after}");
        let answer = world.ask("GET", &path).await;
        answer.expect_error(400, &["invalid_request"]);
    }
}
