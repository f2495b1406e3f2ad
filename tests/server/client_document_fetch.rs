//! Fetches of client documents: octets, validators, limits, and what is reported of another answer.

use registrar::testing::Fetching;

use crate::support::{Origin, Reply, development};

const NOTHING: (Option<&str>, Option<&str>) = (None, None);

fn fetcher() -> Fetching {
    Fetching::new(&development()).unwrap()
}

#[tokio::test]
async fn the_octets_are_kept_with_what_makes_the_next_fetch_conditional() {
    let (fetcher, origin) = (fetcher(), Origin::new().await);
    let text = "{ \"client_id\" : \"x\" }\n";
    let reply = Reply::text("application/json", text)
        .header("etag", "\"1\"")
        .header("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")
        .header("cache-control", "max-age=600");
    let unchanged = Reply::status(304).header("cache-control", "max-age=60");
    let url = origin.url("/c");
    origin.set_each("/c", [reply, unchanged]);
    let first = fetcher.get_document(&url, NOTHING, 100).await.unwrap();
    assert_eq!(first.octets.as_deref(), Some(text.as_bytes()));
    assert_eq!(
        (first.lifetime, first.etag.as_deref()),
        (Some(600), Some("\"1\""))
    );
    for header in [
        "if-none-match",
        "if-modified-since",
        "cookie",
        "authorization",
    ] {
        assert_eq!(origin.asked("/c", header), None, "{header}");
    }
    let validators = (first.etag.as_deref(), first.last_modified.as_deref());
    let second = fetcher.get_document(&url, validators, 100).await.unwrap();
    assert_eq!((second.octets, second.lifetime), (None, Some(60)));
    assert_eq!(
        (second.etag, second.last_modified),
        (first.etag.clone(), first.last_modified.clone())
    );
    assert_eq!(origin.asked("/c", "if-none-match"), first.etag);
    assert_eq!(origin.asked("/c", "if-modified-since"), first.last_modified);
}

#[tokio::test]
async fn only_a_small_json_answer_with_status_200_is_a_document() {
    let (fetcher, origin) = (fetcher(), Origin::new().await);
    let challenge = Reply::text("text/html; charset=UTF-8", "x".repeat(20_000))
        .with_status(403)
        .header("cf-mitigated", "challenge");
    for (reply, error) in [
        (Reply::status(204), "Status(204)"),
        (Reply::status(304), "Redirected(304)"),
        (
            Reply::status(301).header("location", origin.url("/good")),
            "Redirected(301)",
        ),
        (Reply::text("text/html", "<p>"), "MediaType"),
        (
            Reply::text("application/json", "x".repeat(101)),
            "TooLarge { limit: 100 }",
        ),
        (Reply::endless(), "TooLarge { limit: 100 }"),
        (challenge, "Status(403)"),
    ] {
        let url = origin.at("/c", reply);
        let fault = fetcher.get_document(&url, NOTHING, 100).await.unwrap_err();
        assert!(fault.contains(&format!("error: {error}")), "{fault}");
        assert_eq!(
            fault.contains("is_challenge: true"),
            error == "Status(403)",
            "{fault}"
        );
    }
    assert_eq!(origin.hits("/good"), 0);
}
