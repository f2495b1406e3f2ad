//! The operators' scripts, which are loaded as one set, limited, and called at hooks.
//!
//! Every script is a module whose top level ran once, when it was loaded. A hook runs in an engine of its
//! own. The engine is raw, with shared modules, without access to files, and with limits for operations,
//! time, depth and sizes. No lock is held while a script runs, so a reload does not wait for scripts, and
//! a request ends with the set with which it began.
//!
//! This module is independent of HTTP and of the store. Its inputs and outputs are plain values, and
//! scripts reach everything else through [`host::Host`]. A script that waits there does not hold up other
//! scripts.

mod after;
mod bounds;
pub(crate) mod docs;
mod explain;
mod hook;
pub(crate) mod host;
mod load;
mod modules;
mod outcome;
mod run;
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod value;

pub use crate::script::load::runtime::Runtime;
pub(crate) use crate::script::load::secrets::SecretError;
pub(crate) use crate::script::load::set::ScriptInfo;
pub use crate::script::load::set::ScriptSet;
pub use crate::script::value::facts::{Facts, HttpRequest, Proofs, RequestFacts};
pub use hook::Hook;
pub(crate) use load::LoadErrors;
pub(crate) use outcome::{Answered, Decision, Fault, HookError};
