//! Callers that send requests over HTTP/2 and never read the answers: the memory that they occupy is limited.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process::{PATIENCE, Registrar};

/// Number of connections that the caller opens.
const CONNECTIONS: usize = 10;

/// Number of streams that it opens on each connection.
const STREAMS: u32 = 128;

/// `limits.answerBytes`; these few connections could not reach the default.
const BUDGET: u64 = 4 * 1024 * 1024;

/// Bytes by which the process may grow: allocations are larger than their contents, and memory that
/// served a request is not returned to the system at once.
const GROWTH: u64 = 4 * BUDGET;

/// Frame types (RFC 9113 section 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;

/// Outcomes of the streams of one connection.
#[derive(Default)]
struct Seen {
    /// Number of streams whose answer began.
    answered: u32,
    /// Number of streams that the server reset.
    reset: u32,
}

/// One HTTP/2 connection, a frame at a time.
struct Raw {
    stream: TcpStream,
    /// The next stream to open.
    next: u32,
    /// The first stream of the current wave.
    begun: u32,
    /// Bytes that this side has sent.
    sent: usize,
}

impl Raw {
    /// Opens a connection whose streams have a window of `window` bytes each.
    fn open(address: &str, window: u32) -> Self {
        let stream = TcpStream::connect(address).expect("it is let in");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a time limit");
        let mut raw = Self {
            stream,
            next: 1,
            begun: 1,
            sent: 0,
        };
        raw.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let [a, b, c, d] = window.to_be_bytes();
        raw.frame(SETTINGS, 0, 0, &[0, 4, a, b, c, d]);
        raw
    }

    fn write(&mut self, bytes: &[u8]) {
        // The server may have closed the whole connection.
        if self.stream.write_all(bytes).is_ok() {
            self.sent += bytes.len();
        }
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len())
            .expect("a short frame")
            .to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.write(&frame);
    }

    /// Sends a `GET` of `path` with a bearer token on a new stream.
    fn get(&mut self, path: &str, token: &str) {
        let mut block = vec![0x82, 0x86];
        text(&mut block, 0x01, "registrar");
        text(&mut block, 0x04, path);
        text(&mut block, 0x00, "authorization");
        let value = format!("Bearer {token}");
        block.push(u8::try_from(value.len()).expect("a short value"));
        block.extend(value.bytes());
        self.frame(HEADERS, 0x05, self.next, &block);
        self.next += 2;
    }

    /// Resets the streams that were opened since `first`.
    fn reset_since(&mut self, first: u32) {
        for stream in (first..self.next).step_by(2) {
            self.frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]);
        }
    }

    /// Reads until each stream opened since `first` is answered or reset.
    fn settle(&mut self, first: u32) -> Seen {
        let (mut seen, mut settled) = (Seen::default(), BTreeMap::new());
        let streams = ((self.next - first) / 2) as usize;
        while settled.len() < streams {
            let Some((kind, stream, _)) = self.next_frame() else {
                return seen;
            };
            if stream < first || !matches!(kind, HEADERS | RST_STREAM | DATA) {
                continue;
            }
            let count = if kind == RST_STREAM {
                &mut seen.reset
            } else {
                &mut seen.answered
            };
            if settled.insert(stream, kind).is_none() {
                *count += 1;
            }
        }
        seen
    }
}

impl Raw {
    /// Returns type, stream and payload of the next frame, or `None` when the server closed the connection.
    fn next_frame(&mut self) -> Option<(u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.stream.read_exact(&mut payload).ok()?;
        Some((
            head[3],
            u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload,
        ))
    }

    /// Extends the window of a stream, or of the connection (stream 0), by `bytes`.
    fn grant(&mut self, stream: u32, bytes: u32) {
        self.frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes());
    }
}

/// Writes a header text. The name is in the static table or follows (RFC 7541 section 6.2.2).
fn text(block: &mut Vec<u8>, index: u8, text: &str) {
    block.push(index);
    block.push(u8::try_from(text.len()).expect("a short text"));
    block.extend(text.bytes());
}

/// Returns the resident memory of the process in bytes.
fn resident(registrar: &Registrar) -> u64 {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", registrar.id())).expect("a status");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .expect("its memory");
    line.trim()
        .trim_end_matches(" kB")
        .parse::<u64>()
        .expect("a number")
        * 1024
}

/// Registers a client with about 60 000 bytes of metadata. Returns its path and its token.
async fn large_client(registrar: &Registrar) -> (String, String) {
    let uri = |number: usize| format!("https://client.example.org/{number}/{}", "x".repeat(1_850));
    let body = json!({"redirect_uris": (0..32).map(uri).collect::<Vec<_>>()});
    let answer = reqwest::Client::new()
        .post(registrar.url("/register"))
        .json(&body)
        .send()
        .await;
    let client: Value = answer.expect("an answer").json().await.expect("JSON");
    let path = format!("/register?client_id={}", text_of(&client, "client_id"));
    (
        path,
        text_of(&client, "registration_access_token").to_owned(),
    )
}

