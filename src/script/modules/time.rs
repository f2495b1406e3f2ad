//! `time::now()` in seconds since the Unix epoch, `time::parse(rfc3339)`, `time::format(seconds)`.

use std::sync::Arc;

use jiff::Timestamp;
use rhai::{ImmutableString, Module};

use super::super::value::failure;
use crate::clock::Clock;

pub(super) fn module(clock: &Arc<dyn Clock>) -> Module {
    let mut module = Module::new();
    let clock = Arc::clone(clock);
    module.set_native_fn("now", move || Ok(i64::try_from(clock.now().unix()).unwrap_or(i64::MAX)));
    module.set_native_fn("parse", |text: ImmutableString| {
        let time: Timestamp =
            text.parse().map_err(|error| failure(format!("not a time by RFC 3339: {error}")))?;
        Ok(time.as_second())
    });
    module.set_native_fn("format", |seconds: i64| {
        let time = Timestamp::from_second(seconds).map_err(|error| failure(error.to_string()))?;
        Ok(time.to_string())
    });
    module
}
