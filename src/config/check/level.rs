//! `telemetry.level`: the log would take a word that is no level for the name of a part of the program,
//! and show nothing but what that part says.

use super::Verdict;

const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace", "off"];

pub(super) fn check(level: &str, verdict: &mut Verdict) {
    let words: Vec<&str> = level.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
    let reason = match words.iter().find_map(|word| fault(word)) {
        _ if words.is_empty() => format!("names no level; use {}", choice()),
        Some(word) => format!(
            "'{word}' is no level; use {}; a part of the program has its level behind it, as in \
             info,registrar::script=debug",
            choice()
        ),
        None => return,
    };
    verdict.refuse("telemetry.level", reason);
}

/// What should be a level in `word`, and is none. Of spans in brackets the log itself says what is wrong.
fn fault(word: &str) -> Option<&str> {
    if word.contains('[') {
        return None;
    }
    let level = word.split_once('=').map_or(word, |(_, level)| level);
    (!is_level(level)).then_some(level)
}

/// The log knows them by their numbers too.
fn is_level(text: &str) -> bool {
    LEVELS.iter().any(|level| level.eq_ignore_ascii_case(text)) || matches!(text.parse(), Ok(0_u8..=5))
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
        for good in ["info", "WARN", "off", "3", "info, registrar::script=debug", "info,", "[register]=debug"]
        {
            assert!(said(good).is_empty(), "{good}");
        }
        for (bad, named) in [
            ("warning", "'warning' is no level; use error, warn, info, debug, trace or off"),
            ("loud", "'loud' is no level"),
            ("info,registrar", "'registrar' is no level"),
            ("registrar::script=verbose", "'verbose' is no level"),
            ("", "names no level"),
        ] {
            let said = said(bad);
            assert_eq!(said.len(), 1, "{bad}");
            assert!(said[0].0 == "telemetry.level" && said[0].1.contains(named), "{bad}: {said:?}");
        }
    }
}
