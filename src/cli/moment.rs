//! Times and durations on the command line. Every option and filter that takes one uses these functions.

use jiff::Timestamp;
use serde_json::Value;

use crate::base::{Clock, SystemClock, moment};

/// Parses a [time](moment::time), and returns its seconds since 1970-01-01T00:00:00Z.
pub(super) fn parse(text: &str) -> Result<u64, String> {
    let time = moment::time(text, SystemClock.now());
    let time = time.ok_or_else(|| format!("expected {}", moment::TIME))?;
    Ok(time.unix())
}

/// Parses a [time](moment::time) that is not over yet.
pub(super) fn future(text: &str) -> Result<u64, String> {
    let seconds = parse(text)?;
    if seconds > SystemClock.now().unix() {
        return Ok(seconds);
    }
    // Whoever writes the duration alone means this.
    let later = format!("+{}", text.trim());
    Err(match moment::duration(text) {
        Some(_) if parse(&later).is_ok() => {
            format!("this is in the past; {later} is that much from now")
        }
        _ => "this is in the past".to_owned(),
    })
}

/// Parses a [duration](moment::duration), and returns its seconds.
pub(super) fn duration(text: &str) -> Result<u64, String> {
    moment::duration(text).ok_or_else(|| format!("expected {}", moment::DURATION))
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
    fn a_time_is_shown_as_it_is_read() {
        let seconds = json!(1_767_225_600);
        assert_eq!(shown(Some(&seconds)), "2026-01-01T00:00:00Z");
        assert_eq!(parse("2026-01-01T00:00:00Z"), Ok(1_767_225_600));
        assert_eq!(shown(None), "");
        assert!(parse("yesterday").unwrap_err().contains("30d (ago)"));
        for past in ["30d", "1h30m", "0s"] {
            let said = future(past).unwrap_err();
            assert!(said.contains(&format!("; +{past} is")), "{said}");
        }
        for past in ["1", "0", "2026-01-01"] {
            assert_eq!(future(past), Err("this is in the past".to_owned()));
        }
        assert!(future("+1h").is_ok() && future("9999-01-01").is_ok());
        assert!(future("soon").unwrap_err().contains("30d (ago)"));
        assert!(duration("soon").unwrap_err().contains("1h30m"));
    }
}
