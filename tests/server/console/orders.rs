//! Every form of the console: each order is in the audit log, and those that cannot be undone are asked for twice.

use registrar::config::{ClientDocuments, ConsoleUse};
use registrar::testing::console_pages;
use serde_json::{Value, json};

use super::{Browser, CANARY, plain_client, secret_of};
use crate::events::{hooks, until};
use crate::support::{Answer, TestServer, minimal, registering, with};

/// The URL of a document.
pub(super) const URL: &str = "https://app.example.org/client.json";

/// A script that fails behind the answer.
const SCRIPT: &str = "fn createClient(context) { true }
fn clientCreated(context) {
    if context.client.client_name == \"stuck\" { throw `<script>alert('canary')</script>` }
}";

/// A server on which every form has something to do.
pub(super) async fn full_server() -> TestServer {
    let mut server = TestServer::scripted(&[("10-a.rhai", SCRIPT)], |configuration| {
        registering(
            configuration,
            json!({
                "registrationApproval": "offered",
                "registrationApprovalUri": "https://console.example.org/approve"
            }),
        );
        configuration.live.registration.client_documents = ClientDocuments::Any;
        configuration.settings.admin.console = ConsoleUse::Auto;
        let scripts = &mut configuration.settings.scripts;
        scripts.retry_pauses_ms = Vec::new();
        let candidate = scripts.directory.with_file_name("next");
        std::fs::create_dir(&candidate).unwrap();
        std::fs::write(candidate.join("10-a.rhai"), format!("{SCRIPT}\n// next")).unwrap();
        scripts.candidate = Some(candidate);
    })
    .await;
    server.use_client(plain_client());
    let candidate = "/admin/v1/scripts/candidate";
    until(async || server.called("GET", candidate).await.status == 200).await;
    server
}

/// Returns a document at [`URL`], with this name.
pub(super) fn document(name: &str) -> Value {
    json!({
        "client_id": URL, "client_name": name, "token_endpoint_auth_method": "none",
        "redirect_uris": ["https://app.example.org/cb"],
    })
}

/// Returns what follows `start` in `text`, up to a quote.
#[track_caller]
pub(super) fn quoted<'a>(text: &'a str, start: &str) -> &'a str {
    let (_, rest) = text
        .split_once(start)
        .unwrap_or_else(|| panic!("{start}: {text}"));
    rest.split('"').next().unwrap()
}

/// An administrator who gives orders, each of which must be in the audit log.
struct Orders<'a> {
    browser: Browser<'a>,
    pages: Vec<String>,
}

impl Orders<'_> {
    /// Sends a form, and expects that the audit log then has `action`.
    async fn give(&mut self, page: &str, fields: &[(&str, &str)], action: &str) -> Answer {
        let server = self.browser.server;
        let before = server.last_event().await;
        let shown = self.browser.get("trust").await;
        let answer = self.browser.post(&shown, page, fields).await;
        assert!(answer.status < 400, "{page} {fields:?}: {}", answer.text);
        let events = server.events(before).await;
        let found = events.iter().find(|event| event["action"] == action);
        let found = found.unwrap_or_else(|| panic!("{page} {fields:?}: {action}: {events:?}"));
        assert_eq!(found["actor"], "administrator", "{action}");
        assert_eq!(found["address"], "127.0.0.1", "{action}");
        self.pages.push(page.to_owned());
        answer
    }

    /// The same, for an order that is given only once it is confirmed: until then, nothing happens.
    async fn confirm(&mut self, page: &str, fields: &[(&str, &str)], action: &str) -> Answer {
        let server = self.browser.server;
        let before = server.last_event().await;
        let shown = self.browser.get("trust").await;
        let asked = self.browser.post(&shown, page, fields).await;
        asked.expect_status(200);
        assert_eq!(server.last_event().await, before, "{page} {fields:?}");
        for (name, value) in fields {
            let kept = format!("name=\"{name}\" value=\"");
            assert!(asked.text.contains(&kept), "{name} {value}: {}", asked.text);
        }
        let confirmed = quoted(&asked.text, "name=\"confirmed\" value=\"");
        let all = [fields, &[("confirmed", confirmed)]].concat();
        self.give(page, &all, action).await
    }
}

/// Returns the revision of a client.
async fn revision(server: &TestServer, id: &str) -> String {
    server.stored(id).await["revision"].to_string()
}

