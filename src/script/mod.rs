//! The operators' scripts, which are loaded as one set, limited, and called at hooks.
//!
//! Every script is a module whose top level ran once, when it was loaded. A hook runs in an engine of its
//! own. The engine is raw, with shared modules, without access to files, and with limits for operations,
//! time, depth and sizes. No lock is held while a script runs, so a reload does not wait for scripts, and
//! a request ends with the set with which it began.
//!
//! This module is independent of HTTP and of the store. Its inputs and outputs are plain values, and
//! scripts reach everything else through [`Host`]. A script that waits there does not hold up other
//! scripts.

mod after;
mod bounds;
mod check;
pub(crate) mod docs;
mod explain;
mod hook;
mod host;
mod load;
mod modules;
mod outcome;
mod record;
mod run;
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod value;

pub(crate) use check::{CalledHost, Finding, Severity};
pub(crate) use hook::Hook;
pub use host::HttpAnswer;
pub(crate) use host::{CallingScript, Host, HttpCall};
pub(crate) use load::runtime::Runtime;
pub(crate) use load::secrets::SecretError;
pub(crate) use load::set::ScriptInfo;
pub(crate) use load::set::ScriptSet;
pub(crate) use load::{LoadError, LoadErrors};
pub(crate) use outcome::{Answered, ChangedMember, Decision, HookError, Reservation, ScriptFault};
pub(crate) use record::HookRecorder;
pub(crate) use record::RecordedCall;
pub(crate) use testing::{fake_host, trial::Ending};
pub(crate) use value::facts::{DocumentFacts, Facts, HttpRequest, Proofs, RequestFacts};
pub(crate) use value::members::SharedByScripts;

// What the parts of this module use of one another.
use check::{Vocabulary, called_hosts, explained_parse_error, findings, misspelled_hooks};
use docs::{CONTEXT_MEMBERS, ContextMember, HostFunction, TEST_FUNCTIONS, host_functions};
use explain::{caught_message, value_of};
use host::NoHost;
use load::library::Libraries;
use load::secrets::Secrets;
use load::{SCRIPT_MODULE, Script, Texts, declaration};
use modules::{
    ConstantPlace, Functions, Log, LogLevel, constant_fault, function, is_url, readable,
    shown_unverified, written,
};
use outcome::Adaptation;
use record::{CallClock, CallHost, EndedCall};
use run::cycles::TopLevels;
use run::engine::{
    SharedModules, current_call_is_over, current_recorder, during_call, take_operations,
};
use run::inline::{Pace, WorkTime};
use run::permits::{Permit, Permits, WaitsFor};
use run::statistics::{CallCounters, CallStatistics, Counters};
use run::threads::Threads;
use run::{Asking, cycles, threads};
use testing::ScriptObserver;
use value::answer::ScriptAnswer;
use value::context::{HookContext, Round, count_use, joined_headers, register_context};
use value::hide::Hidden;
use value::members::{Frame, MemberAccess, Members, json_size, register_members, result_too_large};
use value::{
    Bytes, HostResult, error_message, failure, register_bytes, register_push_on_unit, to_json,
    to_script,
};
