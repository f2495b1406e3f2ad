//! What each page shows and does.

use registrar::config::ConsoleUse;
use serde_json::{Value, json};

use super::{Browser, CANARY, plain_client};
use crate::statements::{issuer, keys_at, post};
use crate::support::{Origin, Reply, TestServer, minimal, with};

#[tokio::test]
async fn a_client_is_found_disabled_given_a_secret_and_deleted_as_by_the_api() {
    let server = TestServer::with_console(ConsoleUse::Auto).await;
    let client = server
        .register(&with(minimal(), json!({"client_name": "Reader"})))
        .await;
    let mut browser = Browser::new(&server);
    browser.sign_in(&server.administrator()).await;
    let list = browser.get("clients?client_name=read").await;
    assert!(list.text.contains("Reader") && list.text.contains(&client.id));
    let none = browser.get("clients?client_name=writer").await;
    assert!(none.text.contains("No client matches."));
    let wrong = browser.get("clients?trust_level=high").await;
    wrong.expect_status(400);

    let page = format!("client?id={}", client.id);
    let shown = browser.get(&page).await;
    shown.expect_status(200);
    for text in [
        "<code class=\"word\">redirect_uris</code>",
        "https://client.example.org/cb",
        "request",
        "default",
        "client created",
    ] {
        assert!(shown.text.contains(text), "{text}: {}", shown.text);
    }
    let order = |order| {
        [
            ("id", client.id.as_str()),
            ("revision", "1"),
            ("order", order),
        ]
    };
    let disabled = browser.post(&shown, "client", &order("disable")).await;
    assert_eq!(disabled.header("location"), format!("{page}&done=disabled"));
    let again = browser.post(&shown, "client", &order("enable")).await;
    again.expect_status(412);
    assert!(
        again.text.contains("The client has changed"),
        "{}",
        again.text
    );
    let fields = [
        ("id", client.id.as_str()),
        ("revision", "2"),
        ("order", "secret"),
    ];
    let issued = browser.post(&shown, "client", &fields).await;
    issued.expect_status(200);
    let (_, rest) = issued.text.split_once("id=\"once\">").expect("a secret");
    let secret = rest.split('<').next().unwrap();
    assert_eq!(secret.len(), 86);
    server.must_not_leak(secret);
    assert!(
        !browser.get(&page).await.text.contains(secret),
        "it is shown once"
    );
    let fields = [
        ("id", client.id.as_str()),
        ("revision", "3"),
        ("order", "delete"),
    ];
    let deleted = browser.post(&shown, "client", &fields).await;
    assert_eq!(deleted.header("location"), "clients?done=deleted");
    browser.get(&page).await.expect_status(404);
    let actions = server.actions().await;
    for action in ["client_updated", "client_secret_rotated", "client_deleted"] {
        let event = actions.iter().find(|event| event["action"] == action);
        let event = event.unwrap_or_else(|| panic!("{action}: {actions:?}"));
        assert_eq!(event["actor"], "administrator", "{action}");
    }
}

