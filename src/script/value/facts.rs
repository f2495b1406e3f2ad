//! The data of a request that scripts can read.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use hyper::HeaderMap;
use serde_json::Value;

use crate::client::{Metadata, TrustLevel};

/// The data of a request that scripts can read through `context`.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The part that is the same for all hooks of the request.
    pub request: Arc<RequestFacts>,
    /// The results of the proofs that were verified so far.
    pub proofs: Arc<Proofs>,
    /// `context.registerRequest`: the request after its proofs were merged into it. Its `evidence`
    /// is `context.evidence`, when it is a JWT.
    pub register_request: Metadata,
    /// Members that a verified statement has set, which `adaptRequest` cannot change.
    pub settled: BTreeSet<String>,
}

/// The facts that are the same for all hooks of a request.
#[derive(Debug)]
pub struct RequestFacts {
    /// `context.httpRequest`
    pub http_request: HttpRequest,
    /// `context.certificate`: the client's certificate.
    pub certificate: Option<Value>,
    /// Names of custom members that a client may have, in addition to the standard members.
    pub custom_attributes: Vec<String>,
}

/// What the proofs of a request establish.
#[derive(Debug, Clone)]
pub struct Proofs {
    /// `context.trustLevel`
    pub trust_level: TrustLevel,
    /// `context.softwareStatement`: `#{ header, claims }`.
    pub software_statement: Option<Value>,
    /// `context.dcr`: the signed request, as `#{ header, claims }`.
    pub dcr: Option<Value>,
    /// `context.attestation`: the result of appraising the evidence.
    pub attestation: Option<Value>,
    /// `context.initialAccessToken`: the attributes of the token.
    pub initial_access_token: Option<Value>,
}

impl Proofs {
    /// No proofs, and a client with this trust level.
    pub const fn none(trust_level: TrustLevel) -> Self {
        Self {
            trust_level,
            software_statement: None,
            dcr: None,
            attestation: None,
            initial_access_token: None,
        }
    }
}

/// The head of the request, without credentials.
#[derive(Debug)]
pub struct HttpRequest {
    /// `POST`, `PUT` ...
    pub method: String,
    /// The path of the URL.
    pub path: String,
    /// The headers. They become text only when a script asks for them.
    pub headers: HeaderMap,
    /// The IP address of the caller.
    pub ip_address: Option<IpAddr>,
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
