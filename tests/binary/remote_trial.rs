//! `registrar try`: what a request would get, from the command line.

use serde_json::{Value, json};

use crate::process::Registrar;

const SCRIPT: &str = r#"
fn createClient(context) {
    if context.client.client_name == "Bad" { return false; }
    if context.client.client_name == "Worse" { throw 5; }
    log::info(`registering ${context.client.client_name}`);
    context.client.contacts = ["a@example.org"];
    true
}
"#;

fn file(registrar: &Registrar, name: &str, text: &str) -> String {
    let path = registrar.folder().join(name);
    std::fs::write(&path, text).expect("a file");
    path.to_str().expect("a path").to_owned()
}

fn request(registrar: &Registrar, name: &str) -> String {
    let body = json!({"redirect_uris": ["https://client.example.org/cb"], "client_name": name});
    file(registrar, "request.json", &body.to_string())
}

fn count(registrar: &Registrar) -> usize {
    let listed = registrar
        .cli(&["clients", "list", "--format", "json"])
        .json();
    listed.as_array().expect("clients").len()
}

#[tokio::test]
async fn a_registration_is_tried_and_not_made() {
    let registrar = Registrar::start_with("");
    let before = count(&registrar);
    let script = file(&registrar, "10-mine.rhai", SCRIPT);
    let good = request(&registrar, "Good");
    let shown = registrar
        .cli(&["try", "--request", &good, "--script", &script])
        .fine();
    for part in [
        "The client would get 201:",
        "client_name                 request",
        "contacts                    script:10-mine.rhai",
        "grant_types                 default",
        "client_id                   server",
        "rules                 passed",
        "10-mine.rhai createClient: passed, ",
        "  + contacts: [\"a@example.org\"]",
        "  log: info: registering Good",
    ] {
        let is_there = shown
            .lines()
            .any(|line| line.starts_with(part) || line == part);
        let is_there = is_there || squeezed(&shown).contains(&squeezed(part));
        assert!(is_there, "'{part}' is not in {shown}");
    }
    let bad = request(&registrar, "Bad");
    let judged = registrar
        .cli(&[
            "try",
            "--request",
            &bad,
            "--script",
            &script,
            "--format",
            "json",
        ])
        .json();
    assert_eq!(judged["answer"]["status"], 400, "{judged}");
    let worse = request(&registrar, "Worse");
    let failed = registrar.cli(&["try", "--request", &worse, "--script", &script]);
    assert_eq!(failed.code, Some(1));
    assert!(
        failed.err.contains("the server would fail with status 500"),
        "{}",
        failed.err
    );
    assert!(
        failed.out.contains("error: 10-mine.rhai:4:"),
        "{}",
        failed.out
    );
    assert_eq!(count(&registrar), before);
}