#[tokio::test]
async fn a_token_is_made_shown_once_and_revoked() {
    let server = TestServer::with_console(ConsoleUse::Auto).await;
    let mut browser = Browser::new(&server);
    browser.sign_in(&server.administrator()).await;
    let shown = browser.get("tokens").await;
    let fields = [
        ("order", "create"),
        ("note", "for a test"),
        ("uses", "1"),
        ("hours", "2"),
        ("redirect_hosts", "client.example.org"),
    ];
    let made = browser.post(&shown, "tokens", &fields).await;
    made.expect_status(200);
    let (_, rest) = made.text.split_once("id=\"once\">").expect("a token");
    let token = rest.split('<').next().unwrap();
    server.must_not_leak(token);
    server.post_with(token, &minimal()).await.expect_status(201);
    server.post_with(token, &minimal()).await.expect_status(401);
    let list = browser.get("tokens").await;
    assert!(
        list.text.contains("1 of 1") && list.text.contains("redirect hosts: client.example.org")
    );
    assert!(!list.text.contains(token));
    let wrong = [("order", "create"), ("scopes", "no-such-scope")];
    browser
        .post(&shown, "tokens", &wrong)
        .await
        .expect_status(400);
    let tokens = server
        .called("GET", "/admin/v1/initial-access-tokens")
        .await;
    let id = tokens.body["initial_access_tokens"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let fields = [
        ("order", "revoke"),
        ("id", id.as_str()),
        ("confirmed", "true"),
    ];
    let revoked = browser.post(&shown, "tokens", &fields).await;
    assert_eq!(revoked.header("location"), "tokens?done=revoked");
    let tokens = server
        .called("GET", "/admin/v1/initial-access-tokens")
        .await;
    assert_eq!(tokens.body["initial_access_tokens"], json!([]));
}

#[tokio::test]
async fn a_value_of_the_configuration_is_previewed_and_then_applied() {
    let server = TestServer::with_console(ConsoleUse::Auto).await;
    let mut browser = Browser::new(&server);
    browser.sign_in(&server.administrator()).await;
    let lifetime = async || {
        let document = server.called("GET", "/admin/v1/config").await;
        document.body["registration"]["maximumClientLifetime"].clone()
    };
    let before = lifetime().await;
    let page = browser.get("configuration").await;
    assert!(
        page.text
            .contains("option?key=registration.maximumClientLifetime")
    );
    assert!(
        page.text.contains("server.listen"),
        "settings are shown too"
    );
    let change = |value: &'static str, order: &'static str| {
        [
            ("key", "registration.maximumClientLifetime"),
            ("value", value),
            ("order", order),
        ]
    };
    for wrong in ["many", "\"x\"", "-1"] {
        let answer = browser
            .post(&page, "option", &change(wrong, "preview"))
            .await;
        answer.expect_status(400);
    }
    let preview = browser
        .post(&page, "option", &change("864000", "preview"))
        .await;
    preview.expect_status(200);
    let added = "+ registration.maximumClientLifetime = 864000";
    assert!(preview.text.contains(added), "{}", preview.text);
    assert_eq!(lifetime().await, before, "a preview changes nothing");
    let (_, rest) = preview
        .text
        .split_once("name=\"revision\" value=\"")
        .unwrap();
    let revision = rest.split('"').next().unwrap();
    let apply = [&change("864000", "apply")[..], &[("revision", revision)]].concat();
    let applied = browser.post(&preview, "option", &apply).await;
    assert_eq!(applied.header("location"), "configuration?done=changed");
    assert_eq!(lifetime().await, 864_000);
    browser
        .post(&preview, "option", &apply)
        .await
        .expect_status(412);
    let same = browser
        .post(&page, "option", &change("864000", "preview"))
        .await;
    assert!(same.text.contains("There is no difference.") && !same.text.contains(">Apply<"));
    let events = server.actions().await;
    let changed = events
        .iter()
        .find(|event| event["action"] == "configuration_changed");
    assert_eq!(changed.unwrap()["actor"], "administrator");
}

#[tokio::test]
async fn what_waits_is_shown_and_decided() {
    let mut server = TestServer::registering(json!({
        "registrationApproval": "offered",
        "registrationApprovalUri": "https://console.example.org/approve"
    }))
    .await;
    server.use_client(plain_client());
    let waiting = with(
        minimal(),
        json!({"registration_mode": ["approval"], "client_name": CANARY}),
    );
    let mut browser = Browser::new(&server);
    browser.sign_in(&server.administrator()).await;
    for (order, done, state) in [
        ("approve", "approved", "approved"),
        ("deny", "denied", "denied"),
    ] {
        server.post(&waiting).await.expect_status(202);
        let list = browser.get("pending?state=waiting").await;
        let (_, rest) = list.text.split_once("request?id=").expect("a request");
        let id = rest.split('"').next().unwrap().to_owned();
        let shown = browser.get(&format!("request?id={id}")).await;
        shown.expect_status(200);
        assert!(!shown.text.contains("<script") && shown.text.contains("&#60;script&#62;"));
        let (_, rest) = shown.text.split_once("name=\"digest\" value=\"").unwrap();
        let digest = rest.split('"').next().unwrap();
        let fields = |digest| {
            [
                ("id", id.as_str()),
                ("order", order),
                ("digest", digest),
                ("note", "seen"),
            ]
        };
        let other = browser.post(&shown, "request", &fields("x")).await;
        other.expect_status(409);
        let decided = browser.post(&shown, "request", &fields(digest)).await;
        assert_eq!(decided.header("location"), format!("pending?done={done}"));
        let record = server
            .called("GET", &format!("/admin/v1/pending/{id}"))
            .await;
        assert_eq!(record.body["state"], state);
        assert_eq!(record.body["note"], "seen");
    }
}

#[tokio::test]
async fn many_clients_are_changed_after_a_preview_and_with_their_number() {
    let server = TestServer::with_console(ConsoleUse::Auto).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let body = with(minimal(), json!({"software_id": "meant"}));
        ids.push(server.register(&body).await.id);
    }
    let other = server.register(&minimal()).await;
    let mut browser = Browser::new(&server);
    browser.sign_in(&server.administrator()).await;
    let list = browser.get("clients?software_id=meant").await;
    assert!(list.text.contains("Change all clients that match"));
    assert!(
        !browser
            .get("clients")
            .await
            .text
            .contains("Change all clients that match")
    );
    let preview = browser.get("bulk?order=disable&software_id=meant").await;
    preview.expect_status(200);
    assert!(preview.text.contains("3 clients match") && preview.text.contains(&ids[0]));
    assert_eq!(
        server.stored(&ids[0]).await["metadata"]["disabled"],
        Value::Null
    );
    let confirm = |count| {
        [
            ("order", "disable"),
            ("software_id", "meant"),
            ("confirm", count),
        ]
    };
    browser
        .post(&preview, "bulk", &confirm("4"))
        .await
        .expect_status(409);
    let done = browser.post(&preview, "bulk", &confirm("3")).await;
    assert!(done.text.contains("3 disabled"), "{}", done.text);
    for id in &ids {
        assert_eq!(server.stored(id).await["metadata"]["disabled"], true);
    }
    assert_eq!(
        server.stored(&other.id).await["metadata"]["disabled"],
        Value::Null
    );
    let without = [("order", "delete"), ("confirm", "4")];
    browser
        .post(&preview, "bulk", &without)
        .await
        .expect_status(400);
    browser
        .get("bulk?order=drop&software_id=meant")
        .await
        .expect_status(404);
}

