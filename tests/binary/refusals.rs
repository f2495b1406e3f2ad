//! A start that fails says what to do about it, on standard error, with exit code 1.

use std::net::TcpListener;

use crate::process::{Registrar, command};

#[test]
fn what_stands_in_the_way_of_a_start_is_told_with_a_way_out() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("file"), "not a folder").unwrap();
    let running = Registrar::start();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let data = path("data");
    let open = running.folder().join("data").to_str().unwrap().to_owned();
    let cases: [(&[&str], &[&str]); 7] = [
        (&["--listen", &taken], &[&taken, "stop who has it", "--listen", "admin.listen"]),
        (&["--listen", "192.0.2.1:80"], &["192.0.2.1:80", "--listen"]),
        (&["--data", &open], &[&open, "another registrar", "store.url"]),
        (&["--data", &path("file")], &[&path("file"), "store.url"]),
        (&["--scripts", &path("nowhere")], &[&path("nowhere"), "no such folder", "scripts.directory"]),
        (&["--config", &path("nowhere")], &[&path("nowhere"), "--config"]),
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
            assert!(message.contains(part), "{arguments:?}: '{message}' does not say '{part}'");
        }
    }
}

#[test]
fn a_flag_that_can_not_be_read_shows_one_that_can() {
    let output = command(&["--listen", "localhost"]).output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("such as 127.0.0.1:8080"));
}

#[test]
fn a_level_that_is_none_does_not_switch_the_log_off() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (file, data) = (path("r.toml"), path("data"));
    std::fs::write(&file, "[telemetry]\n\nlevel = \"warning\"\n").unwrap();
    let start = ["serve", "--config", &file, "--listen", "127.0.0.1:0", "--data", &data];
    for arguments in [&["check", "--config", &file][..], &start] {
        let output = command(arguments).output().expect("the binary runs");
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {message}");
        for part in ["r.toml:3:", "telemetry.level", "'warning'", "error, warn, info, debug, trace or off"] {
            assert!(message.contains(part), "{arguments:?}: '{message}' does not say '{part}'");
        }
    }
}

#[test]
fn a_configuration_with_which_nobody_can_register_is_warned_of() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (file, scripts) = (path("r.toml"), path("scripts"));
    std::fs::create_dir(&scripts).unwrap();
    let check = |registration: &str| {
        let elsewhere = "[discovery]\nauthorization_endpoint = \"https://as.example.org/authorize\"\n";
        let text = format!("[scripts]\ndirectory = {scripts:?}\n[registration]\n{registration}\n{elsewhere}");
        std::fs::write(&file, text).unwrap();
        let output = command(&["check", "--config", &file]).output().expect("the binary runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{told}");
        told
    };
    assert_eq!(check(""), "");
    for option in
        ["softwareStatementRequired", "dcrSignatureValidationEnabled", "dcrAttestationEvidenceRequired"]
    {
        let told = check(&format!("{option} = true"));
        let place = format!("r.toml:4:1: registration.{option}: nobody can register");
        assert!(told.starts_with("registrar: warning: ") && told.contains(&place), "{told}");
    }
    let verifier = "fn verifyEvidence(context) { #{} }\n";
    std::fs::write(folder.path().join("scripts/10-a.rhai"), verifier).unwrap();
    assert_eq!(check("dcrAttestationEvidenceRequired = true"), "");
}

#[test]
fn metadata_without_a_place_to_log_in_is_warned_of_and_a_single_proxy_is_a_network() {
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
        let output = command(&["check", "--config", &file]).output().expect("the binary runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{told}");
        told
    };
    for without in ["", "[discovery]\nservice_documentation = \"https://as.example.org/\"\n"] {
        let told = check(without);
        assert!(told.contains("discovery.authorization_endpoint: is not set"), "{told}");
        assert!(told.contains("discovery.upstream"), "it says what to set: {told}");
    }
    for with in [
        "[discovery]\nauthorization_endpoint = \"https://as.example.org/authorize\"\n",
        "[discovery]\nupstream = \"https://as.example.org\"\n",
        "[registration]\ngrantTypesSupported = [\"client_credentials\"]\nresponseTypesSupported = []\n",
    ] {
        let told = check(with);
        assert!(!told.contains("authorization_endpoint: is not set"), "{with}: {told}");
    }
}
