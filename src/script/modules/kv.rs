//! `kv::get(key)`, `set`, `delete`, `increment`: the values that a script stores under its own name.

use std::sync::Arc;

use rhai::{Dynamic, ImmutableString, NativeCallContext};

use crate::config::ScriptLimits;
use crate::script::{
    Host, HostResult, failure, modules::Functions, modules::HostFunction, modules::function,
    modules::hook, modules::store, to_json, to_script,
};

const KEY_BYTES: usize = 256;
const VALUE_BYTES: usize = 16_384;
/// A year, in seconds. A value that lives longer belongs in a client or in the configuration.
const MOST_SECONDS: u64 = 366 * 24 * 60 * 60;

/// The functions, for the manual and for editors.
pub(super) const FUNCTIONS: &[HostFunction] = &[
    function(
        "kv",
        "get(key: string) -> any",
        "Returns the value that this script stored under the key, or `()` when there is none or it has \
         expired. Values survive a restart, and belong to the file name of the script. A key has at most 256 \
         bytes. Counts towards `storeCalls`.",
        "kv::get(\"nothing\") == ()",
    ),
    function(
        "kv",
        "set(key: string, value: any, seconds: int)",
        "Stores a value of at most 16384 bytes of JSON for the given number of seconds, at most a year. The \
         same limits apply. When the script has reached `kvEntries`, the values stored with `kv::set` that \
         expire first are dropped; counters of `kv::increment` are never dropped.",
        "kv::set(\"seen\", #{ at: 1 }, 60); kv::get(\"seen\").at == 1",
    ),
    function(
        "kv",
        "delete(key: string) -> bool",
        "Deletes the value under the key, and returns whether there was one. The same limits apply.",
        "!kv::delete(\"nothing\")",
    ),
    function(
        "kv",
        "increment(key: string, by: int, seconds: int) -> int",
        "Adds to a counter and returns the sum; no two requests get the same sum. A new counter starts at 0 \
         and expires after the given number of seconds; an existing counter keeps its expiry. The same \
         limits apply. Fails when the stored value is not an integer, and when the script already has \
         `kvEntries` counters.",
        "kv::increment(\"counter\", 1, 3600) == 1 && kv::increment(\"counter\", 2, 3600) == 3",
    ),
    function(
        "kv",
        "reserve(key: string, most: int, seconds: int) -> bool",
        "Reserves one of `most` uses of a counter for the client of `createClient` or `updateClient`, and returns \
         whether one was left. The counter goes up only when the client is stored, in the same step. So what a \
         later script or rule rejects is not counted, and however many requests arrive at once, at most `most` \
         clients are stored: a request that loses the last use to another one is answered with 429, and with \
         the time until the counter expires in `Retry-After`. A new counter expires after the given number of \
         seconds, and `kv::get` reads it. Each key can be reserved once for a client, and at most 16 keys. The \
         same limits apply.",
        "kv::reserve(\"places\", 1, 3600) && kv::get(\"places\") == 0 && !kv::reserve(\"none\", 0, 3600)",
    ),
];

pub(super) fn module(host: &Arc<dyn Host>, limits: &ScriptLimits) -> Functions {
    let mut module = Functions::default();
    let values = StoredValues {
        host: Arc::clone(host),
        calls: limits.store_calls,
    };
    let kv = values.clone();
    module.add1("get", move |cx, key: ImmutableString| kv.get(cx, &key));
    let kv = values.clone();
    module.add3(
        "set",
        move |cx, key: ImmutableString, value: Dynamic, seconds: i64| {
            kv.set(cx, &key, &value, seconds)
        },
    );
    let kv = values.clone();
    module.add1("delete", move |cx, key: ImmutableString| {
        kv.delete(cx, &key)
    });
    add_counters(&mut module, values);
    module
}

/// Adds the functions for counters.
fn add_counters(module: &mut Functions, values: StoredValues) {
    let kv = values.clone();
    module.add3(
        "increment",
        move |cx, key: ImmutableString, amount: i64, seconds: i64| {
            kv.increment(cx, &key, amount, seconds)
        },
    );
    module.add3(
        "reserve",
        move |cx, key: ImmutableString, most: i64, seconds: i64| {
            values.reserve(cx, &key, most, seconds)
        },
    );
}

/// The values of scripts in the store.
#[derive(Clone)]
struct StoredValues {
    host: Arc<dyn Host>,
    /// The maximum number of calls of the store per call of a hook.
    calls: u32,
}

impl StoredValues {
    fn get(&self, cx: &NativeCallContext<'_>, name: &str) -> HostResult<Dynamic> {
        let key = key(name)?;
        let value = store(cx, self.calls, |by| self.host.kv_get(by, key))?;
        value.as_ref().map_or(Ok(Dynamic::UNIT), to_script)
    }

    fn set(
        &self,
        cx: &NativeCallContext<'_>,
        name: &str,
        value: &Dynamic,
        seconds: i64,
    ) -> HostResult<()> {
        let (key, value, seconds) = (key(name)?, to_json(value)?, lifetime(seconds)?);
        if value.to_string().len() > VALUE_BYTES {
            return Err(failure(format!(
                "the value must not exceed {VALUE_BYTES} bytes of JSON"
            )));
        }
        store(cx, self.calls, |by| {
            self.host.kv_set(by, key, &value, seconds)
        })
    }

    fn delete(&self, cx: &NativeCallContext<'_>, name: &str) -> HostResult<bool> {
        let key = key(name)?;
        store(cx, self.calls, |by| self.host.kv_delete(by, key))
    }

    fn increment(
        &self,
        cx: &NativeCallContext<'_>,
        name: &str,
        amount: i64,
        seconds: i64,
    ) -> HostResult<i64> {
        let (key, seconds) = (key(name)?, lifetime(seconds)?);
        store(cx, self.calls, |by| {
            self.host.kv_increment(by, key, amount, seconds)
        })
    }
}

impl StoredValues {
    fn reserve(
        &self,
        cx: &NativeCallContext<'_>,
        name: &str,
        most: i64,
        seconds: i64,
    ) -> HostResult<bool> {
        let (key, seconds) = (key(name)?, lifetime(seconds)?);
        let context = hook(cx)?;
        context.may_reserve()?;
        let used = store(cx, self.calls, |by| self.host.kv_count(by, key, seconds))?;
        if used >= most {
            return Ok(false);
        }
        context.reserve(key, u64::try_from(most).unwrap_or_default())?;
        Ok(true)
    }
}

fn key(name: &str) -> HostResult<&str> {
    let fits = (1..=KEY_BYTES).contains(&name.len());
    if fits {
        Ok(name)
    } else {
        Err(failure(format!("the key must have 1 to {KEY_BYTES} bytes")))
    }
}

fn lifetime(seconds: i64) -> HostResult<u64> {
    let seconds = u64::try_from(seconds)
        .ok()
        .filter(|seconds| (1..=MOST_SECONDS).contains(seconds));
    seconds.ok_or_else(|| failure(format!("the lifetime must be 1 to {MOST_SECONDS} seconds")))
}
