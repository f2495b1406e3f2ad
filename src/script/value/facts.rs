//! The data of a request that scripts can read.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::Value;

use crate::client::{Metadata, TrustLevel};

/// The data of a request that scripts can read through `context`.
#[derive(Debug, Clone)]
pub struct Facts {
    /// `context.registerRequest`: the request after its proofs were merged into it. Its `evidence`
    /// is `context.evidence`, when it is a JWT.
    pub register_request: Metadata,
    /// `context.softwareStatement`: `#{ header, claims }`.
    pub software_statement: Option<Value>,
    /// `context.dcr`: the signed request, as `#{ header, claims }`.
    pub dcr: Option<Value>,
    /// `context.attestation`: the result of appraising the evidence.
    pub attestation: Option<Value>,
    /// `context.certificate`: the client's certificate.
    pub certificate: Option<Value>,
    /// `context.initialAccessToken`: the attributes of the token.
    pub initial_access_token: Option<Value>,
    /// `context.httpRequest`
    pub http_request: HttpRequest,
    /// `context.trustLevel`
    pub trust_level: TrustLevel,
    /// Names of custom members that a client may have, in addition to the standard members.
    pub custom_attributes: Vec<String>,
    /// Members that a verified statement has set, which `adaptRequest` cannot change.
    pub settled: BTreeSet<String>,
}

/// The head of the request, without credentials.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    /// `POST`, `PUT` ...
    pub method: String,
    /// The path of the URL.
    pub path: String,
    /// Header names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    /// The IP address of the caller.
    pub ip_address: Option<IpAddr>,
}