#[tokio::test]
async fn scripts_are_shown_with_their_last_fault_and_pinned() {
    let script = "fn createClient(context) {\n    if context.client.client_name == \"Bad\" { throw 5; }\n    true\n}";
    let mut server = TestServer::scripted(&[("10-a.rhai", script)], |_| {}).await;
    server.use_client(plain_client());
    let bad = with(minimal(), json!({"client_name": "Bad"}));
    server.post(&bad).await.expect_status(500);
    let mut browser = Browser::new(&server);
    browser.sign_in(&server.administrator()).await;
    let shown = browser.get("scripts").await;
    shown.expect_status(200);
    assert!(shown.text.contains("10-a.rhai:2:"), "{}", shown.text);
    let scripts = server.called("GET", "/admin/v1/scripts").await;
    let revision = scripts.body["revision"].as_str().unwrap();
    let version = browser.get(&format!("version?id={revision}")).await;
    assert!(version.text.contains("throw 5;"), "{}", version.text);
    let fields = [
        ("order", "pin"),
        ("version", revision),
        ("in_force", revision),
    ];
    let pinned = browser.post(&shown, "scripts", &fields).await;
    pinned.expect_status(303);
    assert_eq!(pinned.header("location"), "scripts?done=pin");
    let shown = browser.get("scripts").await;
    assert!(shown.text.contains("pinned") && shown.text.contains("Unpin"));
    let unpinned = browser.post(&shown, "scripts", &[("order", "unpin")]).await;
    unpinned.expect_status(303);
    assert_eq!(unpinned.header("location"), "scripts?done=unpin");
    let promote = [
        ("order", "promote"),
        ("version", revision),
        ("in_force", revision),
    ];
    let promoted = browser.post(&shown, "scripts", &promote).await;
    promoted.expect_status(409);
    // The first administrator is not a registration.
    let overview = browser.get("").await;
    assert!(
        overview.text.contains("10-a.rhai") && overview.text.contains("registered 0, refused 1"),
        "{}",
        overview.text
    );
}

