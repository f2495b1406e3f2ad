//! The load: connections that each send the next request when the last one is answered.
//!
//! It speaks HTTP/1.1 by hand, because a client library would cost more than the server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The bytes of one request.
#[derive(Clone)]
pub(crate) struct Request(Arc<[u8]>);

impl Request {
    pub(crate) fn post(path: &str, body: &str) -> Self {
        Self::with_body("POST", path, None, body)
    }

    pub(crate) fn put(path: &str, token: &str, body: &str) -> Self {
        Self::with_body("PUT", path, Some(token), body)
    }

    fn with_body(method: &str, path: &str, token: Option<&str>, body: &str) -> Self {
        let (length, credentials) = (body.len(), credentials(token));
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: bench\r\n{credentials}content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        Self([head.as_bytes(), body.as_bytes()].concat().into())
    }

    pub(crate) fn get(path: &str, token: Option<&str>) -> Self {
        let credentials = credentials(token);
        Self(format!("GET {path} HTTP/1.1\r\nhost: bench\r\n{credentials}\r\n").into_bytes().into())
    }
}

fn credentials(token: Option<&str>) -> String {
    token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default()
}

/// What is sent, where, by how many, for how long.
pub(crate) struct Load {
    /// The servers; the connections are shared out among them.
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) request: Request,
    pub(crate) connections: usize,
    pub(crate) duration: Duration,
}

/// How long each request took, and what all of them cost.
pub(crate) struct Outcome {
    times: Vec<Duration>,
    duration: Duration,
    processor: Duration,
}

impl Outcome {
    pub(crate) fn per_second(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a count of requests is far below 2^52")]
        let count = self.times.len() as f64;
        count / self.duration.as_secs_f64()
    }

    /// Processor time of one request: of the server and of this driver. Unlike the other figures it
    /// hardly depends on what else the machine does.
    pub(crate) fn processor(&self) -> Duration {
        self.processor / u32::try_from(self.times.len().max(1)).unwrap_or(u32::MAX)
    }

    /// The time within which this share of the requests was answered.
    pub(crate) fn percentile(&self, share: f64) -> Duration {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index"
        )]
        let at = ((self.times.len() as f64 * share) as usize).min(self.times.len().saturating_sub(1));
        self.times.get(at).copied().unwrap_or_default()
    }
}

/// Drives `load` after a warm-up of a tenth of its time.
pub(crate) async fn run(load: Load) -> Outcome {
    let start = Instant::now() + load.duration / 10;
    let end = start + load.duration;
    let addresses = load.addresses.iter().copied().cycle().take(load.connections);
    let connections =
        addresses.map(|address| tokio::spawn(connection(address, load.request.clone(), start, end)));
    let connections: Vec<_> = connections.collect();
    tokio::time::sleep_until(start.into()).await;
    let before = processor_time();
    let mut times = Vec::new();
    for connection in connections {
        times.extend(connection.await.expect("a connection ends well"));
    }
    times.sort_unstable();
    Outcome { times, duration: load.duration, processor: processor_time().saturating_sub(before) }
}

/// What this process has used so far, in steps of a hundredth of a second; 0 where `/proc` is not.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name of the command, which may hold spaces: user time is field 12, system time 13.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

async fn connection(address: SocketAddr, request: Request, start: Instant, end: Instant) -> Vec<Duration> {
    let mut stream = TcpStream::connect(address).await.expect("the server accepts");
    stream.set_nodelay(true).expect("a socket takes the option");
    let mut buffer = Vec::with_capacity(16 * 1024);
    let mut times = Vec::new();
    loop {
        let sent = Instant::now();
        if sent >= end {
            return times;
        }
        stream.write_all(&request.0).await.expect("the server reads");
        answer(&mut stream, &mut buffer).await;
        if sent >= start {
            times.push(sent.elapsed());
        }
    }
}

/// The body of the answer to one request.
pub(crate) async fn once(address: SocketAddr, request: &Request) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.expect("the server accepts");
    stream.write_all(&request.0).await.expect("the server reads");
    let mut buffer = Vec::new();
    let body = answer(&mut stream, &mut buffer).await;
    buffer.split_off(body)
}

/// Reads one answer into `buffer`, which must be a good one; returns where its body begins.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> usize {
    buffer.clear();
    loop {
        let read = stream.read_buf(buffer).await.expect("the server answers");
        assert!(read > 0, "the server closed: {}", String::from_utf8_lossy(buffer));
        let Some(end) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 20"), "{}", String::from_utf8_lossy(buffer));
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        let length: usize = length.and_then(|text| text.parse().ok()).expect("a length");
        if buffer.len() >= end + 4 + length {
            return end + 4;
        }
    }
}
