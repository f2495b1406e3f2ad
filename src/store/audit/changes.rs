//! What an event of the audit log says about a changed client: the names of the members, and their values as far as
//! nobody could take them for a secret.
//!
//! A value is recorded when it is replaced or removed, and when it replaces another one. The values of a new client
//! are not: the client has them, and the event of their change or removal will.

use serde_json::{Map, Value};

use crate::client::{Client, member, member::MemberKind, member::SetBy};
use crate::store::{AuditEvent, events::changed_members};

/// Maximum number of names.
const NAMES: usize = 100;
/// Maximum number of characters of a text.
const TEXT: usize = 200;
/// Maximum number of texts of a list.
const TEXTS: usize = 20;
/// Maximum size of all values of an event, in bytes of JSON.
const VALUES: usize = 8_192;
/// The mark of what was left out.
const CUT: &str = "…";

/// Returns `event` with the members by which `before` and `after` differ: their names in `changed`, and in `before`
/// and `after` those values that can be shown.
pub(super) fn noted(
    event: &AuditEvent,
    before: Option<&Client>,
    after: Option<&Client>,
) -> AuditEvent {
    let names = names(before, after);
    let mut event = event.clone();
    if names.is_empty() {
        return event;
    }
    if before.is_some() {
        let mut left = VALUES;
        for (side, client) in [("before", before), ("after", after)] {
            let values = client.map(|client| values(client, &names, &mut left));
            if let Some(values) = values.filter(|values| !values.is_empty()) {
                event.details.insert(side.to_owned(), values.into());
            }
        }
    }
    // The event of a document that waits names the members of the document, which the client does not have yet.
    event
        .details
        .entry("changed")
        .or_insert_with(|| limited(names).into());
    event
}

/// Returns the names of the members by which the clients differ.
fn names(before: Option<&Client>, after: Option<&Client>) -> Vec<String> {
    match (before, after) {
        (Some(before), Some(after)) => changed_members(before, after),
        (Some(client), None) | (None, Some(client)) => {
            let members = client.metadata.metadata().as_object();
            members.keys().cloned().collect()
        }
        (None, None) => Vec::new(),
    }
}

fn limited(mut names: Vec<String>) -> Vec<String> {
    if names.len() > NAMES {
        names.truncate(NAMES);
        names.push(CUT.to_owned());
    }
    names
}

/// Returns those values of `names` that can be shown, and takes their size from what is `left`.
fn values(client: &Client, names: &[String], left: &mut usize) -> Map<String, Value> {
    let mut values = Map::new();
    for name in names.iter().take(NAMES) {
        let Some(value) = shown(client, name) else {
            continue;
        };
        let size = name.len() + value.to_string().len();
        let value = match left.checked_sub(size) {
            Some(rest) => {
                *left = rest;
                value
            }
            None => CUT.into(),
        };
        values.insert(name.clone(), value);
    }
    values
}

/// Returns the value of a member as an event shows it; `None` if it has none, or could have a secret in it.
fn shown(client: &Client, name: &str) -> Option<Value> {
    if name == "expires_at" {
        return client.expires_at.map(|at| at.unix().into());
    }
    let value = client.metadata.metadata().get(name)?;
    // What this server does not know, such as an attribute of the operator, could be anything.
    let member = member::find(name)?;
    let is_open = !matches!(member.set_by, SetBy::Server | SetBy::Request)
        && !matches!(member.kind, MemberKind::Jwks | MemberKind::Object)
        && !SIGNED.contains(&member.name);
    is_open.then(|| cut(value, member.kind)).flatten()
}

/// Members that are signed tokens: whoever has one may be able to use it.
const SIGNED: [&str; 2] = ["software_statement", "certifications"];

fn cut(value: &Value, kind: MemberKind) -> Option<Value> {
    match value {
        Value::String(text) => Some(cut_text(text, kind).into()),
        Value::Array(all) => {
            let mut items = Vec::new();
            for item in all.iter().take(TEXTS) {
                items.push(cut(item, kind)?);
            }
            if all.len() > TEXTS {
                items.push(format!("{CUT} and {} more", all.len() - TEXTS).into());
            }
            Some(items.into())
        }
        Value::Object(_) => None,
        Value::Null | Value::Bool(_) | Value::Number(_) => Some(value.clone()),
    }
}

