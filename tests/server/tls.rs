//! TLS on the server's own listener.

use std::pin::Pin;
use std::time::Instant;

use openssl::ssl::{Ssl, SslConnector, SslMethod, SslVerifyMode, SslVersion};
use registrar::config::ClientCertificates::{self, Off, Optional, Required};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use crate::support::certificates::{Authority, CLIENT, CLIENT_DN, Files, Pair};
use crate::support::{Answer, PATIENCE, TestServer, minimal, until};

/// Starts a server with TLS and a script that returns the certificate that it sees.
async fn server(files: &Files, clients: ClientCertificates) -> TestServer {
    let script = "fn modifyPostResponse(response, context) {\n\
                      let c = context.certificate;\n\
                      response.seen = if c == () { \"nothing\" } else { c.subject + \" \" + c.trusted };\n\
                      true\n\
                  }";
    let scripts = [("seen.rhai", script)];
    let mut server = TestServer::scripted(&scripts, |configuration| {
        files.switch_on(configuration, clients);
    })
    .await;
    server.use_client(files.client(None));
    server
}

/// Returns what the server sees when a client presents `pair`, or `None` when the handshake fails.
async fn seen(server: &TestServer, files: &Files, pair: Option<&Pair>) -> Option<String> {
    let request = files
        .client(pair)
        .post(server.url("/register"))
        .json(&minimal());
    let answer: Value = request.send().await.ok()?.json().await.ok()?;
    Some(
        answer["seen"]
            .as_str()
            .unwrap_or_else(|| panic!("{answer}"))
            .to_owned(),
    )
}

#[tokio::test]
async fn both_http_versions_are_supported_and_urls_are_https() {
    let files = Files::new();
    let server = server(&files, Off).await;
    for (client, version) in [
        (files.client(None), reqwest::Version::HTTP_2),
        (
            files.builder(None).http1_only().build().unwrap(),
            reqwest::Version::HTTP_11,
        ),
    ] {
        let response = client
            .post(server.url("/register"))
            .json(&minimal())
            .send()
            .await
            .unwrap();
        assert_eq!(
            (response.version(), response.status().as_u16()),
            (version, 201)
        );
    }
    let client = server.register(&minimal()).await;
    assert!(
        client.uri.starts_with("https://127.0.0.1:"),
        "{}",
        client.uri
    );
    server.read(&client).await.expect_status(200);
    server.delete(&client).await.expect_status(204);
    assert!(server.server().url().starts_with("https://"));
}

#[tokio::test]
async fn plain_http_is_never_answered_with_201() {
    let files = Files::new();
    let server = server(&files, Off).await;
    let url = server.url("/register").replacen("https", "http", 1);
    let answer = reqwest::Client::new()
        .post(url)
        .json(&minimal())
        .send()
        .await;
    assert!(answer.is_err(), "{answer:?}");
    server.register(&minimal()).await;
}

#[tokio::test]
async fn a_certificate_is_requested_as_configured() {
    let files = Files::new();
    let (ours, stranger) = (
        files.authority.client(CLIENT),
        Authority::new().client(CLIENT),
    );
    let (expired, own) = (
        files.authority.expired_client(CLIENT),
        Pair::self_signed(CLIENT),
    );
    let trusted = format!("{CLIENT_DN} true");
    let untrusted = format!("{CLIENT_DN} false");
    for (clients, without) in [(Optional, Some("nothing")), (Required, None)] {
        let server = server(&files, clients).await;
        assert_eq!(seen(&server, &files, None).await.as_deref(), without);
        assert_eq!(
            seen(&server, &files, Some(&ours)).await.as_deref(),
            Some(&*trusted)
        );
        for pair in [&stranger, &expired, &own] {
            assert_eq!(
                seen(&server, &files, Some(pair)).await.as_deref(),
                Some(&*untrusted)
            );
        }
    }
    let server = server(&files, Off).await;
    assert_eq!(
        seen(&server, &files, Some(&ours)).await.as_deref(),
        Some("nothing")
    );
}

#[tokio::test]
async fn without_cas_no_certificate_is_trusted() {
    let files = Files::new();
    let mut server = TestServer::configured(|configuration| {
        files.switch_on(configuration, Optional);
        configuration.settings.server.tls.client_ca = None;
        configuration.live.registration.dcr_authorization_with_mtls = true;
    })
    .await;
    server.use_client(files.client(Some(&files.authority.client(CLIENT))));
    server
        .post(&minimal())
        .await
        .expect_error(401, &["invalid_client"]);
}

