//! The console: sessions, what each page needs, and that nothing that a client registers can do anything in a page.

use registrar::config::ConsoleUse;
use reqwest::header::{COOKIE, SET_COOKIE};
use serde_json::{Value, json};

use crate::support::{Answer, Registered, TestServer, minimal, with};

/// Every page, with what it needs in its address.
const PAGES: &[&str] = &[
    "",
    "clients",
    "client?id=x",
    "audit",
    "sessions",
    "no-such-page",
];

/// A browser: it keeps one cookie, and follows no redirect by itself.
struct Browser<'a> {
    server: &'a TestServer,
    base: String,
    cookie: String,
}

impl<'a> Browser<'a> {
    fn new(server: &'a TestServer) -> Self {
        Self {
            server,
            base: server.url("/console/"),
            cookie: String::new(),
        }
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Answer {
        let request = if self.cookie.is_empty() {
            request
        } else {
            request.header(COOKIE, &self.cookie)
        };
        let answer = Answer::of(request).await;
        if let Some(cookie) = answer.headers.get(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap().split(';').next().unwrap();
            cookie.clone_into(&mut self.cookie);
        }
        answer
    }

    async fn get(&mut self, page: &str) -> Answer {
        let request = self.server.ask("GET", &format!("{}{page}", self.base));
        self.send(request).await
    }

    /// Sends the form of the page `shown`, whose token it has.
    async fn post(&mut self, shown: &Answer, page: &str, fields: &[(&str, &str)]) -> Answer {
        let token = form_token(shown);
        let mut all = vec![("form_token", token.as_str())];
        all.extend(fields);
        self.post_plain(page, &all).await
    }

    async fn post_plain(&mut self, page: &str, fields: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let request = self
            .server
            .ask("POST", &format!("{}{page}", self.base))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        self.send(request).await
    }

    /// Signs in with these credentials.
    async fn sign_in_with(&mut self, id: &str, secret: &str) -> Answer {
        let shown = self.get("").await;
        let fields = [("client_id", id), ("client_secret", secret)];
        self.post(&shown, "sign-in", &fields).await
    }

    async fn sign_in(&mut self, administrator: &Registered) {
        let secret = secret_of(administrator);
        let answer = self.sign_in_with(&administrator.id, &secret).await;
        answer.expect_status(303);
    }
}

fn secret_of(client: &Registered) -> String {
    client.body["client_secret"]
        .as_str()
        .expect("a secret")
        .to_owned()
}

/// Returns the token of the forms in a page.
#[track_caller]
fn form_token(shown: &Answer) -> String {
    let (_, rest) = shown
        .text
        .split_once("name=\"form_token\" value=\"")
        .expect("a form");
    rest.split('"').next().unwrap().to_owned()
}

#[track_caller]
fn expect_sign_in(answer: &Answer) {
    answer.expect_status(401);
    assert!(answer.text.contains("<h1>Sign in to Registrar</h1>"));
    assert!(!answer.text.contains("<nav"), "{}", answer.text);
}

impl TestServer {
    /// A server whose client follows no redirects.
    async fn with_console(console: ConsoleUse) -> Self {
        let mut server =
            Self::configured(|configuration| configuration.settings.admin.console = console).await;
        server.use_client(plain_client());
        server
    }

    /// Creates an administrator with these scopes.
    async fn administrator_with(&self, scopes: &[&str]) -> Registered {
        let body = json!({"name": "Other", "scopes": scopes});
        let request = self.administrate("POST", "/admin/v1/administrators").await;
        let made = Answer::of(request.json(&body)).await;
        made.expect_status(201);
        let id = made.member("client_id").as_str().unwrap().to_owned();
        Registered {
            id,
            uri: String::new(),
            token: String::new(),
            body: made.body,
        }
    }

