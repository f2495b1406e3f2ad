//! Another server on loopback, which gives the answers that a test sets and counts requests.

use std::collections::{HashMap, VecDeque};
use std::net::{SocketAddr, TcpListener as StdListener};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Request, Response, StatusCode};
use axum::serve::Listener;
use futures_util::{StreamExt as _, stream};
use openssl::ssl::{Ssl, SslAcceptor, SslFiletype, SslMethod};
use registrar::config::{Configuration, FetchSettings};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_openssl::SslStream;
use tokio_util::task::TaskTracker;

use super::certificates::Files;

/// The answer at one path.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Text(String),
    /// A gibibyte, as fast as it is read.
    Endless,
    /// No answer, not even a status line.
    Never,
    /// A text, one byte at a time.
    Slow(String),
    /// A text, once the gate has a permit.
    Gated(String, Arc<Semaphore>),
}

impl Reply {
    /// Returns a 200 with this JSON.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a table reads better without borrows"
    )]
    pub(crate) fn json(value: Value) -> Self {
        Self::text("application/json", value.to_string())
    }

    /// Returns a 200 with this text.
    pub(crate) fn text(content_type: &str, text: impl Into<String>) -> Self {
        let headers = vec![("content-type", content_type.to_owned())];
        Self {
            status: 200,
            headers,
            body: Content::Text(text.into()),
        }
    }

    /// Returns a status without a body.
    pub(crate) fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Content::Text(String::new()),
        }
    }

    /// Returns a 200 that begins like JSON and never ends.
    pub(crate) fn endless() -> Self {
        Self {
            body: Content::Endless,
            ..Self::text("application/json", "")
        }
    }

    /// No answer at all.
    pub(crate) fn never() -> Self {
        Self {
            body: Content::Never,
            ..Self::status(200)
        }
    }

    /// Returns a 200 with this JSON, one byte every 20 milliseconds.
    pub(crate) fn slow(text: impl Into<String>) -> Self {
        Self {
            body: Content::Slow(text.into()),
            ..Self::text("application/json", "")
        }
    }

    /// Returns a 200 with this JSON that is sent once `gate` has a permit.
    pub(crate) fn gated(text: impl Into<String>, gate: &Arc<Semaphore>) -> Self {
        Self {
            body: Content::Gated(text.into(), Arc::clone(gate)),
            ..Self::text("application/json", "")
        }
    }

    /// Returns the same with an additional header.
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Returns the same with another status.
    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }
}

#[derive(Default)]
struct Script {
    replies: Mutex<HashMap<String, VecDeque<Reply>>>,
    requests: Mutex<Vec<(String, Request<Bytes>)>>,
    sent: AtomicU64,
}

impl Script {
    fn next(&self, path: &str) -> Option<Reply> {
        let mut replies = self.replies.lock().unwrap();
        let left = replies.get_mut(path)?;
        if left.len() > 1 {
            left.pop_front()
        } else {
            left.front().cloned()
        }
    }
}

/// Largest body that is read, in bytes.
const MOST_BYTES: usize = 1024 * 1024;

/// A server that runs until the test ends.
pub(crate) struct Origin {
    scheme: &'static str,
    address: SocketAddr,
    script: Arc<Script>,
    _tasks: TaskTracker,
}

impl Origin {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        Self::serve("http", listener, address)
    }

    /// A server with the certificate of `files`. [`development_with`] trusts it.
    pub(crate) async fn with_tls(files: &Files) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        Self::serve("https", TlsListener::new(listener, files), address)
    }

    fn serve<L>(scheme: &'static str, listener: L, address: SocketAddr) -> Self
    where
        L: Listener<Addr = SocketAddr>,
    {
        let script = Arc::new(Script::default());
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&script));
        let tasks = TaskTracker::new();
        tasks.spawn(async move { axum::serve(listener, router).await });
        Self {
            scheme,
            address,
            script,
            _tasks: tasks,
        }
    }

    /// Answers `path` with `reply` from now on; a path that was never set is a 404.
    pub(crate) fn set(&self, path: &str, reply: Reply) {
        self.set_each(path, [reply]);
    }

    /// Answers `path` with each of these replies once, and then with the last one.
    pub(crate) fn set_each(&self, path: &str, replies: impl Into<VecDeque<Reply>>) {
        self.script
            .replies
            .lock()
            .unwrap()
            .insert(path.to_owned(), replies.into());
    }

    /// Sets the reply at `path` and returns its URL.
    pub(crate) fn at(&self, path: &str, reply: Reply) -> String {
        self.set(path, reply);
        self.url(path)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the number of requests for `path`.
    pub(crate) fn hits(&self, path: &str) -> usize {
        self.script
            .requests
            .lock()
            .unwrap()
            .iter()
            .filter(|(asked, _)| asked == path)
            .count()
    }

    /// Returns the header `name` of the last request for `path`.
    pub(crate) fn asked(&self, path: &str, name: &str) -> Option<String> {
        let requests = self.script.requests.lock().unwrap();
        let (_, last) = requests.iter().rev().find(|(asked, _)| asked == path)?;
        last.headers()
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    }

    /// Returns all requests for `path`.
    pub(crate) fn received(&self, path: &str) -> Vec<Request<Bytes>> {
        let requests = self.script.requests.lock().unwrap();
        requests
            .iter()
            .filter(|(asked, _)| asked == path)
            .map(|(_, request)| request.clone())
            .collect()
    }

    /// Returns the number of bytes of endless answers that were sent.
    pub(crate) fn sent(&self) -> u64 {
        self.script.sent.load(Ordering::SeqCst)
    }
}

