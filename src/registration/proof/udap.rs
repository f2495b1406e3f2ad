//! UDAP Dynamic Client Registration (HL7 FHIR "Security for Scalable Registration, Authentication, and
//! Authorization" section 3): the client signs its own statement, and a certificate identifies the client.

use serde_json::{Map, Value};

use super::statement::{Statement, invalid};
use crate::base::Violation;
use crate::config::trust::StatementIdentity;
use crate::registration::RegisterError;
use crate::service::Context;

/// The only version of UDAP.
const VERSION: &str = "1";

/// Seconds for which a statement may be valid.
const MOST_SECONDS: f64 = 300.0;

/// Whether the client itself made the statement, as a proof of its identity. Such a statement is made for one
/// request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::registration) enum SelfMade {
    /// Another party signed the statement.
    No,
    /// The client signed it.
    Yes,
    /// The client signed it, for a UDAP request.
    Udap,
}

/// Determines whether `statement`, which came with `members`, is self-made.
///
/// # Errors
/// When it must be self-made, but could be used for another request or on another server.
pub(in crate::registration) fn judge(
    cx: &Context<'_>,
    members: &Map<String, Value>,
    statement: &Statement,
) -> Result<SelfMade, RegisterError> {
    let version = members.get("udap");
    if version.is_some_and(|version| version.as_str() != Some(VERSION)) {
        let rule = format!("must be the string {VERSION}, the only version of UDAP");
        return Err(RegisterError::Unproven(Violation::metadata("udap", rule)));
    }
    let counts = version.is_some()
        || cx.settings().software_statement_identity == StatementIdentity::Subject;
    if !statement.is_certified || !counts {
        return Ok(SelfMade::No);
    }
    check(cx, &statement.claims).map_err(invalid)?;
    Ok(if version.is_some() {
        SelfMade::Udap
    } else {
        SelfMade::Yes
    })
}

/// Checks that the statement is made for this request alone: by the client, for this endpoint, valid for five
/// minutes at most, with a `jti`.
fn check(cx: &Context<'_>, claims: &Map<String, Value>) -> Result<(), String> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let time = |name: &str| claims.get(name).and_then(Value::as_f64);
    if text("sub").is_none() || text("sub") != text("iss") {
        return Err(
            "must have the same value in `sub` as in `iss`: the client signs for itself".to_owned(),
        );
    }
    if text("jti").is_none() {
        return Err("must have a `jti`, a new one for each request".to_owned());
    }
    match (time("iat"), time("exp")) {
        (Some(made), Some(ends)) if ends - made <= MOST_SECONDS => {}
        _ => {
            return Err(format!(
                "must have `iat`, and an `exp` at most {MOST_SECONDS} seconds later"
            ));
        }
    }
    let is_for_us = match claims.get("aud") {
        Some(Value::Array(all)) => all.iter().any(|audience| is_this_endpoint(cx, audience)),
        Some(one) => is_this_endpoint(cx, one),
        None => false,
    };
    if is_for_us {
        return Ok(());
    }
    let endpoint = cx.service.registration_endpoint();
    Err(format!(
        "must have the URL of this endpoint, {endpoint}, in `aud`"
    ))
}

fn is_this_endpoint(cx: &Context<'_>, audience: &Value) -> bool {
    let Some(name) = audience.as_str() else {
        return false;
    };
    let further = &cx.settings().accepted_audiences;
    name == cx.service.registration_endpoint() || further.iter().any(|own| own == name)
}

/// Whether the statement requests the end of the registration.
pub(in crate::registration) fn is_cancellation(statement: &Statement) -> bool {
    let grants = statement
        .claims
        .get("grant_types")
        .and_then(Value::as_array);
    grants.is_some_and(Vec::is_empty)
}

/// Checks what UDAP requires of the metadata beyond the rules for any registration.
///
/// # Errors
/// Every broken rule.
pub(in crate::registration) fn screen(
    statement: Option<&Statement>,
    members: &Map<String, Value>,
) -> Result<(), RegisterError> {
    if statement.is_none_or(|statement| statement.self_made != SelfMade::Udap) {
        return Ok(());
    }
    let violations: Vec<Violation> = faults(members)
        .into_iter()
        .map(|(name, rule)| Violation::metadata(name, rule))
        .collect();
    if violations.is_empty() {
        Ok(())
    } else {
        Err(violations.into())
    }
}

/// The metadata that the rules of UDAP depend on.
struct UdapRequest<'a> {
    members: &'a Map<String, Value>,
    by_code: bool,
}

impl UdapRequest<'_> {
    fn texts(&self, name: &str) -> Vec<&str> {
        texts(self.members, name)
    }

    fn has_text(&self, name: &str) -> bool {
        let text = self.members.get(name).and_then(Value::as_str);
        text.is_some_and(|text| !text.is_empty())
    }
}

