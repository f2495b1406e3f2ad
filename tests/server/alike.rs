//! The time of an error response does not reveal whether a client exists.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{TestServer, minimal};

/// Number of requests of each type. The types alternate, so a disturbance of the machine affects all of them.
const ROUNDS: usize = 400;

/// How often the times are measured anew if they differ: a disturbance of the machine ends, a difference remains.
const MEASUREMENTS: usize = 3;

/// Returns the time within which a quarter of the answers arrived. Interruptions only slow down the
/// other three quarters.
fn quarter(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 4]
}

async fn refusal(stream: &mut TcpStream, request: &str) -> Duration {
    let (begin, mut buffer) = (Instant::now(), [0; 4_096]);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    while !answer.ends_with('}') {
        let read = stream.read(&mut buffer).await.unwrap();
        assert!(read > 0, "the server closed after {answer}");
        answer.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    let time = begin.elapsed();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    time
}

#[tokio::test]
async fn an_error_takes_as_long_for_an_existing_client_as_for_an_unknown_one() {
    let server = TestServer::new().await;
    let (one, other, gone) = (
        server.register(&minimal()).await,
        server.register(&minimal()).await,
        server.register(&minimal()).await,
    );
    server.delete(&gone).await.expect_status(204);
    let unknown = "11111111-1111-4111-8111-111111111111";
    let kinds = [
        (&*one.id, &other.token),
        (&*gone.id, &gone.token),
        (unknown, &one.token),
        ("no-identifier", &one.token),
    ];
    let requests = kinds.map(|(id, token)| {
        format!(
            "GET /register?client_id={id} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {token}\r\n\r\n"
        )
    });
    let mut stream = TcpStream::connect(server.server().address()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut measured = Vec::new();
    for _ in 0..MEASUREMENTS {
        let quarters = quarters(&mut stream, &requests).await;
        let is_alike = |time: &f64| (0.8..1.25).contains(&(time / quarters[0]));
        if quarters.iter().all(is_alike) {
            return;
        }
        measured.push(quarters);
    }
    panic!("the times of {kinds:?} differ in each measurement: {measured:?}");
}

/// Returns [`quarter`] in seconds for each of `requests`.
async fn quarters(stream: &mut TcpStream, requests: &[String; 4]) -> [f64; 4] {
    let mut times = requests.each_ref().map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for (request, times) in requests.iter().zip(&mut times) {
            times.push(refusal(stream, request).await);
        }
    }
    times.map(|mut times| quarter(&mut times).as_secs_f64())
}
