//! Scope texts: words with white space between them (RFC 6749 section 3.3).
//!
//! The RFC allows exactly one space between two words. In practice, scopes are written over several
//! lines, with tabs or with repeated spaces. Any white space is therefore accepted when a scope
//! text is read, and scopes are stored and returned with single spaces.

/// Returns the words of a scope text.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
}

/// Returns `text` with single spaces between its words, or `None` if it has them already.
pub(crate) fn normal(text: &str) -> Option<String> {
    let is_single = text
        .split(' ')
        .all(|word| !word.is_empty() && !word.contains(char::is_whitespace));
    (!is_single).then(|| words(text).collect::<Vec<_>>().join(" "))
}

/// Whether `text` contains the word `wanted`.
pub(crate) fn has(text: &str, wanted: &str) -> bool {
    words(text).any(|word| word == wanted)
}

/// Whether `text` is one word by RFC 6749 section 3.3: visible ASCII without `"` and `\`.
pub(crate) fn is_word(text: &str) -> bool {
    let mut bytes = text.bytes();
    !text.is_empty() && bytes.all(|byte| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_white_space_separates() {
        for text in [
            "a b",
            " a  b ",
            "\n  a\n  b\n",
            "a\tb",
            "a\r\nb",
            "a\u{a0}b\u{3000}",
            "a\u{b}\u{c}b",
        ] {
            assert_eq!(words(text).collect::<Vec<_>>(), ["a", "b"], "{text:?}");
            assert_eq!(
                normal(text).unwrap_or_else(|| text.to_owned()),
                "a b",
                "{text:?}"
            );
            assert!(has(text, "b") && !has(text, "a b"), "{text:?}");
        }
        assert_eq!(normal("a b"), None);
        assert_eq!(normal("a"), None);
        for empty in ["", " ", "\n\t"] {
            assert_eq!(normal(empty), Some(String::new()), "{empty:?}");
        }
    }

    #[test]
    fn a_word_is_visible_ascii() {
        for word in [
            "openid",
            "patient/*.rs?category=http://a.example/x|y",
            "!#[]~",
        ] {
            assert!(is_word(word), "{word}");
        }
        for other in ["", "a b", "a\"", "a\\", "\u{e9}", "a\n"] {
            assert!(!is_word(other), "{other:?}");
        }
    }
}
