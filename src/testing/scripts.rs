//! Scripts without a server.

use std::sync::Arc;

use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Map, Value};

use super::{FakeHost, plain};
use crate::base::{ManualClock, Timestamp};
use crate::client::{Metadata, TrustLevel};
use crate::config::ScriptSettings;
use crate::script::{Facts, Hook, HttpRequest, Proofs, RequestFacts, Runtime, ScriptSet};

/// Scripts that were loaded from a folder.
pub struct TestScripts(Arc<ScriptSet>);

impl TestScripts {
    /// Loads the scripts of `settings`, which call `host`.
    ///
    /// # Errors
    /// When a secret is missing, or a script is wrong.
    pub fn load(
        settings: &ScriptSettings,
        clock: Arc<ManualClock>,
        host: FakeHost,
    ) -> Result<Self, String> {
        let runtime = plain(Runtime::new(settings, clock, Arc::new(host)))?;
        let set = plain(ScriptSet::load(settings, &runtime))?;
        Ok(Self(Arc::new(set)))
    }

    /// Calls `createClient` for a client that registers with `request`.
    pub fn create_client(
        &self,
        request: Map<String, Value>,
    ) -> impl Future<Output = Result<(), String>> + Send + use<> {
        let set = Arc::clone(&self.0);
        let facts = facts(request.clone());
        async move {
            let decided = set.decide(Hook::CreateClient, facts, Metadata::new(request));
            plain(decided.await).map(drop)
        }
    }
}

fn facts(request: Map<String, Value>) -> Arc<Facts> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let asked = RequestFacts {
        http_request: HttpRequest {
            method: "POST".to_owned(),
            path: "/register".to_owned(),
            headers,
            ip_address: None,
        },
        received_at: Timestamp::from_unix(0),
        certificate: None,
        custom_attributes: Vec::new(),
        recorder: None,
    };
    let proofs = Proofs::none(TrustLevel::Open);
    Arc::new(Facts::new(
        Arc::new(asked),
        Arc::new(proofs),
        Metadata::new(request),
    ))
}
