//! `registrar tokens`.

use serde_json::{Value, json};

use crate::process::Registrar;

async fn register(registrar: &Registrar, token: &str, scope: &str) -> u16 {
    let body = json!({"redirect_uris": ["https://client.example.org/cb"], "scope": scope});
    let request = reqwest::Client::new()
        .post(registrar.url("/register"))
        .bearer_auth(token)
        .json(&body);
    request.send().await.expect("an answer").status().as_u16()
}

#[tokio::test]
async fn a_token_is_created_with_a_policy_listed_and_revoked() {
    let registrar = Registrar::start_with("[[scopes]]\nid = \"email\"\n");
    let policy = registrar.folder().join("policy.json");
    std::fs::write(
        &policy,
        r#"{"scopes": ["email"], "maximum_lifetime": 5, "attributes": {"partner": "a"}}"#,
    )
    .unwrap();
    let made = registrar
        .cli(&[
            "tokens",
            "create",
            "--uses",
            "2",
            "--expires-in",
            "1h",
            "--note",
            "for A",
            "--policy",
            policy.to_str().unwrap(),
            "--redirect-host",
            "client.example.org",
            "--maximum-lifetime",
            "30d",
            "--attribute",
            "tenant=a=b",
            "--attribute",
            "tier:=2",
            "--format",
            "json",
        ])
        .json();
    let policy = json!({
        "redirect_hosts": ["client.example.org"], "scopes": ["email"], "maximum_lifetime": 2_592_000,
        "attributes": {"partner": "a", "tenant": "a=b", "tier": 2},
    });
    assert_eq!(
        (&made["policy"], &made["uses"], &made["note"]),
        (&policy, &json!(2), &json!("for A"))
    );
    let seconds = |name: &str| made[name].as_u64().expect("a time");
    assert_eq!(seconds("expires_at") - seconds("created_at"), 3_600);
    let (token, id) = (
        made["token"].as_str().unwrap(),
        made["id"].as_str().unwrap(),
    );
    assert_eq!(register(&registrar, token, "email").await, 201);

    let table = registrar.cli(&["tokens", "list"]).fine();
    let row = table
        .lines()
        .nth(1)
        .expect("a row")
        .split("  ")
        .map(str::trim);
    let row: Vec<&str> = row.filter(|cell| !cell.is_empty()).collect();
    assert_eq!(row[..4], [id, "for A", "1", "2"], "{table}");
    let list = registrar
        .cli(&["tokens", "list", "--format", "json"])
        .fine();
    assert!(
        !table.contains(token) && !list.contains(token),
        "the token is shown only once"
    );

    assert_eq!(
        registrar.cli(&["tokens", "revoke", id]).fine(),
        "1 revoked\n"
    );
    registrar
        .cli(&["tokens", "revoke", id])
        .failed(1, &["initial access token not found"]);
    assert_eq!(register(&registrar, token, "email").await, 401);
    assert!(!registrar.log().contains(token), "the token is a secret");
}

#[tokio::test]
async fn a_created_token_is_printed_in_a_table_with_a_warning() {
    let registrar = Registrar::start();
    let ran = registrar.cli(&["tokens", "create"]);
    assert!(ran.err.contains("shown only once"), "{}", ran.err);
    let out = ran.fine();
    let token = out
        .lines()
        .find_map(|line| line.strip_prefix("token "))
        .expect("a token")
        .trim()
        .to_owned();
    assert_eq!(register(&registrar, &token, "email").await, 201);
}

#[test]
fn invalid_arguments_are_rejected() {
    let registrar = Registrar::start();
    registrar
        .cli(&["tokens", "create", "--uses", "0"])
        .failed(2, &["--uses"]);
    registrar
        .cli(&["tokens", "create", "--expires-in", "soon"])
        .failed(2, &["90s, 15m, 1h30m, 30d"]);
    let policy = registrar.folder().join("policy.json");
    let with = |text: &str| {
        std::fs::write(&policy, text).unwrap();
        registrar.cli(&["tokens", "create", "--policy", policy.to_str().unwrap()])
    };
    with("[]").failed(1, &["policy.json", "object"]);
    with(r#"{"scope": ["email"]}"#).failed(1, &["invalid_request", "unknown field `scope`"]);
    let create = |flag: &str, value: &str| registrar.cli(&["tokens", "create", flag, value]);
    create("--redirect-host", "https://a.example/cb")
        .failed(1, &["policy.redirect_hosts[0]", "is not a host"]);
    create("--scope", "emial").failed(1, &["policy.scopes[0]: 'emial' is unknown to this server"]);
    create("--grant-type", "code").failed(1, &["policy.grant_types[0]", "authorization_code"]);
    create("--auth-method", "basic").failed(
        1,
        &[
            "policy.token_endpoint_auth_methods[0]",
            "client_secret_basic",
        ],
    );
    std::fs::remove_file(&policy).unwrap();
    registrar
        .cli(&["tokens", "create", "--policy", policy.to_str().unwrap()])
        .failed(1, &["policy.json"]);
    let list: Value = registrar
        .cli(&["tokens", "list", "--format", "json"])
        .json();
    assert_eq!(list, json!([]));
}

#[tokio::test]
async fn an_attribute_has_a_name_and_a_value() {
    let registrar = Registrar::start();
    for (attribute, expected) in [
        ("tenant", "must be NAME=TEXT or NAME:=JSON"),
        ("=a", "must not be empty"),
        (":=1", "must not be empty"),
        ("tier:=two", "not JSON"),
    ] {
        let ran = registrar.cli(&["tokens", "create", "--attribute", attribute]);
        ran.failed(2, &[expected]);
    }
}
