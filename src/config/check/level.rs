//! Check of `telemetry.level`. Without it, a misspelt level would be interpreted as the name of a part of
//! the program, and only that part would be logged.

use crate::config::verdict::Verdict;

const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace", "off"];

pub(super) fn check(level: &str, verdict: &mut Verdict) {
    let words: Vec<&str> = level
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .collect();
    let reason = match words.iter().find_map(|word| fault(word)) {
        _ if words.is_empty() => format!("is empty; use {}", choice()),
        Some(word) => format!(
            "'{word}' is not a log level; use {}; to set the level of one part of the program, write \
             info,registrar::script=debug",
            choice()
        ),
        None => return,
    };
    verdict.refuse("telemetry.level", reason);
}

/// Returns the part of `word` that should be a level but is not. For spans in brackets, the logging library
/// itself reports what is wrong.
fn fault(word: &str) -> Option<&str> {
    if word.contains('[') {
        return None;
    }
    let level = word.split_once('=').map_or(word, |(_, level)| level);
    (!is_level(level)).then_some(level)
}

/// Whether `text` is a level. The logging library also accepts numbers.
fn is_level(text: &str) -> bool {
    LEVELS.iter().any(|level| level.eq_ignore_ascii_case(text))
        || matches!(text.parse(), Ok(0_u8..=5))
}

fn choice() -> String {
    let (last, others) = LEVELS.split_last().unwrap_or((&"", &[]));
    format!("{} or {last}", others.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(level: &str) -> Vec<(String, String)> {
        let mut verdict = Verdict::default();
        check(level, &mut verdict);
        verdict.errors
    }

    #[test]
    fn a_word_alone_is_a_level() {
        for good in [
            "info",
            "WARN",
            "off",
            "3",
            "info, registrar::script=debug",
            "info,",
            "[register]=debug",
        ] {
            assert!(said(good).is_empty(), "{good}");
        }
        for (bad, named) in [
            (
                "warning",
                "'warning' is not a log level; use error, warn, info, debug, trace or off",
            ),
            ("loud", "'loud' is not a log level"),
            ("info,registrar", "'registrar' is not a log level"),
            ("registrar::script=verbose", "'verbose' is not a log level"),
            ("", "is empty"),
        ] {
            let said = said(bad);
            assert_eq!(said.len(), 1, "{bad}");
            assert!(
                said[0].0 == "telemetry.level" && said[0].1.contains(named),
                "{bad}: {said:?}"
            );
        }
    }
}
