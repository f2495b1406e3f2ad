//! The feed of events.

use std::time::{Duration, Instant};

use registrar::config::Configuration;
use serde_json::{Value, json};

use crate::support::{Answer, TestServer, minimal};

pub(crate) const FEED: &str = "/admin/v1/events";

pub(crate) async fn page(server: &TestServer, query: &str) -> Answer {
    server.called("GET", &format!("{FEED}?{query}")).await
}

/// Posts `body` to an endpoint below the feed.
pub(crate) async fn posted(server: &TestServer, path: &str, body: Value) -> Answer {
    let request = server.administrate("POST", &format!("{FEED}/{path}")).await;
    Answer::of(request.json(&body)).await
}

pub(crate) async fn until(condition: impl AsyncFn() -> bool) {
    while !condition().await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Returns the value of the member `name` of each event.
pub(crate) fn each(answer: &Answer, name: &str) -> Vec<Value> {
    let events = answer.body["events"].as_array().expect("events");
    events.iter().map(|event| event[name].clone()).collect()
}

/// Returns what is known of the consumer `hooks`.
pub(crate) async fn hooks(server: &TestServer) -> Value {
    let answer = server.called("GET", &format!("{FEED}/consumers")).await;
    answer.expect_status(200);
    let consumers = answer.body["consumers"].as_array().expect("consumers");
    let hooks = consumers.iter().find(|one| one["name"] == "hooks");
    hooks.cloned().unwrap_or(Value::Null)
}

#[tokio::test]
async fn changes_are_read_in_order_and_page_by_page() {
    let server = TestServer::new().await;
    let one = server.register(&minimal()).await;
    let two = server.register(&minimal()).await;
    let update = one.update(json!({"client_name": "Other", "contacts": ["a@example.org"]}));
    server.update(&one, &update).await.expect_status(200);
    server
        .called("DELETE", &format!("/admin/v1/clients/{}", two.id))
        .await
        .expect_status(204);

    let all = page(&server, "").await;
    all.expect_status(200);
    let types = ["created", "created", "updated", "deleted"].map(|name| format!("client.{name}"));
    assert_eq!(each(&all, "type"), types.map(Value::from));
    assert_eq!(each(&all, "position"), [1, 2, 3, 4].map(Value::from));
    let clients = [&one.id, &two.id, &one.id, &two.id].map(|id| json!(id));
    assert_eq!(each(&all, "client_id"), clients);
    assert_eq!(each(&all, "revision"), [1, 1, 2, 1].map(Value::from));
    assert_eq!(
        (&all.body["next"], &all.body["last"]),
        (&json!(4), &json!(4))
    );
    let event = &all.body["events"][2];
    assert_eq!(event["changed"], json!(["client_name", "contacts"]));
    assert_eq!(
        (&event["reason"], &event["at"]),
        (&json!("request"), &json!(server.now()))
    );
    assert!(event["id"].as_str().unwrap().starts_with("evt_"), "{event}");
    assert_eq!(event["correlation_id"].as_str().unwrap().len(), 36);
    let deletion = &all.body["events"][3];
    let (reason, actor) = (&deletion["reason"], &deletion["actor"]);
    assert_eq!(
        (reason, actor),
        (&json!("administrator"), &json!("administrator"))
    );
    for event in all.body["events"].as_array().unwrap() {
        assert!(
            event.get("context").is_none() && event.get("for").is_none(),
            "{event}"
        );
    }

    let first = page(&server, "limit=3").await;
    assert_eq!(
        (each(&first, "position").len(), &first.body["next"]),
        (3, &json!(3))
    );
    let rest = page(&server, "after=3&limit=3").await;
    assert_eq!(
        (each(&rest, "position"), &rest.body["next"]),
        (vec![json!(4)], &json!(4))
    );
    let none = page(&server, "after=4").await;
    assert_eq!(none.body, json!({"events": [], "next": 4, "last": 4}));
    for bad in [
        "after=x",
        "limit=0",
        "limit=1001",
        "wait=61",
        "wait=x",
        "since=1",
    ] {
        page(&server, bad)
            .await
            .expect_error(400, &["invalid_request"]);
    }
}

/// Makes a shutdown that waits for a request take longer than any test accepts.
fn stop_at_last(configuration: &mut Configuration) {
    configuration.settings.limits.shutdown_ms = 120_000;
}

#[tokio::test]
async fn a_call_waits_for_the_next_event() {
    let server = TestServer::new().await;
    let started = Instant::now();
    let none = page(&server, "after=0&wait=1").await;
    assert_eq!(none.body, json!({"events": [], "next": 0, "last": 0}));
    assert!(started.elapsed() >= Duration::from_secs(1));
    let register = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.register(&minimal()).await
    };
    let (answer, client) = tokio::join!(page(&server, "after=0&wait=60"), register);
    assert_eq!(each(&answer, "client_id"), [json!(client.id)]);
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn a_waiting_call_does_not_delay_the_shutdown() {
    let server = TestServer::configured(stop_at_last).await;
    let request = server
        .administrate("GET", &format!("{FEED}?after=0&wait=60"))
        .await;
    let started = Instant::now();
    let stop = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.stop().await;
    };
    let (answer, ()) = tokio::join!(Answer::of(request), stop);
    assert_eq!(answer.body, json!({"events": [], "next": 0, "last": 0}));
    assert!(started.elapsed() < Duration::from_secs(30));
}

