//! `registrar check` never reports a configuration that cannot work as fine.

use std::path::Path;

use tempfile::TempDir;

use crate::process::command;

/// Runs `registrar check` on `configuration` with these flags and variables. Returns its exit code and both
/// outputs. `FOLDER` stands for a temporary folder.
fn said(configuration: &str, flags: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
    let folder = TempDir::new().expect("a temporary folder");
    let here = folder.path().display().to_string();
    for (name, text) in [("file", "x"), ("empty", ""), ("key", "")] {
        std::fs::write(folder.path().join(name), text).expect("a file");
    }
    let file = folder.path().join("registrar.toml");
    std::fs::write(&file, configuration.replace("FOLDER", &here)).expect("a configuration");
    let mut command = command(&["check", "--config"]);
    command
        .arg(&file)
        .args(flags.iter().map(|flag| flag.replace("FOLDER", &here)));
    let output = command
        .envs(variables.iter().copied())
        .output()
        .expect("it runs");
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code().expect("an exit code"),
        String::from_utf8(text).expect("a text"),
    )
}

/// Asserts that the configuration is rejected for the reason `expected`.
#[track_caller]
fn refused(configuration: &str, expected: &str) {
    let (code, text) = said(configuration, &[], &[]);
    assert!(
        code == 1 && text.contains(expected) && !text.contains("fine"),
        "{configuration}: {code} {text}"
    );
    assert!(
        text.contains("registrar.toml:"),
        "{configuration}: no location: {text}"
    );
}

/// Asserts that the server would start and that there is one warning.
#[track_caller]
fn warned(configuration: &str, expected: &str) {
    let (code, text) = said(configuration, &[], &[]);
    assert!(
        code == 0 && text.contains(expected),
        "{configuration}: {code} {text}"
    );
    assert!(
        text.contains("registrar.toml: no errors, 1 warning\n"),
        "{configuration}: {text}"
    );
}

#[track_caller]
fn fine(configuration: &str) {
    let (code, text) = said(configuration, &[], &[]);
    assert!(
        code == 0 && text.contains("registrar.toml: fine\n"),
        "{configuration}: {code} {text}"
    );
}

#[test]
fn a_receiver_of_traces_needs_a_binary_with_traces() {
    let configuration = "[telemetry]\notlp = \"http://127.0.0.1:4318\"\n";
    if cfg!(feature = "otlp") {
        let (code, text) = said(configuration, &[], &[]);
        assert!(
            code == 0 && text.contains("registrar.toml: fine\n"),
            "{code} {text}"
        );
    } else {
        refused(configuration, "built without traces");
    }
}

#[test]
fn a_store_that_cannot_be_opened_is_rejected() {
    let postgres = |url: &str| format!("[store]\nurl = \"{url}\"\nkeyFile = \"FOLDER/key\"\n");
    fine(&postgres(
        "postgres://user:secret@db.example/registrar?sslmode=verify-full",
    ));
    for mode in ["verify_full", "verify", "on", "VERIFY-FULL", ""] {
        refused(
            &postgres(&format!("postgres://db.example/registrar?sslmode={mode}")),
            "sslmode must be disable",
        );
    }
    refused(&postgres("postgres://"), "store.url: ");
    let more = |line: &str| format!("{}{line}\n", postgres("postgres://db.example/registrar"));
    refused(
        &more("passwordFile = \"FOLDER/none\""),
        "store.passwordFile: ",
    );
    refused(
        &more("passwordFile = \"FOLDER/empty\""),
        "the file is empty",
    );
    refused(&more("caFile = \"FOLDER/none\""), "store.caFile");
    refused(&more("caFile = \"FOLDER/file\""), "store.caFile");
    refused("[store]\nurl = \"sled://data\"\n", "write sled:data");
    refused("[store]\nurl = \"sled:FOLDER/file\"\n", "is not a folder");
    fine("[store]\nurl = \"sled:///srv/registrar\"\n");
    for url in [
        "sled:",
        "memory",
        "memory://",
        "SLED:data",
        "postgres:db",
        "sqlite:data",
    ] {
        refused(
            &format!("[store]\nurl = \"{url}\"\n"),
            "store.url: must be sled:FOLDER, fjall:FOLDER",
        );
    }
}

