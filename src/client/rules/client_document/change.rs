//! What differs between two versions of a document.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::sha256;
use crate::client::{
    Metadata, SetBy, member, rules::Registration, rules::methods::FURTHER, rules::methods::METHOD,
};

/// Lists of texts whose order has a meaning.
const ORDERED: &[&str] = &["default_acr_values"];

/// The difference between the registered metadata of two versions of a document.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct DocumentChange {
    /// The members that differ.
    pub(crate) members: Vec<String>,
    /// Those of them by which the client authenticates with less than before. Such a change always waits for
    /// an administrator: whoever controls the URL for a moment could otherwise act as the client from then on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) downgrades: Vec<String>,
    /// Whether no redirect URI was added. Then the new list of them is in effect at once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) only_withdraws_uris: bool,
}

impl DocumentChange {
    /// Returns the difference between the registered metadata of two versions, or `None` if a client would notice
    /// none.
    pub(crate) fn between(before: &Metadata, after: &Metadata) -> Option<Self> {
        let mut members = before.differences(after);
        members.retain(|name| is_of_document(name) && differs(name, before, after));
        if members.is_empty() {
            return None;
        }
        Some(Self {
            downgrades: downgrades(before, after),
            only_withdraws_uris: members.iter().any(|name| name == "redirect_uris")
                && after
                    .texts("redirect_uris")
                    .all(|uri| before.has_item("redirect_uris", uri)),
            members,
        })
    }

    /// Returns the members whose change is sensitive (`clientDocumentSensitive`), and those with a downgrade. A
    /// withdrawn redirect URI is not sensitive.
    pub(crate) fn sensitive(&self, settings: &Registration) -> Vec<&str> {
        let mut sensitive = Vec::new();
        for name in &self.members {
            let base = name.split_once('#').map_or(name.as_str(), |(base, _)| base);
            let is_listed = settings
                .client_document_sensitive
                .iter()
                .any(|one| one == base);
            let is_harmless = base == "redirect_uris" && self.only_withdraws_uris;
            if self.downgrades.contains(name) || (is_listed && !is_harmless) {
                sensitive.push(name.as_str());
            }
        }
        sensitive
    }
}

/// Returns the metadata of the version in force while the change to `after` waits: without the redirect URIs that
/// `after` no longer has. A withdrawn URI must not receive codes any more.
pub(crate) fn without_withdrawn_uris(in_force: &Metadata, after: &Metadata) -> Metadata {
    let mut kept = Vec::new();
    for uri in in_force.texts("redirect_uris") {
        if after.has_item("redirect_uris", uri) {
            kept.push(uri.to_owned());
        }
    }
    let mut metadata = in_force.clone();
    if metadata.has("redirect_uris") {
        metadata.set("redirect_uris", kept);
    }
    metadata
}

/// Returns the digest of the bytes of a document: SHA-256 in base64url.
pub(crate) fn digest(octets: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(sha256(octets))
}

/// Whether the document, and not the operator, sets the member `name`.
fn is_of_document(name: &str) -> bool {
    match member::find(name) {
        Some(member) => matches!(member.set_by, SetBy::Client | SetBy::Privileged),
        None => true,
    }
}

/// Whether the values differ in more than an order that has no meaning.
fn differs(name: &str, before: &Metadata, after: &Metadata) -> bool {
    let (Some(before), Some(after)) = (before.get(name), after.get(name)) else {
        return true;
    };
    match (before, after) {
        (Value::Array(before), Value::Array(after)) if !ORDERED.contains(&name) => {
            sorted(before) != sorted(after)
        }
        (Value::String(before), Value::String(after)) if name == "scope" => {
            words(before) != words(after)
        }
        (before, after) => before != after,
    }
}

fn sorted(items: &[Value]) -> Vec<String> {
    let mut texts: Vec<String> = items.iter().map(ToString::to_string).collect();
    texts.sort_unstable();
    texts
}

fn words(text: &str) -> Vec<&str> {
    let mut words: Vec<&str> = text.split(' ').collect();
    words.sort_unstable();
    words
}

