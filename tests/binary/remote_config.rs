//! `registrar config show`, `set`, `unset` and `patch`, and `registrar schema`.

use serde_json::{Value, json};

use crate::process::{Registrar, command};
use crate::remote::Ran;

/// Returns the columns of the row `name` in a table, without the name.
fn row<'a>(table: &'a str, name: &str) -> Vec<&'a str> {
    let mut rows = table
        .lines()
        .filter_map(|line| line.split_once("  ").filter(|(first, _)| *first == name));
    let (_, rest) = rows
        .next()
        .unwrap_or_else(|| panic!("{name} is not in {table}"));
    rest.split("  ")
        .filter(|cell| !cell.is_empty())
        .map(str::trim)
        .collect()
}

#[tokio::test]
async fn the_configuration_is_shown_set_and_patched() {
    let registrar = Registrar::start_with("[registration]\nclientExpiryGrace = 7\n");
    let all = registrar.cli(&["config", "show"]).fine();
    assert_eq!(row(&all, "registration.clientExpiryGrace"), ["7"]);
    let shown = registrar.cli(&["config", "show", "--origin"]).fine();
    assert_eq!(row(&shown, "registration.clientExpiryGrace"), ["7", "file"]);
    assert_eq!(
        row(&shown, "registration.dynamicRegistrationEnabled"),
        ["true", "default"]
    );
    assert_eq!(row(&shown, "server.listen"), ["127.0.0.1:0", "flag"]);
    let one = registrar
        .cli(&[
            "config",
            "show",
            "registration.clientExpiry",
            "--format",
            "json",
        ])
        .json();
    assert_eq!(
        one,
        json!([{"option": "registration.clientExpiryGrace", "value": 7, "origin": "file"}])
    );
    registrar
        .cli(&["config", "show", "nothing"])
        .failed(1, &["no option starts with nothing"]);

    let set = registrar
        .cli(&["config", "set", "dynamicRegistrationEnabled", "false"])
        .fine();
    assert_eq!(set, "registration.dynamicRegistrationEnabled = false\n");
    let body = json!({"redirect_uris": ["https://client.example.org/cb"]});
    let answer = reqwest::Client::new()
        .post(registrar.url("/register"))
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 403, "it takes effect at once");
    let set = registrar
        .cli(&[
            "config",
            "set",
            "registration.defaultSubjectType",
            "pairwise",
            "--format",
            "json",
        ])
        .json();
    assert_eq!(
        (&set["value"], &set["origin"]),
        (&json!("pairwise"), &json!("patch"))
    );

    let patch = registrar.folder().join("patch.json");
    let operations =
        json!([{"op": "replace", "path": "/registration/clientExpiryGrace", "value": 9}]);
    std::fs::write(&patch, operations.to_string()).unwrap();
    let patched = registrar
        .cli(&[
            "config",
            "patch",
            patch.to_str().unwrap(),
            "--format",
            "json",
        ])
        .json();
    assert_eq!(patched["registration"]["clientExpiryGrace"], 9);
    let again = registrar
        .cli_reading(&["config", "patch", "-"], operations.to_string().as_bytes())
        .fine();
    assert_eq!(
        again,
        format!("revision {}\n", patched["revision"].as_str().unwrap())
    );
}

#[test]
fn a_value_is_set_and_unset_by_its_short_name() {
    let registrar =
        Registrar::start_with("[registration]\ndynamicRegistrationExpirationTime = 60\n");
    let name = "dynamicRegistrationExpirationTime";
    let set = registrar.cli(&["config", "set", name, "-1"]).fine();
    assert_eq!(set, format!("registration.{name} = -1\n"));
    let shown = registrar.cli(&["config", "show", name, "--origin"]).fine();
    assert_eq!(
        row(&shown, &format!("registration.{name}")),
        ["-1", "patch"]
    );
    let unset = registrar.cli(&["config", "unset", name]).fine();
    assert_eq!(unset, format!("registration.{name} = 60 (file)\n"));
    let unset = registrar
        .cli(&[
            "config",
            "unset",
            &format!("registration.{name}"),
            "--format",
            "json",
        ])
        .json();
    assert_eq!(
        (&unset["value"], &unset["origin"]),
        (&json!(60), &json!("file")),
        "unsetting it twice does no harm"
    );
    registrar
        .cli(&["config", "set", "maximumClientLifetime", "9"])
        .fine();
    let unset = registrar
        .cli(&["config", "unset", "maximumClientLifetime"])
        .fine();
    assert_eq!(unset, "registration.maximumClientLifetime has no value\n");
    registrar
        .cli(&["config", "set", "scopes", r#"[{"id": "openid"}]"#])
        .fine();
    let unset = registrar.cli(&["config", "unset", "scopes"]).fine();
    assert!(
        unset.starts_with("scopes = ") && unset.contains("offline_access"),
        "{unset}"
    );
    assert!(unset.ends_with(" (default)\n"), "{unset}");
    for arguments in [
        &["set", "server.listen", "1"][..],
        &["unset", "server.listen"],
    ] {
        registrar
            .cli(&[&["config"][..], arguments].concat())
            .failed(2, &["server.listen needs a restart"]);
    }
}

#[test]
fn a_long_value_does_not_shift_the_columns_of_other_rows() {
    let registrar = Registrar::start();
    let shown = registrar.cli(&["config", "show", "--origin"]).fine();
    let line = |name: &str| {
        shown
            .lines()
            .find(|line| line.starts_with(name))
            .expect("a row")
            .len()
    };
    assert!(line("registration.grantTypesSupported ") > 200, "{shown}");
    assert!(line("registration.clientDeletionEnabled ") < 160, "{shown}");
}

#[test]
fn an_error_of_the_server_is_printed_unchanged() {
    let registrar = Registrar::start();
    let set = |property: &str, value: &str| registrar.cli(&["config", "set", property, value]);
    set("dynamicRegistrationEnabld", "true")
        .failed(1, &["invalid_request", "dynamicRegistrationEnabled"]);
    set("clientExpiryGrace", "soon").failed(1, &["clientExpiryGrace"]);
    set("a/b", "1").failed(2, &["is not a property"]);
    registrar
        .cli_reading(&["config", "patch", "-"], b"{}")
        .failed(1, &["invalid_request"]);
    registrar
        .cli(&["config", "patch", "/no/such/file"])
        .failed(1, &["/no/such/file"]);
    let registrar = Registrar::start_prepared("", |command| {
        command.env("REGISTRAR_REGISTRATION__CLIENT_EXPIRY_GRACE", "3");
    });
    let fixed = registrar.cli(&["config", "set", "clientExpiryGrace", "5"]);
    fixed.failed(1, &["fixed_value", "clientExpiryGrace"]);
}

#[test]
fn a_schema_needs_no_server() {
    let schema = |name: &str| {
        Ran::of(
            &command(&["schema", name])
                .output()
                .expect("the binary runs"),
        )
    };
    let client = schema("Client").json();
    assert_eq!(
        client["properties"]["redirect_uris"]["items"]["type"],
        "string"
    );
    for spelling in ["/components/schemas/Client", "#/components/schemas/Client"] {
        assert_eq!(schema(spelling).json(), client, "{spelling}");
    }
    assert_eq!(
        schema("Error").json()["required"],
        Value::from(vec!["error"])
    );
    schema("Klient").failed(2, &["Client", "Configuration"]);
}
