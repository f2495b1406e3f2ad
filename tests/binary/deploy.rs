//! The samples of `config/deploy/` do what they say.

#![expect(clippy::unwrap_used, reason = "tests report problems by failing")]

use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};

use crate::process::{Registrar, command, until};

fn sample(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/deploy");
    std::fs::read_to_string(folder.join(name)).expect("a sample")
}

/// The variables that the image sets.
fn image_variables() -> Vec<(String, String)> {
    let file = sample("Dockerfile");
    let words = file
        .split_whitespace()
        .filter(|word| word.starts_with("REGISTRAR_"));
    words
        .filter_map(|word| word.split_once('='))
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

/// Returns the words of all lines of the unit that set `key`.
fn unit_words(key: &str) -> Vec<String> {
    words_of(&sample("registrar.service"), key)
}

/// Returns the words of all lines of `unit` that set `key`.
fn words_of(unit: &str, key: &str) -> Vec<String> {
    let values = unit
        .lines()
        .filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    values
        .flat_map(str::split_whitespace)
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_unit_checks_the_configuration_that_it_runs() {
    let folder = tempfile::TempDir::new().unwrap();
    let mapped = |text: &str| {
        let place = |name: &str| folder.path().join(name).display().to_string();
        text.replace("/etc/registrar", &place("etc"))
            .replace("/var/lib/registrar", &place("data"))
    };
    // Installed as the instructions say.
    std::fs::create_dir_all(folder.path().join("etc/scripts")).unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/registrar.toml");
    std::fs::copy(shipped, folder.path().join("etc/registrar.toml")).unwrap();
    std::fs::write(
        folder.path().join("etc/scripts/10.rhai"),
        "fn createClient(context) { true }\nfn updateClient(context) { true }\n",
    )
    .unwrap();
    let check = unit_words("ExecStartPre");
    let (program, arguments) = check.split_first().unwrap();
    assert_eq!(program, "/usr/local/bin/registrar");
    assert_eq!(arguments.first().map(String::as_str), Some("check"));
    let serve = unit_words("ExecStart");
    assert_eq!(serve.first(), Some(program));
    assert_eq!(
        serve.get(2..),
        arguments.get(1..),
        "both get the same arguments"
    );
    let mut check = command(&[]);
    check.args(arguments.iter().map(|text| mapped(text)));
    for variable in unit_words("Environment") {
        let (name, value) = variable.split_once('=').unwrap();
        check.env(name, mapped(value));
    }
    check.current_dir(mapped(unit_words("WorkingDirectory").first().unwrap()));
    let output = check.output().unwrap();
    let told =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(output.status.success(), "{told:?}");
    let scripts = format!("{}: fine, 1 script\n", mapped("/etc/registrar/scripts"));
    assert!(told.concat().contains(&scripts), "{told:?}");
}

/// Returns the lines of a unit that sandbox the process.
fn sandbox(unit: &str) -> Vec<&str> {
    unit.lines()
        .skip_while(|line| *line != "DynamicUser=yes")
        .take_while(|line| *line != "[Install]")
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .collect()
}

#[test]
fn the_unit_of_a_tenant_checks_what_it_runs_in_folders_of_its_own() {
    let (plain, tenants) = (sample("registrar.service"), sample("registrar@.service"));
    let mut expected = sandbox(&plain);
    // No socket of systemd is passed to a tenant.
    expected.retain(|line| *line != "SocketBindDeny=any");
    assert!(expected.len() > 20, "{expected:?}");
    assert_eq!(sandbox(&tenants), expected);

    let folder = tempfile::TempDir::new().unwrap();
    for tenant in ["acme", "globex"] {
        let unit = tenants.replace("%i", tenant);
        let mapped = |text: &str| {
            let place = |name: &str| folder.path().join(name).display().to_string();
            text.replace("/etc/registrar", &place("etc"))
                .replace("/var/lib/registrar", &place("registrar"))
        };
        let etc = mapped(&format!("/etc/registrar/{tenant}"));
        std::fs::create_dir_all(format!("{etc}/scripts")).unwrap();
        std::fs::create_dir(mapped(&format!("/var/lib/registrar-{tenant}"))).unwrap();
        let state = words_of(&unit, "StateDirectory");
        let working = words_of(&unit, "WorkingDirectory");
        assert_eq!(working, [format!("/var/lib/{}", state.concat())]);
        let issuer = format!("https://{tenant}.example.org");
        let configuration = format!("[server]\nissuer = {issuer:?}\n");
        std::fs::write(format!("{etc}/registrar.toml"), configuration).unwrap();

        let (check, serve) = (
            words_of(&unit, "ExecStartPre"),
            words_of(&unit, "ExecStart"),
        );
        assert_eq!(
            check.get(2..),
            serve.get(2..),
            "both get the same arguments"
        );
        let mut command = command(&[]);
        command.args(check.iter().skip(1).map(|text| mapped(text)));
        for variable in words_of(&unit, "Environment") {
            let (name, value) = variable.split_once('=').unwrap();
            command.env(name, mapped(value));
        }
        command.env(
            "REGISTRAR_STORE__URL",
            "postgres://acme:a@127.0.0.1/registrar",
        );
        let output = command
            .current_dir(mapped(&working.concat()))
            .output()
            .unwrap();
        let told = [&output.stdout, &output.stderr]
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        assert!(output.status.success(), "{told:?}");
    }
}

/// Writes `text` into the folder of a `ConfigMap` as the kubelet does: into a new folder beside the
/// current one, with one symbolic link that is then switched.
fn project(folder: &Path, generation: &str, name: &str, text: &str) {
    let inside = folder.join(generation);
    std::fs::create_dir(&inside).unwrap();
    std::fs::write(inside.join(name), text).unwrap();
    symlink(generation, folder.join("..data_tmp")).unwrap();
    std::fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    if !folder.join(name).exists() {
        symlink(Path::new("..data").join(name), folder.join(name)).unwrap();
    }
}

#[tokio::test]
async fn the_manifests_run_and_a_changed_config_map_takes_effect() {
    let folder = tempfile::TempDir::new().unwrap();
    let name = "10-contacts.rhai";
    let script = sample(&format!("kubernetes/base/scripts/{name}"));
    project(folder.path(), "..2026_01_01", name, &script);
    let variables = image_variables();
    assert_eq!(variables.len(), 4, "{variables:?}");
    // An unknown variable would stop the start.
    let registrar =
        Registrar::start_prepared(&sample("kubernetes/base/registrar.toml"), |command| {
            command
                .envs(variables)
                .env("REGISTRAR_ADMIN__LISTEN", "127.0.0.1:0");
            command.arg("--scripts").arg(folder.path());
        });
    let http = reqwest::Client::new();
    let register = async |body: Value| {
        let answer = http
            .post(registrar.url("/register"))
            .json(&body)
            .send()
            .await
            .unwrap();
        (
            answer.status().as_u16(),
            answer.json::<Value>().await.unwrap(),
        )
    };
    let bare = json!({"redirect_uris": ["https://client.example.org/cb"]});
    let (status, refusal) = register(bare.clone()).await;
    assert_eq!(
        (status, refusal.get("error")),
        (400, Some(&json!("invalid_client_metadata")))
    );
    let contacts = json!(["a@example.org"]);
    let named = json!({"redirect_uris": ["https://client.example.org/cb"], "contacts": contacts});
    let (status, client) = register(named).await;
    assert_eq!(status, 201, "{client}");
    let uri = client
        .get("registration_client_uri")
        .and_then(Value::as_str)
        .unwrap();
    assert!(
        uri.starts_with("https://register.example.org/register?"),
        "{uri}"
    );

    project(
        folder.path(),
        "..2026_01_02",
        name,
        "fn createClient(context) { true }\n",
    );
    until(async || register(bare.clone()).await.0 == 201).await;
}

#[test]
fn the_image_checks_its_health_where_it_listens() {
    let file = sample("Dockerfile").replace("\\\n", " ");
    let check = file
        .lines()
        .find_map(|line| line.strip_prefix("HEALTHCHECK ")?.split_once("CMD "))
        .map(|(_, check)| serde_json::from_str::<Vec<String>>(check).unwrap())
        .unwrap();
    let (program, arguments) = check.split_first().unwrap();
    assert_eq!(program, "/usr/local/bin/registrar");
    let variables = image_variables();
    let registrar = Registrar::start_prepared("", |command| {
        command
            .envs(variables.clone())
            .env("REGISTRAR_ADMIN__LISTEN", "127.0.0.1:0")
            .env_remove("REGISTRAR_SCRIPTS__DIRECTORY");
    });
    let admin = registrar.greeting.split("metrics are on http://").nth(1);
    let admin = admin.and_then(|rest| rest.lines().next()).unwrap();
    let config = registrar.folder().join("registrar.toml");
    let mut asked = command(&[]);
    for argument in arguments {
        asked.arg(argument.replace("/etc/registrar/registrar.toml", config.to_str().unwrap()));
    }
    // The image listens on all addresses; here the port is another.
    let (_, port) = admin.rsplit_once(':').unwrap();
    let output = asked
        .envs(variables)
        .env("REGISTRAR_ADMIN__LISTEN", format!("0.0.0.0:{port}"))
        .output()
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        out,
        format!("http://{admin} is ready\n"),
        "{:?}",
        output.stderr
    );
}
