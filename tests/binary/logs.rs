//! What is in the log, and what never is.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says what is wrong by failing")]

use serde_json::{Value, json};

use crate::process::{Registrar, until};

const CLIENT: &str = "https://client.example.org/cb";

/// The events of `log`, which has one JSON object a line.
fn events(log: &str) -> Vec<Value> {
    log.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

/// The lines that say that a request was answered, once there are `count` of them.
async fn answered(registrar: &Registrar, count: usize) -> Vec<Value> {
    let find = || {
        let mut events = events(&registrar.log());
        events.retain(|event| event["message"] == "answered");
        events
    };
    until(async || find().len() >= count).await;
    find()
}

#[tokio::test]
async fn a_request_is_one_line_with_its_ids() {
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
    let id = created.headers()["x-correlation-id"].to_str().unwrap().to_owned();
    assert_ne!(id, "chosen-by-the-caller");
    let client: Value = created.json().await.unwrap();
    let uri = client["registration_client_uri"].as_str().unwrap();
    let refused = http.get(format!("{uri}&padding=hidden")).bearer_auth("wrong-token").send().await.unwrap();
    assert_eq!(refused.status(), 401);
    let endless = registrar.url(&format!("/{}", "long".repeat(5_000)));
    http.get(endless).header("traceparent", "not-a-trace").send().await.unwrap();

    let lines = answered(&registrar, 3).await;
    let [created, refused, lengthy] = &lines[..] else { panic!("three lines for three requests: {lines:?}") };
    assert_eq!(created["span"]["correlation_id"], id);
    assert_eq!(created["span"]["trace_id"], trace);
    assert_eq!(created["span"]["client_id"], client["client_id"]);
    assert_eq!(created["span"]["trust_level"], "open");
    assert_eq!((&created["endpoint"], &created["status"]), (&json!("registration"), &json!(201)));
    assert_eq!((&refused["error"], &refused["path"]), (&json!("invalid_token"), &json!("/register")));
    assert_eq!(refused["span"].get("client_id"), None, "nobody proved to be that client");
    assert!(lengthy["path"].as_str().unwrap().len() < 1_000);
    assert_eq!(lengthy["span"].get("trace_id"), None);
    let log = registrar.log();
    for hidden in ["chosen-by-the-caller", "not-a-trace", "hidden", "wrong-token"] {
        assert!(!log.contains(hidden), "{hidden} is in the log");
    }
}

/// A private key as a client might send it by mistake.
fn private_jwks() -> Value {
    json!({"keys": [{
        "kty": "EC", "crv": "P-256", "use": "sig", "kid": "private",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    }]})
}

/// `curl` with `arguments` over HTTP/2: its head compression is another place to log from.
fn http2(arguments: &[&str]) -> String {
    let always = ["-sS", "--http2-prior-knowledge"];
    let output = std::process::Command::new("curl").args(always).args(arguments).output().expect("curl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Everything secret that a life of a client has, over both protocols.
async fn secrets_of_a_life(registrar: &Registrar) -> Vec<String> {
    let http = reqwest::Client::new();
    let register = registrar.url("/register");
    let request = json!({"redirect_uris": [CLIENT], "token_endpoint_auth_method": "client_secret_basic"});
    let created: Value = http.post(&register).json(&request).send().await.unwrap().json().await.unwrap();
    let text = |client: &Value, name: &str| client[name].as_str().expect(name).to_owned();
    let (uri, id) = (text(&created, "registration_client_uri"), text(&created, "client_id"));
    let (token, secret) = (text(&created, "registration_access_token"), text(&created, "client_secret"));
    let send = async |request: reqwest::RequestBuilder, status: u16| {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{}", answer.text().await.unwrap());
    };
    let update = json!({"client_id": id, "client_secret": secret, "redirect_uris": [CLIENT]});
    send(http.put(&uri).bearer_auth(&token).json(&update), 200).await;
    let wrong = "wrong-secret-5e0b7f4c";
    let update = json!({"client_id": id, "client_secret": wrong, "redirect_uris": [CLIENT]});
    send(http.put(&uri).bearer_auth(&token).json(&update), 400).await;
    send(http.post(&register).json(&json!({"redirect_uris": [CLIENT], "jwks": private_jwks()})), 400).await;
    let in_query = "token-in-a-query-9d41";
    send(http.get(format!("{uri}&access_token={in_query}")), 401).await;
    let basic = "password-of-basic-77c2";
    send(http.get(&uri).basic_auth("someone", Some(basic)), 401).await;
    let statement = "eyJhbGciOiJFUzI1NiJ9.eyJzZWNyZXQiOiJzdGF0ZW1lbnQifQ.c2lnbmF0dXJl";
    send(
        http.post(&register).json(&json!({"redirect_uris": [CLIENT], "software_statement": statement})),
        400,
    )
    .await;
    let signed = http.post(&register).header("content-type", "application/jwt").body(statement);
    send(signed, 400).await;
    let evidence = "evidence-of-a-device-31ba";
    let attested = json!({"redirect_uris": [CLIENT], "evidence": evidence, "passport": evidence});
    let answer = http.post(&register).json(&attested).send().await.unwrap();
    assert!(answer.status().as_u16() < 500);
    let broken = format!("{{\"client_secret\": \"{wrong}\", \"client_secret\": \"{wrong}\"}}");
    send(http.post(&register).header("content-type", "application/json").body(broken), 400).await;

    let administrator = secrets_of_the_administrator(registrar, &http).await;
    let header = format!("Authorization: Bearer {token}");
    assert!(http2(&["-H", &header, &uri]).contains(&secret));
    let body = request.to_string();
    let second = http2(&["-H", "Content-Type: application/json", "-d", &body, &register]);
    let second: Value = serde_json::from_str(&second).expect("a client");
    send(http.delete(&uri).bearer_auth(&token), 204).await;
    let key = private_jwks()["keys"][0]["d"].as_str().unwrap().to_owned();
    let made =
        [token, secret, text(&second, "registration_access_token"), text(&second, "client_secret"), key];
    let shown = [wrong, in_query, basic, statement, evidence].map(str::to_owned);
    made.into_iter().chain(shown).chain(administrator).collect()
}

/// The secret of the administrator, and an access token in each way in which it travels.
async fn secrets_of_the_administrator(registrar: &Registrar, http: &reqwest::Client) -> Vec<String> {
    let file = std::fs::read(registrar.folder().join("data/admin-credentials.json")).unwrap();
    let credentials: Value = serde_json::from_slice(&file).unwrap();
    let (id, secret) =
        (credentials["client_id"].as_str().unwrap(), credentials["client_secret"].as_str().unwrap());
    let form = async |path: &str, body: String| {
        let request = http.post(registrar.url(path)).basic_auth(id, Some(secret)).body(body);
        let answer =
            request.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.text().await.unwrap()
    };
    let answer: Value =
        serde_json::from_str(&form("/token", "grant_type=client_credentials".to_owned()).await).unwrap();
    let token = answer["access_token"].as_str().unwrap().to_owned();
    assert!(form("/introspect", format!("token={token}")).await.contains("true"));
    form("/revoke", format!("token={token}")).await;
    let wrong = "wrong-secret-of-the-administrator";
    let in_body = format!("grant_type=client_credentials&client_id={id}&client_secret={wrong}");
    let refused = http.post(registrar.url("/token")).body(in_body);
    let refused = refused.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
    assert_eq!(refused.status(), 401);
    vec![secret.to_owned(), token, wrong.to_owned()]
}

/// K197 of the catalogue of cases, at the level that says most.
#[tokio::test]
async fn k197_no_secret_is_in_the_log_at_any_level() {
    for format in ["json", "text"] {
        let telemetry = format!("[telemetry]\nlevel = \"trace\"\nformat = \"{format}\"\n");
        let mut registrar = Registrar::start_prepared(&telemetry, |_| {});
        let secrets = secrets_of_a_life(&registrar).await;
        until(async || registrar.log().contains("client deleted")).await;
        registrar.kill();
        let log = registrar.log();
        assert!(log.contains("answered") && log.contains("correlation_id"), "{log}");
        for secret in &secrets {
            assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
        }
        let others = log.lines().filter(|line| line.contains("h2::") || line.contains("hyper")).count();
        assert_eq!(others, 0, "other crates quote headers below info");
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_is_in_the_log_too() {
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
            event["path"] == "/register" && (message == "answered" || message.starts_with("not answered"))
        })
    };
    until(async || was_seen()).await;
}

#[tokio::test]
async fn what_a_script_says_makes_no_line_of_its_own() {
    let scripts = tempfile::TempDir::new().unwrap();
    let script = r#"fn createClient(context) { log::info("1\nFORGED\r\x1b[31mFORGED"); true }"#;
    std::fs::write(scripts.path().join("10-log.rhai"), script).unwrap();
    let registrar = Registrar::start_prepared("[telemetry]\nformat = \"text\"\n", |command| {
        command.arg("--scripts").arg(scripts.path());
    });
    let body = json!({"redirect_uris": [CLIENT]});
    let answer = reqwest::Client::new().post(registrar.url("/register")).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    until(async || registrar.log().contains("FORGED")).await;
    let log = registrar.log();
    assert!(log.lines().all(|line| !line.starts_with("FORGED")) && !log.contains('\u{1b}'), "{log}");
}