#[tokio::test]
async fn a_certificate_that_expires_while_the_connection_is_open_is_no_longer_trusted() {
    let files = Files::new();
    let mut server = server(&files, Required).await;
    server.use_client(files.client(Some(&files.authority.client(CLIENT))));
    assert_eq!(
        server.register(&minimal()).await.body["seen"],
        format!("{CLIENT_DN} true")
    );
    server.clock.advance(1_001);
    assert_eq!(
        server.register(&minimal()).await.body["seen"],
        format!("{CLIENT_DN} false")
    );
}

/// Returns the TLS version that a client negotiates that supports `least` to `most`.
async fn handshake(
    server: &TestServer,
    least: SslVersion,
    most: SslVersion,
    ciphers: &str,
) -> Option<String> {
    let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
    connector.set_security_level(0);
    connector.set_verify(SslVerifyMode::NONE);
    connector.set_min_proto_version(Some(least)).unwrap();
    connector.set_max_proto_version(Some(most)).unwrap();
    connector.set_cipher_list(ciphers).unwrap();
    let ssl = Ssl::new(connector.build().context()).unwrap();
    let stream = TcpStream::connect(server.server().address()).await.unwrap();
    let mut stream = SslStream::new(ssl, stream).unwrap();
    Pin::new(&mut stream).connect().await.ok()?;
    Some(stream.ssl().version_str().to_owned())
}

#[tokio::test]
async fn only_tls_1_2_and_1_3_with_modern_ciphers_are_supported() {
    let files = Files::new();
    let server = server(&files, Off).await;
    let all = "ALL:@SECLEVEL=0";
    let (v1, v1_1, v1_2, v1_3) = (
        SslVersion::TLS1,
        SslVersion::TLS1_1,
        SslVersion::TLS1_2,
        SslVersion::TLS1_3,
    );
    assert_eq!(
        handshake(&server, v1, v1_3, all).await.as_deref(),
        Some("TLSv1.3")
    );
    assert_eq!(
        handshake(&server, v1_2, v1_2, all).await.as_deref(),
        Some("TLSv1.2")
    );
    assert_eq!(handshake(&server, v1, v1_1, all).await, None);
    for old in [
        "AES128-SHA",
        "ECDHE-ECDSA-AES128-SHA256",
        "ECDHE-ECDSA-AES128-SHA",
    ] {
        assert_eq!(
            handshake(&server, v1_2, v1_2, &format!("{old}:@SECLEVEL=0")).await,
            None,
            "{old}"
        );
    }
}

#[tokio::test]
async fn a_handshake_that_fails_or_never_ends_does_not_affect_others() {
    let files = Files::new();
    let mut server = TestServer::configured(|configuration| {
        files.switch_on(configuration, Required);
        // It also limits the handshakes that succeed.
        configuration.settings.limits.header_timeout_ms = 2_000;
    })
    .await;
    server.use_client(files.client(Some(&files.authority.client(CLIENT))));
    let address = server.server().address();
    let mut silent = Vec::new();
    for number in 0..100 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let noise: &[u8] = if number % 2 == 0 {
            b""
        } else {
            b"\x16\x03\x01\x02\x00\x01"
        };
        stream.write_all(noise).await.unwrap();
        silent.push(stream);
    }
    TcpStream::connect(address)
        .await
        .unwrap()
        .write_all(b"GET / HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    server.register(&minimal()).await;
    let begun = Instant::now();
    for stream in &mut silent {
        // The connection is closed in one way or another.
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut Vec::new()))
            .await
            .unwrap();
    }
    // They wait at the same time, not one after the other.
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    server.register(&minimal()).await;
}

/// Returns the serial number of the certificate that a new connection gets.
async fn shown(server: &TestServer) -> String {
    shown_at(server.server().address()).await
}

async fn shown_at(address: std::net::SocketAddr) -> String {
    let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
    connector.set_verify(SslVerifyMode::NONE);
    let stream = TcpStream::connect(address).await.unwrap();
    let mut stream =
        SslStream::new(Ssl::new(connector.build().context()).unwrap(), stream).unwrap();
    Pin::new(&mut stream).connect().await.unwrap();
    let certificate = stream.ssl().peer_certificate().unwrap();
    certificate
        .serial_number()
        .to_bn()
        .unwrap()
        .to_hex_str()
        .unwrap()
        .to_lowercase()
}

