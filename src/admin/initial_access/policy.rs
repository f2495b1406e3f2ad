//! Checks policies of initial access tokens. A policy with a host, a scope or a method that no client can
//! have would prevent every registration.

use url::Url;

use crate::client::{InitialAccessPolicy, rules::privileged_members, rules::supported_grants};
use crate::config::{Live, Scope};

/// Rejects values that no client of `live` can have, so that no useless token is issued.
///
/// # Errors
/// Returns the invalid member and the accepted values.
pub(super) fn check_policy(policy: &InitialAccessPolicy, live: &Live) -> Result<(), String> {
    let settings = &live.registration;
    let scopes = listed_scopes(live);
    let grants = supported_grants(settings);
    let methods = &settings.token_endpoint_auth_methods_supported;
    let privileged: Vec<String> = privileged_members().map(str::to_owned).collect();
    check_hosts(policy.redirect_hosts.as_deref().unwrap_or_default())?;
    let nothing_else = |_: &str| false;
    let has_pattern = |name: &str| is_of_pattern(&live.scopes, name);
    let named = policy.privileged_members.as_deref();
    check_list("privileged_members", named, &privileged, nothing_else)?;
    check_list("scopes", policy.scopes.as_deref(), &scopes, has_pattern)?;
    check_list(
        "grant_types",
        policy.grant_types.as_deref(),
        &grants,
        nothing_else,
    )?;
    let named = policy.token_endpoint_auth_methods.as_deref();
    check_list("token_endpoint_auth_methods", named, methods, nothing_else)
}

/// Returns the scopes that are not patterns.
fn listed_scopes(live: &Live) -> Vec<String> {
    let listed = live.scopes.iter().filter(|scope| scope.pattern.is_none());
    listed.map(|scope| scope.id.clone()).collect()
}

/// Returns whether a pattern of `scopes` defines the scope `name`.
fn is_of_pattern(scopes: &[Scope], name: &str) -> bool {
    scopes
        .iter()
        .any(|scope| scope.pattern.is_some() && scope.defines(name))
}

/// Checks that each item of the list `named` is in `known` or is accepted anyway.
fn check_list(
    member: &str,
    named: Option<&[String]>,
    known: &[String],
    is_accepted: impl Fn(&str) -> bool,
) -> Result<(), String> {
    for (at, name) in named.unwrap_or_default().iter().enumerate() {
        if !known.contains(name) && !is_accepted(name) {
            return Err(fault(member, at, name, &choice(name, known)));
        }
    }
    Ok(())
}

fn check_hosts(hosts: &[String]) -> Result<(), String> {
    let due = "is not a host; give only the name, such as client.example.org, without scheme, port and path";
    for (at, host) in hosts.iter().enumerate() {
        if !is_host(host) {
            return Err(fault("redirect_hosts", at, host, due));
        }
    }
    Ok(())
}

/// Returns whether a redirect URI can have this host, in exactly these characters.
fn is_host(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    if !text.bytes().all(is_plain) {
        return false;
    }
    let Ok(url) = Url::parse(&format!("https://{text}/")) else {
        return false;
    };
    let host = url.host_str();
    host.is_some_and(|host| host.eq_ignore_ascii_case(text))
}

/// Returns the message about the item at index `at` of a member.
fn fault(member: &str, at: usize, item: &str, due: &str) -> String {
    const MOST: usize = 80;
    let shown: String = item.chars().take(MOST).collect();
    format!("policy.{member}[{at}]: '{shown}' {due}")
}

/// Returns the reason why `name` is rejected, with the accepted values.
fn choice(name: &str, known: &[String]) -> String {
    match known {
        _ if name.contains(char::is_whitespace) => {
            "is more than one word; list each separately".to_owned()
        }
        [] => "is unknown to this server, which has none".to_owned(),
        known => format!("is unknown to this server; it has {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn said(policy: Value) -> Result<(), String> {
        let scopes = json!([{"id": "openid"}, {"id": "email"}, {"id": "access", "pattern": "patient/[A-Za-z]+[.]rs"}]);
        let live: Live = serde_json::from_value(json!({"scopes": scopes})).unwrap();
        check_policy(&serde_json::from_value(policy).unwrap(), &live)
    }

    #[test]
    fn a_host_is_a_name_and_nothing_else() {
        for good in [
            "client.example.org",
            "Client.Example",
            "localhost",
            "127.0.0.1",
            "[::1]",
            "a_b.example",
        ] {
            assert_eq!(said(json!({"redirect_hosts": [good]})), Ok(()), "{good}");
        }
        for bad in [
            "https://client.example.org",
            "client.example.org:8443",
            "client.example.org:443",
            "client.example.org/cb",
            "*.example.org",
            "u@client.example.org",
            "127.1",
            "a b",
            "",
        ] {
            let told = said(json!({"redirect_hosts": ["client.example.org", bad]})).unwrap_err();
            assert!(
                told.starts_with(&format!("policy.redirect_hosts[1]: '{bad}' is not a host")),
                "{told}"
            );
        }
    }

    #[test]
    fn unsupported_values_are_rejected_in_a_policy() {
        let fine = json!({
            "scopes": ["openid"], "grant_types": ["authorization_code"],
            "token_endpoint_auth_methods": ["none"], "privileged_members": ["groups"], "redirect_hosts": [], "attributes": {"any": "thing"},
        });
        assert_eq!(said(fine), Ok(()));
        assert_eq!(said(json!({})), Ok(()));
        assert_eq!(said(json!({"scopes": ["patient/Patient.rs"]})), Ok(()));
        for (policy, expected) in [
            (
                json!({"scopes": ["openid email"]}),
                "policy.scopes[0]: 'openid email' is more than one word",
            ),
            (
                json!({"scopes": ["openid", "emial"]}),
                "policy.scopes[1]: 'emial' is unknown to this server; it has openid",
            ),
            (
                json!({"privileged_members": ["scope"]}),
                "policy.privileged_members[0]: 'scope' is unknown to this server",
            ),
            (
                json!({"grant_types": ["code"]}),
                "policy.grant_types[0]: 'code' is unknown to this server",
            ),
            (
                json!({"grant_types": ["password"]}),
                "policy.grant_types[0]: 'password' is unknown to this server",
            ),
            (
                json!({"token_endpoint_auth_methods": ["basic"]}),
                "policy.token_endpoint_auth_methods[0]: 'basic'",
            ),
        ] {
            let told = said(policy).unwrap_err();
            assert!(told.starts_with(expected), "{told}");
        }
    }
}