async fn answer(State(script): State<Arc<Script>>, request: Request<Body>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MOST_BYTES)
        .await
        .expect("a request arrives");
    let reply = script.next(&path);
    script
        .requests
        .lock()
        .unwrap()
        .push((path, Request::from_parts(head, body)));
    let Reply {
        status,
        headers,
        body,
    } = reply.unwrap_or_else(|| Reply::status(404));
    let body = match body {
        Content::Text(text) => Body::from(text),
        Content::Endless => endless(script),
        Content::Never => std::future::pending().await,
        Content::Slow(text) => slow(text),
        Content::Gated(text, gate) => {
            gate.acquire().await.expect("an open gate").forget();
            Body::from(text)
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        response.headers_mut().append(name, value.parse().unwrap());
    }
    response
}

fn slow(text: String) -> Body {
    let bytes = stream::iter(text.into_bytes()).then(async |byte| {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok::<_, std::io::Error>(Bytes::copy_from_slice(&[byte]))
    });
    Body::from_stream(Box::pin(bytes))
}

fn endless(script: Arc<Script>) -> Body {
    const CHUNK: usize = 64 * 1024;
    let chunks = stream::iter(0..1024 * 1024 * 1024 / CHUNK).map(move |at| {
        script.sent.fetch_add(CHUNK as u64, Ordering::SeqCst);
        let mut chunk = vec![b' '; CHUNK];
        if at == 0 {
            chunk[0] = b'[';
        }
        Ok::<_, std::io::Error>(Bytes::from(chunk))
    });
    Body::from_stream(chunks)
}

/// A listener that must not get a connection.
pub(crate) struct Canary(StdListener);

impl Canary {
    pub(crate) fn new() -> Self {
        let listener = StdListener::bind("127.0.0.1:0").expect("a port");
        listener
            .set_nonblocking(true)
            .expect("a listener that does not wait");
        Self(listener)
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.local_addr().expect("an address").port()
    }

    /// Returns whether there was a connection since the last call. A connection is in the queue of the
    /// listener before its client can send anything, so no waiting is needed.
    pub(crate) fn is_touched(&self) -> bool {
        match self.0.accept() {
            Ok(_) => true,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => false,
            Err(error) => panic!("{error}"),
        }
    }

    #[track_caller]
    pub(crate) fn expect_untouched(&self) {
        assert!(!self.is_touched(), "there was a connection to the canary");
    }
}

/// Returns the settings with which a developer fetches from the local machine.
pub(crate) fn development() -> FetchSettings {
    FetchSettings {
        allow_http: true,
        allow_private_addresses: true,
        ..FetchSettings::default()
    }
}

/// Returns the settings with which a developer fetches from an origin with the certificate of `files`.
pub(crate) fn development_with(files: &Files) -> FetchSettings {
    FetchSettings {
        ca_file: Some(files.path("ca.pem")),
        ..development()
    }
}

/// Accepts connections with TLS.
struct TlsListener {
    listener: TcpListener,
    acceptor: SslAcceptor,
}

impl TlsListener {
    fn new(listener: TcpListener, files: &Files) -> Self {
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
        acceptor
            .set_certificate_chain_file(files.path("server.pem"))
            .unwrap();
        acceptor
            .set_private_key_file(files.path("server.key"), SslFiletype::PEM)
            .unwrap();
        Self {
            listener,
            acceptor: acceptor.build(),
        }
    }
}

impl Listener for TlsListener {
    type Io = SslStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let Ok((stream, address)) = self.listener.accept().await else {
                continue;
            };
            let ssl = Ssl::new(self.acceptor.context()).unwrap();
            let mut stream = SslStream::new(ssl, stream).unwrap();
            if Pin::new(&mut stream).accept().await.is_ok() {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Allows a server to fetch from [`Origin`]s.
pub(crate) fn fetches_locally(configuration: &mut Configuration) {
    configuration.settings.fetch = development();
}
