//! The fetcher from the outside: what it sends, what it reads, and its limits.

use std::time::Duration;

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::ssl::{Ssl, SslAcceptor, SslMethod};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};
use registrar::config::FetchSettings;
use registrar::testing::{Fetching, Request};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use crate::support::{Canary, Origin, Reply, development};

fn fetcher(change: impl FnOnce(&mut FetchSettings)) -> Fetching {
    let mut settings = development();
    change(&mut settings);
    Fetching::new(&settings).unwrap()
}

#[tokio::test]
async fn a_request_is_sent_unchanged_and_any_status_is_an_answer() {
    let (fetcher, origin) = (fetcher(|_| {}), Origin::new().await);
    let reply = Reply::text("text/plain", "tea")
        .with_status(418)
        .header("x-Pot", "a")
        .header("x-pot", "b");
    let url = origin.at("/pot", reply);
    let request = Request {
        method: "POST".to_owned(),
        headers: vec![("Authorization".to_owned(), "Bearer t".to_owned())],
        body: Some(b"hot".to_vec()),
        ..Request::get(url)
    };
    let response = fetcher.send(request).await.unwrap();
    assert_eq!(
        (response.status, response.body.as_slice()),
        (418, b"tea".as_slice())
    );
    let headers = response.headers.iter();
    let pots = headers.filter(|(name, _)| name == "x-pot");
    let pots: Vec<&str> = pots.map(|(_, value)| value.as_str()).collect();
    assert_eq!(pots, ["a", "b"]);
    assert_eq!(
        origin.asked("/pot", "authorization").as_deref(),
        Some("Bearer t")
    );
    assert_eq!(origin.asked("/pot", "content-length").as_deref(), Some("3"));
    assert!(
        origin
            .asked("/pot", "user-agent")
            .unwrap()
            .starts_with("registrar/")
    );
    assert_eq!(origin.asked("/pot", "accept-encoding"), None);
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_a_cookie_is_not_kept() {
    let (fetcher, origin, canary) = (fetcher(|_| {}), Origin::new().await, Canary::new());
    let elsewhere = format!("http://127.0.0.1:{}/", canary.port());
    let reply = Reply::status(302)
        .header("location", elsewhere)
        .header("set-cookie", "a=b; path=/");
    let url = origin.at("/", reply);
    for _ in 0..2 {
        assert_eq!(fetcher.send(Request::get(&url)).await.unwrap().status, 302);
    }
    assert_eq!(origin.asked("/", "cookie"), None);
    assert_eq!(
        fetcher.get_json(&url).await,
        Err("Redirected(302)".to_owned())
    );
    canary.expect_untouched();
}

#[tokio::test]
async fn nothing_is_decompressed() {
    let (fetcher, origin) = (fetcher(|_| {}), Origin::new().await);
    let url = origin.at(
        "/",
        Reply::text("application/json", "\u{1f}packed").header("content-encoding", "gzip"),
    );
    assert_eq!(
        fetcher.send(Request::get(&url)).await.unwrap().body,
        b"\x1fpacked"
    );
    assert_eq!(fetcher.get_json(&url).await, Err("NotJson".to_owned()));
}

#[tokio::test]
async fn an_answer_is_cut_at_the_limit_while_it_is_read() {
    let (fetcher, origin) = (
        fetcher(|settings| settings.body_bytes = 1_000),
        Origin::new().await,
    );
    let url = origin.at("/", Reply::text("text/plain", "x".repeat(1_000)));
    assert_eq!(
        fetcher.send(Request::get(&url)).await.unwrap().body.len(),
        1_000
    );
    let smaller = Request {
        limit: Some(999),
        ..Request::get(&url)
    };
    assert_eq!(
        fetcher.send(smaller).await.unwrap_err(),
        "TooLarge { limit: 999 }"
    );
    let larger = Request {
        limit: Some(1 << 40),
        ..Request::get(origin.at("/endless", Reply::endless()))
    };
    assert_eq!(
        fetcher.send(larger).await.unwrap_err(),
        "TooLarge { limit: 1000 }"
    );
    assert!(
        origin.sent() < 16 * 1024 * 1024,
        "{} bytes were read",
        origin.sent()
    );
}

#[tokio::test]
async fn a_fetch_has_a_timeout() {
    let (fetcher, origin) = (
        fetcher(|settings| settings.timeout_ms = 200),
        Origin::new().await,
    );
    let url = origin.at("/", Reply::never());
    let longer = Request {
        timeout: Some(Duration::from_mins(10)),
        ..Request::get(&url)
    };
    assert_eq!(
        fetcher.send(longer).await.unwrap_err(),
        "Timeout { milliseconds: 200 }"
    );
    let shorter = Request {
        timeout: Some(Duration::from_millis(20)),
        ..Request::get(&url)
    };
    assert_eq!(
        fetcher.send(shorter).await.unwrap_err(),
        "Timeout { milliseconds: 20 }"
    );
}

#[tokio::test]
async fn waiting_too_long_for_a_slot_is_reported() {
    let fetcher = fetcher(|settings| {
        settings.timeout_ms = 2_000;
        settings.concurrent_per_host = 1;
    });
    let (slow, other) = (Origin::new().await, Origin::new().await);
    let (hanging, fast) = (
        slow.at("/", Reply::never()),
        other.at("/", Reply::status(204)),
    );
    let first = fetcher.send(Request::get(&hanging));
    tokio::pin!(first);
    let second = Request {
        timeout: Some(Duration::from_millis(20)),
        ..Request::get(&hanging)
    };
    tokio::select! {
        biased;
        _ = &mut first => panic!("it hangs"),
        outcome = fetcher.send(second) => assert_eq!(outcome.unwrap_err(), "Busy"),
    }
    assert_eq!(fetcher.send(Request::get(&fast)).await.unwrap().status, 204);
    assert_eq!(first.await.unwrap_err(), "Timeout { milliseconds: 2000 }");
}

#[tokio::test]
async fn an_allowed_host_may_be_on_loopback_and_other_hosts_are_rejected() {
    let (origin, canary) = (Origin::new().await, Canary::new());
    let fetcher = fetcher(|settings| {
        settings.allow_private_addresses = false;
        settings.allowed_hosts = vec![
            format!("localhost:{}", origin.address().port())
                .parse()
                .unwrap(),
        ];
    });
    let reply = Reply::json(json!([]));
    let url = origin.at("/", reply).replace("127.0.0.1", "localhost");
    assert_eq!(fetcher.get_json(&url).await.unwrap(), json!([]));
    for host in ["127.0.0.1", "localhost", "[::1]", "2130706433"] {
        let request = Request::get(format!("http://{host}:{}/", canary.port()));
        let refused = fetcher.send(request).await.unwrap_err();
        assert!(refused.starts_with("Refused("), "{host}: {refused}");
    }
    canary.expect_untouched();
}

#[tokio::test]
async fn a_canary_notices_connections() {
    let canary = Canary::new();
    let fetcher = fetcher(|settings| settings.timeout_ms = 2_000);
    for host in ["127.0.0.1", "localhost", "2130706433"] {
        canary.expect_untouched();
        let url = format!("http://{host}:{}/", canary.port());
        assert_eq!(
            fetcher.send(Request::get(url)).await.unwrap_err(),
            "Timeout { milliseconds: 2000 }"
        );
        assert!(canary.is_touched(), "{host}");
    }
}

/// Creates a self-signed certificate for `localhost` and its key.
fn certificate() -> (X509, PKey<Private>) {
    let key = PKey::from_rsa(Rsa::generate(2_048).unwrap()).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "test").unwrap();
    let name = name.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder
        .set_serial_number(&BigNum::from_u32(1).unwrap().to_asn1_integer().unwrap())
        .unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder
        .set_not_before(&Asn1Time::days_from_now(0).unwrap())
        .unwrap();
    builder
        .set_not_after(&Asn1Time::days_from_now(1).unwrap())
        .unwrap();
    builder.set_pubkey(&key).unwrap();
    builder
        .append_extension(BasicConstraints::new().critical().ca().build().unwrap())
        .unwrap();
    let names = SubjectAlternativeName::new()
        .dns("localhost")
        .build(&builder.x509v3_context(None, None));
    builder.append_extension(names.unwrap()).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    (builder.build(), key)
}

#[tokio::test]
async fn tls_is_trusted_when_the_operator_configures_its_ca() {
    let (certificate, key) = certificate();
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
    acceptor.set_private_key(&key).unwrap();
    acceptor.set_certificate(&certificate).unwrap();
    let acceptor = acceptor.build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    TaskTracker::new().spawn(async move {
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            let ssl = Ssl::new(acceptor.context()).unwrap();
            let mut stream = tokio_openssl::SslStream::new(ssl, connection).unwrap();
            if std::pin::Pin::new(&mut stream).accept().await.is_err() {
                continue;
            }
            let mut request = [0; 4_096];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
            stream.write_all(answer).await.unwrap();
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, certificate.to_pem().unwrap()).unwrap();
    let url = format!("https://localhost:{port}/");
    let trusting = fetcher(|settings| settings.ca_file = Some(file.clone()));
    assert_eq!(trusting.send(Request::get(&url)).await.unwrap().status, 204);
    let outcome = fetcher(|_| {}).send(Request::get(&url)).await;
    assert_eq!(outcome.unwrap_err(), "Unreachable");
    let by_address = Request::get(format!("https://127.0.0.1:{port}/"));
    assert_eq!(trusting.send(by_address).await.unwrap_err(), "Unreachable");
}
