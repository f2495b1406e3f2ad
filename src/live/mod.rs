//! The live configuration while the server runs: the document that shows it, patches of it
//! (RFC 6902), and the queue to the task that applies them.
//!
//! This module knows the names of options, but not what they do. It knows nothing about HTTP or about the
//! requester.

mod document;
mod error;
mod operations;
mod queue;
mod revise;
#[cfg(test)]
mod tests;

pub(crate) use document::Document;
pub(crate) use error::PatchError;
pub(crate) use operations::Operations;
pub(crate) use queue::{ChangeRequest, Changes, queue};
pub(crate) use revise::{revise, settle};
