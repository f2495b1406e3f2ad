//! The document of a client that this server publishes (OAuth Client ID Metadata Document): other servers know the
//! client by the URL of the document and register it from what they read there.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::base::ClientId;
use crate::client::{
    Approved, Client, DocumentOrigin, MEMBERS, MemberOrigins, Metadata, SetBy, TrustLevel,
};
use crate::config::Registration;

/// Whether this server publishes a document of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HostedDocument {
    /// The document is published.
    Published,
    /// The document was withdrawn. Its URL has ended: a server that has read it must not find another document
    /// there.
    Withdrawn,
}

/// What a registration or an update asks about the document of its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct DocumentRequest {
    /// The `client_document` of the request. An update without this member changes nothing, since a withdrawal
    /// cannot be undone.
    pub(crate) wish: Option<bool>,
    /// Whether there was a document before.
    pub(crate) before: Option<HostedDocument>,
    /// Whether an administrator asks.
    pub(crate) is_administrators: bool,
    /// Whether the identifier of the client can be a part of a URL as it is.
    pub(crate) has_plain_id: bool,
}

impl DocumentRequest {
    /// Returns whether there is a document afterwards.
    pub(crate) const fn after(self) -> Option<HostedDocument> {
        match (self.wish, self.before) {
            (Some(true), _) => Some(HostedDocument::Published),
            (Some(false), Some(_)) => Some(HostedDocument::Withdrawn),
            (Some(false), None) => None,
            (None, before) => before,
        }
    }

    /// Whether the client has a document afterwards.
    pub(crate) fn publishes(self) -> bool {
        self.after() == Some(HostedDocument::Published)
    }

    /// Whether the client has a document afterwards and had none before.
    pub(crate) fn is_new(self) -> bool {
        self.publishes() && self.before != Some(HostedDocument::Published)
    }
}

/// Whether `id` can be a part of a URL as it is. Identifiers that this server creates can; imported ones may not.
pub(crate) fn is_plain_id(id: &str) -> bool {
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    id.bytes().all(is_unreserved) && ![".", ".."].contains(&id)
}

/// Members that a client sets and that no document has: a statement is about one registration, and a lifetime is
/// counted from it.
const LEFT_OUT: [&str; 2] = ["software_statement", "lifetime"];

const METHOD: &str = "token_endpoint_auth_method";
const METHODS: &str = "token_endpoint_auth_methods_supported";
const FURTHER_METHODS: &str = "additional_token_endpoint_auth_methods";

/// Returns the document at `url` of a client with this `metadata`.
///
/// It has what the client itself registered, in the order of the table of members, so that equal content has equal
/// bytes.
pub(crate) fn document(
    url: &str,
    metadata: &Metadata,
    trust_level: TrustLevel,
    settings: &Registration,
) -> Map<String, Value> {
    let mut document = Map::from_iter([("client_id".to_owned(), url.into())]);
    for member in MEMBERS {
        if member.set_by != SetBy::Client || LEFT_OUT.contains(&member.name) {
            continue;
        }
        if let Some(value) = metadata.get(member.name) {
            document.insert(member.name.to_owned(), value.clone());
        }
        if member.kind.is_localised() {
            document.extend(localised(member.name, metadata));
        }
        if member.name == METHOD {
            document.insert(METHODS.to_owned(), methods(metadata).into());
        }
    }
    for name in &settings.hosted_client_document_attributes {
        if let Some(value) = metadata.get(name) {
            document.insert(name.clone(), value.clone());
        }
    }
    if let Some(label) = &settings.hosted_client_document_label
        && trust_level == TrustLevel::Open
    {
        add_label(label, &mut document);
    }
    document
}

/// Returns `client` as others know it from its `document` with this `digest`: its identifier `id` is the URL of the document,
/// and it has only what the document states. What the operator set for the client itself is not said about the URL.
pub(crate) fn client(
    id: ClientId,
    client: Client,
    mut document: Map<String, Value>,
    digest: String,
) -> Client {
    for name in ["client_id", METHODS] {
        document.shift_remove(name);
    }
    let metadata = Metadata::new(document);
    let origins = client.origins.as_ref().map(|origins| {
        let members = metadata.iter();
        MemberOrigins::collect(members.map(|(name, _)| (name, origins.origin_of(name))))
    });
    Client {
        id,
        origins,
        // What the client registered was approved, and the document has a part of it.
        metadata: Approved::new(metadata),
        document: Some(DocumentOrigin {
            digest,
            first_seen_at: client.issued_at,
            pinned: false,
            approved: None,
            held: None,
        }),
        // Its identifier is the URL of the document already.
        hosted_document: None,
        ..client
    }
}

