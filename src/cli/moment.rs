//! Times and durations as people write and read them. Every option and filter that takes one uses these functions.

use jiff::Timestamp;
use serde_json::Value;

use crate::base::{Clock, SystemClock};

/// The units of a duration, with their seconds, from long to short.
const UNITS: [(char, u64); 5] = [
    ('w', 604_800),
    ('d', 86_400),
    ('h', 3_600),
    ('m', 60),
    ('s', 1),
];

/// Parses a time, and returns its seconds since 1970-01-01T00:00:00Z. It is in RFC 3339, a day (its beginning in UTC),
/// these seconds, or a duration with a unit: before now, or with a plus sign after now.
pub(super) fn parse(text: &str) -> Result<u64, String> {
    parse_at(text, SystemClock.now().unix())
}

fn parse_at(text: &str, now: u64) -> Result<u64, String> {
    if let Ok(seconds) = text.parse() {
        return if text.starts_with('+') {
            Err(due())
        } else {
            Ok(seconds)
        };
    }
    let moment = text.parse::<Timestamp>().ok().or_else(|| day(text));
    let seconds = match moment {
        Some(moment) => u64::try_from(moment.as_second()).ok(),
        None => match text.strip_prefix('+') {
            Some(later) => with_units(later).and_then(|seconds| now.checked_add(seconds)),
            None => with_units(text).and_then(|seconds| now.checked_sub(seconds)),
        },
    };
    seconds.ok_or_else(due)
}

fn due() -> String {
    "expected a time such as 2026-01-31T12:00:00Z, 2026-01-31, 30d (ago), +12h (from now), or seconds since 1970"
        .to_owned()
}

/// Returns the beginning of a day in UTC.
fn day(text: &str) -> Option<Timestamp> {
    let is_digit_or_dash = |byte: u8| byte.is_ascii_digit() || byte == b'-';
    let is_day = text.len() == "2026-01-31".len() && text.bytes().all(is_digit_or_dash);
    is_day.then(|| format!("{text}T00:00:00Z").parse().ok())?
}

/// Parses a duration, in seconds or with units, and returns its seconds.
pub(super) fn duration(text: &str) -> Result<u64, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = if plain {
        text.parse().ok()
    } else {
        with_units(text)
    };
    seconds.ok_or_else(|| {
        "expected a number of seconds, or a duration with units: 90s, 15m, 1h30m, 30d, 2w"
            .to_owned()
    })
}

/// Returns the seconds of a duration such as `1h30m`. Each unit occurs once, and the longer one first.
fn with_units(text: &str) -> Option<u64> {
    let (mut rest, mut units, mut sum) = (text, UNITS.iter(), 0_u64);
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let (digits, after) = rest.split_at(end);
        let unit = after.chars().next()?;
        let (_, seconds) = units.find(|(name, _)| *name == unit)?;
        let number: u64 = digits.parse().ok()?;
        sum = sum.checked_add(number.checked_mul(*seconds)?)?;
        rest = after.strip_prefix(unit)?;
    }
    (!text.is_empty()).then_some(sum)
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
    fn times_are_read_in_every_form_and_shown_in_one() {
        const NOW: u64 = 1_767_312_000;
        for (text, seconds) in [
            ("1767225600", 1_767_225_600),
            ("0", 0),
            ("2026-01-01T00:00:00Z", 1_767_225_600),
            ("2026-01-01T01:00:00+01:00", 1_767_225_600),
            ("2026-01-01", 1_767_225_600),
            ("1d", NOW - 86_400),
            ("1h30m", NOW - 5_400),
            ("2w1s", NOW - 1_209_601),
            ("+7d", NOW + 604_800),
        ] {
            assert_eq!(parse_at(text, NOW), Ok(seconds), "{text}");
        }
        for bad in [
            "",
            "yesterday",
            "1969-01-01T00:00:00Z",
            "1969-01-01",
            "2026-02-30",
            "2026-01",
            "20260101T00",
            "+5",
            "+",
            "-1d",
            "30000w",
            "1m1h",
            "99999999999999999999",
        ] {
            assert!(parse_at(bad, NOW).is_err(), "{bad}");
        }
        assert_eq!(shown(Some(&json!(1_767_225_600))), "2026-01-01T00:00:00Z");
        assert_eq!(shown(None), "");
    }

    #[test]
    fn durations_may_have_units() {
        for (text, seconds) in [
            ("0", 0),
            ("5", 5),
            ("5s", 5),
            ("2m", 120),
            ("1h", 3_600),
            ("30d", 2_592_000),
            ("1w", 604_800),
            ("1h30m", 5_400),
            ("1d2h3m4s", 93_784),
        ] {
            assert_eq!(duration(text), Ok(seconds), "{text}");
        }
        for bad in [
            "",
            "d",
            "-1",
            "+1",
            "1.5h",
            "30m1h",
            "1h1h",
            "1h30",
            "1 h",
            "99999999999999999999",
            "999999999999999999d",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
