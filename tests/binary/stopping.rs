//! Shutdown under load.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process::{Registrar, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_every_request_is_answered_completely_or_not_at_all() {
    let mut registrar = Registrar::start();
    let (url, acknowledged) = (registrar.url("/register"), AtomicUsize::new(0));
    let load = async || {
        let http = reqwest::Client::new();
        let mut clients = Vec::<Value>::new();
        loop {
            let body = json!({"redirect_uris": ["https://client.example.org/cb"]});
            // A new connection is refused. A request that was received gets a complete answer.
            let Ok(answer) = http.post(&url).json(&body).send().await else {
                return clients;
            };
            assert_eq!(answer.status(), 201);
            clients.push(
                answer
                    .json()
                    .await
                    .expect("an answer that began is complete"),
            );
            acknowledged.fetch_add(1, Ordering::SeqCst);
        }
    };
    let stop = async {
        until(async || acknowledged.load(Ordering::SeqCst) > 50).await;
        registrar.signal("-TERM");
    };
    let (clients, ()) =
        futures_util::join!(futures_util::future::join_all((0..8).map(|_| load())), stop);
    assert!(registrar.ended().success());
    assert!(!registrar.log().contains("cut off"), "nothing was cut off");

    let registrar = registrar.start_again();
    let http = reqwest::Client::new();
    for client in clients.concat() {
        let path = format!(
            "/register?client_id={}",
            client["client_id"].as_str().unwrap()
        );
        let token = client["registration_access_token"].as_str().unwrap();
        let read = http
            .get(registrar.url(&path))
            .bearer_auth(token)
            .send()
            .await
            .unwrap();
        assert_eq!(read.status(), 200);
    }
}

#[tokio::test]
async fn a_request_that_never_ends_does_not_delay_the_shutdown() {
    let mut registrar = Registrar::start_prepared(
        "[limits]\nshutdownMs = 300\nbodyTimeoutMs = 60000\n",
        |_| {},
    );
    let mut stream = TcpStream::connect(registrar.host()).unwrap();
    let head = "Host: test\r\nContent-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue";
    write!(stream, "POST /register HTTP/1.1\r\n{head}\r\n\r\n").unwrap();
    // 100 Continue shows that the server waits for the body.
    stream.read_exact(&mut [0; 25]).unwrap();
    let asked = Instant::now();
    registrar.signal("-TERM");
    // The request is cut off before the store is closed, which may take a while. By default, that would take 10 s.
    let _ = stream.read_to_end(&mut Vec::new());
    assert!(
        asked.elapsed() < Duration::from_secs(9),
        "it waited {:?}",
        asked.elapsed()
    );
    assert!(registrar.ended().success());
    assert!(registrar.log().contains("cut off"), "{}", registrar.log());
}

#[tokio::test]
async fn idle_connections_do_not_delay_the_shutdown() {
    let long = "[limits]\nheaderTimeoutMs = 120000\nshutdownMs = 120000\n";
    let mut registrar = Registrar::start_with(long);
    let http = reqwest::Client::new();
    // The connection stays open in the pool of the client.
    assert_eq!(
        http.get(registrar.url("/healthz"))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    let silent = TcpStream::connect(registrar.host()).unwrap();
    let asked = Instant::now();
    assert!(registrar.terminate().success());
    assert!(
        asked.elapsed() < Duration::from_secs(30),
        "it waited {:?}",
        asked.elapsed()
    );
    drop(silent);
}
