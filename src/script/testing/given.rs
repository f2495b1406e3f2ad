//! The arguments of a hook in a test or a trial.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::base::Timestamp;
use crate::client::{Metadata, TrustLevel, member};
use crate::script::value::facts::possible_headers;
use crate::script::{DocumentFacts, Facts, HttpRequest, Proofs, RequestFacts, SharedByScripts};

/// The arguments of a hook. The default is a plain registration.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Given {
    /// `context.registerRequest`
    #[serde(alias = "registerRequest")]
    pub(crate) request: Map<String, Value>,
    /// `context.client`; defaults to the request. The rules and defaults of the server are not applied to
    /// it.
    pub(crate) client: Option<Map<String, Value>>,
    /// The first argument of a hook that changes a response; defaults to the client.
    pub(crate) response: Option<Map<String, Value>>,
    /// `context.stored`
    pub(crate) stored: Option<Map<String, Value>>,
    /// `context.shared`, before the first script is called.
    pub(crate) shared: Map<String, Value>,
    /// `context.softwareStatement`: `#{ header, claims }`, or the claims alone.
    pub(crate) software_statement: Option<Map<String, Value>>,
    /// `context.dcr`: the same.
    pub(crate) dcr: Option<Map<String, Value>>,
    /// `context.attestation`
    pub(crate) attestation: Option<Value>,
    /// `context.certificate`
    pub(crate) certificate: Option<Value>,
    /// `context.initialAccessToken`
    pub(crate) initial_access_token: Option<Value>,
    /// `context.initialAccessTokenId`
    pub(crate) initial_access_token_id: Option<String>,
    /// `context.initialAccessTokenNote`
    pub(crate) initial_access_token_note: Option<String>,
    /// `context.time`; defaults to the time of the clock.
    pub(crate) time: Option<u64>,
    /// `context.trustLevel`
    pub(crate) trust_level: Option<TrustLevel>,
    /// `context.document`
    pub(crate) document: Option<Value>,
    /// `context.event`
    pub(crate) event: Option<Value>,
    /// `context.httpRequest`
    pub(crate) http_request: GivenHttpRequest,
    /// `context.configurationAttributes`; defaults to the attributes of the configuration.
    #[serde(alias = "configurationAttributes")]
    pub(crate) attributes: Option<Map<String, Value>>,
}

/// The head of a fake request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct GivenHttpRequest {
    /// The method.
    pub(crate) method: String,
    /// The path.
    pub(crate) path: String,
    /// The headers.
    pub(crate) headers: std::collections::BTreeMap<String, String>,
    /// The IP address of the caller.
    pub(crate) ip_address: Option<std::net::IpAddr>,
}

impl Default for GivenHttpRequest {
    fn default() -> Self {
        Self {
            method: "POST".to_owned(),
            path: "/register".to_owned(),
            headers: std::collections::BTreeMap::new(),
            ip_address: None,
        }
    }
}

impl Given {
    /// Returns the client before the hook.
    pub(crate) fn client(&self) -> &Map<String, Value> {
        self.client.as_ref().unwrap_or(&self.request)
    }

    /// Splits the arguments into facts, client and response. `custom` lists the names of custom members; the
    /// clock shows `now`.
    pub(in crate::script) fn into_parts(
        self,
        custom: &[String],
        now: Timestamp,
    ) -> (Facts, Metadata, Map<String, Value>) {
        let client = self.client().clone();
        let response = self.response.clone();
        let response = response.unwrap_or_else(|| client.clone());
        let proofs = self.proofs();
        let statement = proofs.software_statement.as_ref();
        let settled = statement.map(settled).unwrap_or_default();
        let request = RequestFacts {
            http_request: self.http_request.into(),
            received_at: self.time.map_or(now, Timestamp::from_unix),
            certificate: self.certificate,
            custom_attributes: custom.to_vec(),
            recorder: None,
        };
        let facts = Facts {
            event: self.event,
            settled,
            stored: self.stored.map(Metadata::new),
            shared: SharedByScripts::of(self.shared),
            document: self.document.map(DocumentFacts::new),
            ..Facts::new(
                Arc::new(request),
                Arc::new(proofs),
                Metadata::new(self.request),
            )
        };
        (facts, Metadata::new(client), response)
    }

    fn proofs(&self) -> Proofs {
        Proofs {
            trust_level: self.trust_level.unwrap_or(TrustLevel::Open),
            software_statement: self.software_statement.clone().map(token),
            dcr: self.dcr.clone().map(token),
            attestation: self.attestation.clone(),
            initial_access_token: self.initial_access_token.clone(),
            initial_access_token_id: self.initial_access_token_id.clone(),
            initial_access_token_note: self.initial_access_token_note.clone(),
        }
    }
}

impl From<GivenHttpRequest> for HttpRequest {
    fn from(given: GivenHttpRequest) -> Self {
        Self {
            method: given.method,
            path: given.path,
            headers: possible_headers(given.headers),
            ip_address: given.ip_address,
        }
    }
}

/// Returns a token as `#{ header, claims }`, whether it was given in that form or as claims alone.
fn token(said: Map<String, Value>) -> Value {
    let is_whole = said.get("claims").is_some_and(Value::is_object);
    match (is_whole, said.contains_key("header")) {
        (true, true) => Value::Object(said),
        (true, false) => json!({ "header": {}, "claims": said.get("claims") }),
        (false, _) => json!({ "header": {}, "claims": said }),
    }
}

/// Returns the members that the claims of `statement` set.
fn settled(statement: &Value) -> BTreeSet<String> {
    let mut settled = BTreeSet::new();
    if let Some(Value::Object(claims)) = statement.get("claims") {
        for name in claims.keys() {
            if member::find(name).is_some() {
                settled.insert(name.clone());
            }
        }
    }
    settled
}
