//! The limits of an initial access token (RFC 7591 section 1.2), where they are narrower than those
//! of the server. Scopes are handled in `scope.rs`, where scopes that are not allowed are left out.
//! The lifetime is handled in `lifetime.rs`.

use serde_json::Value;

use crate::client::{
    rules::InitialAccessPolicy, rules::Metadata, rules::Rules, rules::Violation, rules::is_one_of,
    rules::items, rules::member, rules::methods, rules::report_fault, rules::report_item_fault,
    rules::shown, rules::uri, rules::violation,
};

/// Checks that everything is within the limits of the token.
pub(super) fn check(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    let Some(policy) = cx.initial_access else {
        return;
    };
    check_hosts(cx, policy, metadata, found);
    if let Some(allowed) = &policy.grant_types {
        check_items("grant_types", allowed, metadata, found);
    }
    if let Some(allowed) = &policy.token_endpoint_auth_methods {
        if let Some(method) = metadata.text(methods::METHOD) {
            report_fault(methods::METHOD, value_fault(allowed, method), found);
        }
        check_items(methods::FURTHER, allowed, metadata, found);
    }
    check_spontaneous(policy, metadata, found);
}

/// Checks that every item of the list `member` is allowed.
fn check_items(member: &str, allowed: &[String], metadata: &Metadata, found: &mut Vec<Violation>) {
    for (index, text) in items(metadata, member) {
        report_item_fault(member, index, value_fault(allowed, text), found);
    }
}

fn value_fault(allowed: &[String], text: &str) -> Option<String> {
    if is_one_of(allowed, text) {
        return None;
    }
    let choice = choice(allowed);
    Some(format!("`{}` is not allowed; {choice}", shown(text)))
}

/// Rejects spontaneous scopes, which would go beyond the scopes that the token allows.
fn check_spontaneous(
    policy: &InitialAccessPolicy,
    metadata: &Metadata,
    found: &mut Vec<Violation>,
) {
    let Some(allowed) = &policy.scopes else {
        return;
    };
    let rule = || {
        format!(
            "allows scopes that are not known in advance; {}",
            choice(allowed)
        )
    };
    if metadata.flag("allow_spontaneous_scopes") {
        found.push(violation("allow_spontaneous_scopes", rule()));
    }
    if items(metadata, "spontaneous_scopes").next().is_some() {
        found.push(violation("spontaneous_scopes", rule()));
    }
}

/// Checks that every URL has an allowed host. The table of members defines which members contain
/// URLs. A URI that an update leaves unchanged was allowed before.
fn check_hosts(
    cx: &Rules<'_>,
    policy: &InitialAccessPolicy,
    metadata: &Metadata,
    found: &mut Vec<Violation>,
) {
    let Some(allowed) = &policy.redirect_hosts else {
        return;
    };
    for (name, value) in metadata.iter() {
        match member::find(name) {
            Some(member) if member.kind.leads_somewhere() => {}
            _ => continue,
        }
        let registered = cx.registered.and_then(|registered| registered.get(name));
        let is_new = |text: &str| registered.is_none_or(|registered| !contains(registered, text));
        if let Value::String(text) = value
            && is_new(text)
        {
            report_fault(name, host_fault(allowed, text), found);
        }
        for (index, text) in items(metadata, name) {
            if is_new(text) {
                report_item_fault(name, index, host_fault(allowed, text), found);
            }
        }
    }
}

/// Whether `value` is `text`, or a list with it.
fn contains(value: &Value, text: &str) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| item == text),
        single => single == text,
    }
}

/// Returns what is wrong with the host of a URI. The authority of a private-use scheme identifies
/// no host, because the application that claims the scheme receives the request.
fn host_fault(allowed: &[String], text: &str) -> Option<String> {
    let host = match uri::parse(text) {
        Ok(uri) if uri.is_web() => uri.host,
        _ => None,
    };
    match host {
        Some(host) if allowed.iter().any(|one| one.eq_ignore_ascii_case(&host)) => None,
        Some(_) => Some(format!(
            "has a host that is not allowed; {}",
            choice(allowed)
        )),
        None => Some(format!(
            "has no web host (http or https), so it is not allowed; {}",
            choice(allowed)
        )),
    }
}

