//! Times and durations as people write and read them.

use jiff::Timestamp;
use serde_json::Value;

/// Parses a time, in RFC 3339 or in seconds since 1970-01-01T00:00:00Z, and returns those seconds.
pub(super) fn parse(text: &str) -> Result<u64, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    if let Ok(moment) = text.parse::<Timestamp>()
        && let Ok(seconds) = u64::try_from(moment.as_second())
    {
        return Ok(seconds);
    }
    Err("expected a time such as 2026-01-31T12:00:00Z, or seconds since 1970".to_owned())
}

/// Parses a duration, in seconds or with the unit s, m, h or d, and returns its seconds.
pub(super) fn duration(text: &str) -> Result<u64, String> {
    let mut digits = text;
    let mut factor = 1;
    for (unit, seconds) in [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)] {
        if let Some(before) = text.strip_suffix(unit) {
            digits = before;
            factor = seconds;
        }
    }
    if let Ok(number) = digits.parse::<u64>()
        && let Some(seconds) = number.checked_mul(factor)
    {
        return Ok(seconds);
    }
    Err("expected a number of seconds, or one with a unit: 90s, 15m, 12h, 30d".to_owned())
}

/// Formats seconds since 1970 as RFC 3339. Returns an empty text if there is no value.
pub(super) fn shown(value: Option<&Value>) -> String {
    let seconds = value.and_then(Value::as_i64);
    match seconds.map(Timestamp::from_second) {
        Some(Ok(moment)) => moment.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_read_in_two_forms_and_shown_in_one() {
        assert_eq!(parse("1767225600"), Ok(1_767_225_600));
        assert_eq!(parse("2026-01-01T00:00:00Z"), Ok(1_767_225_600));
        assert_eq!(parse("2026-01-01T01:00:00+01:00"), Ok(1_767_225_600));
        assert!(parse("yesterday").is_err() && parse("1969-01-01T00:00:00Z").is_err());
        assert_eq!(shown(Some(&json!(1_767_225_600))), "2026-01-01T00:00:00Z");
        assert_eq!(shown(None), "");
    }

    #[test]
    fn durations_may_have_a_unit() {
        assert_eq!(
            ["5", "5s", "2m", "1h", "30d"].map(duration),
            [5, 5, 120, 3_600, 2_592_000].map(Ok)
        );
        for bad in [
            "",
            "d",
            "-1",
            "1w",
            "1.5h",
            "99999999999999999999",
            "999999999999999999d",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
