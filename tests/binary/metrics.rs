//! The metrics of one process, which are exact because no other test shares the process.

#![expect(clippy::unwrap_used, reason = "tests report problems by failing")]

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::process::{Registrar, until};

const SCRIPT: &str = "fn createClient(context) {
    let name = context.client.client_name;
    if name == \"refuse\" { return false; }
    if name == \"fail\" { throw \"no\"; }
    true
}
";

/// Parses the series of a text in the Prometheus format.
pub(crate) fn series(text: &str) -> BTreeMap<String, f64> {
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let pair = |line: &str| {
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        (name.to_owned(), value.parse().expect("a number"))
    };
    lines.map(pair).collect()
}

pub(crate) struct Scraped {
    registrar: Registrar,
    http: reqwest::Client,
    /// URL of the metrics.
    admin: String,
}

impl Scraped {
    /// Starts a server with an admin listener that runs [`SCRIPT`].
    pub(crate) fn start(configuration: &str) -> Self {
        let scripts = tempfile::TempDir::new().unwrap();
        std::fs::write(scripts.path().join("10-policy.rhai"), SCRIPT).unwrap();
        let configuration = format!("[admin]\nlisten = \"127.0.0.1:0\"\n{configuration}");
        let registrar = Registrar::start_prepared(&configuration, |command| {
            command.arg("--scripts").arg(scripts.keep());
        });
        Self::of(registrar)
    }

    fn of(registrar: Registrar) -> Self {
        let admin = registrar
            .greeting
            .split("metrics are on ")
            .nth(1)
            .and_then(|rest| rest.lines().next());
        let admin = admin
            .expect("it prints the address of the metrics")
            .to_owned();
        Self {
            registrar,
            http: reqwest::Client::new(),
            admin,
        }
    }

