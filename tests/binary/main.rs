//! The binary itself: how it starts, what it prints, and how it stops or is killed.

#![expect(clippy::panic, reason = "tests report problems by failing")]

#[cfg(unix)]
mod acknowledged;
mod admin_reset;
#[cfg(unix)]
mod approval_program;
mod attestation;
mod audit;
mod check;
mod closed_output;
mod config_reset;
#[cfg(unix)]
mod console_lists;
#[cfg(unix)]
mod crash;
#[cfg(unix)]
mod crash_events;
#[cfg(unix)]
mod deploy;
#[cfg(target_os = "linux")]
mod disk_full;
mod doctor;
mod documents;
mod health;
mod key_rotation;
mod logs;
mod measured;
mod metrics;
#[cfg(target_os = "linux")]
mod private_memory;
mod process;
#[cfg(unix)]
mod receiver;
mod refusals;
mod remote;
mod remote_admins;
mod remote_client_changes;
mod remote_client_lists;
mod remote_clients;
mod remote_compare;
mod remote_config;
mod remote_documents;
mod remote_events;
mod remote_failures;
mod remote_pending;
mod remote_scripts;
mod remote_tokens;
mod remote_transfer;
mod remote_trial;
mod salvage;
mod script_reports;
mod scripts;
mod secrets;
mod shipped_configurations;
#[cfg(unix)]
mod shutdown;
#[cfg(unix)]
mod stopping;
#[cfg(unix)]
mod store_backup;
#[cfg(unix)]
mod store_commands;
#[cfg(unix)]
mod store_convert;
mod store_restore;
mod support;
#[cfg(target_os = "linux")]
mod systemd;
mod tls;
#[cfg(unix)]
mod torn_store;
#[cfg(feature = "otlp")]
mod traces;
#[cfg(target_os = "linux")]
mod untaken;

use process::{Registrar, command};
use serde_json::{Value, json};

/// The smallest registration, with a name to find it by.
fn body(name: &str) -> Value {
    json!({"redirect_uris": ["https://client.example.org/cb"], "client_name": name})
}

