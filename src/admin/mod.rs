//! What administrators do, each call with the scope that it needs.
//!
//! Every endpoint begins with [`endpoint::admit`]; what it does is in the file beside it.

pub mod clients;
pub mod config;
pub mod endpoint;
pub mod endpoint_clients;
pub mod endpoint_config;
pub mod endpoint_initial_access;
pub mod endpoint_scripts;
pub mod endpoint_used;
pub mod initial_access;
pub mod schema;
pub mod scripts;
pub mod used;

use std::net::IpAddr;

use crate::clock::Timestamp;
use crate::store::audit::{Action, AuditEvent};

/// Who calls, once that was proved.
#[derive(Debug, Clone)]
pub struct Administrator {
    /// The client whose access token it is.
    pub client_id: String,
    /// The address that the call came from.
    pub address: IpAddr,
}

impl Administrator {
    /// That this administrator did `action` to `subject`.
    pub fn did(&self, action: Action, subject: impl Into<String>, at: Timestamp) -> AuditEvent {
        AuditEvent {
            at,
            action,
            subject: subject.into(),
            actor: Some(self.client_id.clone()),
            address: Some(self.address),
            details: serde_json::Map::new(),
        }
    }
}
