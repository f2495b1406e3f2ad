//! The data of a request that scripts can read.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::Timestamp;
use crate::client::{Metadata, TrustLevel};
use crate::script::{HookRecorder, SharedByScripts};

/// The data of a request that scripts can read through `context`.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// The part that is the same for all hooks of the request.
    pub(crate) request: Arc<RequestFacts>,
    /// The results of the proofs that were verified so far.
    pub(crate) proofs: Arc<Proofs>,
    /// `context.registerRequest`: the request after its proofs were merged into it. Its `evidence`
    /// is `context.evidence`, when it is a JWT.
    pub(crate) register_request: Metadata,
    /// Members that a verified statement has set, which `adaptRequest` cannot change.
    pub(crate) settled: BTreeSet<String>,
    /// `context.event`: the event that a script is notified of.
    pub(crate) event: Option<Value>,
    /// `context.stored`: the client that the request changes or deletes, as it is stored.
    pub(crate) stored: Option<Metadata>,
    /// `context.shared`: the values that the scripts of the request share.
    pub(crate) shared: SharedByScripts,
    /// `context.document`: the client document that the request is made from.
    pub(crate) document: Option<DocumentFacts>,
}

/// A client document as scripts see it.
#[derive(Debug, Clone)]
pub(crate) struct DocumentFacts {
    /// The value of `context.document`, without `change`.
    shown: Value,
    /// `change`, once it is known. A clone shares it.
    change: Arc<OnceLock<Value>>,
    /// Why a script holds the document for an administrator. A clone shares it.
    held: Arc<Mutex<Option<String>>>,
}

impl DocumentFacts {
    /// A document that no script holds.
    pub(crate) fn new(shown: Value) -> Self {
        Self {
            shown,
            change: Arc::default(),
            held: Arc::default(),
        }
    }

    /// Returns the value of `context.document`.
    pub(crate) fn value(&self) -> Value {
        let mut value = self.shown.clone();
        if let (Value::Object(members), Some(change)) = (&mut value, self.change.get()) {
            members.insert("change".to_owned(), change.clone());
        }
        value
    }

    /// Notes how the document differs from the version in force.
    pub(crate) fn set_change(&self, change: Value) {
        self.change.get_or_init(|| change);
    }

    /// Holds the document for this reason, unless a script holds it already.
    pub(in crate::script) fn hold(&self, reason: &str) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.get_or_insert_with(|| reason.to_owned());
    }

    /// Returns why a script holds the document; none if no script does.
    pub(crate) fn held(&self) -> Option<String> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.clone()
    }
}

/// What is kept of the facts of a request until scripts are notified of its effect.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct RememberedFacts {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    received_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proofs: Option<Proofs>,
    register_request: Metadata,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<Value>,
}

impl Facts {
    /// The facts of a request with these `proofs`, of which no statement has set a member and which concerns
    /// no stored client.
    pub(crate) fn new(
        request: Arc<RequestFacts>,
        proofs: Arc<Proofs>,
        register_request: Metadata,
    ) -> Self {
        Self {
            request,
            proofs,
            register_request,
            settled: BTreeSet::new(),
            event: None,
            stored: None,
            shared: SharedByScripts::default(),
            document: None,
        }
    }

    /// Returns what is kept of the facts until scripts are notified of the effect of the request.
    pub(crate) fn remembered(&self) -> Value {
        let request = &self.request.http_request;
        let remembered = RememberedFacts {
            method: request.method.clone(),
            path: request.path.clone(),
            headers: request.header_texts(),
            // The address of a user, which a client document has nothing to do with, is not stored.
            ip_address: request.ip_address.filter(|_| self.document.is_none()),
            received_at: Some(self.request.received_at),
            certificate: self.request.certificate.clone(),
            proofs: Some((*self.proofs).clone()),
            register_request: self.register_request.clone(),
            document: self.document.as_ref().map(DocumentFacts::value),
        };
        serde_json::to_value(remembered).unwrap_or_default()
    }