/// Returns `name` in other languages, ordered by the language.
fn localised(name: &str, metadata: &Metadata) -> Vec<(String, Value)> {
    let is_of_name = |other: &str| {
        let tag = other.strip_prefix(name);
        tag.is_some_and(|tag| tag.starts_with('#'))
    };
    let mut found = Vec::new();
    for (other, value) in metadata.iter() {
        if is_of_name(other) {
            found.push((other.to_owned(), value.clone()));
        }
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found
}

/// Returns the methods with which the client can authenticate, from which another server chooses.
fn methods(metadata: &Metadata) -> Vec<&str> {
    let mut methods = Vec::new();
    for method in metadata
        .text(METHOD)
        .into_iter()
        .chain(metadata.texts(FURTHER_METHODS))
    {
        if !methods.contains(&method) {
            methods.push(method);
        }
    }
    methods
}

/// Puts the label of the operator after the name of the client, in every language.
fn add_label(label: &str, document: &mut Map<String, Value>) {
    for (name, value) in document.iter_mut() {
        let is_name = name == "client_name" || name.starts_with("client_name#");
        if let Value::String(text) = value
            && is_name
        {
            text.push_str(label);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn metadata(members: Value) -> Metadata {
        Metadata::new(serde_json::from_value(members).unwrap())
    }

    fn bytes(members: Value, trust_level: TrustLevel, settings: &Registration) -> String {
        let url = "https://clients.example.org/1";
        let document = document(url, &metadata(members), trust_level, settings);
        serde_json::to_string(&document).unwrap()
    }

    #[test]
    fn a_document_has_what_the_client_registered_in_a_fixed_order() {
        let registered = json!({
            "scope": "openid", "client_name#ja": "J", "redirect_uris": ["https://client.example.org/cb"],
            "token_endpoint_auth_method": "private_key_jwt", "client_name#de": "D", "client_name": "K",
            "additional_token_endpoint_auth_methods": ["private_key_jwt", "none"],
            "lifetime": 600, "software_statement": "a.b.c", "groups": ["g"], "trusted_client": true, "x_own": 1,
        });
        let expected = concat!(
            r#"{"client_id":"https://clients.example.org/1","client_name":"K","client_name#de":"D","#,
            r#""client_name#ja":"J","redirect_uris":["https://client.example.org/cb"],"#,
            r#""token_endpoint_auth_method":"private_key_jwt","#,
            r#""token_endpoint_auth_methods_supported":["private_key_jwt","none"],"scope":"openid","#,
            r#""additional_token_endpoint_auth_methods":["private_key_jwt","none"]}"#,
        );
        let settings = Registration::default();
        assert_eq!(bytes(registered, TrustLevel::Open, &settings), expected);
    }

    #[test]
    fn the_operator_adds_a_label_and_custom_attributes() {
        let settings = Registration {
            hosted_client_document_label: Some(" (development)".to_owned()),
            hosted_client_document_attributes: vec!["x_own".to_owned(), "x_absent".to_owned()],
            ..Registration::default()
        };
        let registered =
            json!({"x_own": 1, "client_name": "K", "client_name#de": "D", "x_other": 2});
        let of = |trust_level| bytes(registered.clone(), trust_level, &settings);
        let labelled = of(TrustLevel::Open);
        assert!(
            labelled
                .contains(r#""client_name":"K (development)","client_name#de":"D (development)""#)
                && labelled.ends_with(r#""x_own":1}"#),
            "{labelled}"
        );
        assert!(of(TrustLevel::Token).contains(r#""client_name":"K","#));
    }

    #[test]
    fn a_withdrawn_document_stays_withdrawn_unless_it_is_wished_for() {
        use HostedDocument::{Published, Withdrawn};
        for (before, wish, after) in [
            (None, None, None),
            (None, Some(false), None),
            (None, Some(true), Some(Published)),
            (Some(Published), None, Some(Published)),
            (Some(Published), Some(true), Some(Published)),
            (Some(Published), Some(false), Some(Withdrawn)),
            (Some(Withdrawn), None, Some(Withdrawn)),
            (Some(Withdrawn), Some(false), Some(Withdrawn)),
        ] {
            let request = DocumentRequest {
                wish,
                before,
                ..DocumentRequest::default()
            };
            assert_eq!(request.after(), after, "{before:?} {wish:?}");
            assert_eq!(request.is_new(), before.is_none() && after.is_some());
        }
    }

    #[test]
    fn an_identifier_in_a_url_needs_no_encoding() {
        for (id, expected) in [
            ("0b7c1c52-3c0e-4a5c-8d8b-2d2b2a6d9a11", true),
            ("a.b_c~d", true),
            ("..", false),
            ("a/b", false),
            ("https://a/b", false),
            ("a%20b", false),
        ] {
            assert_eq!(is_plain_id(id), expected, "{id}");
        }
    }
}