fn cut_text(text: &str, kind: MemberKind) -> String {
    // The query of a URL, and a name or a password in it, may be a key to what is there.
    let end = if kind.leads_somewhere() {
        text.find(['?', '#']).unwrap_or(text.len())
    } else {
        text.len()
    };
    let plain = text.get(..end).unwrap_or(text);
    let start = match plain.rfind('@') {
        Some(at) if kind.leads_somewhere() => at,
        _ => 0,
    };
    let plain = plain.get(start..).unwrap_or(plain);
    let mut shown: String = plain.chars().take(TEXT).collect();
    if start > 0 {
        shown.insert_str(0, CUT);
    }
    if end < text.len() || plain.chars().nth(TEXT).is_some() {
        shown.push_str(CUT);
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::base::Timestamp;
    use crate::store::{Action, Author};

    fn client(metadata: &Value) -> Client {
        serde_json::from_value(json!({
            "id": "one", "metadata": metadata, "issued_at": 1, "revision": 1,
            "tokens": {"current": ""}, "provenance": {"trust_level": "open", "configuration": "c"},
        }))
        .unwrap()
    }

    fn details(before: Option<&Value>, after: Option<&Value>) -> Value {
        let event = Author::default().did(Action::ClientUpdated, "one", Timestamp::from_unix(5));
        let (before, after) = (before.map(client), after.map(client));
        noted(&event, before.as_ref(), after.as_ref())
            .details
            .into()
    }

    #[test]
    fn values_that_could_be_secret_are_not_in_an_event() {
        let seen = details(
            Some(&json!({
                "scope": "read", "jwks": {"keys": [{"kty": "oct", "k": "hidden"}]}, "our_attribute": "hidden",
                "software_statement": "hidden", "jwks_uri": "https://a:hidden@a.example/k?hidden#hidden",
                "client_uri": "https://a.example/",
            })),
            Some(
                &json!({"scope": "read write", "client_uri": "https://a.example/", "contacts": ["a@b.example"]}),
            ),
        );
        assert!(!seen.to_string().contains("hidden"), "{seen}");
        assert_eq!(
            seen["before"],
            json!({"scope": "read", "jwks_uri": "…@a.example/k…"})
        );
        assert_eq!(
            seen["after"],
            json!({"scope": "read write", "contacts": ["a@b.example"]})
        );
        let mut changed: Vec<&str> = seen["changed"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        changed.sort_unstable();
        let expected = [
            "contacts",
            "jwks",
            "jwks_uri",
            "our_attribute",
            "scope",
            "software_statement",
        ];
        assert_eq!(changed, expected);
    }

    #[test]
    fn long_values_are_cut_with_a_mark() {
        let many: Vec<String> = (0..30)
            .map(|at| format!("https://{at}.example/cb"))
            .collect();
        let seen = details(
            Some(&json!({"client_name": "n".repeat(300), "redirect_uris": many})),
            Some(&json!({"require_auth_time": true})),
        );
        let name = seen["before"]["client_name"].as_str().unwrap();
        assert_eq!(name, format!("{}…", "n".repeat(TEXT)));
        let uris = seen["before"]["redirect_uris"].as_array().unwrap();
        assert_eq!((uris.len(), &uris[20]), (21, &json!("… and 10 more")));
        assert_eq!(seen["after"], json!({"require_auth_time": true}));
        let uris: Vec<String> = (0..20).map(|_| "u".repeat(190)).collect();
        let all =
            json!({"redirect_uris": uris, "post_logout_redirect_uris": uris, "request_uris": uris});
        let seen = details(Some(&all), None);
        assert!(seen.to_string().len() < VALUES + 1_000);
        assert!(seen.to_string().contains(r#":"…""#), "{seen}");
    }

    #[test]
    fn a_new_client_has_names_only() {
        let seen = details(None, Some(&json!({"scope": "read"})));
        assert_eq!(seen, json!({"changed": ["scope"]}));
        let seen = details(Some(&json!({"scope": "read"})), None);
        assert_eq!(
            seen,
            json!({"changed": ["scope"], "before": {"scope": "read"}})
        );
        assert_eq!(details(None, None), json!({}));
    }
}
