//! `[[scopes]]`: the scopes that clients can have.

mod pattern;

use serde::{Deserialize, Serialize};

pub use pattern::ScopePattern;

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
    pub fn defines(&self, name: &str) -> bool {
        self.pattern
            .as_ref()
            .map_or(self.id == name, |pattern| pattern.matches(name))
    }
}

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
