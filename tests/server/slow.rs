//! Deliberately slow callers obstruct only each other.

use std::time::{Duration, Instant};

use registrar::config::{Configuration, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Answer, PATIENCE, TestServer, minimal};

/// How long a request may take while slow ones are open. Without them it takes a few milliseconds.
const SOON: Duration = Duration::from_secs(20);

/// The timeouts of a server in milliseconds. They are longer than this file waits for anything: no timeout frees what
/// the server must free by other means.
const LONG: u64 = 120_000;

async fn server(change: impl FnOnce(&mut Limits)) -> TestServer {
    TestServer::configured(|configuration: &mut Configuration| {
        let limits = &mut configuration.settings.limits;
        limits.header_timeout_ms = LONG;
        limits.body_timeout_ms = LONG;
        limits.write_timeout_ms = LONG;
        change(limits);
    })
    .await
}

/// Opens `number` connections that send `beginning` and nothing more.
async fn slow(server: &TestServer, number: usize, beginning: &str) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for _ in 0..number {
        let mut stream = TcpStream::connect(server.server().address())
            .await
            .expect("it is let in");
        // A connection that was already closed to make space cannot be written to.
        let _ = stream.write_all(beginning.as_bytes()).await;
        streams.push(stream);
    }
    streams
}

const HEAD: &str = "POST /register HTTP/1.1\r\nHost: a\r\nX-Slow: ";
const BODY: &str = "POST /register HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
const PREFACE: &str = "PRI * HTTP/2.0\r\n";

/// Asserts that a request on a new connection is soon answered with 201. Returns the time that it took.
async fn is_served(server: &TestServer) -> Duration {
    let begun = Instant::now();
    let request = reqwest::Client::new()
        .post(server.url("/register"))
        .json(&minimal());
    Answer::of(request).await.expect_status(201);
    let took = begun.elapsed();
    assert!(took < SOON, "it took {took:?}");
    took
}

/// Returns the time of the fastest of some requests; each of them must be answered soon.
async fn pace(server: &TestServer) -> Duration {
    let mut quickest = SOON;
    for _ in 0..5 {
        quickest = quickest.min(is_served(server).await);
    }
    quickest
}

/// Returns `wanted` or the number of connections that this process may open. Both ends of each
/// connection are in this process, and other tests need files, too.
pub(crate) fn affordable(wanted: usize) -> usize {
    let asked = std::process::Command::new("sh")
        .args(["-c", "ulimit -n"])
        .output()
        .expect("a shell");
    // The limit is not a number if it is unlimited.
    let limit = String::from_utf8_lossy(&asked.stdout)
        .trim()
        .parse()
        .unwrap_or(usize::MAX);
    let number = wanted.min(limit / 4);
    if number < wanted {
        eprintln!("only {number} slow connections instead of {wanted}: `ulimit -n` is {limit}");
    }
    number
}

/// Returns whether the server soon closes the connection.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest))
        .await
        .is_ok()
}

#[tokio::test]
async fn two_thousand_slow_connections_delay_no_other_request() {
    let number = affordable(2_000);
    // All connections come from one address.
    let server = server(|limits| limits.connections_per_address = 4_000).await;
    let alone = pace(&server).await;
    for beginning in ["", HEAD, PREFACE, BODY] {
        let _slow = slow(&server, number, beginning).await;
        let beside = pace(&server).await;
        let most = alone * 10 + Duration::from_millis(100);
        assert!(
            beside < most,
            "{beginning:?}: {beside:?}, and {alone:?} without them"
        );
    }
}

#[tokio::test]
async fn when_all_slots_are_in_use_the_oldest_idle_connection_is_closed() {
    for beginning in ["", HEAD, PREFACE, BODY] {
        let server = server(|limits| limits.connections = 20).await;
        let mut slow = slow(&server, 100, beginning).await;
        is_served(&server).await;
        assert!(
            is_closed(&mut slow[0]).await,
            "the oldest connection was not closed"
        );
    }
}

#[tokio::test]
async fn one_address_displaces_only_its_own_connections() {
    let server = server(|limits| limits.connections_per_address = 20).await;
    let mut slow = slow(&server, 100, HEAD).await;
    is_served(&server).await;
    assert!(is_closed(&mut slow[0]).await);
    let answered = tokio::time::timeout(Duration::from_millis(200), slow[99].read_u8()).await;
    assert!(
        answered.is_err(),
        "a new connection was closed: {answered:?}"
    );
}

#[tokio::test]
async fn slow_bodies_do_not_use_up_the_concurrent_requests() {
    let server = server(|limits| limits.requests = 10).await;
    let mut slow = slow(&server, 100, BODY).await;
    is_served(&server).await;
    let mut answer = vec![0; 12];
    slow[0].read_exact(&mut answer).await.unwrap();
    assert_eq!(
        answer, b"HTTP/1.1 503",
        "the slow request was ended to serve others"
    );
}

#[tokio::test]
async fn each_type_of_slowness_has_a_timeout() {
    let server = server(|limits| {
        limits.header_timeout_ms = 1_000;
        limits.body_timeout_ms = 1_000;
    })
    .await;
    for beginning in ["", HEAD, PREFACE] {
        let mut slow = slow(&server, 1, beginning).await.remove(0);
        assert!(is_closed(&mut slow).await, "{beginning:?}");
    }
    // An occasional byte does not extend the timeout.
    let mut trickle = slow(&server, 1, HEAD).await.remove(0);
    let begun = Instant::now();
    while trickle.write_all(b"a").await.is_ok() {
        assert!(begun.elapsed() < PATIENCE, "the connection is never closed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut body = slow(&server, 1, BODY).await.remove(0);
    let mut answer = vec![0; 12];
    body.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 408");
    is_served(&server).await;
}

#[tokio::test]
async fn a_caller_that_does_not_read_the_answers_is_disconnected() {
    let server = server(|limits| limits.write_timeout_ms = 300).await;
    let mut stream = TcpStream::connect(server.server().address()).await.unwrap();
    let request = "GET /.well-known/openid-configuration HTTP/1.1\r\nHost: a\r\n\r\n".repeat(50);
    let begun = Instant::now();
    // The caller reads nothing, so the answers fill all buffers until the server gives up.
    while stream.write_all(request.as_bytes()).await.is_ok() {
        assert!(begun.elapsed() < PATIENCE, "the connection is never closed");
    }
    is_served(&server).await;
}
