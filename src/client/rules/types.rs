//! JSON types and sizes (RFC 7591 section 2).
//!
//! A value of another type is rejected and never converted: `"60"` is not a number of seconds.

use serde_json::{Number, Value};

use crate::base::json::type_name;
use crate::client::{
    MemberKind, rules::Basis, rules::Metadata, rules::Rules, rules::Violation,
    rules::characters::hidden_character, rules::characters::hidden_in_label, rules::custom,
    rules::member, rules::report_fault, rules::report_item_fault, rules::shown, rules::violation,
};

/// The largest integer that every JSON parser keeps exactly (RFC 7493 section 2.2).
pub(super) const LARGEST_COUNT: u64 = (1 << 53) - 1;

/// JWTs. Only the size limit of the body applies to them.
const LONG_TEXTS: &[&str] = &["software_statement", "certifications"];

/// The client's name in its certificate. It is a URI, but not a link.
const URI_NAME: &str = "tls_client_auth_san_uri";

/// Checks that every member that may be new has its type and stays within the limits.
pub(super) fn check(
    cx: &Rules<'_>,
    metadata: &Metadata,
    basis: Basis<'_>,
    found: &mut Vec<Violation>,
) {
    for (name, value) in metadata.iter() {
        if !basis.may_be_new(name, value) {
            continue;
        }
        match member::find(name) {
            Some(member) => check_member(cx, name, (member.kind, value), found),
            None => custom::check(cx, name, value, found),
        }
    }
}

/// Checks the types of all known members, regardless of the limits and settings.
pub(super) fn check_kinds(metadata: &Metadata, found: &mut Vec<Violation>) {
    for (name, value) in metadata.iter() {
        if let Some(member) = member::find(name)
            && !is_of_kind(member.kind, value)
        {
            let rule = format!("must be {}, not {}", due(member.kind), type_name(value));
            found.push(violation(name, rule));
        }
    }
}

fn is_of_kind(kind: MemberKind, value: &Value) -> bool {
    match kind {
        MemberKind::Text
        | MemberKind::Label
        | MemberKind::Page
        | MemberKind::Picture
        | MemberKind::Link
        | MemberKind::Url
        | MemberKind::Uri => value.is_string(),
        MemberKind::Texts | MemberKind::Uris => match value {
            Value::Array(items) => items.iter().all(Value::is_string),
            _ => false,
        },
        MemberKind::Flag => value.is_boolean(),
        MemberKind::Count => matches!(value.as_u64(), Some(..=LARGEST_COUNT)),
        MemberKind::Object | MemberKind::Jwks => value.is_object(),
    }
}

fn check_member(
    cx: &Rules<'_>,
    name: &str,
    (kind, value): (MemberKind, &Value),
    found: &mut Vec<Violation>,
) {
    let is_list = matches!(kind, MemberKind::Texts | MemberKind::Uris);
    if let Value::Array(array) = value
        && is_list
    {
        check_items(cx, (name, kind == MemberKind::Uris), array, found);
        return;
    }
    report_fault(name, single_fault(cx, name, kind, value), found);
}

/// Returns what is wrong with a value that is not an array.
fn single_fault(cx: &Rules<'_>, name: &str, kind: MemberKind, value: &Value) -> Option<String> {
    match (kind, value) {
        (MemberKind::Label, Value::String(text)) => {
            too_many_characters(cx, text).or_else(|| hidden_in_label(text))
        }
        (MemberKind::Text, Value::String(text)) => machine_text_fault(cx, name, text),
        (_, Value::String(text)) if is_of_kind(kind, value) => uri_too_long(cx, text),
        (MemberKind::Count, Value::Number(number)) => count_fault(number),
        _ if is_of_kind(kind, value) => None,
        _ => Some(format!("must be {}, not {}", due(kind), type_name(value))),
    }
}