/// A follower of the stream.
pub(crate) struct Followed(reqwest::Response);

impl Followed {
    pub(crate) async fn open(server: &TestServer, query: &str, last: Option<u64>) -> Self {
        let request = server.administrate("GET", &format!("{FEED}?{query}")).await;
        let mut request = request.header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        Self(request.send().await.expect("the server answers"))
    }

    /// Returns the text until it ends with a whole event; none at the end of the stream.
    async fn next(&mut self) -> Option<String> {
        let mut text = String::new();
        while !text.ends_with("\n\n") {
            let part = self.0.chunk().await.expect("the stream arrives")?;
            text.push_str(std::str::from_utf8(&part).unwrap());
        }
        Some(text)
    }

    /// The same, for one event: its position, type and data.
    pub(crate) async fn event(&mut self) -> (u64, String, Value) {
        let text = self.next().await.expect("an event");
        let line = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name));
            value
                .unwrap_or_else(|| panic!("no {name} in {text}"))
                .to_owned()
        };
        let data = serde_json::from_str(&line("data: ")).unwrap();
        (line("id: ").parse().unwrap(), line("event: "), data)
    }
}

#[tokio::test]
async fn events_are_followed_as_a_stream() {
    let server = TestServer::configured(stop_at_last).await;
    let one = server.register(&minimal()).await;
    let mut all = Followed::open(&server, "after=0", None).await;
    assert_eq!(all.0.status(), 200);
    let headers = all.0.headers();
    assert_eq!(headers["content-type"], "text/event-stream");
    assert_eq!(headers["cache-control"], "no-store");
    let (position, kind, data) = all.event().await;
    assert_eq!((position, kind.as_str()), (1, "client.created"));
    let listed = page(&server, "").await;
    assert_eq!(data, listed.body["events"][0]);

    server.delete(&one).await.expect_status(204);
    let (position, kind, _) = all.event().await;
    assert_eq!((position, kind.as_str()), (2, "client.deleted"));

    // A follower that connects again continues where it was, whatever its URL is.
    let mut again = Followed::open(&server, "after=0", Some(1)).await;
    assert_eq!(again.event().await.0, 2);
    let two = server.register(&minimal()).await;
    for follower in [&mut all, &mut again] {
        let (position, _, data) = follower.event().await;
        assert_eq!((position, &data["client_id"]), (3, &json!(two.id)));
    }

    let started = Instant::now();
    server.stop().await;
    assert_eq!((all.next().await, again.next().await), (None, None));
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn the_number_of_followers_is_limited_and_they_do_not_hold_up_others() {
    let server = TestServer::configured(|configuration| {
        configuration.settings.limits.requests = 2;
    })
    .await;
    let token = server.administrator_token().await;
    let open = async || {
        let request = server.ask("GET", FEED).bearer_auth(&token);
        let request = request.header("accept", "text/event-stream");
        request.send().await.expect("the server answers")
    };
    let mut followers = Vec::new();
    for _ in 0..64 {
        let follower = open().await;
        assert_eq!(follower.status(), 200);
        followers.push(follower);
    }
    let refused = open().await;
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    page(&server, "after=0&wait=1").await.expect_status(503);
    server.register(&minimal()).await;
    page(&server, "after=0").await.expect_status(200);
    drop(followers);
    until(async || open().await.status() == 200).await;
}

#[tokio::test]
async fn a_position_that_is_no_longer_kept_is_refused() {
    let server = TestServer::configured(|configuration| {
        configuration.settings.store.events = 3;
    })
    .await;
    for _ in 0..5 {
        server.register(&minimal()).await;
    }
    page(&server, "after=0").await.expect_status(200);
    server.inside().sweep().await;
    let gone = page(&server, "after=0").await;
    gone.expect_error(410, &["events_gone"]);
    let said = gone.member("error_description").as_str().unwrap();
    let expected = "the events after position 0 are no longer kept; the oldest is 3; read the clients again \
                    (GET /admin/v1/clients), and follow from the Registrar-Position in the header of its \
                    first page";
    assert_eq!(said, expected);
    assert_eq!(page(&server, "after=1&wait=9").await.status, 410);
    let stream = Followed::open(&server, "after=5", Some(1)).await;
    assert_eq!(stream.0.status(), 410);
    assert_eq!(
        each(&page(&server, "").await, "position"),
        [3, 4, 5].map(Value::from)
    );
    assert_eq!(
        each(&page(&server, "after=2").await, "position"),
        [3, 4, 5].map(Value::from)
    );
    let ahead = page(&server, "after=6").await;
    ahead.expect_error(410, &["events_gone"]);
    assert!(
        ahead.text.contains("position 6 is after the last event, 5"),
        "{}",
        ahead.text
    );
}

#[tokio::test]
async fn a_copy_of_the_clients_has_no_gap() {
    let server = TestServer::new().await;
    for _ in 0..5 {
        server.register(&minimal()).await;
    }
    let mut known: Vec<Value> = Vec::new();
    let first = server.called("GET", "/admin/v1/clients?limit=2").await;
    let position: u64 = first.header("registrar-position").parse().unwrap();
    assert_eq!(position, 5);
    let mut list = first;
    loop {
        let clients = list.body["clients"].as_array().unwrap();
        known.extend(clients.iter().map(|client| client["client_id"].clone()));
        // Before or behind what was already read.
        server.register(&minimal()).await;
        let Some(next) = list.body["next"].as_str() else {
            break;
        };
        let path = format!("/admin/v1/clients?limit=2&after={next}");
        list = server.called("GET", &path).await;
        assert_eq!(
            list.header("registrar-position"),
            "",
            "only the first page has it"
        );
    }
    let missed = page(&server, &format!("after={position}")).await;
    known.extend(each(&missed, "client_id"));
    let all = server.called("GET", "/admin/v1/clients?limit=500").await;
    for client in all.body["clients"].as_array().unwrap() {
        assert!(known.contains(&client["client_id"]), "{client}");
    }
}

#[tokio::test]
async fn each_call_needs_its_scope() {
    let server = TestServer::new().await;
    let reader = server.administrator_token_for("clients.read").await;
    let writer = server.administrator_token_for("clients.write").await;
    let all = [
        ("GET", "", &reader, &writer),
        ("GET", "/consumers", &reader, &writer),
        ("GET", "/parked?consumer=hooks", &reader, &writer),
        ("POST", "/retry", &writer, &reader),
        ("POST", "/skip", &writer, &reader),
        ("POST", "/enable", &writer, &reader),
        ("POST", "/replay", &writer, &reader),
    ];
    for (method, path, allowed, denied) in all {
        let url = format!("{FEED}{path}");
        let status = async |token: Option<&String>| {
            let request = server.ask(method, &url);
            let request = match token {
                Some(token) => request.bearer_auth(token),
                None => request,
            };
            Answer::of(request).await.status
        };
        assert_eq!(
            (status(None).await, status(Some(denied)).await),
            (401, 403),
            "{method} {path}"
        );
        let answered = status(Some(allowed)).await;
        assert!(
            ![401, 403].contains(&answered),
            "{method} {path}: {answered}"
        );
    }
    let stream = server
        .ask("GET", FEED)
        .header("accept", "text/event-stream");
    assert_eq!(Answer::of(stream).await.status, 401);
}
