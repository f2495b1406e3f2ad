//! How violations are written, and what the rules check about earlier violations.

use serde_json::Value;

use super::choices;
use crate::base::{Violation, printable};
use crate::client::Metadata;

/// The number of characters of a client's text that a response repeats.
const SHOWN_CHARACTERS: usize = 64;

/// Returns a violation of `member`, which may include a position, with the error code of RFC 7591
/// section 3.2.2 for that member.
pub(super) fn violation(member: &str, rule: impl Into<String>) -> Violation {
    if base(member) == "redirect_uris" {
        Violation::redirect_uri(shown(member), rule)
    } else {
        Violation::metadata(shown(member), rule)
    }
}

/// Returns a violation of one item of an array.
pub(super) fn item_violation(member: &str, index: usize, rule: impl Into<String>) -> Violation {
    violation(&place(member, index), rule)
}

/// Returns the violation for a value that is not in `supported`.
pub(super) fn unsupported(member: &str, value: &str, supported: &[String]) -> Violation {
    violation(
        member,
        format!(
            "`{}` is not supported; {}",
            shown(value),
            choice_of(supported)
        ),
    )
}

/// Whether `member` or an item of it has a violation. Rules that depend on its value must not
/// report the same mistake again.
pub(super) fn is_faulted(found: &[Violation], member: &str) -> bool {
    found
        .iter()
        .any(|violation| base(&violation.member) == member)
}

/// Whether exactly this item of `member` has a violation.
pub(super) fn is_item_faulted(found: &[Violation], member: &str, index: usize) -> bool {
    let place = place(member, index);
    found
        .iter()
        .any(|violation| violation.member == member || violation.member == place)
}

/// Returns the strings of an array with their indexes. Items of another type have already been
/// reported.
pub(super) fn items<'a>(
    metadata: &'a Metadata,
    member: &str,
) -> impl Iterator<Item = (usize, &'a str)> {
    let array = metadata.get(member).and_then(Value::as_array);
    array
        .into_iter()
        .flatten()
        .enumerate()
        .filter_map(|(index, item)| Some((index, item.as_str()?)))
}

/// Appends the origin of a value to each violation that involves a member that was not sent.
/// Otherwise the reader would look for that value in the request in vain.
pub(super) fn name_defaults(sent: &Metadata, metadata: &Metadata, found: &mut [Violation]) {
    let filled_in: Vec<(&str, &Value)> = metadata
        .iter()
        .filter(|(name, _)| !sent.has(name))
        .collect();
    for violation in found {
        let mut origins = String::new();
        for (name, value) in &filled_in {
            if base(&violation.member) == *name || mentions(&violation.rule, name) {
                origins += &origin(sent, name, value);
            }
        }
        violation.rule += &origins;
    }
}

/// Whether `rule` names the member `name`. A single word such as scope may be an ordinary word in a
/// sentence.
fn mentions(rule: &str, name: &str) -> bool {
    name.contains('_') && rule.split([' ', ',', ';']).any(|word| word == name)
}

/// Describes where the value of a member that was not sent comes from.
fn origin(sent: &Metadata, name: &str, value: &Value) -> String {
    let texts = value
        .as_array()
        .map(|items| items.iter().filter_map(Value::as_str).collect::<Vec<_>>());
    let text = match (texts, value) {
        (Some(texts), _) => texts.join(", "),
        (None, Value::String(text)) => text.clone(),
        (None, other) => other.to_string(),
    };
    match choices::list_of(name).filter(|list| sent.has(list)) {
        Some(list) => format!("; {} was chosen from {list}", shown(&text)),
        None => format!(
            "; {} is the default for a request without {name}",
            shown(&text)
        ),
    }
}

/// Returns `text` as short, printable ASCII for a response.
pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => printable(text.get(..end).unwrap_or_default()) + "..",
        None => printable(text),
    }
}

/// Describes what would be accepted.
pub(super) fn choice_of(supported: &[String]) -> String {
    match supported {
        [] => "this server supports none".to_owned(),
        [only] => format!("this server supports only {only}"),
        several => format!("this server supports {}", several.join(", ")),
    }
}

fn base(member: &str) -> &str {
    member.split_once('[').map_or(member, |(base, _)| base)
}

fn place(member: &str, index: usize) -> String {
    format!("{member}[{index}]")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::client::InitialAccessPolicy;
    use crate::client::rules::testing::{check, check_with, check_within};
    use crate::config::Registration;

    fn only(method: &str) -> Registration {
        let token_endpoint_auth_methods_supported = vec![method.to_owned()];
        Registration {
            token_endpoint_auth_methods_supported,
            ..Registration::default()
        }
    }

    #[test]
    fn an_error_for_a_default_value_names_the_origin_of_the_value() {
        let settings = only("private_key_jwt");
        check_with(
            &settings,
            json!({}),
            Err(&[
                "token_endpoint_auth_method: supports only private_key_jwt; client_secret_basic is the \
                   default for a request without token_endpoint_auth_method",
            ]),
        );
        let chosen = json!({"token_endpoint_auth_methods_supported": ["private_key_jwt"]});
        check_with(
            &settings,
            chosen,
            Err(&[
                "token_endpoint_auth_method: send jwks_uri or jwks; private_key_jwt \
                   was chosen from token_endpoint_auth_methods_supported",
            ]),
        );
        let code = "authorization_code is the default for a request without grant_types";
        check(
            json!({"response_types": []}),
            Err(&[&format!(
                "response_types: remove authorization_code; {code}"
            )]),
        );
        check(
            json!({"redirect_uris": null}),
            Err(&[&format!("redirect_uris: redirects to it; {code}")]),
        );
        let no_code = Registration {
            grant_types_supported: vec!["client_credentials".to_owned()],
            response_types_supported: Vec::new(),
            ..Registration::default()
        };
        check_with(
            &no_code,
            json!({}),
            Err(&[
                &format!("grant_types[0]: supports only client_credentials; {code}"),
                "response_types[0]: supports none; code is the default for a request without response_types",
            ]),
        );
        let policy: InitialAccessPolicy =
            serde_json::from_value(json!({"grant_types": ["client_credentials"]})).unwrap();
        let expected = format!("grant_types[0]: allows only client_credentials; {code}");
        check_within(
            &policy,
            &Registration::default(),
            json!({}),
            Err(&[&expected]),
        );
    }

    #[test]
    fn a_rejected_list_causes_no_further_errors() {
        check(
            json!({"grant_types": ["implicit"]}),
            Err(&["grant_types: contains no supported value"]),
        );
        check(
            json!({"response_types": ["token"]}),
            Err(&["response_types: this server supports only code"]),
        );
    }

    #[test]
    fn an_error_for_a_sent_value_names_no_origin() {
        let sent = json!({"token_endpoint_auth_method": "client_secret_basic"});
        check_with(
            &only("none"),
            sent,
            Err(&[
                "token_endpoint_auth_method: `client_secret_basic` is not supported; this server supports only none",
            ]),
        );
    }
}