#[test]
fn it_prints_its_address_and_a_curl_line_that_works() {
    let registrar = Registrar::start();
    let line = registrar
        .greeting
        .split("curl ")
        .nth(1)
        .expect("a curl line")
        .trim();
    let script = format!("curl -sS {}", line.trim_end());
    let output = std::process::Command::new("sh")
        .arg("-c")
        .arg(script)
        .output()
        .expect("a shell");
    let answer = String::from_utf8_lossy(&output.stdout);
    assert!(
        answer.starts_with("HTTP/1.1 201"),
        "{answer}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(answer.contains("registration_access_token"), "{answer}");
}

#[cfg(unix)]
#[tokio::test]
async fn it_stops_on_sigterm_and_keeps_its_data() {
    let mut registrar = Registrar::start();
    let http = reqwest::Client::new();
    let client: Value = http
        .post(registrar.url("/register"))
        .json(&body("kept"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert!(registrar.terminate().success());
    let registrar = registrar.start_again();
    let path = format!(
        "/register?client_id={}",
        client["client_id"].as_str().unwrap()
    );
    let token = client["registration_access_token"].as_str().unwrap();
    let read = http
        .get(registrar.url(&path))
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    assert_eq!(read.status(), 200);
}

#[cfg(unix)]
#[test]
fn the_encryption_key_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let registrar = Registrar::start();
    let key = registrar.folder().join("data/registrar.key");
    let mode = std::fs::metadata(key)
        .expect("the key is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn live_settings_of_the_file_change_without_a_restart() {
    let registrar = Registrar::start();
    let http = reqwest::Client::new();
    let register = || async {
        http.post(registrar.url("/register"))
            .json(&body("x"))
            .send()
            .await
            .unwrap()
            .status()
    };
    assert_eq!(register().await, 201);
    registrar.configure("[registration]\ndynamicRegistrationEnabled = false\n");
    process::until(async || register().await == 403).await;
    registrar.configure("[registration]\ndynamicRegistrationEnabled = 5\n");
    process::until(async || {
        let ready: Value = http
            .get(registrar.url("/readyz"))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        ready["configurationError"]
            .as_str()
            .is_some_and(|error| error.contains("dynamicRegistrationEnabled"))
    })
    .await;
    assert_eq!(
        register().await,
        403,
        "the previous configuration stays in force"
    );
    registrar.configure("");
    process::until(async || register().await == 201).await;
}

#[cfg(unix)]
#[tokio::test]
async fn the_first_start_creates_an_administrator_and_prints_the_file_but_no_secret() {
    use std::os::unix::fs::PermissionsExt;
    let mut registrar = Registrar::start();
    let file = registrar.folder().join("data/admin-credentials.json");
    let line = format!(
        "The credentials of the administrator are in {}",
        file.display()
    );
    assert!(registrar.greeting.contains(&line), "{}", registrar.greeting);
    let mode = std::fs::metadata(&file)
        .expect("the file is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).expect("it can be read");
    let credentials: Value = serde_json::from_str(&text).expect("JSON");
    let secret = credentials["client_secret"]
        .as_str()
        .expect("a secret")
        .to_owned();
    let token = access_token(&registrar, &credentials)
        .await
        .expect("a token");
    assert!(registrar.terminate().success());
    // The administrator is not created again, even after its file was removed.
    std::fs::remove_file(&file).expect("it can be removed");
    let registrar = registrar.start_again();
    assert!(
        !registrar.greeting.contains("administrator") && !file.exists(),
        "{}",
        registrar.greeting
    );
    assert!(access_token(&registrar, &credentials).await.is_some());
    let told = format!("{}{}", registrar.greeting, registrar.log());
    assert!(
        !told.contains(&secret) && !told.contains(&token),
        "the secret and the token are not printed"
    );
    assert!(told.contains("access token issued"));
}

/// Returns the access token that the token endpoint issues for these credentials.
async fn access_token(registrar: &Registrar, credentials: &Value) -> Option<String> {
    let text = |name: &str| {
        credentials
            .get(name)
            .and_then(Value::as_str)
            .expect("it is there")
            .to_owned()
    };
    let request = reqwest::Client::new().post(registrar.url("/token"));
    let request = request.basic_auth(text("client_id"), Some(text("client_secret")));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let answer = request
        .body("grant_type=client_credentials")
        .send()
        .await
        .expect("an answer");
    let answer: Value = answer.json().await.expect("JSON");
    answer
        .get("access_token")
        .and_then(Value::as_str)
        .map(str::to_owned)
}

#[test]
fn no_secret_is_in_its_log() {
    let mut registrar = Registrar::start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let client: Value = runtime.block_on(async {
        let http = reqwest::Client::new();
        let client: Value = http
            .post(registrar.url("/register"))
            .json(&body("x"))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let path = format!(
            "/register?client_id={}",
            client["client_id"].as_str().unwrap()
        );
        let token = client["registration_access_token"].as_str().unwrap();
        http.get(registrar.url(&path))
            .bearer_auth(token)
            .send()
            .await
            .unwrap();
        http.delete(registrar.url(&path))
            .bearer_auth(token)
            .send()
            .await
            .unwrap();
        client
    });
    registrar.kill();
    let log = registrar.log();
    assert!(
        log.contains(r#""status":201"#) && log.contains(client["client_id"].as_str().unwrap()),
        "{log}"
    );
    for name in ["client_secret", "registration_access_token"] {
        assert!(
            !log.contains(client[name].as_str().unwrap()),
            "{name} is in the log"
        );
    }
}

#[test]
fn check_accepts_the_shipped_configuration_and_scripts() {
    let output = command(&["check"]).output().expect("the binary runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let output = command(&["script", "check"])
        .output()
        .expect("the binary runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn check_names_file_line_and_key() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("bad.toml");
    std::fs::write(
        &file,
        "[server]\n\nlisten = \"nowhere\"\n[registration]\ngrantTypeSupported = []\n",
    )
    .unwrap();
    let output = command(&["check", "--config", file.to_str().unwrap()])
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("bad.toml:3:"), "{message}");
    assert!(message.contains("server.listen"), "{message}");
    assert!(message.contains("bad.toml:5:"), "{message}");
    assert!(
        message.contains("grantTypesSupported"),
        "it suggests the right name: {message}"
    );
}

#[test]
fn invalid_usage_has_its_own_exit_code() {
    assert_eq!(
        command(&["serve", "--no-such-flag"])
            .output()
            .unwrap()
            .status
            .code(),
        Some(2)
    );
}
