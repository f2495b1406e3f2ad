//! The arguments of a hook in a test or a trial.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::client::{Metadata, TrustLevel, member};
use crate::script::value::facts::possible_headers;
use crate::script::{Facts, HttpRequest, Proofs, RequestFacts};

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
    /// `context.trustLevel`
    pub(crate) trust_level: Option<TrustLevel>,
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

    /// Splits the arguments into facts, client and response. `custom` lists the names of custom members.
    pub(in crate::script) fn into_parts(
        self,
        custom: &[String],
    ) -> (Facts, Metadata, Map<String, Value>) {
        let client = self.client().clone();
        let response = match self.response {
            Some(response) => response,
            None => client.clone(),
        };
        let statement = self.software_statement.map(token);
        let settled = match &statement {
            Some(statement) => settled(statement),
            None => BTreeSet::new(),
        };
        let facts = Facts {
            event: self.event,
            register_request: Metadata::new(self.request),
            settled,
            proofs: Arc::new(Proofs {
                trust_level: self.trust_level.unwrap_or(TrustLevel::Open),
                software_statement: statement,
                dcr: self.dcr.map(token),
                attestation: self.attestation,
                initial_access_token: self.initial_access_token,
            }),
            request: Arc::new(RequestFacts {
                http_request: self.http_request.into(),
                certificate: self.certificate,
                custom_attributes: custom.to_vec(),
            }),
        };
        (facts, Metadata::new(client), response)
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
