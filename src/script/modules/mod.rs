//! The host modules that scripts can use, one file each. Every function has limits, and scripts can
//! catch every failure.

mod attestation;
mod base64;
mod clients;
mod crypto;
mod functions;
mod http;
mod json;
mod jwt;
mod kv;
mod log;
mod net;
mod patterns;
mod secrets;
mod text;
mod time;
mod uri;
mod x509;

use std::sync::Arc;
use std::time::Duration;

use rhai::{Dynamic, NativeCallContext};
use serde_json::{Map, Value};

use crate::base::Clock;
use crate::script::{
    CallClock, CallHost, CallingScript, HookContext, Host, HostResult, Runtime, WaitsFor,
    count_use, failure, to_json,
};

pub(crate) use functions::HostFunction;
pub(super) use functions::{Functions, function};
use jwt::{algorithms, key_set};
pub(super) use jwt::{is_url, shown_unverified};
pub(super) use log::{Log, LogLevel, readable, written};

/// The documented functions of each module, sorted by module.
pub(super) const FUNCTIONS: [&[HostFunction]; 15] = [
    attestation::FUNCTIONS,
    base64::FUNCTIONS,
    clients::FUNCTIONS,
    crypto::FUNCTIONS,
    http::FUNCTIONS,
    json::FUNCTIONS,
    jwt::FUNCTIONS,
    kv::FUNCTIONS,
    log::FUNCTIONS,
    net::FUNCTIONS,
    secrets::FUNCTIONS,
    text::FUNCTIONS,
    time::FUNCTIONS,
    uri::FUNCTIONS,
    x509::FUNCTIONS,
];

/// Returns all modules with the names under which scripts call them.
pub(super) fn all(runtime: &Runtime) -> Vec<(&'static str, Functions)> {
    let mut all = reaching(runtime);
    all.extend(computing());
    all
}

/// Returns why a constant text can never be the argument of a function, at an index or as a member of its map.
pub(super) fn constant_fault(
    (module, name): (&str, &str),
    argument: ConstantPlace<'_>,
    text: &str,
) -> Option<String> {
    use ConstantPlace::{Argument, Member};
    match (module, name, argument) {
        ("time", "parse", Argument(0)) => time::instant(text).err(),
        ("net", "in_cidr", Argument(0)) => net::address_of(text).err(),
        ("net", "in_cidr", Argument(1)) => net::network_of(text).err(),
        ("http", "request", Member("method")) => http::method_of(text).err(),
        ("uri", "parse", Argument(0))
        | ("http", "get" | "post", Argument(0))
        | ("http", "request", Member("url")) => uri::absolute(text).err(),
        ("text", _, Argument(1)) => text::pattern_fault(name, text),
        _ => None,
    }
}

/// Where a constant is in a call.
#[derive(Debug, Clone, Copy)]
pub(super) enum ConstantPlace<'a> {
    /// The argument at this index.
    Argument(usize),
    /// The member with this name of the only argument.
    Member(&'a str),
}

/// Returns the modules that reach something outside of a call.
fn reaching(runtime: &Runtime) -> Vec<(&'static str, Functions)> {
    let host: &Arc<dyn Host> = &(Arc::new(CallHost(Arc::clone(&runtime.host))) as _);
    let clock: &Arc<dyn Clock> = &(Arc::new(CallClock(Arc::clone(&runtime.clock))) as _);
    let limits = &runtime.settings.limits;
    vec![
        ("attestation", attestation::module(host, clock, limits)),
        ("clients", clients::module(host, limits)),
        ("http", http::module(host, limits)),
        ("jwt", jwt::module(&runtime.secrets, clock, host, limits)),
        ("kv", kv::module(host, limits)),
        ("log", log::module(&Log::new(runtime))),
        ("secrets", secrets::module(&runtime.secrets)),
        ("time", time::module(clock)),
    ]
}

/// Returns the modules that only compute.
fn computing() -> Vec<(&'static str, Functions)> {
    vec![
        ("base64", base64::module()),
        ("crypto", crypto::module()),
        ("json", json::module()),
        ("net", net::module()),
        ("text", text::module()),
        ("uri", uri::module()),
        ("x509", x509::module()),
    ]
}

/// The timeout of one store call.
const STORE_TIME: Duration = Duration::from_secs(2);

/// Returns the call of a hook that a host function serves; `None` while scripts are being loaded.
fn call(cx: &NativeCallContext<'_>) -> Option<HookContext> {
    cx.tag()
        .and_then(|tag| tag.clone().try_cast::<HookContext>())
}

/// Returns the same for a function that only hooks can call.
fn hook(cx: &NativeCallContext<'_>) -> HostResult<HookContext> {
    call(cx).ok_or_else(|| {
        failure("this function can be called in hooks only, not while scripts are being loaded")
    })
}

/// Calls the store, at most `most` times per call of a hook.
fn store<T>(
    cx: &NativeCallContext<'_>,
    most: u32,
    work: impl FnOnce(&CallingScript<'_>) -> Result<T, String>,
) -> HostResult<T> {
    let context = hook(cx)?;
    if !count_use(&context.spent().store_calls, most) {
        return Err(failure(format!(
            "more than {most} store calls (scripts.limits.storeCalls)"
        )));
    }
    let script = context.script();
    let found = context
        .permit()
        .wait(WaitsFor::Near, STORE_TIME, |timeout| {
            work(&CallingScript { script, timeout })
        });
    match found {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) | Err(error) => Err(failure(error)),
    }
}

/// Returns the members of a map that a script passed; error messages call it `what`.
fn members(value: &Dynamic, what: &str) -> HostResult<Map<String, Value>> {
    match to_json(value)? {
        Value::Object(members) => Ok(members),
        _ => Err(failure(format!(
            "{what} must be a map, not a value of the type {}",
            value.type_name()
        ))),
    }
}
