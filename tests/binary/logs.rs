//! What the log contains, and what it never contains.

use serde_json::{Value, json};

use crate::process::{Registrar, until};

const CLIENT: &str = "https://client.example.org/cb";

/// Returns the events of `log`, which has one JSON object per line.
fn events(log: &str) -> Vec<Value> {
    log.lines()
        .map(|line| serde_json::from_str(line).expect("a line is JSON"))
        .collect()
}

/// Returns the lines for answered requests once there are `count` of them.
async fn answered(registrar: &Registrar, count: usize) -> Vec<Value> {
    let find = || {
        let mut events = events(&registrar.log());
        events.retain(|event| event["message"] == "request answered");
        events
    };
    until(async || find().len() >= count).await;
    find()
}

#[tokio::test]
async fn a_request_is_logged_as_one_line_with_its_ids() {
    let registrar = Registrar::start();
    let http = reqwest::Client::new();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let created = http
        .post(registrar.url("/register"))
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
        .header("x-correlation-id", "chosen-by-the-caller")
        .json(&json!({"redirect_uris": [CLIENT]}))
        .send()
        .await
        .unwrap();
    let id = created.headers()["x-correlation-id"]
        .to_str()
        .unwrap()
        .to_owned();
    assert_ne!(id, "chosen-by-the-caller");
    let client: Value = created.json().await.unwrap();
    let uri = client["registration_client_uri"].as_str().unwrap();
    let refused = http
        .get(format!("{uri}&padding=hidden"))
        .bearer_auth("wrong-token")
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 401);
    let endless = registrar.url(&format!("/{}", "long".repeat(5_000)));
    http.get(endless)
        .header("traceparent", "not-a-trace")
        .send()
        .await
        .unwrap();

    let lines = answered(&registrar, 3).await;
    let [created, refused, lengthy] = &lines[..] else {
        panic!("three lines for three requests: {lines:?}")
    };
    assert_eq!(created["span"]["correlation_id"], id);
    assert_eq!(created["span"]["trace_id"], trace);
    assert_eq!(created["span"]["client_id"], client["client_id"]);
    assert_eq!(created["span"]["trust_level"], "open");
    assert_eq!(
        (&created["endpoint"], &created["status"]),
        (&json!("registration"), &json!(201))
    );
    assert_eq!(
        (&refused["error"], &refused["path"]),
        (&json!("invalid_token"), &json!("/register"))
    );
    assert_eq!(
        refused["span"].get("client_id"),
        None,
        "no credentials of that client were verified"
    );
    assert!(lengthy["path"].as_str().unwrap().len() < 1_000);
    assert_eq!(lengthy["span"].get("trace_id"), None);
    let log = registrar.log();
    for hidden in [
        "chosen-by-the-caller",
        "not-a-trace",
        "hidden",
        "wrong-token",
    ] {
        assert!(!log.contains(hidden), "{hidden} is in the log");
    }
}

#[tokio::test]
async fn a_caller_that_disconnects_is_logged_too() {
    use std::io::Write;
    let registrar = Registrar::start();
    let mut stream = std::net::TcpStream::connect(registrar.host()).unwrap();
    let head = "Host: test\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n";
    write!(stream, "POST /register HTTP/1.1\r\n{head}{{").unwrap();
    drop(stream);
    let was_seen = || {
        let events = events(&registrar.log());
        events.iter().any(|event| {
            let message = event["message"].as_str().unwrap_or("");
            event["path"] == "/register"
                && (message == "request answered" || message.starts_with("request not answered"))
        })
    };
    until(async || was_seen()).await;
}

#[tokio::test]
async fn the_log_output_of_a_script_cannot_forge_a_line() {
    let scripts = tempfile::TempDir::new().unwrap();
    let script = r#"fn createClient(context) { log::info("1\nFORGED\r\x1b[31mFORGED"); true }"#;
    std::fs::write(scripts.path().join("10-log.rhai"), script).unwrap();
    let registrar = Registrar::start_prepared("[telemetry]\nformat = \"text\"\n", |command| {
        command.arg("--scripts").arg(scripts.path());
    });
    let body = json!({"redirect_uris": [CLIENT]});
    let answer = reqwest::Client::new()
        .post(registrar.url("/register"))
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 201);
    until(async || registrar.log().contains("FORGED")).await;
    let log = registrar.log();
    assert!(
        log.lines().all(|line| !line.starts_with("FORGED")) && !log.contains('\u{1b}'),
        "{log}"
    );
}

