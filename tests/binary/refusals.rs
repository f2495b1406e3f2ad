//! A failed start prints what to do about it on standard error and exits with 1.

use std::net::TcpListener;

use crate::process::{Registrar, command};

#[test]
fn a_failed_start_prints_its_cause_and_a_remedy() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("file"), "not a folder").unwrap();
    let running = Registrar::start();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let data = path("data");
    let open = running.folder().join("data").to_str().unwrap().to_owned();
    let cases: [(&[&str], &[&str]); 7] = [
        (
            &["--listen", &taken],
            &[
                &taken,
                "stop the process that uses it",
                "--listen",
                "admin.listen",
            ],
        ),
        (&["--listen", "192.0.2.1:80"], &["192.0.2.1:80", "--listen"]),
        (
            &["--data", &open],
            &[&open, "another registrar", "store.url"],
        ),
        (&["--data", &path("file")], &[&path("file"), "store.url"]),
        (
            &["--scripts", &path("nowhere")],
            &[&path("nowhere"), "folder not found", "scripts.directory"],
        ),
        (
            &["--config", &path("nowhere")],
            &[&path("nowhere"), "--config"],
        ),
        (&["--config", &path("")], &[&path(""), "--config"]),
    ];
    for (arguments, parts) in cases {
        let mut all = arguments.to_vec();
        for (flag, value) in [("--listen", "127.0.0.1:0"), ("--data", data.as_str())] {
            if !arguments.contains(&flag) {
                all.extend([flag, value]);
            }
        }
        let output = command(&all).output().expect("the binary runs");
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {message}");
        for part in parts {
            assert!(
                message.contains(part),
                "{arguments:?}: '{message}' does not say '{part}'"
            );
        }
    }
}

#[test]
fn an_invalid_flag_value_is_answered_with_a_valid_example() {
    let output = command(&["--listen", "localhost"])
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("such as 127.0.0.1:8080"));
}

#[test]
fn an_invalid_level_does_not_disable_the_log() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (file, data) = (path("r.toml"), path("data"));
    std::fs::write(&file, "[telemetry]\n\nlevel = \"warning\"\n").unwrap();
    let start = [
        "serve",
        "--config",
        &file,
        "--listen",
        "127.0.0.1:0",
        "--data",
        &data,
    ];
    for arguments in [&["check", "--config", &file][..], &start] {
        let output = command(arguments).output().expect("the binary runs");
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {message}");
        for part in [
            "r.toml:3:",
            "telemetry.level",
            "'warning'",
            "error, warn, info, debug, trace or off",
        ] {
            assert!(
                message.contains(part),
                "{arguments:?}: '{message}' does not say '{part}'"
            );
        }
    }
}

#[test]
fn a_configuration_with_which_nobody_can_register_causes_a_warning() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (file, scripts) = (path("r.toml"), path("scripts"));
    std::fs::create_dir(&scripts).unwrap();
    let check = |registration: &str| {
        let elsewhere =
            "[discovery]\nauthorization_endpoint = \"https://as.example.org/authorize\"\n";
        let text = format!(
            "[scripts]\ndirectory = {scripts:?}\n[registration]\n{registration}\n{elsewhere}"
        );
        std::fs::write(&file, text).unwrap();
        let output = command(&["check", "--config", &file])
            .output()
            .expect("the binary runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{told}");
        told
    };
    assert_eq!(check(""), "");
    for option in [
        "softwareStatementRequired",
        "dcrSignatureValidationEnabled",
        "dcrAttestationEvidenceRequired",
    ] {
        let told = check(&format!("{option} = true"));
        let place = format!("r.toml:4:1: registration.{option}: nobody can register");
        assert!(
            told.starts_with("registrar: warning: ") && told.contains(&place),
            "{told}"
        );
    }
    let verifier = "fn verifyEvidence(context) { #{} }\n";
    std::fs::write(folder.path().join("scripts/10-a.rhai"), verifier).unwrap();
    assert_eq!(check("dcrAttestationEvidenceRequired = true"), "");
}

#[test]
fn metadata_without_an_authorization_endpoint_causes_a_warning_and_a_single_proxy_is_a_network() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (file, scripts) = (path("r.toml"), path("scripts"));
    std::fs::create_dir(&scripts).unwrap();
    let check = |more: &str| {
        let text = format!(
            "[server]\ntrustedProxies = [\"10.0.0.7\", \"2001:db8::7\", \"10.1.0.0/16\"]\n\
             [scripts]\ndirectory = {scripts:?}\n{more}"
        );
        std::fs::write(&file, text).unwrap();
        let output = command(&["check", "--config", &file])
            .output()
            .expect("the binary runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{told}");
        told
    };
    for without in [
        "",
        "[discovery]\nservice_documentation = \"https://as.example.org/\"\n",
    ] {
        let told = check(without);
        assert!(
            told.contains("discovery.authorization_endpoint: is not set"),
            "{told}"
        );
        assert!(
            told.contains("discovery.upstream"),
            "the warning names what to set: {told}"
        );
    }
    for with in [
        "[discovery]\nauthorization_endpoint = \"https://as.example.org/authorize\"\n",
        "[discovery]\nupstream = \"https://as.example.org\"\n",
        "[registration]\ngrantTypesSupported = [\"client_credentials\"]\nresponseTypesSupported = []\n",
    ] {
        let told = check(with);
        assert!(
            !told.contains("authorization_endpoint: is not set"),
            "{with}: {told}"
        );
    }
}
