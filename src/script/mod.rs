//! Operators' scripts: loaded as one set, bounded, and asked at hooks.
//!
//! Every script is a module whose top level ran once, when it was loaded. A hook is called in an
//! engine of its own: raw, with shared modules, without access to files, bounded in operations,
//! time, depth and sizes. Nothing is locked while a script runs, so a reload waits for nobody and
//! a request ends on the set with which it began.
//!
//! Knows nothing of HTTP or of the store: plain values go in, plain values come out, and what a
//! script reaches beyond itself goes through [`host::Host`]. A script that waits there holds up
//! none that does not.

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