    async fn actions(&self) -> Vec<Value> {
        self.events(0).await
    }
}

fn plain_client() -> reqwest::Client {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    client.build().unwrap()
}

#[tokio::test]
async fn without_a_session_every_page_is_the_sign_in_page() {
    let server = TestServer::with_console(ConsoleUse::Auto).await;
    for page in PAGES {
        let mut browser = Browser::new(&server);
        let answer = browser.get(page).await;
        expect_sign_in(&answer);
        expect_sign_in(&browser.post(&answer, page, &[("order", "delete")]).await);
        browser.cookie = format!("registrar={}", "x".repeat(43));
        expect_sign_in(&browser.get(page).await);
    }
    let asset = Browser::new(&server).get("style.css").await;
    asset.expect_status(200);
    assert_eq!(asset.header("content-type"), "text/css; charset=utf-8");
    let other = Answer::of(server.ask("DELETE", "/console/clients")).await;
    other.expect_status(405);
    let folder = Answer::of(server.ask("GET", "/console")).await;
    folder.expect_status(303);
    assert_eq!(folder.header("location"), "console/");
}

#[tokio::test]
async fn every_answer_has_the_headers_that_protect_it() {
    let server = TestServer::with_console(ConsoleUse::Auto).await;
    let mut browser = Browser::new(&server);
    let mut answers = vec![
        browser.get("").await,
        browser.get("style.css").await,
        browser.sign_in_with("administrator", "wrong").await,
    ];
    browser.sign_in(&server.administrator()).await;
    for page in PAGES {
        answers.push(browser.get(page).await);
    }
    for answer in answers {
        for (name, value) in [
            (
                "content-security-policy",
                "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
            ),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("access-control-allow-origin", ""),
        ] {
            assert_eq!(answer.header(name), value, "{name}");
        }
        let text = answer.text.to_lowercase();
        for inline in [
            "<script",
            " style=",
            "<style",
            " onclick=",
            "http-equiv",
            "//cdn",
        ] {
            assert!(!text.contains(inline), "{inline}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn a_session_begins_with_the_secret_of_an_administrator_and_ends_when_he_signs_out() {
    let server = TestServer::with_console(ConsoleUse::Auto).await;
    let mut browser = Browser::new(&server);
    let shown = browser.get("client?id=a%26b").await;
    let before = browser.cookie.clone();
    assert!(
        shown.text.contains("value=\"client?id=a%26b\""),
        "{}",
        shown.text
    );
    let administrator = server.administrator();
    let fields = [
        ("client_id", administrator.id.as_str()),
        ("client_secret", &secret_of(&administrator)),
        ("next", "client?id=a%26b"),
    ];
    let signed = browser.post(&shown, "sign-in", &fields).await;
    signed.expect_status(303);
    assert_eq!(signed.header("location"), "client?id=a%26b");
    let cookie = signed.header("set-cookie");
    let (_, attributes) = cookie.split_once(';').unwrap();
    assert_eq!(attributes, " Path=/console/; HttpOnly; SameSite=Strict");
    assert_ne!(
        browser.cookie, before,
        "a secret that somebody may have planted is not used"
    );
    let (_, secret) = browser.cookie.split_once('=').unwrap();
    server.must_not_leak(secret);
    let page = browser.get("").await;
    page.expect_status(200);
    assert!(page.text.contains("<h1>Overview</h1>"), "{}", page.text);

    let session = browser.cookie.clone();
    let out = browser.post(&page, "sign-out", &[]).await;
    out.expect_status(303);
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    browser.cookie = session;
    expect_sign_in(&browser.get("").await);
    let actions = server.actions().await;
    for action in ["administrator_signed_in", "administrator_signed_out"] {
        let event = actions.iter().find(|event| event["action"] == action);
        let event = event.unwrap_or_else(|| panic!("{action}: {actions:?}"));
        assert_eq!(event["actor"], "administrator");
        assert_eq!(event["address"], "127.0.0.1");
        assert_eq!(event["details"]["session"].as_str().unwrap().len(), 32);
    }
}

#[tokio::test]
async fn a_wrong_secret_and_a_client_are_refused_alike_and_failures_are_limited() {
    let server = TestServer::with_console(ConsoleUse::Auto).await;
    let machine = json!({"grant_types": ["client_credentials"], "scope": "openid"});
    let client = server.register(&machine).await;
    let mut browser = Browser::new(&server);
    let mut texts = Vec::new();
    for (id, secret) in [
        ("administrator", "wrong".to_owned()),
        ("nobody", "wrong".to_owned()),
        (client.id.as_str(), secret_of(&client)),
    ] {
        let answer = browser.sign_in_with(id, &secret).await;
        expect_sign_in(&answer);
        assert!(
            answer
                .text
                .contains("The client ID or the secret is wrong.")
        );
        assert!(
            !answer.text.contains("wrong\""),
            "a secret is not shown again"
        );
        texts.push(
            answer
                .text
                .replace(id, "ID")
                .replace(&form_token(&answer), ""),
        );
    }
    assert!(texts.windows(2).all(|two| two[0] == two[1]), "{texts:?}");
    let actions = server.actions().await;
    let failed = |event: &&Value| event["action"] == "authentication_refused";
    assert_eq!(
        actions.iter().find(failed).unwrap()["subject"],
        "administrator"
    );
    let mut status = 401;
    for _ in 0..50 {
        status = browser.sign_in_with("administrator", "wrong").await.status;
    }
    assert_eq!(status, 429);
}

#[tokio::test]
async fn a_form_without_the_token_of_its_session_does_nothing() {
    let server = TestServer::with_console(ConsoleUse::Auto).await;
    let client = server.register(&minimal()).await;
    let administrator = server.administrator();
    let mut browser = Browser::new(&server);
    browser.get("").await;
    let fields = [
        ("client_id", administrator.id.as_str()),
        ("client_secret", &secret_of(&administrator)),
    ];
    let answer = browser.post_plain("sign-in", &fields).await;
    answer.expect_status(403);
    browser.sign_in(&administrator).await;
    let mut other = Browser::new(&server);
    other.sign_in(&administrator).await;
    let theirs = form_token(&other.get("").await);
    let order = [
        ("id", client.id.as_str()),
        ("revision", "1"),
        ("order", "disable"),
    ];
    for token in ["", "x", theirs.as_str()] {
        let mut fields = vec![("form_token", token)];
        fields.extend(order);
        browser
            .post_plain("client", &fields)
            .await
            .expect_status(403);
    }
    let shown = browser.get("").await;
    let token = form_token(&shown);
    let request = server
        .ask("POST", "/console/client")
        .header("sec-fetch-site", "cross-site")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!(
            "form_token={token}&id={}&revision=1&order=disable",
            client.id
        ));
    browser.send(request).await.expect_status(403);
    let stored = server.stored(&client.id).await;
    assert_eq!(stored["metadata"]["disabled"], Value::Null);
    browser
        .post(&shown, "client", &order)
        .await
        .expect_status(303);
    let stored = server.stored(&client.id).await;
    assert_eq!(stored["metadata"]["disabled"], true);
}

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
        "<code>redirect_uris</code>",
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
async fn a_page_needs_the_scope_of_the_api() {
    let server = TestServer::with_console(ConsoleUse::Auto).await;
    let client = server.register(&minimal()).await;
    let reader = server.administrator_with(&["audit.read"]).await;
    let mut browser = Browser::new(&server);
    browser.sign_in(&reader).await;
    browser.get("audit").await.expect_status(200);
    for page in ["clients", "client?id=x"] {
        let answer = browser.get(page).await;
        answer.expect_status(403);
        assert!(
            answer.text.contains("You lack the scope clients.read."),
            "{}",
            answer.text
        );
    }
    let overview = browser.get("").await;
    overview.expect_status(200);
    assert!(!overview.text.contains("href=\"clients\""));
    let fields = [
        ("id", client.id.as_str()),
        ("revision", "1"),
        ("order", "delete"),
    ];
    let answer = browser.post(&overview, "client", &fields).await;
    answer.expect_status(403);
    server.stored(&client.id).await;
    let reader = server.administrator_with(&["clients.read"]).await;
    let mut browser = Browser::new(&server);
    browser.sign_in(&reader).await;
    let shown = browser.get(&format!("client?id={}", client.id)).await;
    shown.expect_status(200);
    for absent in ["Disable", "Delete", "New secret", "History"] {
        assert!(!shown.text.contains(absent), "{absent}");
    }
}

/// A text that does something in a page if it is not escaped anywhere.
const CANARY: &str = "<script>alert('canary')</script>\"'><img src=x onerror=alert(1)>";

#[tokio::test]
async fn no_text_of_a_client_becomes_markup() {
    let server = TestServer::with_console(ConsoleUse::Auto).await;
    let names = [
        "client_name",
        "client_name#de",
        "software_id",
        "software_version",
    ];
    let mut body = minimal();
    for name in names {
        body[name] = CANARY.into();
    }
    body["contacts"] = json!([CANARY]);
    let request = server.administrate("POST", "/admin/v1/clients").await;
    let made = Answer::of(request.json(&body)).await;
    made.expect_status(201);
    let id = made.member("client_id").as_str().unwrap();
    let query: String = url::form_urlencoded::byte_serialize(CANARY.as_bytes()).collect();
    let mut browser = Browser::new(&server);
    for page in [
        format!("{query}?{query}={query}"),
        format!("client?id={query}"),
    ] {
        let answer = browser.get(&page).await;
        assert!(!answer.text.contains("<script"), "{}", answer.text);
        assert!(!answer.text.contains("<img"), "{}", answer.text);
    }
    let failed = browser.sign_in_with(CANARY, CANARY).await;
    assert!(!failed.text.contains("<script"), "{}", failed.text);
    browser.sign_in(&server.administrator()).await;
    let pages = [
        "".to_owned(),
        "clients".to_owned(),
        format!("clients?client_name={query}&software_id={query}&done={query}"),
        format!("client?id={id}&done={query}"),
        format!("client?id={query}"),
        format!("audit?subject={query}&actor={query}"),
        format!("audit?action={query}"),
        "audit".to_owned(),
        format!("sessions?done={query}"),
        query.clone(),
    ];
    let mut seen = 0;
    for page in pages {
        let answer = browser.get(&page).await;
        assert!(!answer.text.contains("<script"), "{page}: {}", answer.text);
        assert!(!answer.text.contains("<img"), "{page}: {}", answer.text);
        assert!(!answer.text.contains("\"'>"), "{page}: {}", answer.text);
        seen += answer.text.matches("&#60;script&#62;").count();
    }
    assert!(seen >= 6, "the canary is shown: {seen}");
}

#[tokio::test]
async fn a_session_ends_by_itself_and_with_its_administrator() {
    let server = TestServer::with_console(ConsoleUse::Auto).await;
    let mut browser = Browser::new(&server);
    browser.sign_in(&server.administrator()).await;
    server.clock.advance(1_799);
    browser.get("").await.expect_status(200);
    server.clock.advance(1_799);
    browser.get("").await.expect_status(200);
    server.clock.advance(1_800);
    expect_sign_in(&browser.get("").await);

    browser.sign_in(&server.administrator()).await;
    for _ in 0..28 {
        server.clock.advance(1_500);
        browser.get("").await.expect_status(200);
    }
    server.clock.advance(1_200);
    expect_sign_in(&browser.get("").await);

    for change in ["disable", "rotate", "scopes", "delete"] {
        let other = server.administrator_with(&["audit.read"]).await;
        let mut browser = Browser::new(&server);
        browser.sign_in(&other).await;
        browser.get("").await.expect_status(200);
        let one = format!("/admin/v1/administrators/{}", other.id);
        let (method, path, body) = match change {
            "disable" => ("PATCH", one, json!({"disabled": true})),
            "scopes" => (
                "PATCH",
                one,
                json!({"scopes": ["audit.read", "clients.read"]}),
            ),
            "rotate" => ("POST", format!("{one}/rotate"), json!({})),
            _ => ("DELETE", one, json!({})),
        };
        let request = server.administrate(method, &path).await;
        let answer = Answer::of(request.json(&body)).await;
        assert!(answer.status < 300, "{}", answer.text);
        expect_sign_in(&browser.get("").await);
    }
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let server = TestServer::with_console(ConsoleUse::Auto).await;
    let other = server.administrator_with(&["clients.read"]).await;
    let (mut first, mut second, mut third) = (
        Browser::new(&server),
        Browser::new(&server),
        Browser::new(&server),
    );
    first.sign_in(&server.administrator()).await;
    second.sign_in(&server.administrator()).await;
    third.sign_in(&other).await;
    let shown = first.get("sessions").await;
    assert_eq!(shown.text.matches("End the session of").count(), 2);
    let id = |text: &str, whose: &str| {
        let form = text
            .split("<form")
            .find(|form| form.contains(&format!("End the session of {whose}")))
            .expect("a form");
        let (_, rest) = form.split_once("name=\"id\" value=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let theirs = third.get("sessions").await;
    assert!(!theirs.text.contains("Sessions of other administrators"));
    let own = id(&shown.text, "administrator");
    third
        .post(&theirs, "sessions", &[("id", &own)])
        .await
        .expect_status(403);
    let ended = first.post(&shown, "sessions", &[("id", &own)]).await;
    assert_eq!(ended.header("location"), "sessions?done=ended");
    expect_sign_in(&second.get("").await);
    let again = first.post(&shown, "sessions", &[("id", &own)]).await;
    again.expect_status(404);
    let fields = [("id", id(&shown.text, &other.id))];
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, id)| (*name, id.as_str()))
        .collect();
    first
        .post(&shown, "sessions", &fields)
        .await
        .expect_status(303);
    expect_sign_in(&third.get("").await);
    let actions = server.actions().await;
    let revoked = actions
        .iter()
        .filter(|event| event["action"] == "session_revoked");
    assert_eq!(revoked.count(), 2);
}

#[tokio::test]
async fn one_administrator_has_a_bounded_number_of_sessions() {
    let server = TestServer::with_console(ConsoleUse::Auto).await;
    let mut browser = Browser::new(&server);
    for _ in 0..100 {
        browser.cookie.clear();
        browser.sign_in(&server.administrator()).await;
    }
    browser.cookie.clear();
    let administrator = server.administrator();
    let answer = browser
        .sign_in_with(&administrator.id, &secret_of(&administrator))
        .await;
    answer.expect_status(503);
    assert!(answer.text.contains("There are too many sessions."));
}

#[tokio::test]
async fn the_console_is_public_only_if_the_operator_says_so() {
    let status =
        async |server: &TestServer, url: &str| Answer::of(server.ask("GET", url)).await.status;
    let server = TestServer::with_console(ConsoleUse::Off).await;
    assert_eq!(status(&server, "/console/").await, 404);
    let server = TestServer::with_console(ConsoleUse::Auto).await;
    assert_eq!(status(&server, "/console/").await, 401);
    let request = server
        .ask("GET", "/console/")
        .header("x-forwarded-for", "192.0.2.1");
    Answer::of(request).await.expect_error(404, &["not_found"]);
    for (console, expected) in [(ConsoleUse::Auto, 404), (ConsoleUse::On, 401)] {
        let server = TestServer::configured(|configuration| {
            configuration.settings.admin.console = console;
            configuration.settings.server.listen = "0.0.0.0:0".parse().unwrap();
        })
        .await;
        let url = format!(
            "http://127.0.0.1:{}/console/",
            server.server().address().port()
        );
        assert_eq!(status(&server, &url).await, expected, "{console:?}");
    }
    let server = TestServer::configured(|configuration| {
        configuration.settings.admin.listen = Some("127.0.0.1:0".parse().unwrap());
        configuration.settings.admin.console = ConsoleUse::On;
    })
    .await;
    let admin = server.server().admin_address().unwrap();
    assert_eq!(status(&server, "/console/").await, 404);
    assert_eq!(
        status(&server, &format!("http://{admin}/console/")).await,
        401
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
