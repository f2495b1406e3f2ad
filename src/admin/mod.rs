//! What administrators do, each call with the scope that it needs.
//!
//! Every endpoint begins with [`endpoint::admit`]; what it does is in the file beside it. All of
//! them refuse in one form: 400 what can not be understood, 401 and 403 who may not, 404, 405, 408
//! and 413 a body that is too slow or too large, 409 and 412 what others changed, 415, 503 with
//! `Retry-After`; `error` and `error_description` say why (RFC 6750 section 3).

pub mod audit;
mod bulk;
pub mod clients;
pub mod config;
pub mod endpoint;
pub mod endpoint_audit;
pub mod endpoint_clients;
pub mod endpoint_config;
pub mod endpoint_initial_access;
mod endpoint_refusal;
pub mod endpoint_scripts;
pub mod endpoint_transfer;
pub mod endpoint_used;
mod export;
mod import;
pub mod initial_access;
pub mod openapi;
mod portable;
pub mod schema;
pub mod scripts;
pub mod used;

use std::net::IpAddr;

use crate::clock::Timestamp;
use crate::store::audit::{Action, AuditEvent, Author};

/// Who calls, once that was proved.
#[derive(Debug, Clone)]
pub struct Administrator {
    /// The client whose access token it is.
    pub client_id: String,
    /// The address that the call came from.
    pub address: IpAddr,
    /// What names the call in its answer and in the log.
    pub correlation_id: Option<String>,
}

impl Administrator {
    /// This administrator in the audit log.
    pub fn author(&self) -> Author {
        Author {
            actor: Some(self.client_id.clone()),
            address: Some(self.address),
            correlation_id: self.correlation_id.clone(),
        }
    }

    /// That this administrator did `action` to `subject`.
    pub fn did(&self, action: Action, subject: impl Into<String>, at: Timestamp) -> AuditEvent {
        self.author().did(action, subject, at)
    }
}