#[tokio::test]
async fn the_audit_log_is_read_backwards_and_searched() {
    let server = TestServer::new().await;
    let client = server.register(&minimal()).await;
    server.register(&minimal()).await;
    server.post(&json!({"redirect_uris": []})).await;
    let read = async |query: &str| {
        let answer = server
            .called("GET", &format!("/admin/v1/audit?{query}"))
            .await;
        answer.expect_status(200);
        answer.body
    };
    let newest = read("order=newest&limit=2").await;
    let positions = |page: &Value| -> Vec<u64> {
        let events = page["events"].as_array().unwrap();
        events
            .iter()
            .map(|event| event["position"].as_u64().unwrap())
            .collect()
    };
    let all = positions(&read("").await);
    let last = all[all.len() - 1];
    assert_eq!(positions(&newest), [last, last - 1]);
    assert_eq!(newest["next"], last - 1);
    let rest = read(&format!("order=newest&before={}", last - 1)).await;
    assert_eq!(positions(&rest)[0], last - 2);
    assert_eq!(rest["next"], Value::Null);
    let own = read(&format!("subject={}", client.id)).await;
    assert_eq!(own["events"][0]["action"], "client_created");
    assert_eq!(own["events"].as_array().unwrap().len(), 1);
    let refused = read("outcome=refused&action=registration_refused&order=newest").await;
    assert_eq!(refused["events"].as_array().unwrap().len(), 1);
    assert_eq!(read("actor=nobody").await["events"], json!([]));
    for query in [
        "order=up",
        "before=1",
        "order=newest&after=1",
        "action=x",
        "outcome=x",
    ] {
        let answer = server
            .called("GET", &format!("/admin/v1/audit?{query}"))
            .await;
        answer.expect_error(400, &["invalid_request"]);
    }
}

#[tokio::test]
async fn trusted_issuers_are_shown_with_the_state_of_their_keys() {
    let (issuer, origin) = (issuer(), Origin::new().await);
    let url = origin.at("/jwks", Reply::json(issuer.jwks()));
    let mut server =
        TestServer::configured(|configuration| keys_at(configuration, &issuer, &url)).await;
    server.use_client(plain_client());
    let mut browser = Browser::new(&server);
    browser.sign_in(&server.administrator()).await;
    let none = browser.get("trust").await;
    none.expect_status(200);
    assert!(none.text.contains("No keys were fetched"), "{}", none.text);
    let statement = issuer.token(json!({}));
    post(&server, &statement).await.expect_status(201);
    let fetched = browser.get("trust").await;
    let row = fetched
        .text
        .split("Keys that this server has fetched")
        .nth(1)
        .unwrap();
    assert!(
        row.contains(&url) && row.contains("2026-01-01 00:00:00 UTC"),
        "{row}"
    );
    origin.set("/jwks", Reply::status(503));
    server.clock.advance(400);
    post(&server, &statement).await.expect_status(201);
    let failed = browser.get("trust").await;
    assert!(failed.text.contains("503"), "{}", failed.text);
}