fn texts<'a>(members: &'a Map<String, Value>, name: &str) -> Vec<&'a str> {
    let items = members.get(name).and_then(Value::as_array);
    let items = items.into_iter().flatten();
    items.filter_map(Value::as_str).collect()
}

/// A rule: the member, whether it complies, and what is required.
type Rule = (&'static str, bool, &'static str);

fn faults(members: &Map<String, Value>) -> Vec<(&'static str, &'static str)> {
    let grants = texts(members, "grant_types");
    let by_code = grants.contains(&"authorization_code");
    let by_credentials = grants.contains(&"client_credentials");
    let is_refreshed = grants.contains(&"refresh_token");
    let requested = UdapRequest { members, by_code };
    let grants: [Rule; 2] = [
        (
            "grant_types",
            by_code != by_credentials,
            "must have either authorization_code or client_credentials",
        ),
        (
            "grant_types",
            by_code || !is_refreshed,
            "must have refresh_token only together with authorization_code",
        ),
    ];
    let rules = grants
        .into_iter()
        .chain(rules_by_grant(&requested))
        .chain(rules_for_all(&requested));
    let broken = rules.filter(|(_, holds, _)| !holds);
    broken.map(|(name, _, rule)| (name, rule)).collect()
}

fn rules_by_grant(requested: &UdapRequest<'_>) -> [Rule; 5] {
    let by_code = requested.by_code;
    let redirects = requested.texts("redirect_uris");
    let is_code = requested.texts("response_types") == ["code"];
    [
        (
            "redirect_uris",
            by_code != redirects.is_empty(),
            "must be present with authorization_code, and absent otherwise",
        ),
        (
            "redirect_uris",
            redirects.iter().all(|uri| uri.starts_with("https://")),
            "must be https URLs, as UDAP requires",
        ),
        (
            "response_types",
            !by_code || is_code,
            "must be [code] with authorization_code",
        ),
        (
            "response_types",
            by_code || !requested.members.contains_key("response_types"),
            "must be absent without authorization_code",
        ),
        (
            "logo_uri",
            !by_code || requested.has_text("logo_uri"),
            "must be present with authorization_code",
        ),
    ]
}

fn rules_for_all(requested: &UdapRequest<'_>) -> [Rule; 4] {
    let method = requested.members.get("token_endpoint_auth_method");
    let is_signed = method.is_some_and(|method| method == "private_key_jwt");
    let mut contacts = requested.texts("contacts").into_iter();
    let has_mail = contacts.any(|contact| contact.len() > 7 && contact.starts_with("mailto:"));
    [
        (
            "token_endpoint_auth_method",
            is_signed,
            "must be private_key_jwt",
        ),
        (
            "client_name",
            requested.has_text("client_name"),
            "must be present",
        ),
        ("contacts", has_mail, "must contain a mailto: address"),
        ("scope", requested.has_text("scope"), "must be present"),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(more: &Value, expected: &[&str]) {
        let mut members = json!({
            "client_name": "A", "contacts": ["mailto:a@example.org"], "scope": "openid",
            "grant_types": ["client_credentials"], "token_endpoint_auth_method": "private_key_jwt",
        });
        members
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        members
            .as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
        let found = faults(members.as_object().unwrap());
        let names: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, expected, "{more}");
    }

    #[test]
    fn the_metadata_of_a_udap_client() {
        let code = |more: Value| {
            let mut all = json!({
                "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
                "redirect_uris": ["https://a.example/cb"], "logo_uri": "https://a.example/logo.png",
            });
            all.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            all
        };
        check(&json!({}), &[]);
        check(&code(json!({})), &[]);
        check(&json!({"grant_types": null}), &["grant_types"]);
        check(
            &json!({"grant_types": ["client_credentials", "refresh_token"]}),
            &["grant_types"],
        );
        check(
            &code(json!({"grant_types": ["authorization_code", "client_credentials"]})),
            &["grant_types"],
        );
        check(
            &json!({"redirect_uris": ["https://a.example/cb"]}),
            &["redirect_uris"],
        );
        check(&code(json!({"redirect_uris": null})), &["redirect_uris"]);
        check(
            &code(json!({"redirect_uris": ["http://localhost/cb"]})),
            &["redirect_uris"],
        );
        check(
            &code(json!({"response_types": ["code", "token"]})),
            &["response_types"],
        );
        check(&json!({"response_types": ["code"]}), &["response_types"]);
        check(&code(json!({"logo_uri": ""})), &["logo_uri"]);
        check(
            &json!({"token_endpoint_auth_method": "none"}),
            &["token_endpoint_auth_method"],
        );
        check(
            &json!({"contacts": ["a@example.org", "mailto:"]}),
            &["contacts"],
        );
        check(
            &json!({"client_name": null, "scope": null}),
            &["client_name", "scope"],
        );
    }
}
