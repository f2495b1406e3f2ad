//! Callers that are slow on purpose: they are in each other's way only.

use std::time::{Duration, Instant};

use registrar::config::{Configuration, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Answer, TestServer, minimal};

/// How long a request may take beside all the slow ones. Without them it takes some milliseconds.
const SOON: Duration = Duration::from_secs(3);

async fn server(change: impl FnOnce(&mut Limits)) -> TestServer {
    TestServer::configured(|configuration: &mut Configuration| change(&mut configuration.settings.limits))
        .await
}

/// So many connections that send `beginning` and no more.
async fn slow(server: &TestServer, number: usize, beginning: &str) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for _ in 0..number {
        let mut stream = TcpStream::connect(server.server().address()).await.expect("it is let in");
        // One that had to give way already can not be written to.
        let _ = stream.write_all(beginning.as_bytes()).await;
        streams.push(stream);
    }
    streams
}

const HEAD: &str = "POST /register HTTP/1.1\r\nHost: a\r\nX-Slow: ";
const BODY: &str =
    "POST /register HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
const PREFACE: &str = "PRI * HTTP/2.0\r\n";

/// A request on a new connection is answered with 201, and soon. Says how soon.
async fn is_served(server: &TestServer) -> Duration {
    let begun = Instant::now();
    let request = reqwest::Client::new().post(server.url("/register")).json(&minimal());
    Answer::of(request).await.expect_status(201);
    let took = begun.elapsed();
    assert!(took < SOON, "it took {took:?}");
    took
}

/// How soon the quickest of some requests is answered; each must be answered soon.
async fn pace(server: &TestServer) -> Duration {
    let mut quickest = SOON;
    for _ in 0..5 {
        quickest = quickest.min(is_served(server).await);
    }
    quickest
}

/// `wanted`, or as many connections as this process may have open. Both ends of each are here, and
/// other tests beside this one need files too.
fn affordable(wanted: usize) -> usize {
    let asked = std::process::Command::new("sh").args(["-c", "ulimit -n"]).output().expect("a shell");
    // No number: there is no limit.
    let limit = String::from_utf8_lossy(&asked.stdout).trim().parse().unwrap_or(usize::MAX);
    let number = wanted.min(limit / 4);
    if number < wanted {
        eprintln!("only {number} slow connections instead of {wanted}: `ulimit -n` is {limit}");
    }
    number
}

/// Whether the server has closed the connection within ten seconds.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await.is_ok()
}

#[tokio::test]
async fn two_thousand_slow_connections_hold_up_nobody() {
    let number = affordable(2_000);
    // All of them have one address here.
    let server = server(|limits| limits.connections_per_address = 4_000).await;
    let alone = pace(&server).await;
    for beginning in ["", HEAD, PREFACE, BODY] {
        let _slow = slow(&server, number, beginning).await;
        let beside = pace(&server).await;
        let most = alone * 10 + Duration::from_millis(100);
        assert!(beside < most, "{beginning:?}: {beside:?}, and {alone:?} without them");
    }
}

#[tokio::test]
async fn when_all_places_are_taken_the_oldest_that_waits_gives_way() {
    for beginning in ["", HEAD, PREFACE, BODY] {
        let server = server(|limits| limits.connections = 20).await;
        let mut slow = slow(&server, 100, beginning).await;
        is_served(&server).await;
        assert!(is_closed(&mut slow[0]).await, "the oldest one had to go");
    }
}

#[tokio::test]
async fn one_address_pushes_out_its_own() {
    let server = server(|limits| limits.connections_per_address = 20).await;
    let mut slow = slow(&server, 100, HEAD).await;
    is_served(&server).await;
    assert!(is_closed(&mut slow[0]).await);
    let answered = tokio::time::timeout(Duration::from_millis(200), slow[99].read_u8()).await;
    assert!(answered.is_err(), "a young one may wait: {answered:?}");
}

#[tokio::test]
async fn slow_bodies_do_not_use_up_the_requests_that_are_served_at_once() {
    let server = server(|limits| limits.requests = 10).await;
    let mut slow = slow(&server, 100, BODY).await;
    is_served(&server).await;
    let mut answer = vec![0; 12];
    slow[0].read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 503", "it was slow, and others came");
}

#[tokio::test]
async fn each_kind_of_slowness_has_an_end() {
    let server = server(|limits| {
        limits.header_timeout_ms = 200;
        limits.body_timeout_ms = 200;
    })
    .await;
    for beginning in ["", HEAD, PREFACE] {
        let mut slow = slow(&server, 1, beginning).await.remove(0);
        assert!(is_closed(&mut slow).await, "{beginning:?}");
    }
    // A byte now and then gains nothing.
    let mut trickle = slow(&server, 1, HEAD).await.remove(0);
    let begun = Instant::now();
    while trickle.write_all(b"a").await.is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(10), "it is never cut off");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut body = slow(&server, 1, BODY).await.remove(0);
    let mut answer = vec![0; 12];
    body.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 408");
    is_served(&server).await;
}

#[tokio::test]
async fn who_does_not_take_the_answers_is_cut_off() {
    let server = server(|limits| limits.write_timeout_ms = 300).await;
    let mut stream = TcpStream::connect(server.server().address()).await.unwrap();
    let request = "GET /.well-known/openid-configuration HTTP/1.1\r\nHost: a\r\n\r\n".repeat(50);
    let begun = Instant::now();
    // Nothing is read, so the answers fill all buffers; then the server gives up.
    while stream.write_all(request.as_bytes()).await.is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it is never cut off");
    }
    is_served(&server).await;
}
