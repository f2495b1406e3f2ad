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

mod absent;
mod after;
mod answer;
mod ask;
mod bounds;
mod bytes;
mod context;
mod cycles;
pub mod docs;
mod engine;
mod explain;
mod facts;
pub mod fake;
mod given;
mod hide;
mod hook;
pub mod host;
mod library;
mod load;
mod members;
mod modules;
mod observer;
mod outcome;
mod pace;
mod present;
mod run;
mod runtime;
mod secrets;
mod set;
mod statistics;
pub mod testing;
#[cfg(test)]
mod tests;
mod threads;
pub mod trial;
mod turn;
mod value;

pub use facts::{Facts, HttpRequest};
pub use hook::Hook;
pub use load::{LoadError, LoadErrors};
pub use outcome::{Answered, Decision, Fault, HookError};
pub use runtime::Runtime;
pub use secrets::SecretError;
pub use set::{ScriptInfo, ScriptSet};
pub use statistics::CallStatistics;
