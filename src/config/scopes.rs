//! `[[scopes]]`: the scopes that clients can have.

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

/// An entry of `[[scopes]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scope {
    /// The scope token (RFC 6749 section 3.3). With a pattern, only the name of this entry.
    pub id: String,
    /// The scope tokens of this entry, if they cannot be listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<ScopePattern>,
    /// A description for people.
    #[serde(default)]
    pub description: Option<String>,
    /// Whether every client gets it.
    #[serde(default)]
    pub default: bool,
    /// The claims that the scope gives access to.
    #[serde(default)]
    pub claims: Vec<String>,
}

impl Scope {
    /// Whether this entry defines the scope token `name`.
    pub(crate) fn defines(&self, name: &str) -> bool {
        match &self.pattern {
            Some(pattern) => pattern.matches(name),
            None => self.id == name,
        }
    }
}

/// Maximum size of a compiled pattern, in bytes.
const PATTERN_BYTES: usize = 1024 * 1024;

/// `pattern` in an entry of `[[scopes]]`: a regular expression that a whole scope token must match. It is compiled once, when the configuration is
/// loaded. Matching takes time linear in the length of the token.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ScopePattern {
    text: String,
    whole: Regex,
}

impl ScopePattern {
    /// Whether the pattern matches all of `token`.
    pub(crate) fn matches(&self, token: &str) -> bool {
        self.whole.is_match(token)
    }
}

impl TryFrom<String> for ScopePattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let whole = RegexBuilder::new(&format!(r"\A(?:{text})\z"))
            .size_limit(PATTERN_BYTES)
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

/// The scopes of OpenID Connect Core (sections 5.4 and 11), with their claims.
const OPENID: &[(&str, &str, &[&str])] = &[
    ("openid", "Sign in", &[]),
    (
        "profile",
        "The name and other facts of the profile",
        &[
            "name",
            "family_name",
            "given_name",
            "middle_name",
            "nickname",
            "preferred_username",
            "profile",
            "picture",
            "website",
            "gender",
            "birthdate",
            "zoneinfo",
            "locale",
            "updated_at",
        ],
    ),
    ("email", "The e-mail address", &["email", "email_verified"]),
    ("address", "The postal address", &["address"]),
    (
        "phone",
        "The telephone number",
        &["phone_number", "phone_number_verified"],
    ),
    ("offline_access", "Access while the user is away", &[]),
];

/// Returns the scopes of a configuration without `[[scopes]]`.
pub(super) fn default_scopes() -> Vec<Scope> {
    let scope = |&(id, description, claims): &(&str, &str, &[&str])| Scope {
        id: id.to_owned(),
        pattern: None,
        description: Some(description.to_owned()),
        default: false,
        claims: claims.iter().map(|&claim| claim.to_owned()).collect(),
    };
    OPENID.iter().map(scope).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Scope;

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