/// Returns the members by which a client that proved its identity no longer needs to.
fn downgrades(before: &Metadata, after: &Metadata) -> Vec<String> {
    let was_proven =
        |metadata: &Metadata| metadata.text(METHOD).is_some_and(|method| method != "none");
    let mut downgrades = Vec::new();
    if was_proven(before) && !was_proven(after) {
        downgrades.push(METHOD.to_owned());
    }
    if was_proven(before) && after.has_item(FURTHER, "none") && !before.has_item(FURTHER, "none") {
        downgrades.push(FURTHER.to_owned());
    }
    downgrades
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn metadata(value: Value) -> Metadata {
        serde_json::from_value(value).unwrap()
    }

    /// Checks the members that differ between two versions, those that are sensitive, and the downgrades.
    fn check(before: Value, after: Value, expected: Option<(&[&str], &[&str], &[&str])>) {
        let place = format!("{before} {after}");
        let change = DocumentChange::between(&metadata(before), &metadata(after));
        let settings = Registration::default();
        let found = change.as_ref().map(|change| {
            (
                &change.members,
                change.sensitive(&settings),
                &change.downgrades,
            )
        });
        match (found, expected) {
            (None, None) => {}
            (Some((members, sensitive, downgrades)), Some(expected)) => {
                assert_eq!(members, expected.0, "{place}");
                assert_eq!(sensitive, expected.1, "{place}");
                assert_eq!(downgrades, expected.2, "{place}");
            }
            (found, expected) => panic!("{place}: {found:?} is not {expected:?}"),
        }
    }

    #[test]
    fn an_order_without_a_meaning_is_no_change() {
        check(
            json!({"redirect_uris": ["a:/1", "a:/2"]}),
            json!({"redirect_uris": ["a:/2", "a:/1"]}),
            None,
        );
        check(json!({"scope": "a b"}), json!({"scope": "b a"}), None);
        check(
            json!({"client_name": "A", "scope": "a"}),
            json!({"scope": "a", "client_name": "A"}),
            None,
        );
        check(
            json!({"default_acr_values": ["a", "b"]}),
            json!({"default_acr_values": ["b", "a"]}),
            Some((&["default_acr_values"], &[], &[])),
        );
        // The operator changes these.
        check(
            json!({"disabled": true}),
            json!({"trusted_client": true}),
            None,
        );
    }

    #[test]
    fn a_change_is_sensitive_if_its_member_is() {
        let name: &[&str] = &["client_name"];
        check(
            json!({"client_name": "A"}),
            json!({"client_name": "B"}),
            Some((name, name, &[])),
        );
        check(
            json!({}),
            json!({"client_name": "B"}),
            Some((name, name, &[])),
        );
        let german: &[&str] = &["client_name#de"];
        check(
            json!({}),
            json!({"client_name#de": "B"}),
            Some((german, german, &[])),
        );
        let scope: &[&str] = &["scope"];
        check(
            json!({"scope": "a"}),
            json!({"scope": "a b"}),
            Some((scope, scope, &[])),
        );
        check(
            json!({}),
            json!({"tos_uri": "https://a.example/t"}),
            Some((&["tos_uri"], &[], &[])),
        );
        let keys: &[&str] = &["jwks_uri"];
        check(
            json!({"jwks_uri": "https://a.example/1"}),
            json!({"jwks_uri": "https://a.example/2"}),
            Some((keys, keys, &[])),
        );
    }

    #[test]
    fn a_new_redirect_uri_is_sensitive_and_a_withdrawn_one_is_not() {
        let uris: &[&str] = &["redirect_uris"];
        let (one, other) = (
            json!({"redirect_uris": ["a:/1"]}),
            json!({"redirect_uris": ["a:/2"]}),
        );
        let both = json!({"redirect_uris": ["a:/1", "a:/2"]});
        check(one.clone(), both.clone(), Some((uris, uris, &[])));
        check(one.clone(), other.clone(), Some((uris, uris, &[])));
        check(both.clone(), one.clone(), Some((uris, &[], &[])));
        let narrowed = without_withdrawn_uris(&metadata(both.clone()), &metadata(one.clone()));
        assert_eq!(narrowed, metadata(one.clone()));
        let narrowed = without_withdrawn_uris(
            &metadata(both),
            &metadata(json!({"redirect_uris": ["a:/3"]})),
        );
        assert_eq!(narrowed.texts("redirect_uris").count(), 0);
        let kept = without_withdrawn_uris(&metadata(one.clone()), &metadata(one.clone()));
        assert_eq!(kept, metadata(one));
    }

    #[test]
    fn no_longer_proving_an_identity_is_a_downgrade() {
        let method = |method: &str| json!({"token_endpoint_auth_method": method});
        let member: &[&str] = &[METHOD];
        for proven in [
            "private_key_jwt",
            "tls_client_auth",
            "self_signed_tls_client_auth",
        ] {
            check(
                method(proven),
                method("none"),
                Some((member, member, member)),
            );
            check(method(proven), json!({}), Some((member, member, member)));
            check(method("none"), method(proven), Some((member, member, &[])));
        }
        let further: &[&str] = &[FURTHER];
        check(
            json!({METHOD: "private_key_jwt"}),
            json!({METHOD: "private_key_jwt", FURTHER: ["none"]}),
            Some((further, further, further)),
        );
        let settings = Registration {
            client_document_sensitive: Vec::new(),
            ..Registration::default()
        };
        let (before, after) = (
            metadata(method("private_key_jwt")),
            metadata(method("none")),
        );
        let change = DocumentChange::between(&before, &after).unwrap();
        assert_eq!(change.sensitive(&settings), [METHOD]);
    }

    #[test]
    fn the_digest_is_that_of_the_bytes() {
        // The example of RFC 6920 section 8.2 has this digest.
        assert_eq!(
            digest(b"Hello World!"),
            "f4OxZX_x_FO5LcGBSKHWXfwtSx-j1ncoSt3SABJtkGk"
        );
        assert_ne!(digest(br#"{"a":1,"b":2}"#), digest(br#"{"b":2,"a":1}"#));
    }
}
