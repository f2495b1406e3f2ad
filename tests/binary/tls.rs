//! The binary with TLS: what `check` reports about the files, and what the greeting prints.

use std::path::{Path, PathBuf};
use std::process::Command;

use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::symm::Cipher;
use openssl::x509::extension::SubjectAlternativeName;
use openssl::x509::{X509, X509Builder, X509Name};
use tempfile::TempDir;

use crate::process::{Registrar, command, until};

/// Creates a self-signed certificate for 127.0.0.1 that is valid until `end`.
fn certificate(end: i64) -> (X509, PKey<Private>) {
    let key = PKey::from_rsa(Rsa::generate(2_048).expect("a key")).expect("a key");
    let mut name = X509Name::builder().expect("a name");
    name.append_entry_by_text("CN", "registrar")
        .expect("a name");
    let name = name.build();
    let mut builder = X509Builder::new().expect("a certificate");
    builder.set_version(2).expect("it is set");
    builder.set_subject_name(&name).expect("it is set");
    builder.set_issuer_name(&name).expect("it is set");
    builder
        .set_not_before(&Asn1Time::from_unix(946_684_800).expect("a time"))
        .expect("it is set");
    builder
        .set_not_after(&Asn1Time::from_unix(end).expect("a time"))
        .expect("it is set");
    builder.set_pubkey(&key).expect("it is set");
    let names = SubjectAlternativeName::new()
        .ip("127.0.0.1")
        .build(&builder.x509v3_context(None, None));
    builder
        .append_extension(names.expect("a name"))
        .expect("it is set");
    builder
        .sign(&key, MessageDigest::sha256())
        .expect("it is signed");
    (builder.build(), key)
}

pub(crate) const LATE: i64 = 4_102_444_800;

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    std::fs::write(folder.join(name), bytes).expect("a file");
}

/// Runs `registrar check` on these files. Returns whether it succeeded, and its output.
/// Writes a certificate that has expired, and its key. Returns the files.
pub(crate) fn expired(folder: &Path) -> (PathBuf, PathBuf) {
    let (expired, key) = certificate(946_684_900);
    write(folder, "server.pem", &expired.to_pem().expect("PEM"));
    write(
        folder,
        "server.key",
        &key.private_key_to_pem_pkcs8().expect("PEM"),
    );
    (folder.join("server.pem"), folder.join("server.key"))
}

fn check(folder: &Path) -> (bool, String) {
    let text = |name: &str| folder.join(name).display().to_string();
    let configuration = format!(
        "[server.tls]\ncertificate = {:?}\nkey = {:?}\nclientCa = {:?}\n\
         [discovery]\nauthorization_endpoint = \"https://as.example.org/authorize\"\n",
        text("server.pem"),
        text("server.key"),
        text("ca.pem")
    );
    write(folder, "r.toml", configuration.as_bytes());
    let output = command(&["check", "--config", &text("r.toml")])
        .output()
        .expect("the binary runs");
    let said =
        String::from_utf8_lossy(&output.stderr).replace(&format!("{}/", folder.display()), "");
    (output.status.success(), said)
}

/// Writes a self-signed certificate that is valid until `end`, and its key, to `folder`.
pub(crate) fn write_until(folder: &Path, end: i64) {
    let (own, key) = certificate(end);
    write(folder, "server.pem", &own.to_pem().expect("PEM"));
    write(
        folder,
        "server.key",
        &key.private_key_to_pem_pkcs8().expect("PEM"),
    );
}

/// Returns a configuration with a self-signed certificate, and writes its files to `folder`.
pub(crate) fn configuration(folder: &Path) -> String {
    write_until(folder, LATE);
    let path = |name: &str| folder.join(name).display().to_string();
    format!(
        "[server.tls]\ncertificate = {:?}\nkey = {:?}\n",
        path("server.pem"),
        path("server.key")
    )
}