/// Returns what is wrong with the text of the member `name`, which is not shown to people.
fn machine_text_fault(cx: &Rules<'_>, name: &str, text: &str) -> Option<String> {
    match name {
        // It may be a chain of certificates in PEM.
        "evidence" => None,
        // The rule for scopes checks the characters.
        "scope" => too_many_bytes(text, cx.limits.scope_bytes, "scopeBytes"),
        URI_NAME => uri_too_long(cx, text),
        _ if LONG_TEXTS.contains(&name) => hidden_character(text),
        _ => text_fault(cx, text),
    }
}

fn count_fault(number: &Number) -> Option<String> {
    if let Some(..=LARGEST_COUNT) = number.as_u64() {
        return None;
    }
    let sent = shown(&number.to_string());
    Some(format!(
        "must be an integer from 0 to {LARGEST_COUNT}, not {sent}"
    ))
}

fn check_items(
    cx: &Rules<'_>,
    (name, has_uris): (&str, bool),
    array: &[Value],
    found: &mut Vec<Violation>,
) {
    let (limit, key) = if has_uris {
        (cx.limits.redirect_uris, "redirectUris")
    } else {
        (cx.limits.list_items, "listItems")
    };
    if array.len() > limit {
        let count = array.len();
        let rule = format!("has {count} items; at most {limit} are allowed (limits.{key})");
        found.push(violation(name, rule));
        return;
    }
    for (index, item) in array.iter().enumerate() {
        let fault = match item.as_str() {
            None => Some(format!("must be a string, not {}", type_name(item))),
            Some("") => Some("must not be empty".to_owned()),
            Some(_) if LONG_TEXTS.contains(&name) => None,
            Some(text) if has_uris => uri_too_long(cx, text),
            Some(text) => text_fault(cx, text),
        };
        report_item_fault(name, index, fault, found);
    }
}

/// Returns the expected type in words.
const fn due(kind: MemberKind) -> &'static str {
    match kind {
        MemberKind::Text | MemberKind::Label => "a string",
        MemberKind::Page
        | MemberKind::Picture
        | MemberKind::Link
        | MemberKind::Url
        | MemberKind::Uri => "a string that is a URL",
        MemberKind::Texts | MemberKind::Uris => "an array of strings",
        MemberKind::Flag => "a Boolean (true or false)",
        MemberKind::Count => "an integer of 0 or more",
        MemberKind::Object => "an object",
        MemberKind::Jwks => "an object that is a JWK Set",
    }
}

fn too_many_characters(cx: &Rules<'_>, text: &str) -> Option<String> {
    let (count, limit) = (text.chars().count(), cx.limits.text_characters);
    if count <= limit {
        return None;
    }
    Some(format!(
        "has {count} characters; at most {limit} are allowed (limits.textCharacters)"
    ))
}

/// Returns what is wrong with a machine-readable text.
fn text_fault(cx: &Rules<'_>, text: &str) -> Option<String> {
    too_many_bytes(text, cx.limits.text_bytes, "textBytes").or_else(|| hidden_character(text))
}

fn uri_too_long(cx: &Rules<'_>, text: &str) -> Option<String> {
    too_many_bytes(text, cx.limits.uri_bytes, "uriBytes")
}

