//! The admin API. Each call requires its own scope.
//!
//! Every endpoint begins with [`endpoint::admit`]. Answers are types whose schemas are in the OpenAPI document.
//! All endpoints report errors in the same form, with `error` and `error_description` (RFC 6750 section 3):
//! 400 for a malformed request, 401 and 403 for a caller without permission, 404, 405, 408 and 413 for a body
//! that is too slow or too large, 409 and 412 for concurrent changes, 415, and 503 with `Retry-After`.

mod administrators;
mod audit_search;
mod bulk;
mod document_record;
pub(crate) mod endpoint;
mod import;
pub(crate) mod initial_access;
pub(crate) mod openapi;
mod portable;
pub(crate) mod schema;

use std::net::IpAddr;

use crate::base::Timestamp;
use crate::store::{Action, AuditEvent, Author};

/// The authenticated caller.
#[derive(Debug, Clone)]
pub(crate) struct Administrator {
    /// The client that the access token was issued to, or the actor that stands for a person who is signed in to the
    /// console.
    pub(crate) client_id: String,
    /// Its name.
    pub(crate) name: Option<String>,
    /// The scopes of its access token, or of the person.
    pub(crate) scope: String,
    /// The address of the caller.
    pub(crate) address: IpAddr,
    /// The correlation identifier of the call in its response and in the log.
    pub(crate) correlation_id: Option<String>,
}

impl Administrator {
    /// Returns this administrator as the author of audit events.
    pub(crate) fn author(&self) -> Author {
        Author {
            actor: Some(self.client_id.clone()),
            actor_name: self.name.clone(),
            address: Some(self.address),
            correlation_id: self.correlation_id.clone(),
        }
    }

    /// Returns the event that this administrator did `action` to `subject`.
    pub(crate) fn did(
        &self,
        action: Action,
        subject: impl Into<String>,
        at: Timestamp,
    ) -> AuditEvent {
        self.author().did(action, subject, at)
    }
}

/// Whether `value` is left out of an answer because it is the default.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
