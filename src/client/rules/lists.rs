//! Lists and words whose values the server must support.

use super::Rules;
use super::report::{
    choice_of, is_faulted, is_item_faulted, item_violation, items, shown, unsupported, violation,
};
use crate::client::Metadata;
use crate::config::Registration;
use crate::model::Violation;

/// A list, and what may be in it; an empty list of supported values allows any.
type Bounded = (&'static str, fn(&Registration) -> &[String]);

const LISTS: &[Bounded] = &[
    ("response_modes", |settings| &settings.response_modes_supported),
    ("default_acr_values", |settings| &settings.acr_values_supported),
    ("authorized_acr_values", |settings| &settings.acr_values_supported),
    ("authorization_details_types", |settings| &settings.authorization_details_types_supported),
];

/// Every value is one that the server supports.
pub(super) fn check(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    let application_types = ["web", "native"].map(str::to_owned);
    let application = metadata.text("application_type").filter(|_| !is_faulted(found, "application_type"));
    if let Some(value) = application.filter(|value| !application_types.iter().any(|one| one == value)) {
        found.push(unsupported("application_type", value, &application_types));
    }
    for (member, supported) in LISTS {
        let supported = supported(cx.settings);
        for (index, value) in items(metadata, member) {
            let is_supported = supported.is_empty() || supported.iter().any(|one| one == value);
            if !is_supported && !is_item_faulted(found, member, index) {
                let rule = format!("`{}` is not supported; {}", shown(value), choice_of(supported));
                found.push(item_violation(member, index, rule));
            }
        }
    }
    // OpenID for Verifiable Presentations 1.0 section 11.1.
    let list = "encrypted_response_enc_values_supported";
    if metadata.has(list) && !is_faulted(found, list) && items(metadata, list).next().is_none() {
        found.push(violation(list, "must not be empty"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::client::rules::testing::{check, check_with};
    use crate::config::Registration;

    #[test]
    fn a_list_of_encryptions_names_one_at_least() {
        let list = "encrypted_response_enc_values_supported";
        check(json!({list: []}), Err(&[&format!("{list}: must not be empty")]));
    }

    #[test]
    fn lists_without_values_allow_any_and_others_only_theirs() {
        let client = || {
            json!({
                "default_acr_values": ["urn:acr:gold"], "authorization_details_types": ["payment"],
            })
        };
        check(client(), Ok(client()));
        let settings = Registration {
            acr_values_supported: vec!["urn:acr:silver".to_owned()],
            authorization_details_types_supported: vec!["account".to_owned()],
            ..Registration::default()
        };
        check_with(
            &settings,
            client(),
            Err(&[
                "default_acr_values[0]: only urn:acr:silver",
                "authorization_details_types[0]: only account",
            ]),
        );
    }
}
