//! Generates the load. Each connection sends its next request when the previous one is answered.
//!
//! The driver writes HTTP/1.1 itself, because a client library would cost more than the server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The bytes of one request.
#[derive(Clone)]
pub(crate) struct Request(Arc<[u8]>);

impl Request {
    pub(crate) fn post(path: &str, body: &str) -> Self {
        Self::with_body(&format!("POST {path}"), "", "application/json", body)
    }

    pub(crate) fn put(path: &str, token: &str, body: &str) -> Self {
        Self::with_body(
            &format!("PUT {path}"),
            &credentials(Some(token)),
            "application/json",
            body,
        )
    }

    /// Creates a form request with the credentials of a client.
    pub(crate) fn form(path: &str, (id, secret): (&str, &str), body: &str) -> Self {
        let basic = STANDARD.encode(format!("{id}:{secret}"));
        let credentials = format!("authorization: Basic {basic}\r\n");
        Self::with_body(
            &format!("POST {path}"),
            &credentials,
            "application/x-www-form-urlencoded",
            body,
        )
    }

    fn with_body(start: &str, credentials: &str, kind: &str, body: &str) -> Self {
        let length = body.len();
        let head = format!(
            "{start} HTTP/1.1\r\nhost: bench\r\n{credentials}content-type: {kind}\r\ncontent-length: {length}\r\n\r\n"
        );
        Self([head.as_bytes(), body.as_bytes()].concat().into())
    }

    pub(crate) fn get(path: &str, token: Option<&str>) -> Self {
        let credentials = credentials(token);
        Self(
            format!("GET {path} HTTP/1.1\r\nhost: bench\r\n{credentials}\r\n")
                .into_bytes()
                .into(),
        )
    }
}

fn credentials(token: Option<&str>) -> String {
    token
        .map(|token| format!("authorization: Bearer {token}\r\n"))
        .unwrap_or_default()
}

/// Additional work of a connection after each response.
pub(crate) type Beside = Arc<dyn Fn() + Send + Sync>;

/// The requests, the servers and the size of a load.
pub(crate) struct Load {
    /// The servers. Connections are distributed among them.
    pub(crate) addresses: Vec<SocketAddr>,
    /// The requests. They are distributed among the connections, and each connection repeats one request.
    pub(crate) requests: Vec<Request>,
    pub(crate) size: Size,
    pub(crate) beside: Option<Beside>,
}

/// The number of connections and the duration of a load.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) connections: usize,
    pub(crate) duration: Duration,
}

/// The time of each request, and the processor time of all requests.
pub(crate) struct Outcome {
    times: Vec<Duration>,
    duration: Duration,
    processor: Duration,
}

impl Outcome {
    pub(crate) fn per_second(&self) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a count of requests is far below 2^52"
        )]
        let count = self.times.len() as f64;
        count / self.duration.as_secs_f64()
    }

    /// Returns the processor time of one request, for the server and this driver. Unlike the other figures it
    /// hardly depends on other work of the machine.
    pub(crate) fn processor(&self) -> Duration {
        self.processor / u32::try_from(self.times.len().max(1)).unwrap_or(u32::MAX)
    }

    /// Returns the time within which this share of the requests was answered.
    pub(crate) fn percentile(&self, share: f64) -> Duration {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index"
        )]
        let at =
            ((self.times.len() as f64 * share) as usize).min(self.times.len().saturating_sub(1));
        self.times.get(at).copied().unwrap_or_default()
    }
}

impl Load {
    /// Creates a load that repeats one request to one server.
    pub(crate) fn of(address: SocketAddr, request: Request, size: Size) -> Self {
        Self {
            addresses: vec![address],
            requests: vec![request],
            size,
            beside: None,
        }
    }
}

/// Runs `load` after a warm-up of a tenth of its duration.
pub(crate) async fn run(load: Load) -> Outcome {
    let Size {
        connections,
        duration,
    } = load.size;
    let start = Instant::now() + duration / 10;
    let end = start + duration;
    let connections = (0..connections).map(|number| {
        let address = load.addresses[number % load.addresses.len()];
        let request = load.requests[number % load.requests.len()].clone();
        tokio::spawn(connection(
            address,
            request,
            load.beside.clone(),
            (start, end),
        ))
    });
    let connections: Vec<_> = connections.collect();
    tokio::time::sleep_until(start.into()).await;
    let before = processor_time();
    let mut times = Vec::new();
    for connection in connections {
        times.extend(connection.await.expect("a connection succeeds"));
    }
    times.sort_unstable();
    Outcome {
        times,
        duration,
        processor: processor_time().saturating_sub(before),
    }
}

/// Returns the processor time of this process so far, in steps of 10 ms, or 0 without `/proc`.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Counted after the name of the command, which can contain spaces: user time is field 12, system time 13.
    let fields = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace();
    let ticks: u64 = fields
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}

async fn connection(
    address: SocketAddr,
    request: Request,
    beside: Option<Beside>,
    (start, end): (Instant, Instant),
) -> Vec<Duration> {
    let mut stream = TcpStream::connect(address)
        .await
        .expect("the server accepts");
    stream.set_nodelay(true).expect("a socket takes the option");
    let mut buffer = Vec::with_capacity(16 * 1024);
    let mut times = Vec::new();
    loop {
        let sent = Instant::now();
        if sent >= end {
            return times;
        }
        stream
            .write_all(&request.0)
            .await
            .expect("the server reads");
        answer(&mut stream, &mut buffer).await;
        assert!(
            buffer.starts_with(b"HTTP/1.1 20"),
            "{}",
            String::from_utf8_lossy(&buffer)
        );
        if sent >= start {
            times.push(sent.elapsed());
        }
        if let Some(beside) = &beside {
            beside();
        }
    }
}

/// Sends one request, which must succeed, and returns the body of the response.
pub(crate) async fn once(address: SocketAddr, request: &Request) -> Vec<u8> {
    let (status, body) = whatever(address, request).await;
    assert!(
        status.starts_with("20"),
        "{status}: {}",
        String::from_utf8_lossy(&body)
    );
    body
}

/// Sends one request and returns the status and the body of the response.
pub(crate) async fn whatever(address: SocketAddr, request: &Request) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(address)
        .await
        .expect("the server accepts");
    stream
        .write_all(&request.0)
        .await
        .expect("the server reads");
    let mut buffer = Vec::new();
    let body = answer(&mut stream, &mut buffer).await;
    (status(&buffer), buffer.split_off(body))
}

/// Returns the status in the first line of a response.
fn status(answer: &[u8]) -> String {
    String::from_utf8_lossy(answer.get(9..12).unwrap_or_default()).into_owned()
}

/// Reads one response into `buffer` and returns the position of its body.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> usize {
    buffer.clear();
    loop {
        let read = stream.read_buf(buffer).await.expect("the server answers");
        assert!(
            read > 0,
            "the server closed: {}",
            String::from_utf8_lossy(buffer)
        );
        let Some(end) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
        let length = head
            .split("content-length: ")
            .nth(1)
            .and_then(|rest| rest.split("\r\n").next());
        let length: usize = length.and_then(|text| text.parse().ok()).expect("a length");
        if buffer.len() >= end + 4 + length {
            return end + 4;
        }
    }
}
