//! `time::now()` in seconds since the Unix epoch, `time::parse(rfc3339)`, `time::format(seconds)`.

use std::sync::Arc;

use jiff::Timestamp;
use rhai::ImmutableString;

use crate::base::Clock;
use crate::script::{failure, modules::Functions, modules::HostFunction, modules::function};

/// The functions, for the manual and for editors.
pub(super) const FUNCTIONS: &[HostFunction] = &[
    function(
        "time",
        "now() -> int",
        "Returns the seconds since 1970-01-01T00:00:00Z.",
        "time::now() > 0",
    ),
    function(
        "time",
        "parse(text: string) -> int",
        "Returns the seconds since 1970 for an RFC 3339 time. Fails when the text is not an RFC 3339 time.",
        r#"time::parse("1970-01-01T01:00:00+01:00") == 0"#,
    ),
    function(
        "time",
        "format(seconds: int) -> string",
        "Formats a time as RFC 3339 in UTC. Fails when the year does not have four digits.",
        r#"time::format(0) == "1970-01-01T00:00:00Z""#,
    ),
];

/// Parses an RFC 3339 time.
pub(super) fn instant(text: &str) -> Result<Timestamp, String> {
    let parsed = text.parse();
    parsed.map_err(|error: jiff::Error| format!("not an RFC 3339 time: {error}"))
}

pub(super) fn module(clock: &Arc<dyn Clock>) -> Functions {
    let mut module = Functions::default();
    let clock = Arc::clone(clock);
    module.add0("now", move |_| {
        Ok(i64::try_from(clock.now().unix()).unwrap_or(i64::MAX))
    });
    module.add1("parse", |_, text: ImmutableString| {
        Ok(instant(&text).map_err(failure)?.as_second())
    });
    module.add1("format", |_, seconds: i64| {
        let time = Timestamp::from_second(seconds).map_err(|error| failure(error.to_string()))?;
        Ok(time.to_string())
    });
    module
}