    async fn post(&self, body: &Value) -> (u16, Value) {
        let answer = self
            .http
            .post(self.registrar.url("/register"))
            .json(body)
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub(crate) async fn text(&self) -> String {
        self.http
            .get(format!("{}/metrics", self.admin))
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    }
}

fn named(name: &str) -> Value {
    json!({"redirect_uris": ["https://client.example.org/cb"], "client_name": name})
}

#[tokio::test]
async fn events_are_counted_and_no_input_of_a_caller_is_a_label() {
    let scraped = Scraped::start("");
    // Starting writes to the store.
    let before = series(&scraped.text().await);
    let (created, client) = scraped.post(&named("first")).await;
    assert_eq!(created, 201);
    assert_eq!(scraped.post(&named("refuse")).await.0, 400);
    assert_eq!(scraped.post(&named("fail")).await.0, 500);
    assert_eq!(
        scraped
            .post(&json!({"redirect_uris": ["http://client.example.org/cb#x"]}))
            .await
            .0,
        400
    );
    let (http, uri) = (
        &scraped.http,
        client["registration_client_uri"].as_str().unwrap(),
    );
    let token = client["registration_access_token"].as_str().unwrap();
    let mut update = named("second");
    update["client_id"] = client["client_id"].clone();
    assert_eq!(
        http.put(uri)
            .bearer_auth(token)
            .json(&update)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    assert_eq!(
        http.get(uri)
            .bearer_auth("stolen")
            .send()
            .await
            .unwrap()
            .status(),
        401
    );
    assert_eq!(
        http.delete(uri)
            .bearer_auth(token)
            .send()
            .await
            .unwrap()
            .status(),
        204
    );
    let guess = scraped
        .registrar
        .form(http, "/token", &[("grant_type", "guess")]);
    assert_eq!(
        guess
            .basic_auth("guess", Some("guess"))
            .send()
            .await
            .unwrap()
            .status(),
        401
    );
    for guess in 0..20 {
        let url = scraped.registrar.url(&format!("/guess-{guess}"));
        let method = format!("GUESS{guess}").parse().unwrap();
        assert_eq!(
            http.request(method, url).send().await.unwrap().status(),
            404
        );
    }

    let text = scraped.text().await;
    let series = series(&text);
    for (name, value) in [
        (
            r#"requests_total{endpoint="registration",method="POST",status="201",code=""}"#,
            1,
        ),
        (
            r#"requests_total{endpoint="registration",method="POST",status="400",code="invalid_redirect_uri"}"#,
            1,
        ),
        (
            r#"requests_total{endpoint="registration",method="POST",status="400",code="invalid_client_metadata"}"#,
            1,
        ),
        (
            r#"requests_total{endpoint="registration",method="POST",status="500",code="server_error"}"#,
            1,
        ),
        (
            r#"requests_total{endpoint="management",method="PUT",status="200",code=""}"#,
            1,
        ),
        (
            r#"requests_total{endpoint="management",method="GET",status="401",code="invalid_token"}"#,
            1,
        ),
        (
            r#"requests_total{endpoint="management",method="DELETE",status="204",code=""}"#,
            1,
        ),
        (
            r#"requests_total{endpoint="token",method="POST",status="401",code="invalid_client"}"#,
            1,
        ),
        (
            r#"requests_total{endpoint="other",method="other",status="404",code="not_found"}"#,
            20,
        ),
        (
            r#"request_duration_seconds_count{endpoint="registration",method="POST"}"#,
            4,
        ),
        (
            r#"script_calls_total{script="10-policy.rhai",hook="createClient",outcome="passed"}"#,
            1,
        ),
        (
            r#"script_calls_total{script="10-policy.rhai",hook="createClient",outcome="refused"}"#,
            1,
        ),
        (
            r#"script_calls_total{script="10-policy.rhai",hook="createClient",outcome="fault"}"#,
            1,
        ),
        (
            r#"script_duration_seconds_count{script="10-policy.rhai",hook="createClient"}"#,
            3,
        ),
        (
            r#"client_changes_total{change="registered",trust_level="open"}"#,
            1,
        ),
        (
            r#"client_changes_total{change="updated",trust_level="open"}"#,
            1,
        ),
        (
            r#"client_changes_total{change="deleted",trust_level="open"}"#,
            1,
        ),
        (r#"clients{trust_level="open"}"#, 0),
        (r#"clients{trust_level="attested"}"#, 0),
    ] {
        let name = format!("registrar_{name}");
        let found = series
            .get(&name)
            .map(|after| after - before.get(&name).unwrap_or(&0.0));
        assert_eq!(found, Some(f64::from(value)), "{name} in\n{text}");
    }
    // Three changes of a client. Each of the other writes, of refusals for the audit log and of how far events were
    // delivered, comes after a moment, and possibly after the last request here.
    for name in [
        r#"registrar_store_writes_total{outcome="done"}"#,
        "registrar_store_flush_duration_seconds_count",
    ] {
        let grown = series[name] - before.get(name).copied().unwrap_or_default();
        assert!((3.0..=14.0).contains(&grown), "{grown} {name} in\n{text}");
    }
    assert_eq!(
        series.get("registrar_requests_open"),
        Some(&1.0),
        "the request for the metrics itself"
    );
    for sent in [
        token,
        client["client_id"].as_str().unwrap(),
        "guess",
        "GUESS",
        "client.example.org",
    ] {
        assert!(!text.contains(sent), "{sent} is in\n{text}");
    }
}

#[tokio::test]
async fn probes_are_on_the_admin_listener_only_and_clients_are_not() {
    let scraped = Scraped::start("");
    for path in ["/healthz", "/readyz", "/metrics"] {
        let there = scraped
            .http
            .get(format!("{}{path}", scraped.admin))
            .send()
            .await
            .unwrap();
        assert_eq!(there.status(), 200, "{path}");
        let here = scraped
            .http
            .get(scraped.registrar.url(path))
            .send()
            .await
            .unwrap();
        assert_eq!(here.status(), 404, "{path}");
    }
    let url = format!("{}/register", scraped.admin);
    assert_eq!(
        scraped
            .http
            .post(url)
            .json(&named("x"))
            .send()
            .await
            .unwrap()
            .status(),
        404
    );
}

#[tokio::test]
async fn without_an_admin_listener_the_metrics_are_on_the_main_listener() {
    let registrar = Registrar::start();
    let answer = reqwest::get(registrar.url("/metrics")).await.unwrap();
    assert_eq!(
        answer.headers()["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    assert!(series(&answer.text().await.unwrap()).contains_key("registrar_connections_open"));
}

/// A request that a proxy forwards comes from elsewhere, even if the proxy runs on this machine.
#[tokio::test]
async fn without_an_admin_listener_only_this_machine_sees_more_than_whether_the_server_works() {
    let registrar = Registrar::start();
    let http = reqwest::Client::new();
    for header in ["forwarded", "x-forwarded-for", "x-real-ip", "via"] {
        let ask = async |path: &str| {
            let request = http.get(registrar.url(path)).header(header, "203.0.113.9");
            let answer = request.send().await.unwrap();
            (
                answer.status().as_u16(),
                answer.json::<Value>().await.unwrap(),
            )
        };
        let (status, body) = ask("/metrics").await;
        assert_eq!(
            (status, &body["error"]),
            (403, &json!("access_denied")),
            "{header}: {body}"
        );
        assert_eq!(
            ask("/healthz").await,
            (200, json!({"status": "ok"})),
            "{header}"
        );
        assert_eq!(
            ask("/readyz").await,
            (200, json!({"status": "ok"})),
            "{header}"
        );
    }
    let body: Value = http
        .get(registrar.url("/readyz"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert!(body.get("scripts").is_some(), "{body}");
    // An admin listener behind a proxy serves everybody that the proxy lets through.
    let scraped = Scraped::start("");
    let url = format!("{}/metrics", scraped.admin);
    let answer = scraped
        .http
        .get(url)
        .header("x-forwarded-for", "203.0.113.9")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
}

/// The numbers of clients come from the store, so they are available right after a start.
#[tokio::test]
async fn clients_are_counted_by_trust_level_over_a_restart() {
    let mut scraped = Scraped::start("");
    for name in ["first", "second"] {
        assert_eq!(scraped.post(&named(name)).await.0, 201);
    }
    let (_, gone) = scraped.post(&named("third")).await;
    let token = gone["registration_access_token"].as_str().unwrap();
    let delete = scraped
        .http
        .delete(gone["registration_client_uri"].as_str().unwrap());
    assert_eq!(
        delete.bearer_auth(token).send().await.unwrap().status(),
        204
    );
    for _ in 0..2 {
        let series = series(&scraped.text().await);
        let count = |level: &str| {
            series[&format!(r#"registrar_clients{{trust_level="{level}"}}"#)].to_string()
        };
        let levels = [
            "open",
            "document",
            "token",
            "mtls",
            "statement",
            "attested",
            "operator",
        ]
        .map(count);
        // The client of the trust level `operator` is the administrator that the first start creates.
        assert_eq!(levels, ["2", "0", "0", "0", "0", "0", "1"]);
        assert!(scraped.registrar.terminate().success());
        scraped = Scraped::of(scraped.registrar.start_again());
    }
}

#[tokio::test]
async fn limits_reloads_and_expiry_are_counted() {
    let registration = "[registration]\nrateLimitRegistrationRequestCount = 1\n\
                        rateLimitRegistrationPeriodInSeconds = 3600\n";
    let limited =
        format!("[store]\nsweepSeconds = 1\n{registration}dynamicRegistrationExpirationTime = 1\n");
    let scraped = Scraped::start(&limited);
    assert_eq!(scraped.post(&named("x")).await.0, 201);
    assert_eq!(scraped.post(&named("x")).await.0, 429);
    let count = async |name: &str| {
        series(&scraped.text().await)
            .get(name)
            .copied()
            .unwrap_or(0.0)
    };
    assert!((count("registrar_rate_limited_total").await - 1.0).abs() < f64::EPSILON);
    until(async || count("registrar_clients_expired_total").await >= 1.0).await;

    assert!(count(r#"registrar_last_reload_ok{what="configuration"}"#).await > 0.0);
    scraped
        .registrar
        .configure("[registration]\nnoSuchKey = 1\n");
    until(async || {
        count(r#"registrar_reloads_total{what="configuration",outcome="failed"}"#).await >= 1.0
    })
    .await;
    assert!(count(r#"registrar_last_reload_ok{what="configuration"}"#).await < 1.0);
    scraped.registrar.configure("");
    until(async || {
        count(r#"registrar_reloads_total{what="configuration",outcome="ok"}"#).await >= 1.0
    })
    .await;
    assert!(count(r#"registrar_last_reload_ok{what="configuration"}"#).await > 0.0);
}