async fn about_clients(orders: &mut Orders<'_>) {
    let server = orders.browser.server;
    let client = server.register(&minimal()).await;
    for (order, action) in [
        ("disable", "client_updated"),
        ("enable", "client_updated"),
        ("secret", "client_secret_rotated"),
        ("token", "registration_token_rotated"),
        ("delete", "client_deleted"),
    ] {
        let revision = revision(server, &client.id).await;
        let fields = [
            ("id", client.id.as_str()),
            ("revision", revision.as_str()),
            ("order", order),
        ];
        orders.give("client", &fields, action).await;
    }
    server
        .register(&with(minimal(), json!({"software_id": "many"})))
        .await;
    for (order, action) in [
        ("disable", "client_updated"),
        ("enable", "client_updated"),
        ("delete", "client_deleted"),
    ] {
        let fields = [("order", order), ("software_id", "many"), ("confirm", "1")];
        orders.give("bulk", &fields, action).await;
    }
}

async fn about_tokens(orders: &mut Orders<'_>) {
    let fields = [("order", "create"), ("note", "a note")];
    let action = "initial_access_token_created";
    orders.give("tokens", &fields, action).await;
    let server = orders.browser.server;
    let all = server
        .called("GET", "/admin/v1/initial-access-tokens")
        .await;
    let id = all.body["initial_access_tokens"][0]["id"].as_str().unwrap();
    let fields = [("order", "revoke"), ("id", id)];
    let action = "initial_access_token_revoked";
    orders.confirm("tokens", &fields, action).await;
}

async fn about_approvals(orders: &mut Orders<'_>) {
    let server = orders.browser.server;
    let waiting = with(minimal(), json!({"registration_mode": ["approval"]}));
    for (order, action) in [
        ("approve", "registration_approved"),
        ("deny", "registration_denied"),
    ] {
        server.post(&waiting).await.expect_status(202);
        let list = orders.browser.get("pending?state=waiting").await;
        let id = quoted(&list.text, "request?id=").to_owned();
        let shown = orders.browser.get(&format!("request?id={id}")).await;
        let digest = quoted(&shown.text, "name=\"digest\" value=\"").to_owned();
        let fields = [
            ("id", id.as_str()),
            ("order", order),
            ("digest", digest.as_str()),
        ];
        orders.give("request", &fields, action).await;
    }
}

async fn about_documents(orders: &mut Orders<'_>) {
    let document = document("App").to_string();
    let fields = |order| [("client_id", URL), ("order", order)];
    let shown = orders.browser.get("documents").await;
    for until in ["tomorrow", "1969-12-31", "99999999999999999999"] {
        let wrong = [&fields("deny")[..], &[("until", until)]].concat();
        let answer = orders.browser.post(&shown, "documents", &wrong).await;
        answer.expect_status(400);
    }
    for (order, action) in [("deny", "document_denied"), ("allow", "document_allowed")] {
        orders.confirm("documents", &fields(order), action).await;
    }
    let pin = [&fields("pin")[..], &[("document", document.as_str())]].concat();
    orders.confirm("documents", &pin, "document_pinned").await;
    let list = orders.browser.get("documents").await;
    assert!(
        list.text.contains("Unpin https://app.example.org"),
        "{}",
        list.text
    );
    orders
        .confirm("documents", &fields("unpin"), "document_unpinned")
        .await;
    let list = orders.browser.get("documents").await;
    assert!(
        list.text.contains("No URL is denied.") && list.text.contains("No document is pinned.")
    );
}

async fn about_events(orders: &mut Orders<'_>) {
    let position = parked(orders.browser.server).await;
    let skip = [
        ("consumer", "hooks"),
        ("position", position.as_str()),
        ("order", "skip"),
    ];
    orders.confirm("events", &skip, "event_skipped").await;
    let position = parked(orders.browser.server).await;
    let retry = [
        ("consumer", "hooks"),
        ("position", position.as_str()),
        ("order", "retry"),
    ];
    orders.give("events", &retry, "event_retried").await;
    let storage = orders.browser.server.storage();
    storage
        .begin_disabled("webhook:gone", "410 Gone")
        .await
        .unwrap();
    let enable = [("consumer", "webhook:gone"), ("order", "enable")];
    orders.give("events", &enable, "consumer_enabled").await;
}