fn text_of<'a>(client: &'a Value, member: &str) -> &'a str {
    client
        .get(member)
        .and_then(Value::as_str)
        .expect("a member")
}

/// Returns by how many bytes the process grows while a caller with a window of `window` bytes per
/// stream keeps opening streams and resets them to open others.
async fn growth(window: u32) -> u64 {
    let limits = format!("[limits]\nanswerBytes = {BUDGET}\n");
    // Each worker has a heap of its own, so that a process with many of them grows more.
    let registrar = Registrar::start_prepared(&limits, |command| {
        command.env("TOKIO_WORKER_THREADS", "2");
    });
    let (path, token) = large_client(&registrar).await;
    let before = resident(&registrar);
    let (mut connections, mut most) = (Vec::new(), 0);
    for wave in 0..2 {
        let (mut answered, mut reset) = (0, 0);
        for number in 0..CONNECTIONS {
            if wave == 0 {
                connections.push(Raw::open(registrar.host(), window));
            }
            let connection = connections.get_mut(number).expect("it was opened");
            // Resetting the previous streams makes space for new ones.
            connection.reset_since(connection.begun);
            let first = connection.next;
            connection.begun = first;
            for _ in 0..STREAMS {
                connection.get(&path, &token);
            }
            let seen = connection.settle(first);
            (answered, reset) = (answered + seen.answered, reset + seen.reset);
        }
        let grown = resident(&registrar).saturating_sub(before);
        most = most.max(grown);
        let sent: usize = connections.iter().map(|connection| connection.sent).sum();
        eprintln!(
            "window {window}, wave {wave}: {answered} answered, {reset} reset; {} KiB were sent, and {} MiB \
             are held",
            sent / 1024,
            grown / 1024 / 1024
        );
    }
    // Other callers are still served.
    let answer = reqwest::Client::new()
        .get(registrar.url(&path))
        .bearer_auth(&token)
        .send()
        .await;
    assert_eq!(
        answer
            .expect("an answer")
            .bytes()
            .await
            .expect("its body")
            .len()
            / 10_000,
        6
    );
    most
}

#[tokio::test]
async fn unread_answers_are_limited_in_bytes() {
    for window in [0, 1] {
        let grown = growth(window).await;
        assert!(
            grown < GROWTH,
            "with a window of {window} bytes, {grown} bytes are held"
        );
    }
}

/// Starts a server with short timeouts.
fn impatient() -> Registrar {
    Registrar::start_with(
        "[limits]\nheaderTimeoutMs = 3000\nbodyTimeoutMs = 3000\nwriteTimeoutMs = 1000\n",
    )
}

#[tokio::test]
async fn an_unread_stream_is_reset_and_the_others_continue() {
    let registrar = impatient();
    let (path, token) = large_client(&registrar).await;
    // As through a proxy that has one caller that reads nothing, or only a part.
    for window in [0, 1, 50_000] {
        let mut connection = Raw::open(registrar.host(), window);
        connection.grant(0, 1_000_000);
        let (mut arrived, mut last) = (0, 0);
        connection.get(&path, &token);
        for _ in 0..8 {
            let stream = connection.next;
            connection.get(&path, &token);
            connection.grant(stream, 100_000);
            last = stream;
        }
        let mut reset = None;
        // The server resets the first stream whether or not the last one has its answer by then.
        while reset.is_none() || arrived <= 60_000 {
            match connection.next_frame().expect("the connection stays open") {
                (RST_STREAM, stream, code) => reset = Some((stream, code)),
                (DATA, stream, bytes) if stream == last => arrived += bytes.len(),
                _ => {}
            }
        }
        assert_eq!(
            reset,
            Some((1, vec![0, 0, 0, 8])),
            "CANCEL with a window of {window} bytes"
        );
        let stream = connection.next;
        connection.get(&path, &token);
        while connection
            .next_frame()
            .expect("the connection stays open")
            .1
            != stream
        {}
    }
}

#[tokio::test]
async fn a_connection_that_reads_nothing_is_closed_however_much_it_requests() {
    let registrar = impatient();
    let (path, token) = large_client(&registrar).await;
    let mut connection = Raw::open(registrar.host(), 0);
    let begun = Instant::now();
    let short = Some(Duration::from_millis(50));
    connection
        .stream
        .set_read_timeout(short)
        .expect("a time limit");
    loop {
        assert!(begun.elapsed() < PATIENCE, "the connection is never closed");
        // The caller resets each stream before the server gives up on it.
        connection.reset_since(connection.begun);
        connection.begun = connection.next;
        connection.get(&path, &token);
        match connection.stream.read(&mut [0; 4_096]) {
            Ok(0) => break,
            Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                break;
            }
            Ok(_) | Err(_) => {}
        }
    }
}
