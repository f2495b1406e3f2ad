//! A relay between a server and its upstream server, which can lose requests and answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

/// What the relay does with what arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passage {
    Open,
    /// Connections are closed before anything is passed on.
    LosesRequests,
    /// Requests are passed on, and connections are closed when their answer arrives.
    LosesAnswers,
    /// Answers wait until this changes.
    HoldsAnswers,
}

#[derive(Clone)]
struct Shared {
    passage: watch::Receiver<Passage>,
    answers: Arc<AtomicUsize>,
}

/// A relay that runs until the test ends.
pub(super) struct Relay {
    address: SocketAddr,
    passage: watch::Sender<Passage>,
    answers: Arc<AtomicUsize>,
}

impl Relay {
    pub(super) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (passage, seen) = watch::channel(Passage::Open);
        let answers = Arc::<AtomicUsize>::default();
        let shared = Shared {
            passage: seen,
            answers: Arc::clone(&answers),
        };
        let tasks = TaskTracker::new();
        let connections = tasks.clone();
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(relay(stream, target, shared.clone()));
            }
        });
        Self {
            address,
            passage,
            answers,
        }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn set(&self, passage: Passage) {
        self.passage.send_replace(passage);
    }

    /// Waits until this many answers have arrived from the upstream server.
    pub(super) async fn answered(&self, count: usize) {
        while self.answers.load(Ordering::SeqCst) < count {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// Passes bytes on until one side closes, or the passage is closed.
async fn relay(mut near: TcpStream, target: SocketAddr, mut shared: Shared) -> Option<()> {
    let mut far = TcpStream::connect(target).await.ok()?;
    let (mut request, mut answer) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            read = near.read(&mut request) => {
                let bytes = request.get(..read.ok()?).filter(|bytes| !bytes.is_empty())?;
                if *shared.passage.borrow() == Passage::LosesRequests {
                    return None;
                }
                far.write_all(bytes).await.ok()?;
            }
            read = far.read(&mut answer) => {
                let bytes = answer.get(..read.ok()?).filter(|bytes| !bytes.is_empty())?;
                shared.answers.fetch_add(1, Ordering::SeqCst);
                let is_held = |passage: &Passage| *passage == Passage::HoldsAnswers;
                shared.passage.wait_for(|passage| !is_held(passage)).await.ok()?;
                if *shared.passage.borrow() == Passage::LosesAnswers {
                    return None;
                }
                near.write_all(bytes).await.ok()?;
            }
        }
    }
}