#[tokio::test]
async fn a_configuration_warning_is_logged() {
    let elsewhere = "[discovery]\nauthorization_endpoint = \"https://as.example.org/authorize\"\n";
    let registrar = Registrar::start_with(&format!("[fetch]\nallowHttp = true\n{elsewhere}"));
    let warnings = events(&registrar.log());
    let warnings = warnings.iter().filter(|event| event["level"] == "WARN");
    let warnings: Vec<_> = warnings
        .filter_map(|event| event["message"].as_str())
        .collect();
    let [warning] = warnings[..] else {
        panic!("{warnings:?}")
    };
    assert!(
        warning.contains(":2:1: fetch.allowHttp: is for development"),
        "{warning}"
    );
}

#[tokio::test]
async fn a_warning_caused_by_a_reload_is_logged_once() {
    let registrar = Registrar::start_with("[fetch]\nallowHttp = true\n");
    let warned = |word: &str| {
        let of_word = |event: &&Value| {
            event["message"]
                .as_str()
                .is_some_and(|text| text.contains(word))
        };
        let events = events(&registrar.log());
        events
            .iter()
            .filter(|event| event["level"] == "WARN")
            .filter(of_word)
            .count()
    };
    let text = "[fetch]\nallowHttp = true\n[registration]\ndcrAuthorizationWithMTLS = true\n";
    registrar.configure(text);
    until(async || registrar.log().contains("configuration reloaded")).await;
    assert_eq!(
        (warned("dcrAuthorizationWithMTLS"), warned("allowHttp")),
        (1, 1)
    );
}

#[tokio::test]
async fn the_log_names_the_client_that_was_tried_and_the_address_behind_a_proxy() {
    let registrar = Registrar::start_with("[server]\ntrustedProxies = [\"127.0.0.0/8\"]\n");
    let http = reqwest::Client::new();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "nobody"),
        ("client_secret", "wrong-secret"),
    ];
    let request = registrar
        .form(&http, "/token", &form)
        .header("x-forwarded-for", "203.0.113.9");
    assert_eq!(request.send().await.unwrap().status(), 401);
    let lines = answered(&registrar, 1).await;
    assert_eq!(lines[0]["client_address"], "203.0.113.9", "{lines:?}");
    let log = registrar.log();
    let failed = events(&log)
        .into_iter()
        .find(|event| event["message"] == "client authentication failed");
    let failed = failed.expect("a line about the failure");
    assert_eq!(failed["tried_client_id"], "nobody", "{failed}");
    assert!(!log.contains("wrong-secret"), "{log}");
}

#[tokio::test]
async fn every_line_of_a_request_names_it_and_its_script() {
    let scripts = tempfile::TempDir::new().unwrap();
    let script = r#"
        log::info("loaded");
        print("printed while loading");
        fn adaptRequest(request, context) { print("adapts"); true }
        fn createClient(context) {
            log::warn("decides");
            try { http::get("https://127.0.0.1:1/"); } catch { log::error("no connection"); }
            true
        }
        fn modifyPostResponse(response, context) { debug("answers"); true }
        fn clientCreated(context) { log::info("was told"); }
    "#;
    std::fs::write(scripts.path().join("10-log.rhai"), script).unwrap();
    let configuration = "[telemetry]\nformat = \"json\"\nlevel = \"info,registrar::script=debug\"\n\
                         [fetch]\nallowedHosts = [\"127.0.0.1:1\"]\n";
    let registrar = Registrar::start_prepared(configuration, |command| {
        command.arg("--scripts").arg(scripts.path());
    });
    let body = json!({"redirect_uris": [CLIENT]});
    let request = reqwest::Client::new()
        .post(registrar.url("/register"))
        .json(&body);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let id = answer.headers()["x-correlation-id"].to_str().unwrap();
    let of_script = || {
        let mut lines = events(&registrar.log());
        lines.retain(|line| line["target"] == "registrar::script");
        lines
    };
    until(async || of_script().iter().any(|line| line["message"] == "was told")).await;
    let lines = of_script();
    for message in ["adapts", "decides", "no connection", "answers", "was told"] {
        let line = lines.iter().find(|line| {
            let text = line["message"].as_str().unwrap_or_default();
            text.contains(message)
        });
        let line = line.unwrap_or_else(|| panic!("{message} is not in {lines:?}"));
        assert_eq!(line["script"], "10-log.rhai", "{line}");
        assert_eq!(line["span"]["correlation_id"], id, "{line}");
    }
    for message in ["loaded", "printed while loading"] {
        let line = lines.iter().find(|line| line["message"] == message);
        assert_eq!(line.unwrap()["script"], "10-log.rhai");
    }
    let lines = events(&registrar.log());
    let failed = lines.iter().find(|line| line["host"] == "127.0.0.1");
    let failed = failed.expect("the connection that failed");
    assert_eq!(failed["span"]["correlation_id"], id);
    let cause = failed["cause"].as_str().unwrap();
    assert!(cause.contains("refused"), "{cause}");
}