/// Returns `text` with single spaces.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn everything_about_a_request_can_be_given_by_flags() {
    let registrar = Registrar::start_with("");
    let created = registrar
        .cli(&["tokens", "create", "--uses", "1", "--format", "json"])
        .json();
    let folder = registrar.folder().join("next");
    std::fs::create_dir(&folder).unwrap();
    let script = r#"fn createClient(context) {
        let said = http::get("https://policy.example.org/name");
        context.client.client_name = `${said.body} ${context.httpRequest.ipAddress} ${time::now()}`;
        context.client.software_version = context.httpRequest.headers["x-a"];
        true
    }"#;
    std::fs::write(folder.join("10-a.rhai"), script).unwrap();
    let fakes = json!([{"method": "GET", "url": "https://policy.example.org/name", "answer": {"body": "Named"}}]);
    let judged = registrar
        .cli(&[
            "try",
            "--request",
            &request(&registrar, "Good"),
            "--scripts",
            folder.to_str().unwrap(),
            "--http",
            &file(&registrar, "fakes.json", &fakes.to_string()),
            "--initial-access-token",
            created["id"].as_str().unwrap(),
            "--set",
            "initialAccessToken=required",
            "--address",
            "192.0.2.7",
            "--header",
            "X-A: 1",
            "--time",
            "1970-01-01T00:01:00Z",
            "--format",
            "json",
        ])
        .json();
    let body = &judged["answer"]["body"];
    assert_eq!(body["client_name"], "Named 192.0.2.7 60", "{judged}");
    assert_eq!(body["software_version"], "1");

    let client = registrar.register(json!({})).await;
    let update = json!({"client_id": client["client_id"], "redirect_uris": ["https://client.example.org/new"]});
    let update = file(&registrar, "update.json", &update.to_string());
    let id = client["client_id"].as_str().unwrap();
    let judged = registrar
        .cli(&[
            "try",
            "--request",
            &update,
            "--client-id",
            id,
            "--format",
            "json",
        ])
        .json();
    assert_eq!(judged["answer"]["status"], 200, "{judged}");
    let shown = registrar.cli(&["clients", "show", id]).fine();
    assert!(shown.contains("https://client.example.org/cb"), "{shown}");
    assert!(
        squeezed(&shown).contains("origins.redirect_uris request"),
        "{shown}"
    );

    registrar
        .cli(&["try", "--request", &update, "--client-id", "unknown"])
        .failed(1, &["client not found"]);
    let broken = file(
        &registrar,
        "20-b.rhai",
        "fn deleteClient(context) {\n    let x = null;\n}\n",
    );
    let misspelled = file(&registrar, "30-c.rhai", "fn createClinet(context) { true }");
    let mut arguments = vec!["try", "--request", &update, "--script", &misspelled];
    registrar.cli(&arguments).failed(
        1,
        &["30-c.rhai:1:1: the function createClinet is never called; did you mean the hook createClient?\n    fn createClinet(context) { true }\n    ^"],
    );
    arguments.extend(["--script", &broken]);
    registrar.cli(&arguments).failed(
        1,
        &[
            "20-b.rhai:2:13: ",
            "\n        let x = null;\n                ^\n",
        ],
    );
    registrar
        .cli(&["try", "--request", "no-such-file"])
        .failed(1, &["no-such-file"]);
    registrar
        .cli(&["try", "--request", &update, "--set", "x"])
        .failed(2, &["KEY=VALUE"]);
}

#[tokio::test]
async fn the_log_names_the_trial_and_not_its_tokens() {
    let registrar = Registrar::start_with("");
    let secret = "an-initial-access-token-that-must-not-be-logged";
    let input = json!({
        "body": {"redirect_uris": ["https://client.example.org/cb"]},
        "headers": {"authorization": format!("Bearer {secret}")},
    });
    let input = file(&registrar, "input.json", &input.to_string());
    let judged: Value = registrar
        .cli(&["try", "--request", &input, "--format", "json"])
        .json();
    assert_eq!(judged["answer"]["status"], 401, "{judged}");
    let log = registrar.log();
    assert!(log.contains("request tried by an administrator"), "{log}");
    assert!(!log.contains(secret), "{log}");
    let audit = registrar.cli(&["audit", "--format", "json"]).fine();
    assert!(
        audit.contains("request_tried") && !audit.contains(secret),
        "{audit}"
    );
}

/// The library for logs asks once whether anybody is interested in an event, when it happens for the first time.
#[tokio::test]
async fn a_fault_that_happens_first_in_a_trial_is_logged_when_it_happens_to_a_client() {
    let scripts = tempfile::TempDir::new().unwrap();
    std::fs::write(scripts.path().join("10-mine.rhai"), SCRIPT).unwrap();
    let registrar = Registrar::start_prepared("", |command| {
        command.arg("--scripts").arg(scripts.path());
    });
    let worse = request(&registrar, "Worse");
    let tried = registrar.cli(&["try", "--request", &worse]);
    assert_eq!(tried.code, Some(1), "{}", tried.err);
    let faults = || {
        let log = registrar.log();
        let faults = log
            .lines()
            .filter(|line| line.contains("10-mine.rhai") && !line.contains("script warning"));
        faults.count()
    };
    assert_eq!(faults(), 0, "{}", registrar.log());
    let body = std::fs::read_to_string(&worse).unwrap();
    let sent = reqwest::Client::new().post(registrar.url("/register"));
    let sent = sent.header("content-type", "application/json").body(body);
    assert_eq!(sent.send().await.unwrap().status(), 500);
    crate::process::until(async || faults() == 1).await;
}
