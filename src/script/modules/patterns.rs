//! Regular expressions in bounded time: the time grows with the length of the text, and the product of the size
//! of a compiled pattern and the length of a text is limited.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use regex::{Regex, RegexBuilder};

/// The size limit of a pattern, in bytes.
const PATTERN_BYTES: usize = 1_024;
/// The nesting limit of a pattern.
const DEPTH: u32 = 32;
/// The limit for the states that are built while a text is searched, in bytes.
const SEARCH_BYTES: usize = 1 << 19;
/// Two classes of patterns: the limit of a compiled pattern, and that of the text it searches, in bytes. A
/// repeated class of letters of all languages is large.
const SMALL: (usize, usize) = (1 << 16, 1 << 14);
const LARGE: (usize, usize) = (1 << 22, 1 << 8);
/// The limit for all compiled patterns together, in bytes.
const KEPT: usize = 1 << 25;

/// The part of a text that a pattern must match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Extent {
    /// The whole text.
    Whole,
    /// Any part of it.
    Part,
}

/// The compiled patterns of all scripts, because compiling one takes longer than searching with it.
#[derive(Default)]
pub(super) struct Patterns(Mutex<KeptPatterns>);

#[derive(Default)]
struct KeptPatterns {
    patterns: HashMap<(Extent, String), Pattern>,
    /// The limits of all of them together, in bytes.
    bytes: usize,
}

/// A compiled pattern, and the size limit of the text that it searches.
#[derive(Clone)]
struct Pattern {
    regex: Regex,
    text_bytes: usize,
}

impl Patterns {
    /// Returns the pattern for a search in `text`.
    ///
    /// # Errors
    /// When the pattern is invalid or too large, or the text is too long for it.
    pub(super) fn find(&self, pattern: &str, extent: Extent, text: &str) -> Result<Regex, String> {
        let found = self.compiled(pattern, extent)?;
        if text.len() > found.text_bytes {
            return Err(format!(
                "the text must not exceed {} bytes for this pattern",
                found.text_bytes
            ));
        }
        Ok(found.regex)
    }

    fn compiled(&self, pattern: &str, extent: Extent) -> Result<Pattern, String> {
        let name = (extent, pattern.to_owned());
        if let Some(known) = self.lock().patterns.get(&name) {
            return Ok(known.clone());
        }
        let (compiled, bytes) = compile(pattern, extent)?;
        let mut all = self.lock();
        if all.bytes.saturating_add(bytes) > KEPT {
            *all = KeptPatterns::default();
        }
        all.bytes += bytes;
        all.patterns.insert(name, compiled.clone());
        Ok(compiled)
    }

    fn lock(&self) -> MutexGuard<'_, KeptPatterns> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns what is wrong with a pattern.
pub(super) fn fault(pattern: &str, extent: Extent) -> Option<String> {
    compile(pattern, extent).err()
}

/// Compiles `pattern`, and returns it with the limit within which it compiled.
fn compile(pattern: &str, extent: Extent) -> Result<(Pattern, usize), String> {
    if pattern.len() > PATTERN_BYTES {
        return Err(format!("the pattern must not exceed {PATTERN_BYTES} bytes"));
    }
    let whole = match extent {
        Extent::Part => pattern.to_owned(),
        Extent::Whole => {
            // A pattern with a closing parenthesis too many must not end the group.
            build(pattern, LARGE.0)?;
            format!(r"\A(?:{pattern})\z")
        }
    };
    let (regex, (bytes, text_bytes)) = match build(&whole, SMALL.0) {
        Ok(regex) => (regex, SMALL),
        Err(_) => (build(&whole, LARGE.0)?, LARGE),
    };
    Ok((Pattern { regex, text_bytes }, bytes))
}

fn build(pattern: &str, bytes: usize) -> Result<Regex, String> {
    let mut builder = RegexBuilder::new(pattern);
    builder.size_limit(bytes).dfa_size_limit(SEARCH_BYTES);
    builder
        .nest_limit(DEPTH)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => format!(
                "the pattern is too large: compiled, it exceeds {} bytes; repeat less",
                LARGE.0
            ),
            error => {
                // The message of a syntax error draws the pattern over several lines.
                let text = error.to_string();
                let last = text.lines().last().unwrap_or_default();
                format!("invalid pattern: {}", last.trim_start_matches("error: "))
            }
        })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn search(pattern: &str, extent: Extent, text: &str) -> Result<bool, String> {
        let found = Patterns::default().find(pattern, extent, text)?;
        Ok(found.is_match(text))
    }

    #[test]
    fn a_pattern_matches_the_whole_text_or_a_part() {
        for (pattern, text, whole, part) in [
            ("a|ab", "ab", true, true),
            ("b", "ab", false, true),
            ("^b", "a\nb", false, false),
            ("(?m)^b$", "a\nb\n", false, true),
            ("", "a", false, true),
        ] {
            assert_eq!(search(pattern, Extent::Whole, text), Ok(whole), "{pattern}");
            assert_eq!(search(pattern, Extent::Part, text), Ok(part), "{pattern}");
        }
    }

    #[test]
    fn a_wrong_pattern_is_named() {
        for (pattern, expected) in [
            ("a)|(?:b", "invalid pattern: unopened group"),
            ("(a", "invalid pattern: unclosed group"),
            (
                r"(a)\1",
                "invalid pattern: backreferences are not supported",
            ),
            ("(?=a)", "invalid pattern: look-around"),
            (r"\w{900}", "the pattern is too large"),
            (&"a".repeat(1_025), "must not exceed 1024 bytes"),
            (&"(".repeat(40), "invalid pattern: "),
        ] {
            for extent in [Extent::Whole, Extent::Part] {
                let error = search(pattern, extent, "a").unwrap_err();
                assert!(error.contains(expected), "{pattern}: {error}");
            }
        }
    }

    #[test]
    fn a_large_pattern_searches_short_texts() {
        let name = r"[\p{L}\p{M}\p{N} .,'&-]{3,60}";
        assert_eq!(search(name, Extent::Whole, "Café 1"), Ok(true));
        assert_eq!(search(name, Extent::Whole, "<b>"), Ok(false));
        let error = search(name, Extent::Whole, &"a".repeat(257)).unwrap_err();
        assert!(error.contains("256 bytes"), "{error}");
        assert_eq!(search("a*", Extent::Whole, &"a".repeat(16_384)), Ok(true));
        assert!(search("a*", Extent::Whole, &"a".repeat(16_385)).is_err());
    }

    /// A debug build takes many times as long as a release build.
    #[test]
    fn no_search_takes_long() {
        let text = "a".repeat(16_383) + "b";
        for pattern in [
            "(a*)*c",
            "(a|aa)+c",
            "(.*)(.*)(.*)(.*)(.*)[xy]z",
            "(?:a?){400}a{400}c",
            "(a*a*)*c",
        ] {
            for length in [SMALL.1, LARGE.1] {
                let begun = Instant::now();
                let part = text.get(text.len() - length..).unwrap();
                let found = search(pattern, Extent::Part, part);
                assert_ne!(found, Ok(true), "{pattern}");
                assert!(begun.elapsed() < Duration::from_secs(5), "{pattern}");
            }
        }
    }

    #[test]
    fn the_kept_patterns_are_limited() {
        let patterns = Patterns::default();
        for number in 0..1_000 {
            assert!(
                patterns
                    .find(&format!("a{number}"), Extent::Part, "a7")
                    .is_ok()
            );
        }
        let kept = patterns.lock();
        assert!(kept.bytes <= KEPT && kept.patterns.len() <= KEPT / SMALL.0);
    }
}
