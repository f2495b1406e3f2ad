//! How violations are written, and what the rules ask about those that were found already.

use crate::client::Metadata;
use crate::model::Violation;
use crate::model::violation::printable;

/// How much of a client's text an answer repeats.
const SHOWN_CHARACTERS: usize = 64;

/// A violation of `member`, which may name a place in it, with the code that RFC 7591 section
/// 3.2.2 has for that member.
pub(super) fn violation(member: &str, rule: impl Into<String>) -> Violation {
    if base(member) == "redirect_uris" {
        Violation::redirect_uri(shown(member), rule)
    } else {
        Violation::metadata(shown(member), rule)
    }
}

/// A violation of one item of an array.
pub(super) fn item_violation(member: &str, index: usize, rule: impl Into<String>) -> Violation {
    violation(&place(member, index), rule)
}

/// The violation of a value that is not among the `supported` ones.
pub(super) fn unsupported(member: &str, value: &str, supported: &[String]) -> Violation {
    violation(member, format!("`{}` is not supported; {}", shown(value), choice_of(supported)))
}

/// Whether something is wrong with `member` or with an item of it: rules that build on its value
/// must not report the same mistake again.
pub(super) fn is_faulted(found: &[Violation], member: &str) -> bool {
    found.iter().any(|violation| base(&violation.member) == member)
}

/// Whether something is wrong with just this item of `member`.
pub(super) fn is_item_faulted(found: &[Violation], member: &str, index: usize) -> bool {
    let place = place(member, index);
    found.iter().any(|violation| violation.member == member || violation.member == place)
}

/// The strings of an array with their places; items of another type have been reported.
pub(super) fn items<'a>(metadata: &'a Metadata, member: &str) -> impl Iterator<Item = (usize, &'a str)> {
    let array = metadata.get(member).and_then(serde_json::Value::as_array);
    array.into_iter().flatten().enumerate().filter_map(|(index, item)| Some((index, item.as_str()?)))
}

/// `text` as it can stand in an answer: short, printable ASCII.
pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => printable(text.get(..end).unwrap_or_default()) + "..",
        None => printable(text),
    }
}

/// What would be accepted, in words.
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
