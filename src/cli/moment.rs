//! Times and durations as people write and read them.

use jiff::Timestamp;
use serde_json::Value;

/// Parses a time, in RFC 3339 or in seconds since 1970-01-01T00:00:00Z, and returns those seconds.
pub(super) fn parse(text: &str) -> Result<u64, String> {
    let seconds = text.parse().ok();
    let seconds = seconds.or_else(|| {
        let moment: Timestamp = text.parse().ok()?;
        u64::try_from(moment.as_second()).ok()
    });
    seconds.ok_or_else(|| {
        "expected a time such as 2026-01-31T12:00:00Z, or seconds since 1970".to_owned()
    })
}

/// Parses a duration, in seconds or with the unit s, m, h or d, and returns its seconds.
pub(super) fn duration(text: &str) -> Result<u64, String> {
    let unit = |last: char| match last {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3_600),
        'd' => Some(86_400),
        _ => None,
    };
    let factor = text.chars().last().and_then(unit);
    let digits = if factor.is_some() {
        text.get(..text.len().saturating_sub(1))
    } else {
        Some(text)
    };
    let number: Option<u64> = digits.and_then(|digits| digits.parse().ok());
    let seconds = number.and_then(|number| number.checked_mul(factor.unwrap_or(1)));
    seconds.ok_or_else(|| {
        "expected a number of seconds, or one with a unit: 90s, 15m, 12h, 30d".to_owned()
    })
}

/// Formats seconds since 1970 as RFC 3339. Returns an empty text if there is no value.
pub(super) fn shown(value: Option<&Value>) -> String {
    let seconds = value.and_then(Value::as_i64);
    seconds
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .map(|it| it.to_string())
        .unwrap_or_default()
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