/// Lets an event be parked, and returns its position.
async fn parked(server: &TestServer) -> String {
    let body = with(minimal(), json!({"client_name": "stuck"}));
    server.register(&body).await;
    until(async || hooks(server).await["parked"] == 1).await;
    let parked = "/admin/v1/events/parked?consumer=hooks";
    let parked = server.called("GET", parked).await;
    parked.body["events"][0]["position"].to_string()
}

async fn about_scripts(orders: &mut Orders<'_>) {
    let server = orders.browser.server;
    let loaded = server.called("GET", "/admin/v1/scripts").await;
    let revision = loaded.body["revision"].as_str().unwrap();
    let candidate = server.called("GET", "/admin/v1/scripts/candidate").await;
    let candidate = candidate.body["version"].as_str().unwrap();
    let fields = |order, version| {
        [
            ("order", order),
            ("version", version),
            ("in_force", revision),
        ]
    };
    let pin = fields("pin", revision);
    orders.give("scripts", &pin, "scripts_pinned").await;
    let unpin = [("order", "unpin")];
    orders.give("scripts", &unpin, "scripts_unpinned").await;
    let page = orders.browser.get(&format!("version?id={candidate}")).await;
    assert!(
        page.text.contains("+ // next") && page.text.contains("Promote"),
        "{}",
        page.text
    );
    let promote = fields("promote", candidate);
    orders.give("scripts", &promote, "scripts_pinned").await;
    let body = minimal().to_string();
    let fields = [("body", body.as_str()), ("scripts", revision)];
    orders.give("try", &fields, "request_tried").await;
}

async fn about_the_rest(orders: &mut Orders<'_>) {
    let server = orders.browser.server;
    let key = ("key", "registration.maximumClientLifetime");
    let shown = orders.browser.get("trust").await;
    let preview = [key, ("value", "864000"), ("order", "preview")];
    let preview = orders.browser.post(&shown, "option", &preview).await;
    let revision = quoted(&preview.text, "name=\"revision\" value=\"").to_owned();
    let apply = [
        key,
        ("value", "864000"),
        ("order", "apply"),
        ("revision", revision.as_str()),
    ];
    orders.give("option", &apply, "configuration_changed").await;
    let mut other = Browser::new(server);
    other.sign_in(&server.administrator()).await;
    let list = orders.browser.get("sessions").await;
    let (_, form) = list.text.split_once("action=\"sessions\"").unwrap();
    let id = quoted(form, "name=\"id\" value=\"").to_owned();
    orders
        .give("sessions", &[("id", &id)], "session_revoked")
        .await;
    orders
        .give("sign-out", &[], "administrator_signed_out")
        .await;
}

#[tokio::test]
async fn every_form_leaves_an_event_in_the_audit_log() {
    let server = full_server().await;
    let mut orders = Orders {
        browser: Browser::new(&server),
        pages: Vec::new(),
    };
    orders.browser.sign_in(&server.administrator()).await;
    about_clients(&mut orders).await;
    about_tokens(&mut orders).await;
    about_approvals(&mut orders).await;
    about_documents(&mut orders).await;
    about_events(&mut orders).await;
    about_scripts(&mut orders).await;
    about_the_rest(&mut orders).await;
    let mut used = orders.pages;
    used.sort();
    used.dedup();
    let forms = console_pages()
        .into_iter()
        .filter(|(_, _, is_form)| *is_form);
    let mut forms: Vec<String> = forms.map(|(page, ..)| page.to_owned()).collect();
    forms.sort();
    assert_eq!(used, forms, "every form was used");
}

#[tokio::test]
async fn scripts_are_put_in_force_only_as_they_were_compared() {
    let server = full_server().await;
    let mut browser = Browser::new(&server);
    browser.sign_in(&server.administrator()).await;
    let candidate = server.called("GET", "/admin/v1/scripts/candidate").await;
    let candidate = candidate.body["version"].as_str().unwrap();
    let shown = browser.get(&format!("version?id={candidate}")).await;
    for (version, in_force) in [(candidate, "0123456789ab"), ("0123456789ab", "")] {
        let mut fields = vec![("order", "promote"), ("version", version)];
        let in_force = match in_force {
            "" => quoted(&shown.text, "name=\"in_force\" value=\""),
            other => other,
        };
        fields.push(("in_force", in_force));
        let answer = browser.post(&shown, "scripts", &fields).await;
        answer.expect_status(409);
        assert!(
            answer.text.contains("Other scripts were loaded"),
            "{}",
            answer.text
        );
    }
    let without = [("order", "promote"), ("version", candidate)];
    browser
        .post(&shown, "scripts", &without)
        .await
        .expect_status(400);
}

