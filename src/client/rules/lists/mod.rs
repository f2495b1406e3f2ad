//! Lists and values that the server must support.

use crate::client::{
    rules::Metadata, rules::Registration, rules::Rules, rules::Violation, rules::choice_of,
    rules::ciba, rules::grants, rules::is_faulted, rules::is_one_of, rules::item_violation,
    rules::items, rules::methods, rules::shown, rules::sound_text, rules::unsupported,
    rules::unsupported_rule, rules::violation,
};
use crate::config::UnsupportedListValues;

/// A list whose values must be supported by the server.
struct SupportedList {
    member: &'static str,
    is_supported: fn(&Registration, &str) -> bool,
    /// The supported values, for a message.
    supported: fn(&Registration) -> Vec<String>,
}

/// Every such list except the lists of RP Metadata Choices, from which one value is chosen.
const LISTS: &[SupportedList] = &[
    SupportedList {
        member: "grant_types",
        is_supported: grants::is_supported_grant,
        supported: grants::supported_grants,
    },
    SupportedList {
        member: "response_types",
        is_supported: grants::is_supported_type,
        supported: |settings| settings.response_types_supported.clone(),
    },
    SupportedList {
        member: methods::FURTHER,
        is_supported: |settings, value| {
            is_one_of(&settings.token_endpoint_auth_methods_supported, value)
        },
        supported: |settings| settings.token_endpoint_auth_methods_supported.clone(),
    },
    SupportedList {
        member: "response_modes",
        is_supported: |settings, value| is_among(&settings.response_modes_supported, value),
        supported: |settings| settings.response_modes_supported.clone(),
    },
    SupportedList {
        member: "default_acr_values",
        is_supported: |settings, value| is_among(&settings.acr_values_supported, value),
        supported: |settings| settings.acr_values_supported.clone(),
    },
    SupportedList {
        member: "authorized_acr_values",
        is_supported: |settings, value| is_among(&settings.acr_values_supported, value),
        supported: |settings| settings.acr_values_supported.clone(),
    },
    SupportedList {
        member: "authorization_details_types",
        is_supported: |settings, value| {
            is_among(&settings.authorization_details_types_supported, value)
        },
        supported: |settings| settings.authorization_details_types_supported.clone(),
    },
];

/// An empty list of supported values allows any value.
fn is_among(supported: &[String], value: &str) -> bool {
    supported.is_empty() || is_one_of(supported, value)
}

/// Leaves out or rejects the unsupported values of each list, as `unsupportedListValues` requires.
/// A list that would become empty is rejected, so that no client is registered that cannot work.
pub(super) fn screen(
    cx: &Rules<'_>,
    how: UnsupportedListValues,
    metadata: &mut Metadata,
    found: &mut Vec<Violation>,
) {
    for list in LISTS {
        let is_supported = |value: &str| (list.is_supported)(cx.settings, value);
        if metadata.texts(list.member).all(is_supported) || is_faulted(found, list.member) {
            continue;
        }
        let values = metadata.texts(list.member).map(str::to_owned);
        let (kept, dropped): (Vec<_>, Vec<_>) = values.partition(|value| is_supported(value));
        match how {
            UnsupportedListValues::Refuse => refuse(cx, list, metadata, found),
            UnsupportedListValues::Drop if is_useless(list.member, &kept) => {
                let supported = (list.supported)(cx.settings);
                found.push(nothing_left(list.member, (&kept, &dropped), &supported));
            }
            UnsupportedListValues::Drop => {
                metadata.set(list.member, kept);
                let_go(list.member, &dropped, metadata);
            }
        }
    }
}

/// Whether a client with no more than the values `kept` of the list `member` could do nothing. A refresh token comes with
/// the token of another grant.
fn is_useless(member: &str, kept: &[String]) -> bool {
    kept.iter()
        .all(|value| member == grants::MEMBER && value == grants::REFRESH)
}

/// Removes the members that have lost their meaning because values were left out.
fn let_go(member: &str, dropped: &[String], metadata: &mut Metadata) {
    match member {
        grants::MEMBER => ciba::let_go(dropped, metadata),
        "response_types" => grants::let_go(dropped, metadata),
        _ => {}
    }
}

fn refuse(cx: &Rules<'_>, list: &SupportedList, metadata: &Metadata, found: &mut Vec<Violation>) {
    let supported = (list.supported)(cx.settings);
    for (index, value) in items(metadata, list.member) {
        if !(list.is_supported)(cx.settings, value) {
            let mut rule = unsupported_rule(value, &supported);
            rule += &meant(value, &supported);
            found.push(item_violation(list.member, index, rule));
        }
    }
}

/// The number of values of a client's list that a message repeats.
const REPEATED: usize = 3;

/// Returns the violation of a list of which only the values `kept` are left, which are of no use.
fn nothing_left(
    member: &str,
    (kept, dropped): (&[String], &[String]),
    supported: &[String],
) -> Violation {
    let first = dropped.iter().take(REPEATED);
    let named: Vec<String> = first
        .clone()
        .map(|value| format!("`{}`", shown(value)))
        .collect();
    let more = if dropped.len() > REPEATED {
        " and others"
    } else {
        ""
    };
    let beside = if kept.is_empty() {
        String::new()
    } else {
        format!(" other than {}", kept.join(", "))
    };
    let hints: String = first.map(|value| meant(value, supported)).collect();
    let rule = format!(
        "contains no supported value{beside} ({}{more}){hints}; {}",
        named.join(", "),
        choice_of(supported)
    );
    violation(member, rule)
}

/// Names the value that `value` is a short or a misspelled form of, such as `device_code`. Case, separators, and the
/// beginning of a URN make no difference.
fn meant(value: &str, supported: &[String]) -> String {
    let plain = |text: &str| {
        let end = text.rsplit(':').next().unwrap_or_default();
        end.replace(|one: char| !one.is_ascii_alphanumeric(), "")
            .to_ascii_lowercase()
    };
    let wanted = plain(value);
    match supported.iter().find(|one| plain(one) == wanted) {
        Some(full) => format!("; for `{}`, send {full}", shown(value)),
        None => String::new(),
    }
}

/// Checks the single values that the server must support.
pub(super) fn check(_: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    let application_types = ["web", "native"].map(str::to_owned);
    if let Some(value) = sound_text(metadata, "application_type", found)
        && !is_one_of(&application_types, value)
    {
        found.push(unsupported("application_type", value, &application_types));
    }
    // OpenID for Verifiable Presentations 1.0 section 11.1.
    let list = "encrypted_response_enc_values_supported";
    if metadata.has(list) && !is_faulted(found, list) && items(metadata, list).next().is_none() {
        found.push(violation(list, "must not be empty"));
    }
}

#[cfg(test)]
mod tests;
