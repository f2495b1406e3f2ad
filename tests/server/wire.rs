//! Unusual HTTP: old versions, chunked bodies, unusual spellings, duplicate headers.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Answer, TestServer, minimal};

/// Sends `request` unchanged and reads until `is_whole` or the end of the connection.
async fn raw(server: &TestServer, request: &str, is_whole: impl Fn(&str) -> bool) -> String {
    let mut stream = TcpStream::connect(server.server().address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !is_whole(&String::from_utf8_lossy(&answer)) {
        if stream.read_buf(&mut answer).await.unwrap() == 0 {
            break;
        }
    }
    String::from_utf8(answer).unwrap()
}

fn post(version: &str, headers: &str, body: &str) -> String {
    format!(
        "POST /register HTTP/{version}\r\nHost: test\r\nContent-Type: application/json\r\n{headers}\r\n{body}"
    )
}

#[tokio::test]
async fn a_registration_arrives_in_every_framing() {
    let server = TestServer::new().await;
    let body = minimal().to_string();
    let length = format!("Content-Length: {}\r\n", body.len());
    let chunks = format!(
        "{:x}\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n",
        9,
        &body[..9],
        body.len() - 9,
        &body[9..]
    );
    let closing = format!("{length}Connection: close\r\n");
    let cases = [
        post("1.0", &length, &body),
        post("1.1", &closing, &body),
        post(
            "1.1",
            "Transfer-Encoding: chunked\r\nConnection: close\r\n",
            &chunks,
        ),
        post("1.1", &format!("{closing}Expect: 100-continue\r\n"), &body),
    ];
    for case in cases {
        let answer = raw(&server, &case, |_| false).await;
        let last = answer.rsplit("\r\n\r\n").next().unwrap();
        let client: Value =
            serde_json::from_str(last).unwrap_or_else(|_| panic!("{case}\n{answer}"));
        assert!(
            answer.contains(" 201 Created\r\n") && client["client_id"].is_string(),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn expect_100_continue_is_answered() {
    let server = TestServer::new().await;
    let expect = "Content-Length: 60\r\nExpect: 100-continue\r\n";
    let good = raw(&server, &post("1.1", expect, ""), |answer| {
        answer.ends_with("\r\n\r\n")
    })
    .await;
    assert_eq!(good, "HTTP/1.1 100 Continue\r\n\r\n");
    // The body is read before its media type is checked (permitted by RFC 9110 section 10.1.1), so the
    // rejection is the final answer.
    let other = post(
        "1.1",
        &format!("{expect}Connection: close\r\n"),
        &"x".repeat(60),
    );
    let refused = raw(
        &server,
        &other.replace("application/json", "text/plain"),
        |_| false,
    )
    .await;
    assert!(refused.contains("HTTP/1.1 415"), "{refused}");
}

#[tokio::test]
async fn an_ambiguous_request_is_rejected() {
    let server = TestServer::new().await;
    let body = minimal().to_string();
    let length = format!("Content-Length: {}\r\n", body.len());
    let cases = [
        (
            post(
                "1.1",
                &format!("{length}Content-Type: text/plain\r\nConnection: close\r\n"),
                &body,
            ),
            "415",
        ),
        (
            post("1.1", &format!("{length}Content-Length: 2\r\n"), &body),
            "400",
        ),
        (
            post("1.1", "Transfer-Encoding: chunked\r\n", "zz\r\n"),
            "400",
        ),
        ("nonsense\r\n\r\n".to_owned(), "400"),
    ];
    for (case, status) in cases {
        let answer = raw(&server, &case, |_| false).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{case}\n{answer}"
        );
    }
    server.post(&minimal()).await.expect_status(201);
}

#[tokio::test]
async fn a_request_needs_one_host_and_no_unsupported_coding() {
    let server = TestServer::new().await;
    let body = minimal().to_string();
    let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let head = |version: &str, fields: &str| {
        format!("POST /register HTTP/{version}\r\nContent-Type: application/json\r\n{fields}\r\n")
    };
    let length = format!("Content-Length: {}\r\n", body.len());
    let plain =
        |version, host: &str| format!("{}{body}", head(version, &format!("{host}{length}")));
    let coded = |coding: &str| {
        format!(
            "{}{chunks}",
            head("1.1", &format!("Host: a\r\nConnection: close\r\n{coding}"))
        )
    };
    let closing = "Host: a\r\nConnection: close\r\n";
    let cases = [
        (plain("1.1", ""), "400"),
        (plain("1.1", "Host: a\r\nHost: a\r\n"), "400"),
        (plain("1.1", "Host: a\r\nHOST: b\r\n"), "400"),
        (plain("1.0", "Host: a\r\nHost: b\r\n"), "400"),
        (plain("1.1", "Host: a b\r\n"), "400"),
        (plain("1.1", "Host: user@a\r\n"), "400"),
        (plain("1.1", "Host: a/b\r\n"), "400"),
        (plain("1.1", closing), "201"),
        (
            plain("1.1", "Host: [::1]:8080\r\nConnection: close\r\n"),
            "201",
        ),
        (plain("1.1", "Host:\r\nConnection: close\r\n"), "201"),
        (plain("1.0", ""), "201"),
        (coded("Transfer-Encoding: gzip, chunked\r\n"), "501"),
        (
            coded("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"),
            "501",
        ),
        (coded("Transfer-Encoding: chunked, chunked\r\n"), "501"),
        (coded("Transfer-Encoding: Chunked\r\n"), "201"),
        (coded("Transfer-Encoding: gzip\r\n"), "400"),
    ];
    for (case, status) in cases {
        let answer = raw(&server, &case, |_| false).await;
        assert_eq!(answer.get(9..12), Some(status), "{case}\n{answer}");
        // The connection was closed with the answer, or reading would never have ended.
    }
    server.post(&minimal()).await.expect_status(201);
}

#[tokio::test]
async fn a_client_is_found_however_its_url_is_spelled() {
    let server = TestServer::new().await;
    let client = server.register(&minimal()).await;
    let encoded: String = client
        .id
        .bytes()
        .fold(String::new(), |text, byte| format!("{text}%{byte:02x}"));
    let cases = [
        (format!("/register?client_id={encoded}"), 200),
        (format!("/register?client%5Fid={}", client.id), 200),
        (format!("/register?more=1&client_id={}", client.id), 200),
        (
            format!("/register?client_id={}", client.id.to_uppercase()),
            401,
        ),
        ("/register?client_id=%00".to_owned(), 401),
        ("/register?client_id=%zz%ff".to_owned(), 401),
        (format!("/register?client_id={}", "a".repeat(20_000)), 401),
        (format!("/register/?client_id={}", client.id), 404),
    ];
    for (url, status) in cases {
        let answer = Answer::of(server.ask("GET", &url).bearer_auth(&client.token)).await;
        assert_eq!(answer.status, status, "{url}");
        assert_eq!(answer.header("content-type"), "application/json");
    }
}

#[tokio::test]
async fn head_is_supported_for_documents_but_not_for_clients() {
    let server = TestServer::new().await;
    let client = server.register(&minimal()).await;
    let document = Answer::of(server.ask("HEAD", "/.well-known/openid-configuration")).await;
    assert_eq!((document.status, document.text.as_str()), (200, ""));
    // A HEAD request could rotate the token of a client that never sees the new one.
    let managed = Answer::of(server.ask("HEAD", &client.uri).bearer_auth(&client.token)).await;
    assert_eq!(
        (managed.status, managed.header("allow")),
        (405, "GET, PUT, DELETE, OPTIONS")
    );
}

#[tokio::test]
async fn a_disabled_deletion_is_listed_in_no_allow_header() {
    let server = TestServer::registering(json!({"clientDeletionEnabled": false})).await;
    let client = server.register(&minimal()).await;
    for (method, url, allowed) in [
        ("PATCH", client.uri.as_str(), "GET, PUT, OPTIONS"),
        ("POST", client.uri.as_str(), "GET, PUT, OPTIONS"),
        ("HEAD", client.uri.as_str(), "GET, PUT, OPTIONS"),
        ("DELETE", client.uri.as_str(), "GET, PUT, OPTIONS"),
        ("PATCH", "/register", "POST, GET, PUT, OPTIONS"),
    ] {
        let answer = Answer::of(server.ask(method, url)).await;
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, allowed),
            "{method} {url}"
        );
    }
}

#[tokio::test]
async fn a_request_over_http_2_names_one_host() {
    let mut server = TestServer::new().await;
    server.use_client(
        reqwest::Client::builder()
            .http2_prior_knowledge()
            .build()
            .expect("a client"),
    );
    let own = server.url("").replace("http://", "");
    let cases: [(&[&str], u16); 6] = [
        (&[], 201),
        (&[&own], 201),
        (&["elsewhere.example"], 400),
        (&["user@elsewhere.example"], 400),
        (&[&own, &own], 400),
        (&[&own, "elsewhere.example"], 400),
    ];
    for (hosts, status) in cases {
        let mut request = server.ask("POST", "/register").json(&minimal());
        for host in hosts {
            request = request.header("host", *host);
        }
        let answer = Answer::of(request).await;
        assert_eq!(answer.status, status, "{hosts:?}: {}", answer.text);
    }
}
