//! Secrets are never in the log and never stored in plain text.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests report problems by failing"
)]

use serde_json::{Value, json};

use crate::process::{Registrar, until};

const CLIENT: &str = "https://client.example.org/cb";

/// A private key as a client might send it by mistake.
fn private_jwks() -> Value {
    json!({"keys": [{
        "kty": "EC", "crv": "P-256", "use": "sig", "kid": "private",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    }]})
}

/// Runs `curl` with `arguments` over HTTP/2, whose header compression could log headers, too.
fn http2(arguments: &[&str]) -> String {
    let always = ["-sS", "--http2-prior-knowledge"];
    let output = std::process::Command::new("curl")
        .args(always)
        .args(arguments)
        .output()
        .expect("curl");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

/// Returns every secret in the life of a client, over both protocols.
async fn secrets_of_a_life(registrar: &Registrar) -> Vec<String> {
    let http = reqwest::Client::new();
    let register = registrar.url("/register");
    let request = json!({
        "redirect_uris": [CLIENT],
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ["authorization_code", "client_credentials"],
    });
    let created: Value = http
        .post(&register)
        .json(&request)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let text = |client: &Value, name: &str| client[name].as_str().expect(name).to_owned();
    let (uri, id) = (
        text(&created, "registration_client_uri"),
        text(&created, "client_id"),
    );
    let (token, secret) = (
        text(&created, "registration_access_token"),
        text(&created, "client_secret"),
    );
    let send = async |request: reqwest::RequestBuilder, status: u16| {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{}", answer.text().await.unwrap());
    };
    let mut update = request.clone();
    (update["client_id"], update["client_secret"]) = (json!(id), json!(secret));
    send(http.put(&uri).bearer_auth(&token).json(&update), 200).await;
    let wrong = "wrong-secret-5e0b7f4c";
    let update = json!({"client_id": id, "client_secret": wrong, "redirect_uris": [CLIENT]});
    send(http.put(&uri).bearer_auth(&token).json(&update), 400).await;
    send(
        http.post(&register)
            .json(&json!({"redirect_uris": [CLIENT], "jwks": private_jwks()})),
        400,
    )
    .await;
    let in_query = "token-in-a-query-9d41";
    send(http.get(format!("{uri}&access_token={in_query}")), 401).await;
    let basic = "password-of-basic-77c2";
    send(http.get(&uri).basic_auth("someone", Some(basic)), 401).await;
    let statement = "eyJhbGciOiJFUzI1NiJ9.eyJzZWNyZXQiOiJzdGF0ZW1lbnQifQ.c2lnbmF0dXJl";
    send(
        http.post(&register)
            .json(&json!({"redirect_uris": [CLIENT], "software_statement": statement})),
        400,
    )
    .await;
    let signed = http
        .post(&register)
        .header("content-type", "application/jwt")
        .body(statement);
    send(signed, 400).await;
    let evidence = "evidence-of-a-device-31ba";
    let attested = json!({"redirect_uris": [CLIENT], "evidence": evidence, "passport": evidence});
    let answer = http.post(&register).json(&attested).send().await.unwrap();
    assert!(answer.status().as_u16() < 500);
    let broken = format!("{{\"client_secret\": \"{wrong}\", \"client_secret\": \"{wrong}\"}}");
    send(
        http.post(&register)
            .header("content-type", "application/json")
            .body(broken),
        400,
    )
    .await;

    let initial = "initial-access-token-0c8f";
    send(
        http.post(&register).bearer_auth(initial).json(&request),
        401,
    )
    .await;

    let mut tokens = secrets_of_the_token_endpoint(registrar, &http, (&id, &secret)).await;
    let header = format!("Authorization: Bearer {token}");
    assert!(http2(&["-H", &header, &uri]).contains(&secret));
    let body = request.to_string();
    let second = http2(&[
        "-H",
        "Content-Type: application/json",
        "-d",
        &body,
        &register,
    ]);
    let second: Value = serde_json::from_str(&second).expect("a client");
    send(http.delete(&uri).bearer_auth(&token), 204).await;
    let key = private_jwks()["keys"][0]["d"].as_str().unwrap().to_owned();
    let made = [
        token,
        secret,
        text(&second, "registration_access_token"),
        text(&second, "client_secret"),
        key,
    ];
    let shown = [wrong, in_query, basic, statement, evidence, initial].map(str::to_owned);
    tokens.extend(made.into_iter().chain(shown));
    tokens
}

/// Returns the secrets that `client` and the administrator send to the token endpoint and get from it.
async fn secrets_of_the_token_endpoint(
    registrar: &Registrar,
    http: &reqwest::Client,
    (id, secret): (&str, &str),
) -> Vec<String> {
    let grant = [("grant_type", "client_credentials")];
    let ask = async |path: &str, (id, secret): (&str, &str), form: &[(&str, &str)]| {
        let request = registrar
            .form(http, path, form)
            .basic_auth(id, Some(secret));
        let answer = request.send().await.unwrap();
        (
            answer.status().as_u16(),
            answer.json::<Value>().await.unwrap_or_default(),
        )
    };
    let file = std::fs::read(registrar.folder().join("data/admin-credentials.json")).unwrap();
    let file: Value = serde_json::from_slice(&file).unwrap();
    let text = |value: &Value, name: &str| value[name].as_str().expect(name).to_owned();
    let (admin, admin_secret) = (text(&file, "client_id"), text(&file, "client_secret"));
    let mut secrets = vec![admin_secret.clone()];
    for credentials in [(id, secret), (&admin, &admin_secret)] {
        let (status, granted) = ask("/token", credentials, &grant).await;
        assert_eq!(status, 200, "{granted}");
        let token = text(&granted, "access_token");
        let form = [("token", token.as_str())];
        assert_eq!(
            ask("/introspect", credentials, &form).await.1["active"],
            true
        );
        assert_eq!(ask("/revoke", credentials, &form).await.0, 200);
        secrets.push(token);
    }
    let guess = "guessed-secret-e1a4";
    assert_eq!(ask("/token", (id, guess), &grant).await.0, 401);
    let assertion = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhc3NlcnRpb24ifQ.c2lnbmF0dXJl";
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let form = [
        grant[0],
        ("client_assertion_type", kind),
        ("client_assertion", assertion),
    ];
    let answer = registrar.form(http, "/token", &form).send().await.unwrap();
    assert_eq!(answer.status(), 401);
    secrets.extend([guess.to_owned(), assertion.to_owned()]);
    secrets.extend(secrets_of_the_admin_api(registrar, http, &file).await);
    secrets
}

/// Returns the secrets that the `administrator` sends to the admin API and gets from it.
async fn secrets_of_the_admin_api(
    registrar: &Registrar,
    http: &reqwest::Client,
    administrator: &Value,
) -> Vec<String> {
    let text = |value: &Value, name: &str| value[name].as_str().expect(name).to_owned();
    let (id, secret) = (
        text(administrator, "client_id"),
        text(administrator, "client_secret"),
    );
    let request = registrar.form(http, "/token", &[("grant_type", "client_credentials")]);
    let granted = request.basic_auth(id, Some(secret)).send().await.unwrap();
    let token = text(&granted.json().await.unwrap(), "access_token");
    let call = |method: &str, path: &str| {
        http.request(method.parse().unwrap(), registrar.url(path))
            .bearer_auth(&token)
    };
    let made = call("POST", "/admin/v1/initial-access-tokens")
        .json(&json!({}))
        .send()
        .await
        .unwrap();
    let initial = text(&made.json().await.unwrap(), "token");
    let used = http.post(registrar.url("/register")).bearer_auth(&initial);
    let used = used
        .json(&json!({"redirect_uris": [CLIENT]}))
        .send()
        .await
        .unwrap();
    assert_eq!(used.status(), 201);
    let shared = "shared-secret-of-signed-requests-6d20";
    let property = "/registration/dcrSignatureValidationSharedSecret";
    for (secret, status) in [(json!(shared), 200), (json!([shared]), 400)] {
        let patch = json!([{"op": "add", "path": property, "value": secret}]);
        let patch = call("PATCH", "/admin/v1/config").body(patch.to_string());
        let patched = patch
            .header("content-type", "application/json-patch+json")
            .send()
            .await
            .unwrap();
        assert_eq!(
            patched.status(),
            status,
            "{}",
            patched.text().await.unwrap()
        );
    }
    let listed = call("GET", "/admin/v1/clients").send().await.unwrap();
    assert_eq!(listed.status(), 200);
    vec![token, initial, shared.to_owned()]
}

/// Runs at the most detailed log level.
#[tokio::test]
async fn no_secret_is_in_the_log_at_any_level() {
    for format in ["json", "text"] {
        let telemetry = format!("[telemetry]\nlevel = \"trace\"\nformat = \"{format}\"\n");
        let mut registrar = Registrar::start_with(&telemetry);
        let secrets = secrets_of_a_life(&registrar).await;
        until(async || registrar.log().contains("client deleted")).await;
        registrar.kill();
        let log = registrar.log();
        assert!(
            log.contains("answered") && log.contains("correlation_id"),
            "{log}"
        );
        for secret in &secrets {
            assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
        }
        let others = log
            .lines()
            .filter(|line| line.contains("h2::") || line.contains("hyper"))
            .count();
        assert_eq!(
            others, 0,
            "other crates log headers below info, so they must not log at all"
        );
    }
}

/// A script that stores a secret of the operator and one of its own, and issues nonces.
const KEEPER: &str = include_str!("../fixtures/scripts/keeper.rhai");

/// Returns every byte of every file below `folder`, except the two files that hold secrets: the key
/// and the credentials of the administrator.
fn stored(folder: &std::path::Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_for_its_owner =
            path.ends_with("registrar.key") || path.ends_with("admin-credentials.json");
        if path.is_dir() {
            bytes.extend(stored(&path));
        } else if !is_for_its_owner {
            bytes.extend(std::fs::read(&path).unwrap());
        }
    }
    bytes
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// No secret of a run is in a file of the store, in a metric or in an audit event.
#[cfg(unix)]
#[tokio::test]
async fn no_secret_is_in_the_store_the_metrics_or_the_audit_log() {
    let scripts = tempfile::TempDir::new().unwrap();
    std::fs::write(scripts.path().join("10-keeper.rhai"), KEEPER).unwrap();
    let configuration = format!(
        "[scripts]\ndirectory = \"{}\"\n[scripts.secrets]\noperators = {{ env = \"OPERATORS\" }}\n\
         [registration]\nrotateRegistrationAccessToken = \"onUpdate\"\n",
        scripts.path().display()
    );
    let operators = "secret-of-the-operator-40d7";
    let mut registrar = Registrar::start_prepared(&configuration, |command| {
        command.env("OPERATORS", operators);
    });
    let mut secrets = secrets_of_a_life(&registrar).await;
    let http = reqwest::Client::new();
    let register = |name: &str| {
        let body = json!({"redirect_uris": [CLIENT], "client_name": name});
        http.post(registrar.url("/register")).json(&body)
    };
    let text = |value: &Value, name: &str| value[name].as_str().expect(name).to_owned();
    let kept: Value = register("can-be-read-5ab0")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let asked: Value = register("nonce")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let numbers = http
        .get(registrar.url("/metrics"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(registrar.terminate().success());

    secrets.extend(["kept-by-a-script-8f13", operators].map(str::to_owned));
    secrets.extend([
        text(&asked, "nonce"),
        text(&kept, "registration_access_token"),
        text(&kept, "client_secret"),
    ]);
    let folder = registrar.folder().join("data");
    let stored = stored(&folder);
    assert!(
        has(&stored, b"can-be-read-5ab0"),
        "public values are readable in the store, so a leaked secret would be found"
    );
    assert!(
        has(&stored, b"initial_access_token_created"),
        "the audit log is in the searched bytes"
    );
    for secret in &secrets {
        assert!(!has(&stored, secret.as_bytes()), "{secret} is in the store");
        assert!(
            !numbers.contains(secret.as_str()),
            "{secret} is in the metrics"
        );
    }
    let key = std::fs::read(folder.join("registrar.key")).unwrap();
    assert!(
        key.len() >= 32 && !has(&stored, key.trim_ascii()),
        "the key is beside the store, not in it"
    );
}