    /// Returns the facts of which `kept` was kept, for the notification of `event` about a client with this trust
    /// level. What is not known is absent. An event without a request was received when it happened, at `at`.
    pub(crate) fn recalled(
        kept: Option<&Value>,
        trust_level: TrustLevel,
        custom_attributes: Vec<String>,
        (event, at): (Value, Timestamp),
    ) -> Self {
        let remembered = match kept {
            Some(kept) => RememberedFacts::deserialize(kept).unwrap_or_default(),
            None => RememberedFacts::default(),
        };
        let headers = possible_headers(remembered.headers);
        let request = RequestFacts {
            http_request: HttpRequest {
                method: remembered.method,
                path: remembered.path,
                headers,
                ip_address: remembered.ip_address,
            },
            received_at: remembered.received_at.unwrap_or(at),
            certificate: remembered.certificate,
            custom_attributes,
            recorder: None,
        };
        let proofs = remembered.proofs.unwrap_or(Proofs::none(trust_level));
        let mut facts = Self::new(
            Arc::new(request),
            Arc::new(proofs),
            remembered.register_request,
        );
        facts.event = Some(event);
        facts.document = remembered.document.map(DocumentFacts::new);
        facts
    }
}

/// The facts that are the same for all hooks of a request.
#[derive(Debug)]
pub(crate) struct RequestFacts {
    /// `context.httpRequest`
    pub(crate) http_request: HttpRequest,
    /// `context.time`: when the server began to process the request.
    pub(crate) received_at: Timestamp,
    /// `context.certificate`: the client's certificate.
    pub(crate) certificate: Option<Value>,
    /// Names of custom members that a client may have, in addition to the standard members.
    pub(crate) custom_attributes: Vec<String>,
    /// Records what scripts do, for a request that is only judged.
    pub(crate) recorder: Option<Arc<HookRecorder>>,
}

/// What the proofs of a request establish.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Proofs {
    /// `context.trustLevel`
    pub(crate) trust_level: TrustLevel,
    /// `context.softwareStatement`: `#{ header, claims }`.
    pub(crate) software_statement: Option<Value>,
    /// `context.dcr`: the signed request, as `#{ header, claims }`.
    pub(crate) dcr: Option<Value>,
    /// `context.attestation`: the result of appraising the evidence.
    pub(crate) attestation: Option<Value>,
    /// `context.initialAccessToken`: the attributes of the token.
    pub(crate) initial_access_token: Option<Value>,
    /// `context.initialAccessTokenId`: the identifier of the token.
    pub(crate) initial_access_token_id: Option<String>,
    /// `context.initialAccessTokenNote`: the note of the administrator who created the token.
    pub(crate) initial_access_token_note: Option<String>,
}

impl Proofs {
    /// No proofs, and a client with this trust level.
    pub(crate) const fn none(trust_level: TrustLevel) -> Self {
        Self {
            trust_level,
            software_statement: None,
            dcr: None,
            attestation: None,
            initial_access_token: None,
            initial_access_token_id: None,
            initial_access_token_note: None,
        }
    }
}

/// The head of the request, without credentials.
#[derive(Debug)]
pub(crate) struct HttpRequest {
    /// `POST`, `PUT` ...
    pub(crate) method: String,
    /// The path of the URL.
    pub(crate) path: String,
    /// The headers. They become text only when a script asks for them.
    pub(crate) headers: HeaderMap,
    /// The IP address of the caller.
    pub(crate) ip_address: Option<IpAddr>,
}

impl HttpRequest {
    /// Returns the header names in lower case, with their values. A value that is not text is left out.
    pub(in crate::script) fn header_texts(&self) -> Vec<(String, String)> {
        let mut texts = Vec::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            if let Ok(value) = value.to_str() {
                texts.push((name.as_str().to_owned(), value.to_owned()));
            }
        }
        texts
    }
}

/// Returns these headers. A header that no request can have is left out.
pub(in crate::script) fn possible_headers(
    headers: impl IntoIterator<Item = (String, String)>,
) -> HeaderMap {
    let mut possible = HeaderMap::new();
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            possible.append(name, value);
        }
    }
    possible
}
