//! A person whom an OpenID Provider has signed in.

use serde_json::{Map, Value};

/// The maximum length of a subject (OpenID Connect Core section 2), in bytes.
const SUBJECT: usize = 255;
/// The maximum length of a name that is shown and recorded, in characters.
const NAME: usize = 120;

/// A person with the values of the claim that decides about scopes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    /// The identifier at the provider.
    pub(crate) subject: String,
    /// What people call the person, or the subject.
    pub(crate) name: String,
    /// All values of the claim.
    pub(crate) values: Vec<String>,
}

impl Person {
    /// Reads the person from verified claims.
    ///
    /// # Errors
    /// What is wrong with the subject.
    pub(super) fn of(claims: &Map<String, Value>, claim: &str) -> Result<Self, String> {
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or("");
        let is_subject = subject.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if subject.is_empty() || subject.len() > SUBJECT || !is_subject {
            return Err(format!(
                "the `sub` of the ID token must be 1 to {SUBJECT} ASCII characters"
            ));
        }
        let names = ["name", "preferred_username", "email"].into_iter();
        let mut names = names.filter_map(|name| readable(claims.get(name)?.as_str()?));
        Ok(Self {
            subject: subject.to_owned(),
            name: names.next().unwrap_or_else(|| subject.to_owned()),
            values: values(claim_of(claims, claim)),
        })
    }
}

/// Returns a name without control characters; none if nothing is left.
fn readable(name: &str) -> Option<String> {
    let shown = name.chars().filter(|character| !character.is_control());
    let shown: String = shown.take(NAME).collect();
    let shown = shown.trim();
    (!shown.is_empty()).then(|| shown.to_owned())
}

/// Returns the claim that `path` names: the one of this name, or else one inside another, as `realm_access.roles` is. Names
/// have dots too (`https://example.org/roles`), so each dot may be part of a name.
pub(super) fn claim_of<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let inside = || {
        let mut dots = path.match_indices('.');
        dots.find_map(|(at, _)| {
            let (outer, inner) = (path.get(..at)?, path.get(at + 1..)?);
            claim_of(claims.get(outer)?.as_object()?, inner)
        })
    };
    claims.get(path).or_else(inside)
}

/// A claim is one text or a list of texts. Anything else in it has no meaning here.
fn values(claim: Option<&Value>) -> Vec<String> {
    match claim {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(all)) => {
            let texts = all.iter().filter_map(Value::as_str);
            texts.map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(claims: &Value) -> Result<Person, String> {
        Person::of(claims.as_object().unwrap(), "groups")
    }

    #[test]
    fn the_best_name_is_shown() {
        for (claims, expected) in [
            (json!({"sub": "1", "name": "Ada", "email": "a@b"}), "Ada"),
            (
                json!({"sub": "1", "name": " \u{7}", "preferred_username": "ada\n"}),
                "ada",
            ),
            (json!({"sub": "1", "email": "a@b"}), "a@b"),
            (json!({"sub": "1", "name": 5}), "1"),
        ] {
            assert_eq!(of(&claims).unwrap().name, expected);
        }
        let long = of(&json!({"sub": "1", "name": "é".repeat(500)})).unwrap();
        assert_eq!(long.name.chars().count(), NAME);
    }

    #[test]
    fn a_claim_is_a_text_or_a_list_of_texts() {
        for (claim, expected) in [
            (json!("a b"), &["a b"][..]),
            (json!(["a", 1, "b"]), &["a", "b"]),
            (json!({"a": true}), &[]),
            (json!(null), &[]),
        ] {
            let person = of(&json!({"sub": "1", "groups": claim})).unwrap();
            assert_eq!(person.values, expected);
        }
    }

    #[test]
    fn a_claim_may_be_inside_another_one() {
        let claims = json!({
            "realm_access": {"roles": ["a"], "groups": {}},
            "resource_access": {"my.client": {"roles": ["b"]}},
            "https://example.org/roles": ["c"],
            "a.b": {"c": ["d"]},
            "a": {"b.c": ["e"]},
        });
        for (path, expected) in [
            ("realm_access.roles", json!(["a"])),
            ("resource_access.my.client.roles", json!(["b"])),
            ("https://example.org/roles", json!(["c"])),
            ("a.b", json!({"c": ["d"]})),
            ("a.b.c", json!(["e"])),
            ("realm_access", json!({"roles": ["a"], "groups": {}})),
            ("realm_access.groups.x", json!(null)),
            ("realm_access.", json!(null)),
            (".roles", json!(null)),
            ("roles", json!(null)),
        ] {
            let found = claim_of(claims.as_object().unwrap(), path);
            assert_eq!(found.unwrap_or(&json!(null)), &expected, "{path}");
        }
    }

    #[test]
    fn a_subject_can_be_written_in_a_log() {
        for sub in [json!(""), json!("x".repeat(256)), json!("a\nb"), json!(1)] {
            assert!(of(&json!({"sub": sub})).is_err(), "{sub}");
        }
        assert!(of(&json!({})).is_err());
    }
}