#[test]
fn addresses_that_conflict_or_do_not_exist_are_reported() {
    let both = |one: &str, other: &str| {
        format!(
            "[server]\nissuer = \"https://a.example\"\nlisten = \"{one}\"\n[admin]\nlisten = \"{other}\"\n"
        )
    };
    refused(
        &both("0.0.0.0:8080", "127.0.0.1:8080"),
        "admin.listen: 127.0.0.1:8080 and server.listen",
    );
    refused(
        &both("127.0.0.1:8080", "0.0.0.0:8080"),
        "cannot both be opened",
    );
    refused(
        &both("[::]:8080", "127.0.0.1:8080"),
        "cannot both be opened",
    );
    fine(&both("127.0.0.1:8080", "127.0.0.1:8081"));
    warned(
        "[server]\nlisten = \"0.0.0.0:8080\"\n",
        "server.issuer: is not set",
    );
    warned(
        "[server]\nlisten = \"[::]:8080\"\n",
        "server.issuer: is not set",
    );
    warned(
        "[server]\nlisten = \"192.0.2.1:8080\"\n",
        "server.listen: 192.0.2.1 is not an address of this machine",
    );
    warned(
        "[server]\ntrustedProxies = [\"0.0.0.0/0\"]\ncertificateHeaders = []\n",
        "includes every address",
    );
    refused(
        "[admin]\ncredentialsFile = \"FOLDER\"\n",
        "admin.credentialsFile: ",
    );
}

#[test]
fn an_http_issuer_with_tls_is_rejected() {
    let tls = "[server.tls]\ncertificate = \"FOLDER/file\"\nkey = \"FOLDER/file\"\n";
    refused(
        &format!("[server]\nissuer = \"http://a.example\"\n{tls}"),
        "server.issuer: must be https",
    );
}

#[test]
fn open_registration_without_a_limit_causes_a_warning_unless_on_loopback() {
    let open = |issuer: &str, more: &str| {
        format!(
            "[server]\nissuer = \"{issuer}\"\n[registration]\nrateLimitRegistrationRequestCount = 0\n{more}\n"
        )
    };
    warned(
        &open("https://a.example", ""),
        "rateLimitRegistrationRequestCount: sets no limit",
    );
    fine(&open("https://localhost", ""));
    fine(&open(
        "https://a.example",
        "initialAccessToken = \"required\"",
    ));
    fine("[server]\nissuer = \"https://a.example\"\n");
}

#[test]
fn urls_that_cannot_be_fetched_and_values_that_reject_everybody_are_reported() {
    let of = |line: &str| format!("[registration]\n{line}\n");
    for url in [
        "keys.example.org/jwks",
        "ftp://a.example/jwks",
        "http://a.example/jwks",
        "",
    ] {
        refused(
            &of(&format!("dcrSignatureValidationJwksUri = \"{url}\"")),
            "dcrSignatureValidationJwksUri: must be",
        );
        let entry = format!(
            "dcrSsaValidationConfigs = [{{id = \"a\", type = \"SSA\", issuers = [\"x\"], jwksUri = \"{url}\"}}]"
        );
        refused(&of(&entry), "must be");
        let entry = format!("trustedClientAttesters = [{{issuer = \"a\", jwksUri = \"{url}\"}}]");
        refused(&of(&entry), "must be");
    }
    let listed = "[fetch]\nallowedHosts = [\"b.example\"]\n[registration]\n\
                  dcrSignatureValidationJwksUri = \"https://a.example/jwks\"\n";
    warned(listed, "is not in fetch.allowedHosts");
    warned(
        "[discovery]\nauthorization_endpoint = \"as.example.org\"\n",
        "discovery.authorization_endpoint: ",
    );
    warned(
        &of("tokenEndpointAuthMethodsSupported = []"),
        "no client can register",
    );
    refused(
        &of("privilegedMembers = [\"group\"]").replace("FOLDER", ""),
        "is not a privileged member",
    );
    refused(
        &of("maximumTokenLifetime = 0"),
        "maximumTokenLifetime: must be 1 or more",
    );
}

#[test]
fn unused_variables_are_reported_and_flags_are_those_of_the_server() {
    let (code, text) = said("", &[], &[("REGISTRAR_SERVER_LISTEN", "0.0.0.0:1")]);
    assert!(
        code == 0 && text.contains("did you mean REGISTRAR_SERVER__LISTEN?"),
        "{text}"
    );
    assert!(
        text.contains("registrar.toml: no errors, 1 warning"),
        "{text}"
    );
    let (code, text) = said(
        "[admin]\nlisten = \"127.0.0.1:8081\"\n",
        &["--listen", "127.0.0.1:8081"],
        &[],
    );
    assert!(
        code == 1 && text.contains("cannot both be opened"),
        "{text}"
    );
    let (code, text) = said("", &["--data", "FOLDER/file"], &[]);
    assert!(code == 1 && text.contains("is not a folder"), "{text}");
    let (code, text) = said("", &["--scripts", "FOLDER/none"], &[]);
    assert!(
        code == 1 && text.contains("FOLDER/none".trim_start_matches("FOLDER")),
        "{text}"
    );
}

#[test]
fn every_shipped_configuration_is_fine() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["config/registrar.toml", "config/janssen.toml"] {
        let output = command(&["check", "--config"])
            .arg(root.join(name))
            .output()
            .expect("it runs");
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(text.contains(&format!("{name}: fine\n")), "{text}");
    }
}
