//! Times and durations as people write them. Every option and every parameter that takes one is read here.

use jiff::Timestamp as Moment;

use super::Timestamp;

/// The units of a duration, with their seconds, from long to short.
const UNITS: [(char, u64); 5] = [
    ('w', 604_800),
    ('d', 86_400),
    ('h', 3_600),
    ('m', 60),
    ('s', 1),
];

/// The forms of a time.
pub(crate) const TIME: &str = "a time such as 2026-01-31T12:00:00Z, 2026-01-31, 30d (ago), +12h (from now), or seconds \
                               since 1970";
/// The forms of a duration.
pub(crate) const DURATION: &str =
    "a number of seconds, or a duration with units: 90s, 15m, 1h30m, 30d, 2w";

/// Parses a time: in RFC 3339, a day (its beginning in UTC), seconds since 1970-01-01T00:00:00Z, or a duration with a
/// unit: before `now`, or with a plus sign after it. Returns `None` for another form.
pub(crate) fn time(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(seconds) = text.parse() {
        return (!text.starts_with('+')).then(|| Timestamp::from_unix(seconds));
    }
    if let Some(moment) = instant(text).or_else(|| day(text)) {
        return Some(moment);
    }
    // In a query, a plus sign is read as a space.
    let seconds = match text.strip_prefix(['+', ' ']) {
        Some(later) => with_units(later).and_then(|seconds| now.unix().checked_add(seconds)),
        None => with_units(text).and_then(|seconds| now.unix().checked_sub(seconds)),
    };
    seconds.map(Timestamp::from_unix)
}

/// Returns the beginning of a day in UTC. Returns `None` for another form, and for a day before 1970.
pub(crate) fn day(text: &str) -> Option<Timestamp> {
    let is_digit_or_dash = |byte: u8| byte.is_ascii_digit() || byte == b'-';
    let is_day = text.len() == "2026-01-31".len() && text.bytes().all(is_digit_or_dash);
    is_day.then(|| instant(&format!("{text}T00:00:00Z")))?
}

fn instant(text: &str) -> Option<Timestamp> {
    let moment: Moment = text.parse().ok()?;
    u64::try_from(moment.as_second())
        .ok()
        .map(Timestamp::from_unix)
}

/// Parses a duration, in seconds or with units, and returns its seconds. Returns `None` for another form.
pub(crate) fn duration(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        with_units(text)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_form() {
        const SECONDS: u64 = 1_767_312_000;
        const NOW: Timestamp = Timestamp::from_unix(SECONDS);
        for (text, seconds) in [
            ("1767225600", 1_767_225_600),
            ("0", 0),
            ("2026-01-01T00:00:00Z", 1_767_225_600),
            ("2026-01-01T01:00:00+01:00", 1_767_225_600),
            ("2026-01-01", 1_767_225_600),
            ("1d", SECONDS - 86_400),
            ("1h30m", SECONDS - 5_400),
            ("2w1s", SECONDS - 1_209_601),
            ("+7d", SECONDS + 604_800),
        ] {
            assert_eq!(
                time(text, NOW).map(Timestamp::unix),
                Some(seconds),
                "{text}"
            );
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
            assert!(time(bad, NOW).is_none(), "{bad}");
        }
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
            assert_eq!(duration(text), Some(seconds), "{text}");
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
            assert!(duration(bad).is_none(), "{bad}");
        }
    }
}
