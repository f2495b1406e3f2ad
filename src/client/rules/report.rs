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

/// Reports the fault of `member`, if there is one.
pub(super) fn report_fault(
    member: &str,
    fault: Option<impl Into<String>>,
    found: &mut Vec<Violation>,
) {
    if let Some(rule) = fault {
        found.push(violation(member, rule));
    }
}

/// Reports the fault of one item of an array, if there is one.
pub(super) fn report_item_fault(
    member: &str,
    index: usize,
    fault: Option<impl Into<String>>,
    found: &mut Vec<Violation>,
) {
    if let Some(rule) = fault {
        found.push(item_violation(member, index, rule));
    }
}

/// Returns the text of `member`, unless it already has a violation.
pub(super) fn sound_text<'a>(
    metadata: &'a Metadata,
    member: &str,
    found: &[Violation],
) -> Option<&'a str> {
    let text = metadata.text(member)?;
    (!is_faulted(found, member)).then_some(text)
}

/// Whether `value` is in `list`.
pub(super) fn is_one_of(list: &[String], value: &str) -> bool {
    list.iter().any(|one| one == value)
}

/// Returns the violation for a value that is not in `supported`.
pub(super) fn unsupported(member: &str, value: &str, supported: &[String]) -> Violation {
    violation(member, unsupported_rule(value, supported))
}

/// Returns the rule that a value that is not in `supported` breaks.
pub(super) fn unsupported_rule(value: &str, supported: &[String]) -> String {
    let choice = choice_of(supported);
    format!("`{}` is not supported; {choice}", shown(value))
}

/// Whether `member` or an item of it has a violation. Rules that depend on its value must not
/// report the same mistake again.
pub(super) fn is_faulted(found: &[Violation], member: &str) -> bool {
    let mut members = found.iter().map(|violation| base(&violation.member));
    members.any(|faulted| faulted == member)
}

/// Whether exactly this item of `member` has a violation.
pub(super) fn is_item_faulted(found: &[Violation], member: &str, index: usize) -> bool {
    if found.is_empty() {
        return false;
    }
    let place = place(member, index);
    let is_it = |violation: &Violation| violation.member == member || violation.member == place;
    found.iter().any(is_it)
}

/// Returns the strings of an array with their indexes. Items of another type have already been
/// reported.
pub(super) fn items<'a>(
    metadata: &'a Metadata,
    member: &str,
) -> impl Iterator<Item = (usize, &'a str)> {
    let items = match metadata.get(member) {
        Some(Value::Array(items)) => items.as_slice(),
        _ => &[],
    };
    let indexed = items.iter().enumerate();
    indexed.filter_map(|(index, item)| Some((index, item.as_str()?)))
}

/// Appends the origin of a value to each violation that involves a member that was not sent.
/// Otherwise the reader would look for that value in the request in vain.
pub(super) fn name_defaults(sent: &Metadata, metadata: &Metadata, found: &mut [Violation]) {
    for violation in found {
        let mut origins = String::new();
        for (name, value) in metadata.iter() {
            let is_of_violation =
                base(&violation.member) == name || mentions(&violation.rule, name);
            if is_of_violation && !sent.has(name) {
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
    let text = match value {
        Value::Array(items) => {
            let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            texts.join(", ")
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let text = shown(&text);
    match choices::list_of(name) {
        Some(list) if sent.has(list) => format!("; {text} was chosen from {list}"),
        _ => format!("; {text} is the default for a request without {name}"),
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
    match member.split_once('[') {
        Some((base, _)) => base,
        None => member,
    }
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
