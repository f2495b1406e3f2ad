//! The console: sessions, what each page needs, and that nothing that a client registers can do anything in a page.

mod live;
mod login;
mod orders;
mod pages;
mod sessions;

use registrar::config::ConsoleUse;
use registrar::testing::console_pages;
use reqwest::header::{COOKIE, SET_COOKIE};
use serde_json::{Value, json};

use crate::support::{Answer, Registered, TestServer, minimal};

/// What a page of the console has of scripts.
const OWN_SCRIPT: &str = "<script src=\"live.js\" defer></script>";

/// Returns every page that can be opened, with what it needs in its address, and one that does not exist.
fn pages() -> Vec<String> {
    let opened = console_pages()
        .into_iter()
        .filter(|(_, is_shown, _)| *is_shown);
    let mut pages = vec!["no-such-page".to_owned()];
    for (page, ..) in opened.filter(|(page, ..)| !["sign-in", "login"].contains(page)) {
        let needed = match page {
            "client" | "request" | "version" => "?id=x",
            "bulk" => "?order=delete&client_id=x",
            "option" => "?key=scopes",
            _ => "",
        };
        pages.push(format!("{page}{needed}"));
    }
    pages
}

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

/// A text that does something in a page if it is not escaped anywhere.
const CANARY: &str = "<script>alert('canary')</script>\"'><img src=x onerror=alert(1)>";

#[tokio::test]
async fn without_a_session_every_page_is_the_sign_in_page() {
    let server = TestServer::with_console(ConsoleUse::Auto).await;
    let forms = console_pages()
        .into_iter()
        .filter(|(_, _, is_form)| *is_form);
    let forms = forms.map(|(page, ..)| page.to_owned());
    for page in pages().into_iter().chain(forms) {
        let mut browser = Browser::new(&server);
        let answer = browser.get(&page).await;
        expect_sign_in(&answer);
        expect_sign_in(&browser.post(&answer, &page, &[("order", "delete")]).await);
        expect_sign_in(&browser.post_plain(&page, &[("order", "delete")]).await);
        browser.cookie = format!("registrar={}", "x".repeat(43));
        expect_sign_in(&browser.get(&page).await);
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
    for page in pages() {
        answers.push(browser.get(&page).await);
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
        let text = answer.text.replace(OWN_SCRIPT, "").to_lowercase();
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
async fn a_page_needs_the_scope_of_the_api() {
    let server = TestServer::with_console(ConsoleUse::Auto).await;
    let client = server.register(&minimal()).await;
    let reader = server.administrator_with(&["audit.read"]).await;
    let mut browser = Browser::new(&server);
    browser.sign_in(&reader).await;
    browser.get("audit").await.expect_status(200);
    for (page, scope) in [
        ("clients", "clients.read"),
        ("client?id=x", "clients.read"),
        ("bulk?order=delete&client_id=x", "clients.write"),
        ("tokens", "tokens.write"),
        ("pending", "pending.read"),
        ("request?id=x", "pending.read"),
        ("events", "clients.read"),
        ("scripts", "scripts.read"),
        ("version?id=x", "scripts.read"),
        ("configuration", "config.read"),
        ("option?key=scopes", "config.read"),
        ("trust", "config.read"),
        ("documents", "documents.read"),
        ("try", "scripts.try"),
    ] {
        let answer = browser.get(page).await;
        answer.expect_status(403);
        assert!(
            answer
                .text
                .contains(&format!("You lack the scope {scope}.")),
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
    let token = json!({"note": CANARY, "policy": {"attributes": {CANARY: CANARY}}});
    let request = server
        .administrate("POST", "/admin/v1/initial-access-tokens")
        .await;
    Answer::of(request.json(&token)).await.expect_status(201);
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
        String::new(),
        "clients".to_owned(),
        format!("clients?client_name={query}&software_id={query}&done={query}"),
        format!("client?id={id}&done={query}"),
        format!("client?id={query}"),
        format!("audit?subject={query}&actor={query}"),
        format!("audit?action={query}"),
        "audit".to_owned(),
        format!("sessions?done={query}"),
        format!("bulk?order=delete&software_id={query}"),
        format!("bulk?order={query}&software_id=x"),
        format!("pending?type={query}&verification_code={query}"),
        format!("request?id={query}"),
        format!("events?consumer={query}"),
        format!("version?id={query}"),
        format!("option?key={query}"),
        "configuration".to_owned(),
        "tokens".to_owned(),
        query.clone(),
    ];
    let mut seen = 0;
    for page in pages {
        let mut answer = browser.get(&page).await;
        answer.text = answer.text.replace(OWN_SCRIPT, "");
        assert!(!answer.text.contains("<script"), "{page}: {}", answer.text);
        assert!(!answer.text.contains("<img"), "{page}: {}", answer.text);
        assert!(!answer.text.contains("\"'>"), "{page}: {}", answer.text);
        seen += answer.text.matches("&#60;script&#62;").count();
    }
    assert!(seen >= 6, "the canary is shown: {seen}");
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
