//! The floor: a bare hyper server that does only the indispensable work.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

type Write = (u64, Vec<u8>, oneshot::Sender<()>);

/// Parses the JSON of each POST and inserts its bytes durably, with one flush for all waiting requests.
pub(crate) async fn start(folder: &Path) -> SocketAddr {
    let (writes, queue) = mpsc::channel::<Write>(1_024);
    let database = sled::Config::new()
        .path(folder.join("floor"))
        .cache_capacity(64 << 20)
        .open()
        .expect("sled opens");
    std::thread::spawn(move || write(&database, queue));
    let number = Arc::new(AtomicU64::new(0));
    serve(move |request| {
        let (writes, number) = (writes.clone(), Arc::clone(&number));
        async move {
            let body = request
                .into_body()
                .collect()
                .await
                .expect("a body")
                .to_bytes();
            let value: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
            let text = serde_json::to_vec(&value).expect("JSON again");
            let (done, written) = oneshot::channel();
            let key = number.fetch_add(1, Ordering::Relaxed);
            writes
                .send((key, text.clone(), done))
                .await
                .expect("the writer is running");
            written.await.expect("it is written");
            let mut response = Response::new(Body::from(text));
            *response.status_mut() = StatusCode::CREATED;
            response
        }
    })
    .await
}

fn write(database: &sled::Db, mut queue: mpsc::Receiver<Write>) {
    let mut waiting = Vec::new();
    while let Some(first) = queue.blocking_recv() {
        waiting.push(first);
        while let Ok(next) = queue.try_recv() {
            waiting.push(next);
        }
        let mut batch = sled::Batch::default();
        for (key, value, _) in &waiting {
            batch.insert(&key.to_be_bytes(), value.as_slice());
        }
        database.apply_batch(batch).expect("sled accepts it");
        database.flush().expect("the flush succeeds");
        for (.., done) in waiting.drain(..) {
            // A driver that has its figures does not wait for the last response.
            let _ = done.send(());
        }
    }
}

/// Answers every request with `bytes`.
pub(crate) async fn fixed(bytes: Vec<u8>) -> SocketAddr {
    let bytes = axum::body::Bytes::from(bytes);
    serve(move |_| std::future::ready(Response::new(Body::from(bytes.clone())))).await
}

async fn serve<F, A>(answer: F) -> SocketAddr
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = answer.clone();
            stream.set_nodelay(true).expect("a socket takes the option");
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let answer = answer(request);
                    async move { Ok::<_, Infallible>(answer.await) }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                // The driver closes the connection when it has its figures.
                let _ = connection.await;
            });
        }
    });
    address
}