#[test]
fn check_reads_the_tls_files() {
    let folder = TempDir::new().expect("a folder");
    let folder = folder.path();
    let refused = |expected: &str| {
        let (is_content, said) = check(folder);
        assert!(
            !is_content && said.contains(expected),
            "'{said}' does not say '{expected}'"
        );
    };
    let (own, key) = certificate(LATE);
    refused("r.toml:4:1: server.tls.clientCa: ca.pem: cannot be read");
    write(folder, "ca.pem", b"nothing");
    refused("r.toml:4:1: server.tls.clientCa: ca.pem: no certificate found");
    write(folder, "ca.pem", &own.to_pem().expect("PEM"));
    write(folder, "server.pem", b"nothing");
    refused("r.toml:2:1: server.tls.certificate: server.pem: contains no certificate");
    write(folder, "server.pem", &own.to_pem().expect("PEM"));
    refused("r.toml:3:1: server.tls.key: server.key: cannot be read");
    let locked = key
        .private_key_to_pem_pkcs8_passphrase(Cipher::aes_128_cbc(), b"secret")
        .expect("PEM");
    write(folder, "server.key", &locked);
    refused(
        "r.toml:3:1: server.tls.key: server.key: contains no PEM private key that can be read without",
    );
    let other = certificate(LATE).1.private_key_to_pem_pkcs8().expect("PEM");
    write(folder, "server.key", &other);
    refused(
        "r.toml:3:1: server.tls.key: server.key: is not the key of the first certificate in server.pem",
    );
    write(
        folder,
        "server.key",
        &key.private_key_to_pem_pkcs8().expect("PEM"),
    );
    assert_eq!(check(folder), (true, String::new()));

    let (expired, key) = certificate(946_684_900);
    write(folder, "server.pem", &expired.to_pem().expect("PEM"));
    write(
        folder,
        "server.key",
        &key.private_key_to_pem_pkcs8().expect("PEM"),
    );
    let (is_content, said) = check(folder);
    assert!(
        is_content && said.contains("warning: r.toml:2:1: server.tls.certificate"),
        "{said}"
    );
    assert!(said.contains("has expired"), "{said}");
}

#[test]
fn the_curl_line_of_the_greeting_works_with_tls_too() {
    let files = TempDir::new().expect("a folder");
    let registrar = Registrar::start_with(&configuration(files.path()));
    assert!(
        registrar.greeting.contains("listens on https://127.0.0.1:"),
        "{}",
        registrar.greeting
    );
    let line = registrar
        .greeting
        .split("curl ")
        .nth(1)
        .expect("a curl line")
        .trim();
    let output = Command::new("sh")
        .arg("-c")
        .arg(format!("curl -sS {line}"))
        .output()
        .expect("a shell");
    let answer = String::from_utf8_lossy(&output.stdout);
    assert!(
        answer.contains(" 201") && answer.contains("\"registration_client_uri\":\"https://"),
        "{answer}"
    );
}

#[tokio::test]
async fn reloads_of_the_certificate_are_counted() {
    let files = TempDir::new().expect("a folder");
    let path = |name: &str| files.path().join(name).display().to_string();
    let renew = || {
        let (own, key) = certificate(LATE);
        write(
            files.path(),
            "server.key",
            &key.private_key_to_pem_pkcs8().expect("PEM"),
        );
        write(files.path(), "server.pem", &own.to_pem().expect("PEM"));
    };
    renew();
    let registrar = Registrar::start_with(&format!(
        "[server.tls]\ncertificate = {:?}\nkey = {:?}\n",
        path("server.pem"),
        path("server.key")
    ));
    let http = reqwest::Client::builder()
        .danger_accept_invalid_certs(true)
        .build()
        .expect("a client");
    let says = async |line: &str| {
        let answer = http
            .get(registrar.url("/metrics"))
            .send()
            .await
            .expect("an answer");
        answer
            .text()
            .await
            .expect("text")
            .lines()
            .any(|found| found == line)
    };
    let is_good = r#"registrar_last_reload_ok{what="certificate"}"#;
    assert!(says(&format!("{is_good} 1")).await);
    write(files.path(), "server.pem", b"nothing");
    until(async || says(&format!("{is_good} 0")).await).await;
    renew();
    until(async || says(&format!("{is_good} 1")).await).await;
}

#[test]
fn the_greeting_names_the_scheme_of_the_admin_listener() {
    for (is_on, expected) in [(true, "https://127.0.0.1:"), (false, "http://127.0.0.1:")] {
        let folder = TempDir::new().expect("a folder");
        let configuration = configuration(folder.path());
        let admin = format!("[admin]\nlisten = \"127.0.0.1:0\"\ntls = {is_on}\n");
        let registrar = Registrar::start_with(&format!("{configuration}{admin}"));
        let line = registrar
            .greeting
            .lines()
            .find(|line| line.contains("admin API"))
            .expect("a line");
        assert!(line.contains(&format!(" {expected}")), "{line}");
    }
}
