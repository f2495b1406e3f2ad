//! `pattern` in an entry of `[[scopes]]`.

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

/// Maximum size of a compiled expression, in bytes.
const MOST_BYTES: usize = 1024 * 1024;

/// A regular expression that a whole scope token must match. It is compiled once, when the configuration is
/// loaded. Matching takes time linear in the length of the token.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ScopePattern {
    text: String,
    whole: Regex,
}

impl ScopePattern {
    /// Whether the pattern matches all of `token`.
    pub fn matches(&self, token: &str) -> bool {
        self.whole.is_match(token)
    }
}

impl TryFrom<String> for ScopePattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let whole = RegexBuilder::new(&format!(r"\A(?:{text})\z"))
            .size_limit(MOST_BYTES)
            .build();
        let whole = whole.map_err(|_| {
            format!("pattern: '{text}' is not a valid regular expression, or is too large")
        })?;
        Ok(Self { text, whole })
    }
}

impl From<ScopePattern> for String {
    fn from(pattern: ScopePattern) -> Self {
        pattern.text
    }
}

impl PartialEq for ScopePattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for ScopePattern {}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::config::Scope;

    const SMART: &str =
        r"(patient|user|system)/([A-Z][A-Za-z]+|\*)\.(read|write|\*|c?r?u?d?s?|\$[a-z-]+)(\?.+)?";

    fn scope(pattern: &str) -> Result<Scope, String> {
        serde_json::from_value(json!({"id": "access", "pattern": pattern}))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_pattern_matches_whole_tokens() {
        let table: &[(&str, &str, bool)] = &[
            (SMART, "patient/*.rs", true),
            (
                SMART,
                "patient/Observation.rs?category=http://example.org/x|laboratory",
                true,
            ),
            (SMART, "system/Patient.$export", true),
            (SMART, "user/*.*", true),
            (SMART, "patient/Patient.rx", false),
            (SMART, "hospital/Patient.rs", false),
            (SMART, "xpatient/Patient.rs", false),
            // The name of an entry with a pattern is not a scope.
            (SMART, "access", false),
            // An alternative must also match the whole token.
            ("a|b", "ab", false),
            ("a|b", "b", true),
            ("a", "a\n", false),
        ];
        for (pattern, token, defined) in table {
            assert_eq!(
                scope(pattern).unwrap().defines(token),
                *defined,
                "{pattern} {token}"
            );
        }
    }

    #[test]
    fn an_invalid_pattern_is_rejected_and_a_valid_one_is_shown_unchanged() {
        for pattern in ["(", "a{1000000}", "(?P<x>a)(?P<x>b)"] {
            assert!(
                scope(pattern).unwrap_err().contains("regular expression"),
                "{pattern}"
            );
        }
        let told: Value = serde_json::to_value(scope(SMART).unwrap()).unwrap();
        assert_eq!(told["pattern"], SMART);
        assert_eq!(scope(SMART).unwrap(), scope(SMART).unwrap());
    }
}