fn too_many_bytes(text: &str, limit: usize, key: &str) -> Option<String> {
    let count = text.len();
    if count <= limit {
        return None;
    }
    Some(format!(
        "has {count} bytes; at most {limit} are allowed (limits.{key})"
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::client::rules::testing::check;

    #[test]
    fn each_member_must_have_its_type() {
        check(
            json!({"redirect_uris": "https://a.example/cb"}),
            Err(&["redirect_uris: an array of strings, not a string"]),
        );
        check(
            json!({"redirect_uris": [5]}),
            Err(&["redirect_uris[0]: a string, not a number"]),
        );
        check(
            json!({"contacts": "a@b.example"}),
            Err(&["contacts: an array of strings"]),
        );
        check(
            json!({"client_name": 5}),
            Err(&["client_name: a string, not a number"]),
        );
        check(
            json!({"logo_uri": 5}),
            Err(&["logo_uri: a string that is a URL"]),
        );
        check(
            json!({"grant_types": "authorization_code"}),
            Err(&["grant_types: an array"]),
        );
        check(
            json!({"scope": ["openid"]}),
            Err(&["scope: a string, not an array"]),
        );
        check(json!({"jwks": []}), Err(&["jwks: JWK Set, not an array"]));
        check(
            json!({"require_auth_time": "true"}),
            Err(&["require_auth_time: a Boolean"]),
        );
        check(
            json!({"dpop_bound_access_tokens": "true"}),
            Err(&["dpop_bound_access_tokens: a Boolean"]),
        );
        check(
            json!({"vp_formats_supported": []}),
            Err(&["vp_formats_supported: an object"]),
        );
    }

    #[test]
    fn a_count_is_an_integer_of_0_or_more() {
        check(
            json!({"default_max_age": 60}),
            Ok(json!({"default_max_age": 60})),
        );
        check(
            json!({"default_max_age": 0}),
            Ok(json!({"default_max_age": 0})),
        );
        check(
            json!({"default_max_age": 86400.0}),
            Ok(json!({"default_max_age": 86400})),
        );
        for wrong in [json!(-1), json!(1.5), json!("60"), json!(u64::MAX)] {
            check(
                json!({"default_max_age": wrong}),
                Err(&["default_max_age: must be an integer"]),
            );
        }
    }

    #[test]
    fn everything_is_reported_together() {
        check(
            json!({"client_name": 5, "redirect_uris": {}, "contacts": [1]}),
            Err(&[
                "redirect_uris: an array",
                "client_name: a string",
                "contacts[0]: a string",
            ]),
        );
    }

    #[test]
    fn every_value_has_a_limit() {
        check(
            json!({"client_name": "x".repeat(1025)}),
            Err(&["client_name: has 1025 characters; at most 1024"]),
        );
        check(json!({"client_name": "\u{e9}".repeat(1024)}), Ok(json!({})));
        check(
            json!({"contacts": vec!["x"; 65]}),
            Err(&["contacts: has 65 items; at most 64 are allowed (limits.listItems)"]),
        );
        check(
            json!({"redirect_uris": vec!["x"; 1000]}),
            Err(&["redirect_uris: has 1000 items; at most 32 are allowed (limits.redirectUris)"]),
        );
        let long = format!("https://a.example/{}", "x".repeat(10_000));
        check(
            json!({"redirect_uris": [long]}),
            Err(&["redirect_uris[0]: has 10018 bytes; at most 2048"]),
        );
        check(
            json!({"software_statement": "x".repeat(10_000)}),
            Ok(json!({})),
        );
    }

    #[test]
    fn each_limit_applies_to_what_its_name_says() {
        let (text, uri) = (
            "x".repeat(3_000),
            format!("https://a.example/{}", "x".repeat(3_000)),
        );
        let sent = [
            (
                json!({"software_id": text}),
                "software_id: limits.textBytes",
            ),
            (json!({"contacts": [text]}), "contacts[0]: limits.textBytes"),
            (
                json!({"client_name": text}),
                "client_name: limits.textCharacters",
            ),
            (json!({"client_uri": uri}), "client_uri: limits.uriBytes"),
            (json!({"jwks_uri": uri}), "jwks_uri: limits.uriBytes"),
            (
                json!({"request_uris": [uri]}),
                "request_uris[0]: limits.uriBytes",
            ),
            (
                json!({"frontchannel_logout_uri": uri}),
                "frontchannel_logout_uri: limits.uriBytes",
            ),
            (
                json!({"backchannel_logout_uri": uri}),
                "backchannel_logout_uri: limits.uriBytes",
            ),
        ];
        for (client, expected) in sent {
            check(client, Err(&[expected]));
        }
    }
}