#[tokio::test]
async fn secrets_are_shown_once() {
    let server = full_server().await;
    let client = server.register(&minimal()).await;
    let mut browser = Browser::new(&server);
    browser.sign_in(&server.administrator()).await;
    let shown = browser.get(&format!("client?id={}", client.id)).await;
    let mut secrets = vec![secret_of(&server.administrator())];
    for (revision, order) in [("1", "secret"), ("2", "token")] {
        let fields = [
            ("id", client.id.as_str()),
            ("revision", revision),
            ("order", order),
        ];
        let issued = browser.post(&shown, "client", &fields).await;
        let (_, rest) = issued.text.split_once("id=\"once\">").expect("a secret");
        secrets.push(rest.split('<').next().unwrap().to_owned());
        // To send the form again, as a reload of its answer does, makes no other secret.
        browser
            .post(&shown, "client", &fields)
            .await
            .expect_status(412);
    }
    let made = browser.post(&shown, "tokens", &[("order", "create")]).await;
    let (_, rest) = made.text.split_once("id=\"once\">").expect("a token");
    secrets.push(rest.split('<').next().unwrap().to_owned());
    for page in super::pages() {
        let page = page.replace("id=x", &format!("id={}", client.id));
        let answer = browser.get(&page).await;
        for secret in &secrets {
            assert!(!answer.text.contains(secret), "{page}");
        }
    }
}

#[tokio::test]
async fn nothing_that_others_write_becomes_markup() {
    let server = full_server().await;
    let administrators = "/admin/v1/administrators";
    let request = server.administrate("POST", administrators).await;
    let body = json!({"name": CANARY, "scopes": ["clients.read", "documents.write", "scripts.read", "audit.read", "documents.read", "pending.read", "scripts.try"]});
    let made = Answer::of(request.json(&body)).await;
    made.expect_status(201);
    let (id, secret) = (made.member("client_id"), made.member("client_secret"));
    for (path, order) in [
        (
            "deny",
            json!({"client_id": "https://other.example.org/c", "note": CANARY}),
        ),
        (
            "pin",
            json!({"client_id": URL, "document": document(CANARY), "note": CANARY}),
        ),
    ] {
        let url = format!("/admin/v1/client-documents/{path}");
        let request = server.administrate("POST", &url).await;
        let answer = Answer::of(request.json(&order)).await;
        assert!(answer.status < 300, "{}", answer.text);
    }
    server
        .register(&with(minimal(), json!({"client_name": "stuck"})))
        .await;
    until(async || hooks(&server).await["parked"] == 1).await;
    server.write_script(
        "10-a.rhai",
        "fn createClient(context) { `<script>alert('canary')</script> }",
    );
    let scripts = "/admin/v1/scripts";
    until(async || {
        server
            .called("GET", scripts)
            .await
            .body
            .get("error")
            .is_some()
    })
    .await;
    let mut browser = Browser::new(&server);
    let (id, secret) = (id.as_str().unwrap(), secret.as_str().unwrap());
    browser.sign_in_with(id, secret).await.expect_status(303);
    let url: String = url::form_urlencoded::byte_serialize(URL.as_bytes()).collect();
    let client = format!("client?id={url}");
    let mut pages = super::pages();
    pages.push(client);
    for page in pages {
        let answer = browser.get(&page).await;
        expect_escaped(&page, &answer);
        let shown = answer.text.contains("&#60;script&#62;");
        assert!(shown, "{page} shows the name of the administrator");
    }
    let tried = with(minimal(), json!({"client_name": CANARY, CANARY: CANARY}));
    let shown = browser.get("try").await;
    let fields = [("body", tried.to_string())];
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let answer = browser.post(&shown, "try", &fields).await;
    answer.expect_status(200);
    expect_escaped("try", &answer);
}

#[track_caller]
fn expect_escaped(page: &str, answer: &Answer) {
    let text = answer.text.replace(super::OWN_SCRIPT, "");
    for markup in ["<script", "<img", "\"'>"] {
        assert!(!text.contains(markup), "{page}: {markup}: {text}");
    }
}