async fn tls_error(server: &TestServer) -> Option<String> {
    let answer = Answer::of(server.ask("GET", "/readyz")).await;
    answer.expect_status(200);
    answer.body["tlsError"].as_str().map(str::to_owned)
}

#[tokio::test]
async fn a_renewed_certificate_is_used_without_a_restart_and_a_broken_one_is_not() {
    let files = Files::new();
    let server = server(&files, Off).await;
    let open = server.register(&minimal()).await;
    let renewed = files.authority.server();
    assert_ne!(shown(&server).await, renewed.serial());
    files.write(&renewed);
    until(async || shown(&server).await == renewed.serial()).await;
    server.read(&open).await.expect_status(200);

    std::fs::write(files.path("server.pem"), files.authority.server().pem()).unwrap();
    until(async || tls_error(&server).await.is_some()).await;
    let error = tls_error(&server).await.unwrap();
    assert!(
        error.contains("server.key") && error.contains("is not the key"),
        "{error}"
    );
    assert_eq!(shown(&server).await, renewed.serial());
    std::fs::write(files.path("server.key"), "nothing").unwrap();
    until(async || {
        tls_error(&server)
            .await
            .unwrap_or_default()
            .contains("contains no PEM private key")
    })
    .await;
    assert_eq!(shown(&server).await, renewed.serial());

    let last = files.authority.server();
    files.write(&last);
    until(async || shown(&server).await == last.serial()).await;
    until(async || tls_error(&server).await.is_none()).await;
}

#[tokio::test]
async fn another_ca_is_trusted_without_a_restart() {
    let files = Files::new();
    let server = server(&files, Optional).await;
    let other = Authority::new();
    let client = other.client(CLIENT);
    assert_eq!(
        seen(&server, &files, Some(&client)).await,
        Some(format!("{CLIENT_DN} false"))
    );
    std::fs::write(files.path("ca.pem"), other.pem()).unwrap();
    until(async || seen(&server, &files, Some(&client)).await == Some(format!("{CLIENT_DN} true")))
        .await;
}

/// Starts a server with TLS on its admin listener, and returns the URL of that listener.
async fn with_admin_listener(files: &Files, clients: ClientCertificates) -> (TestServer, String) {
    let mut server = TestServer::configured(|configuration| {
        files.switch_on(configuration, clients);
        configuration.settings.admin.listen = Some("127.0.0.1:0".parse().unwrap());
        configuration.settings.admin.tls = true;
    })
    .await;
    server.use_client(files.client(None));
    let admin = server.server().admin_address().expect("an admin listener");
    (server, format!("https://{admin}"))
}

#[tokio::test]
async fn the_admin_listener_uses_tls_with_the_same_certificate() {
    let files = Files::new();
    let (server, admin) = with_admin_listener(&files, Off).await;
    let address = server.server().admin_address().unwrap();
    assert_eq!(shown_at(address).await, shown(&server).await);
    let token = server.administrator_token().await;
    let url = format!("{admin}/admin/v1/clients");
    Answer::of(server.ask("GET", &url).bearer_auth(&token))
        .await
        .expect_status(200);
    let plain = reqwest::Client::new()
        .get(url.replacen("https", "http", 1))
        .bearer_auth(&token)
        .send()
        .await;
    assert!(plain.is_err(), "{plain:?}");
    let stranger = Files::new().client(None).get(&url).send().await;
    assert!(
        stranger.is_err(),
        "a client that does not trust the CA must fail"
    );
    let renewed = files.authority.server();
    files.write(&renewed);
    until(async || shown_at(address).await == renewed.serial()).await;
    Answer::of(server.ask("GET", &url).bearer_auth(&token))
        .await
        .expect_status(200);
}

#[tokio::test]
async fn probes_over_tls_need_no_certificate_but_may_present_one() {
    let files = Files::new();
    let (server, admin) = with_admin_listener(&files, Required).await;
    assert!(
        server
            .ask("POST", "/register")
            .json(&minimal())
            .send()
            .await
            .is_err()
    );
    for pair in [None, Some(files.authority.client(CLIENT))] {
        let answer = files
            .client(pair.as_ref())
            .get(format!("{admin}/readyz"))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
    }
}
