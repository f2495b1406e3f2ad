//! The list of clients in the console, with as many clients as asked for, beside the same calls of the admin API:
//!
//! ```text
//! REGISTRAR_CLIENTS=1000000 REGISTRAR_BINARY=target/release/registrar \
//!     cargo test --test binary console_lists -- --ignored --nocapture
//! ```

#![expect(clippy::indexing_slicing, reason = "tests report problems by failing")]

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use reqwest::header::{COOKIE, SET_COOKIE};
use serde_json::{Value, json};

use crate::acknowledged::number;
use crate::process::Registrar;
use crate::store_backup::filled;

/// The lists that are measured: the first page, one in the middle, a search with and without results, and each filter.
const LISTS: &[&str] = &[
    "",
    "after=m000020000",
    "client_id=m00001",
    "client_id=no-such-client",
    "client_name=model",
    "client_name=nobody",
    "software_id=model",
    "software_id=nothing",
    "trust_level=open",
    "trust_level=statement",
    "disabled=true",
    "disabled=false",
    "issued_from=4102444800",
    "issued_before=4102444800",
    "expires_before=1",
    "used_from=1",
    "used_before=1",
    "never_used=true",
    "address=192.0.2.0/24",
    "initial_access_token=nothing",
    "statement_iss=nothing",
    "script_version=nothing",
];

/// How often each list is asked for.
const TIMES: usize = 9;

/// Somebody who asks for lists, as the API or as the console wants to know it.
struct Reader {
    http: reqwest::Client,
    header: (&'static str, String),
}

impl Reader {
    /// Returns the median of some response times.
    async fn median(&self, url: &str) -> Duration {
        let mut times = Vec::new();
        for _ in 0..TIMES {
            let begun = Instant::now();
            let (name, value) = &self.header;
            let answer = self.http.get(url).header(*name, value).send().await;
            let answer = answer.expect("an answer");
            assert_eq!(answer.status(), 200, "{url}");
            let text = answer.text().await.expect("a body");
            assert!(!text.is_empty());
            times.push(begun.elapsed());
        }
        times.sort();
        times[TIMES / 2]
    }
}

async fn api_reader(registrar: &Registrar, administrator: &Value) -> Reader {
    let http = reqwest::Client::new();
    let (id, secret) = (
        text(administrator, "client_id"),
        text(administrator, "client_secret"),
    );
    let scope = [
        ("grant_type", "client_credentials"),
        ("scope", "clients.read"),
    ];
    let request = registrar
        .form(&http, "/token", &scope)
        .basic_auth(id, Some(secret));
    let answer = request.send().await.expect("an answer");
    let token: Value = answer.json().await.expect("JSON");
    let header = format!("Bearer {}", text(&token, "access_token"));
    Reader {
        http,
        header: ("authorization", header),
    }
}

async fn console_reader(registrar: &Registrar, administrator: &Value) -> Reader {
    let plain = reqwest::redirect::Policy::none();
    let http = reqwest::Client::builder().redirect(plain).build();
    let http = http.expect("a client");
    let page = http.get(registrar.url("/console/")).send().await;
    let page = page.expect("an answer");
    let cookie = cookie_of(&page);
    let page = page.text().await.expect("a page");
    let (_, rest) = page
        .split_once("name=\"form_token\" value=\"")
        .expect("a form");
    let fields = [
        ("form_token", rest.split('"').next().expect("a token")),
        ("client_id", text(administrator, "client_id")),
        ("client_secret", text(administrator, "client_secret")),
    ];
    let request = registrar.form(&http, "/console/sign-in", &fields);
    let signed = request.header(COOKIE, cookie).send().await;
    let signed = signed.expect("an answer");
    assert_eq!(signed.status(), 303);
    Reader {
        http,
        header: ("cookie", cookie_of(&signed)),
    }
}

fn cookie_of(answer: &reqwest::Response) -> String {
    let cookie = answer.headers()[SET_COOKIE].to_str().expect("text");
    cookie.split(';').next().expect("a cookie").to_owned()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().expect("a text")
}

/// Asks for each list in both ways. Returns a table of the times, and how many seconds the console adds to a call at most.
async fn compare(registrar: &Registrar, count: u64) -> (String, f64) {
    let file = fs::read_to_string(registrar.credentials()).expect("credentials");
    let administrator: Value = serde_json::from_str(&file).expect("JSON");
    let api = api_reader(registrar, &administrator).await;
    let console = console_reader(registrar, &administrator).await;
    let mut table = format!("{count} clients, the median of {TIMES} calls:\n");
    writeln!(table, "{:<32} {:>12} {:>12}", "LIST", "API", "CONSOLE").expect("memory");
    let mut slowest = 0.0_f64;
    for list in LISTS {
        let by_api = api
            .median(&registrar.url(&format!("/admin/v1/clients?{list}")))
            .await;
        let by_console = console
            .median(&registrar.url(&format!("/console/clients?{list}")))
            .await;
        writeln!(table, "{list:<32} {by_api:>12.1?} {by_console:>12.1?}").expect("memory");
        slowest = slowest.max(by_console.as_secs_f64() - by_api.as_secs_f64());
    }
    let overview = console.median(&registrar.url("/console/")).await;
    writeln!(table, "{:<32} {:>12} {overview:>12.1?}", "the overview", "").expect("memory");
    (table, slowest)
}

#[tokio::test]
async fn every_list_is_answered_in_both_ways() {
    let registrar = Registrar::start();
    registrar.register(json!({"client_name": "model"})).await;
    let (table, _) = compare(&registrar, 1).await;
    assert_eq!(table.lines().count(), LISTS.len() + 3);
}

#[tokio::test]
#[ignore = "takes minutes: see the head of this file"]
async fn as_many_clients_as_asked_for() {
    let (registrar, count) = (Registrar::start(), number("REGISTRAR_CLIENTS", 100_000));
    filled(&registrar, count).await;
    let (table, added) = compare(&registrar, count).await;
    println!("{table}");
    assert!(
        added < 0.1,
        "the console adds {added} s to a call of the API"
    );
}