/// Describes what would be accepted.
fn choice(allowed: &[String]) -> String {
    match allowed {
        [] => "this initial access token allows none".to_owned(),
        [only] => format!("this initial access token allows only {only}"),
        several => format!("this initial access token allows {}", several.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use crate::client::rules::Rules;
    use crate::client::rules::testing::{check_within, with_rules};
    use crate::client::{InitialAccessPolicy, Metadata};
    use crate::config::Registration;

    fn check(policy: Value, sent: Value, expected: Result<Value, &[&str]>) {
        let policy: InitialAccessPolicy = serde_json::from_value(policy).unwrap();
        check_within(&policy, &Registration::default(), sent, expected);
    }

    #[test]
    fn redirect_uris_must_be_on_the_permitted_hosts() {
        let policy = || json!({"redirect_hosts": ["Client.example", "localhost"]});
        check(policy(), json!({}), Ok(json!({})));
        check(
            policy(),
            json!({"redirect_uris": ["https://client.example/cb", "https://client.example.evil/cb"]}),
            Err(&["redirect_uris[1]: allows Client.example, localhost"]),
        );
        check(
            policy(),
            json!({"application_type": "native", "redirect_uris": ["http://localhost/cb", "com.example.app:/cb"]}),
            Err(&["redirect_uris[1]: not allowed"]),
        );
        check(
            policy(),
            json!({"post_logout_redirect_uris": ["https://evil.example/"]}),
            Err(&["post_logout_redirect_uris[0]: not allowed"]),
        );
        check(
            policy(),
            json!({"application_type": "native", "redirect_uris": ["com.evil.app://client.example/cb"]}),
            Err(&["redirect_uris[0]: no web host"]),
        );
        check(
            json!({"redirect_hosts": []}),
            json!({}),
            Err(&["redirect_uris[0]: allows none"]),
        );
    }

    #[test]
    fn every_url_must_be_on_the_permitted_hosts() {
        use crate::client::member::{MEMBERS, MemberKind, SetBy};

        let policy: InitialAccessPolicy =
            serde_json::from_value(json!({"redirect_hosts": ["client.example"]})).unwrap();
        let faults = |host: &str, member: &str, kind: MemberKind| {
            let url = format!("https://{host}");
            let value = if kind == MemberKind::Uris {
                json!([url])
            } else {
                json!(url)
            };
            let metadata = Metadata::new(Map::from_iter([(member.to_owned(), value)]));
            let mut found = Vec::new();
            with_rules(&policy, |rules| super::check(rules, &metadata, &mut found));
            found.len()
        };
        let mut checked = 0;
        for member in MEMBERS
            .iter()
            .filter(|member| member.set_by == SetBy::Client && member.kind.leads_somewhere())
        {
            let localised = member
                .kind
                .is_localised()
                .then(|| format!("{}#de", member.name));
            for name in [member.name.to_owned()].into_iter().chain(localised) {
                assert_eq!(faults("evil.example", &name, member.kind), 1, "{name}");
                assert_eq!(faults("client.example", &name, member.kind), 0, "{name}");
                checked += 1;
            }
        }
        assert!(checked > 25, "only {checked} members lead somewhere");
    }

    #[test]
    fn an_update_may_keep_values_that_were_permitted_earlier() {
        let policy: InitialAccessPolicy =
            serde_json::from_value(json!({"redirect_hosts": ["client.example"]})).unwrap();
        let metadata = |value: Value| Metadata::new(value.as_object().cloned().unwrap());
        let before = metadata(
            json!({"logo_uri": "https://cdn.example/a.png", "redirect_uris": ["com.app:/cb"]}),
        );
        let after = metadata(json!({
            "logo_uri": "https://cdn.example/a.png", "tos_uri": "https://cdn.example/a.png",
            "redirect_uris": ["com.app:/cb", "com.other:/cb"],
        }));
        let mut found = Vec::new();
        with_rules(&policy, |rules| {
            super::check(
                &Rules {
                    registered: Some(&before),
                    ..*rules
                },
                &after,
                &mut found,
            );
        });
        let members: Vec<&str> = found
            .iter()
            .map(|violation| violation.member.as_str())
            .collect();
        assert_eq!(members, ["tos_uri", "redirect_uris[1]"]);
    }

    #[test]
    fn grants_and_methods_must_be_permitted_by_the_policy() {
        let policy = || json!({"grant_types": ["client_credentials"], "token_endpoint_auth_methods": ["private_key_jwt"]});
        check(
            policy(),
            json!({}),
            Err(&[
                "grant_types[0]: only client_credentials",
                "token_endpoint_auth_method: only private_key_jwt",
            ]),
        );
        check(
            json!({"grant_types": ["client_credentials"]}),
            json!({"grant_types": ["client_credentials"], "redirect_uris": null}),
            Ok(json!({"grant_types": ["client_credentials"]})),
        );
    }

    #[test]
    fn additional_methods_must_be_permitted_too() {
        let sent = |more: Value| json!({"additional_token_endpoint_auth_methods": more, "token_endpoint_auth_method": "none"});
        let policy = || json!({"token_endpoint_auth_methods": ["none", "client_secret_post"]});
        let member = "additional_token_endpoint_auth_methods";
        check(policy(), sent(json!(["client_secret_post"])), Ok(json!({})));
        check(
            policy(),
            sent(json!(["client_secret_post", "client_secret_basic"])),
            Err(&[&format!("{member}[1]: none, client_secret_post")]),
        );
    }

    #[test]
    fn no_scope_is_added_that_the_policy_does_not_permit() {
        let sent = || json!({"allow_spontaneous_scopes": true, "spontaneous_scopes": ["^.*$"]});
        let faults = [
            "allow_spontaneous_scopes: only profile",
            "spontaneous_scopes: only profile",
        ];
        check(json!({"scopes": ["profile"]}), sent(), Err(&faults));
        check(
            json!({"scopes": ["profile"]}),
            json!({"allow_spontaneous_scopes": false}),
            Ok(json!({})),
        );
        check(json!({}), sent(), Ok(sent()));
    }

    #[test]
    fn other_scopes_are_left_out() {
        let sent = || json!({"scope": "openid profile email"});
        check(
            json!({"scopes": ["profile"]}),
            sent(),
            Ok(json!({"scope": "profile"})),
        );
        check(json!({"scopes": []}), sent(), Ok(json!({"scope": null})));
        check(
            json!({}),
            sent(),
            Ok(json!({"scope": "openid profile email"})),
        );
    }

    #[test]
    fn the_lifetime_of_a_client_is_limited_by_the_policy() {
        let policy = || json!({"maximum_lifetime": 600});
        check(policy(), json!({}), Ok(json!({"lifetime": 600})));
        check(
            policy(),
            json!({"lifetime": 60}),
            Ok(json!({"lifetime": 60})),
        );
        check(
            policy(),
            json!({"lifetime": 601}),
            Err(&["lifetime: at most 600 seconds"]),
        );
        let settings = Registration {
            dynamic_registration_expiration_time: 3_600,
            ..Registration::default()
        };
        let policy: InitialAccessPolicy = serde_json::from_value(policy()).unwrap();
        check_within(&policy, &settings, json!({}), Ok(json!({"lifetime": 600})));
    }
}
