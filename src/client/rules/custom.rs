//! Custom attributes: members that the operator lets clients register in addition to the standard
//! ones.

use serde_json::Value;

use crate::client::{
    rules::Metadata, rules::Rules, rules::Violation, rules::member, rules::violation,
};

/// Checks a member that no specification names. It must be a custom attribute that the operator
/// allows, with any JSON value of a limited size (`dynamicRegistrationCustomAttributes`).
///
/// Other names from a request never get here, because unknown members are ignored.
pub(super) fn check(cx: &Rules<'_>, name: &str, value: &Value, found: &mut Vec<Violation>) {
    let limit = cx.limits.custom_attribute_bytes;
    if !is_allowed(cx, name) {
        let rule = "is unknown: not a standard metadata member and not in dynamicRegistrationCustomAttributes";
        found.push(violation(name, rule));
    } else if !is_shorter(value, limit) {
        found.push(violation(
            name,
            format!("is longer than {limit} bytes of JSON (limits.customAttributeBytes)"),
        ));
    }
}

/// Fills in `dynamicRegistrationDefaultCustomAttributes`.
pub(super) fn fill_in(cx: &Rules<'_>, metadata: &mut Metadata) {
    for (name, value) in &cx.settings.dynamic_registration_default_custom_attributes {
        if is_allowed(cx, name) && !value.is_null() {
            metadata.set_default(name, value.clone());
        }
    }
}

/// A custom attribute never replaces a member that has rules.
fn is_allowed(cx: &Rules<'_>, name: &str) -> bool {
    let allowed = &cx.settings.dynamic_registration_custom_attributes;
    !member::is_taken(name) && allowed.iter().any(|attribute| attribute == name)
}

fn is_shorter(value: &Value, limit: usize) -> bool {
    value.to_string().len() <= limit
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use crate::client::rules::testing::{check_changed, check_with};
    use crate::config::Registration;

    fn settings() -> Registration {
        let default = |name: &str, value| (name.to_owned(), value);
        Registration {
            dynamic_registration_custom_attributes: vec!["tier".to_owned(), "region".to_owned()],
            dynamic_registration_default_custom_attributes: BTreeMap::from([
                default("region", json!({"name": "eu"})),
                default("trusted_client", json!(true)),
                default("other", json!(1)),
            ]),
            ..Registration::default()
        }
    }

    #[test]
    fn only_configured_attributes_are_registered() {
        check_with(
            &settings(),
            json!({"tier": [1, {"a": null}], "x": 1}),
            Ok(json!({"tier": [1, {"a": null}], "x": null})),
        );
        check_changed(
            &settings(),
            json!({"x": 1, "redirect_uris": ["https://a.example/cb"]}),
            Err(&["x: unknown"]),
        );
    }

    #[test]
    fn defaults_are_set_for_configured_attributes_only() {
        check_with(
            &settings(),
            json!({}),
            Ok(json!({"region": {"name": "eu"}, "trusted_client": null, "other": null})),
        );
        check_with(
            &settings(),
            json!({"region": "us"}),
            Ok(json!({"region": "us"})),
        );
    }

    #[test]
    fn a_member_with_a_language_tag_is_not_an_attribute() {
        for name in ["jwks#en", "client_id#x", "client_name#en", "grant_types#"] {
            let settings = Registration {
                dynamic_registration_custom_attributes: vec![name.to_owned()],
                ..settings()
            };
            let faults = crate::client::rules::settings_faults(&settings);
            assert_eq!(
                faults[0].1,
                format!("'{name}' is already a standard member; remove it")
            );
        }
        let settings = Registration {
            dynamic_registration_custom_attributes: vec!["jwks#en".to_owned()],
            ..settings()
        };
        check_changed(
            &settings,
            json!({"jwks#en": {"keys": []}, "redirect_uris": ["https://a.example/cb"]}),
            Err(&["jwks#en: unknown"]),
        );
    }

    #[test]
    fn an_attribute_is_limited_in_size() {
        check_with(
            &settings(),
            json!({"tier": "x".repeat(16_382)}),
            Ok(json!({})),
        );
        check_with(
            &settings(),
            json!({"tier": "x".repeat(16_383)}),
            Err(&["tier: longer than 16384"]),
        );
    }
}
