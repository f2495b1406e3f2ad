//! The live parts of pages, which a script of the console asks for again and again.

use registrar::config::ConsoleUse;
use serde_json::json;

use super::{Browser, expect_sign_in};
use crate::support::{Answer, TestServer, minimal, with};

impl Browser<'_> {
    /// Asks for a page as its script does.
    async fn refresh(&mut self, page: &str) -> Answer {
        let request = self.server.ask("GET", &format!("{}{page}", self.base));
        self.send(request.header("registrar-refresh", "true")).await
    }
}

#[tokio::test]
async fn a_refresh_is_no_use_of_the_session() {
    let server = TestServer::with_console(ConsoleUse::Auto).await;
    let mut browser = Browser::new(&server);
    browser.sign_in(&server.administrator()).await;
    for _ in 0..17 {
        server.clock.advance(100);
        browser.refresh("events").await.expect_status(200);
    }
    server.clock.advance(100);
    expect_sign_in(&browser.refresh("events").await);
    expect_sign_in(&browser.get("events").await);
    browser.sign_in(&server.administrator()).await;
    server.clock.advance(1_700);
    browser.get("events").await.expect_status(200);
    server.clock.advance(1_700);
    browser.refresh("events").await.expect_status(200);
}

#[tokio::test]
async fn the_live_parts_are_those_of_the_page_and_change() {
    let server = TestServer::with_console(ConsoleUse::Auto).await;
    let mut browser = Browser::new(&server);
    browser.sign_in(&server.administrator()).await;
    for (page, part) in [("", "figures"), ("events", "events"), ("audit", "events")] {
        let shown = browser.get(page).await;
        let begin = format!("<div data-live=\"{part}\">");
        assert!(shown.text.contains(super::OWN_SCRIPT), "{page}");
        let client = server
            .register(&with(minimal(), json!({"client_name": page})))
            .await;
        let refreshed = browser.refresh(page).await;
        refreshed.expect_status(200);
        let (_, before) = shown.text.split_once(&begin).expect(part);
        let (_, after) = refreshed.text.split_once(&begin).expect(part);
        assert_ne!(before, after, "{page}");
        if !page.is_empty() {
            assert!(
                after.contains(&client.id) && !before.contains(&client.id),
                "{page}"
            );
        }
    }
    // The plot reads the audit log, and is not repeated every few seconds.
    assert!(browser.get("").await.text.contains("<svg"));
    assert!(!browser.refresh("").await.text.contains("<svg"));
    // An older page of the audit log does not change.
    let older = browser.get("audit?before=3").await;
    assert!(!older.text.contains("data-live") && !older.text.contains(super::OWN_SCRIPT));
    let asset = browser.get("live.js").await;
    assert_eq!(
        asset.header("content-type"),
        "text/javascript; charset=utf-8"
    );
}

#[tokio::test]
async fn the_latest_events_are_shown_although_earlier_ones_are_gone() {
    let server = TestServer::with_console(ConsoleUse::Auto).await;
    let mut browser = Browser::new(&server);
    browser.sign_in(&server.administrator()).await;
    let none = browser.get("events").await;
    assert!(none.text.contains("No event is kept."), "{}", none.text);
    let mut clients = Vec::new();
    for _ in 0..60 {
        clients.push(server.register(&minimal()).await.id);
    }
    let shown = browser.get("events").await;
    assert!(shown.text.contains(&clients[59]) && shown.text.contains(&clients[10]));
    assert!(!shown.text.contains(&clients[9]), "50 are shown");
    let (newer, older) = (shown.text.find(&clients[59]), shown.text.find(&clients[58]));
    assert!(newer < older, "the newest is first");
}
