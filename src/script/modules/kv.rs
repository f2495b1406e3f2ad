//! `kv::get(key)`, `set`, `delete`, `increment`: the values that a script stores under its own name.

use std::sync::Arc;

use rhai::{Dynamic, ImmutableString};

use super::super::host::Host;
use super::super::value::{Outcome, failure, to_json, to_script};
use super::functions::Functions;
use super::store;
use crate::config::ScriptLimits;

const KEY_BYTES: usize = 256;
const VALUE_BYTES: usize = 16_384;
/// A year, in seconds. A value that lives longer belongs in a client or in the configuration.
const MOST_SECONDS: u64 = 366 * 24 * 60 * 60;

pub(super) fn module(host: &Arc<dyn Host>, limits: &ScriptLimits) -> Functions {
    let mut module = Functions::default();
    let (outside, most) = (Arc::clone(host), limits.store_calls);
    module.add1("get", move |cx, name: ImmutableString| {
        let key = key(&name)?;
        let value = store(cx, most, |by| outside.kv_get(by, key))?;
        value.as_ref().map_or(Ok(Dynamic::UNIT), to_script)
    });
    let outside = Arc::clone(host);
    module.add3(
        "set",
        move |cx, name: ImmutableString, value: Dynamic, seconds: i64| {
            let (key, value, seconds) = (key(&name)?, to_json(&value)?, lifetime(seconds)?);
            if value.to_string().len() > VALUE_BYTES {
                return Err(failure(format!(
                    "the value must not exceed {VALUE_BYTES} bytes of JSON"
                )));
            }
            store(cx, most, |by| outside.kv_set(by, key, &value, seconds))
        },
    );
    let outside = Arc::clone(host);
    module.add1("delete", move |cx, name: ImmutableString| {
        let key = key(&name)?;
        store(cx, most, |by| outside.kv_delete(by, key))
    });
    let outside = Arc::clone(host);
    module.add3(
        "increment",
        move |cx, name: ImmutableString, amount: i64, seconds: i64| {
            let (key, seconds) = (key(&name)?, lifetime(seconds)?);
            store(cx, most, |by| {
                outside.kv_increment(by, key, amount, seconds)
            })
        },
    );
    module
}

fn key(name: &str) -> Outcome<&str> {
    let fits = (1..=KEY_BYTES).contains(&name.len());
    if fits {
        Ok(name)
    } else {
        Err(failure(format!("the key must have 1 to {KEY_BYTES} bytes")))
    }
}

fn lifetime(seconds: i64) -> Outcome<u64> {
    let seconds = u64::try_from(seconds)
        .ok()
        .filter(|seconds| (1..=MOST_SECONDS).contains(seconds));
    seconds.ok_or_else(|| failure(format!("the lifetime must be 1 to {MOST_SECONDS} seconds")))
}
