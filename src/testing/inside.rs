//! The inside of a running server.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use hyper::Request;
use serde_json::{Map, Value, json};

use super::{Storage, plain};
use crate::admin::endpoint::config;
use crate::base::ClientId;
use crate::config::Settings;
use crate::http::Tls;
use crate::management::{self, Held};
use crate::registration::{Caller, upstream::reconcile};
use crate::server::probes::{self, Audience};
use crate::server::{lifecycle, routes};
use crate::service::{Context, Service};
use crate::store::Author;
use crate::trial;

/// A running server, seen from the inside.
pub struct Inside(Arc<Service>);

impl Inside {
    pub(super) const fn new(service: Arc<Service>) -> Self {
        Self(service)
    }

    /// Returns the settings that were read at the start.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Returns what it stores.
    pub fn storage(&self) -> Storage {
        Storage::new(self.0.store.clone())
    }

    /// Returns the scripts in force: `revision`, `since`, and the `name`, `hash`, `calls` and `faults` of each.
    pub fn scripts(&self) -> Value {
        let set = Arc::clone(&self.0.snapshot().scripts);
        let statistics = set.statistics();
        let mut scripts = Vec::new();
        for script in set.scripts() {
            let own = || statistics.iter().filter(|one| one.script == script.name);
            let calls: u64 = own().map(|one| one.calls).sum();
            let faults: u64 = own().map(|one| one.faults).sum();
            scripts.push(json!({
                "name": script.name, "hash": script.hash, "calls": calls, "faults": faults,
            }));
        }
        json!({"revision": set.revision(), "since": set.since(), "scripts": scripts})
    }

    /// Returns the configuration as administrators see it.
    pub fn configuration(&self) -> Map<String, Value> {
        config::show(&Context::new(&self.0)).members
    }

    /// Returns the live configuration with its secrets.
    pub fn exposed_configuration(&self) -> Map<String, Value> {
        self.0.snapshot().live.exposed()
    }

    /// Patches the live configuration, if its revision is `expected`. Returns it as administrators see it.
    ///
    /// # Errors
    /// Why it is not patched.
    pub async fn patch(
        &self,
        operations: &[u8],
        expected: Option<&str>,
    ) -> Result<Map<String, Value>, String> {
        let cx = Context::new(&self.0);
        let expected = expected.map(|revision| vec![revision.to_owned()]);
        let patched = config::apply_patch(&cx, Author::default(), operations, expected);
        plain(patched.await).map(|document| document.members)
    }

    /// Returns how many key sets of clients were parsed, and how many keys were tried, to verify client assertions.
    pub fn effort(&self) -> (u64, u64) {
        let effort = self.0.verifier.effort();
        (effort.read, effort.tried)
    }

    /// Returns a member of the metadata document at `url`, which is fetched if it is not cached.
    ///
    /// # Errors
    /// When it cannot be fetched, or has no such member.
    pub async fn document_member(&self, url: &str, name: &str) -> Result<String, String> {
        plain(self.0.documents.member(url, name).await)
    }

    /// Continues the calls of the upstream server that are due.
    pub async fn continue_upstream(&self) {
        reconcile::continue_due(&self.0).await;
    }

    /// Sweeps once.
    pub async fn sweep(&self) {
        lifecycle::sweep_once(&self.0).await;
    }

    /// Removes the clients that are unused for too long. Returns their number.
    pub async fn remove_unused(&self) -> usize {
        lifecycle::remove_unused(&self.0).await
    }

    /// Returns a deletion of this client by itself, which begins when it is polled.
    ///
    /// # Errors
    /// When the client does not exist, or the store cannot be read.
    pub async fn deletion(
        &self,
        id: &str,
    ) -> Result<BoxFuture<'static, Result<(), String>>, String> {
        let id = plain(ClientId::parse(id))?;
        let stored = plain(self.0.store.clients.find(&id).await)?;
        let stored = stored.ok_or("there is no such client")?;
        let service = Arc::clone(&self.0);
        Ok(Box::pin(async move {
            let (cx, (head, ())) = (Context::new(&service), Request::new(()).into_parts());
            let (caller, token) = (Caller::of(&head), None);
            plain(management::delete(&cx, &caller, Held { stored, token }).await)
        }))
    }

    /// Returns the routers of its operational, administrative and public endpoints in their debug format, which lists
    /// their routes.
    pub fn routers(&self) -> [String; 3] {
        let service = || Arc::clone(&self.0);
        let tls = Arc::new(Tls::off(Arc::clone(&self.0.clock)));
        let certificates = probes::Certificates::of(tls, &self.0);
        let operational = probes::router(service(), certificates, Audience::Everyone);
        let routers = [
            operational,
            routes::admin(service()),
            routes::public(&self.0, trial::queue().0, None).router,
        ];
        routers.map(|router| format!("{router:?}"))
    }
}
