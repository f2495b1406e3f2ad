//! Another system that follows the clients of a server: it records every event that a script sends to it.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use serde::Deserialize;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

/// How long nothing must be received until nothing more is expected.
const QUIET: Duration = Duration::from_secs(2);

/// An event that was received.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Seen {
    id: String,
    position: u64,
    #[serde(rename = "type")]
    kind: String,
    revision: u64,
    client: String,
}

/// What an acknowledged client must have caused.
#[derive(Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) client: &'a str,
    /// Every revision up to this one was acknowledged, and must be received unless the client was deleted.
    pub(crate) revision: u64,
    pub(crate) is_deleted: bool,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Vec<Seen>>,
    /// Whether every request is rejected.
    is_down: AtomicBool,
    requests: AtomicU64,
    /// One of so many requests is rejected; 0: none.
    rejected: u64,
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The other system. It runs until the test ends.
pub(crate) struct Receiver {
    shared: Arc<Shared>,
    _tasks: TaskTracker,
    scripts: TempDir,
}

async fn receive(State(shared): State<Arc<Shared>>, body: String) -> axum::response::Response {
    let number = shared.requests.fetch_add(1, Ordering::Relaxed);
    let is_rejected = shared.rejected > 0 && number % shared.rejected == 0;
    if is_rejected || shared.is_down.load(Ordering::Relaxed) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let event: Seen = serde_json::from_str(&body).expect("an event");
    shared.seen().push(event);
    StatusCode::NO_CONTENT.into_response()
}

impl Receiver {
    /// Starts it; it rejects one of `rejected` requests.
    pub(crate) async fn start(rejected: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            rejected,
            ..Shared::default()
        });
        let router = Router::new()
            .fallback(receive)
            .with_state(Arc::clone(&shared));
        let tasks = TaskTracker::new();
        tasks.spawn(async move { axum::serve(listener, router).await });
        let scripts = TempDir::new().expect("a folder for scripts");
        let script = format!(
            "fn tell(context) {{
                let event = context.event;
                let answer = http::post(\"http://{address}/\", #{{
                    id: event.id, position: event.position, type: event.type, revision: event.revision,
                    client: context.client.client_id,
                }}, #{{}});
                if answer.status >= 300 {{ throw `the receiver returned status ${{answer.status}}` }}
            }}
            fn clientCreated(context) {{ tell(context); }}
            fn clientUpdated(context) {{ tell(context); }}
            fn clientDeleted(context) {{ tell(context); }}"
        );
        std::fs::write(scripts.path().join("10-tell.rhai"), script).expect("a script");
        Self {
            shared,
            _tasks: tasks,
            scripts,
        }
    }

    /// Returns the configuration with which a server sends its events here.
    pub(crate) fn configuration(&self) -> String {
        let scripts = self.scripts.path().display();
        format!(
            "[scripts]\ndirectory = '{scripts}'\nretryPausesMs = [50]\n\
             [fetch]\nallowHttp = true\nallowPrivateAddresses = true\n\
             [registration]\nrateLimitRegistrationRequestCount = 0\n"
        )
    }

    /// Rejects every request from now on, or none that it would not reject otherwise.
    pub(crate) fn set_down(&self, is_down: bool) {
        self.shared.is_down.store(is_down, Ordering::Relaxed);
    }

    /// Returns the number of received events.
    pub(crate) fn count(&self) -> usize {
        self.shared.seen().len()
    }

    /// Returns when nothing has been received for some time: after a kill, deliveries are repeated.
    pub(crate) async fn quiet(&self) {
        let mut before = usize::MAX;
        while before != self.count() {
            before = self.count();
            tokio::time::sleep(QUIET).await;
        }
    }

    /// Returns the first of `expected` whose events are not all received.
    pub(crate) fn missing(&self, expected: &[Expected<'_>]) -> Option<String> {
        let seen = self.shared.seen();
        let revisions: HashSet<(&str, u64)> = seen
            .iter()
            .filter(|seen| seen.kind != "client.deleted")
            .map(|seen| (seen.client.as_str(), seen.revision))
            .collect();
        let deleted: HashSet<&str> = seen
            .iter()
            .filter(|seen| seen.kind == "client.deleted")
            .map(|seen| seen.client.as_str())
            .collect();
        // A change that cannot be delivered is dropped when the deletion of the client follows it.
        let is_complete = |one: &Expected<'_>| {
            let mut changes = 1..=one.revision;
            let mut has_changes =
                || changes.all(|number| revisions.contains(&(one.client, number)));
            if one.is_deleted {
                deleted.contains(one.client)
            } else {
                has_changes()
            }
        };
        let found = expected.iter().find(|one| !is_complete(one));
        found.map(|one| format!("{one:?}"))
    }

    /// Checks that the events of each client arrived in order, apart from repetitions, and that no position ever
    /// had two events. Returns the number of repetitions.
    pub(crate) fn check_order(&self) -> usize {
        let (seen, mut repeated) = (self.shared.seen(), 0);
        let mut events: HashMap<u64, &str> = HashMap::new();
        let mut latest: HashMap<&str, &Seen> = HashMap::new();
        for event in seen.iter() {
            let first = *events.entry(event.position).or_insert(&event.id);
            assert_eq!(
                first, event.id,
                "position {} had two events",
                event.position
            );
            let last = latest.entry(&event.client).or_insert(event);
            if event.position > last.position {
                assert!(event.revision >= last.revision, "{last:?} {event:?}");
                *last = event;
            } else if event.position < last.position {
                // After a kill, deliveries are repeated from an earlier event of the client on.
                *last = event;
                repeated += 1;
            }
        }
        let mut highest: HashMap<&str, u64> = HashMap::new();
        for event in seen.iter() {
            let position = highest.entry(&event.client).or_default();
            *position = event.position.max(*position);
        }
        for (client, last) in &latest {
            assert_eq!(
                Some(&last.position),
                highest.get(client),
                "{last:?} is not the last"
            );
        }
        repeated
    }
}
