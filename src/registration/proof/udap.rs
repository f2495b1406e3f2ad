//! UDAP Dynamic Client Registration (HL7 FHIR "Security for Scalable Registration, Authentication, and
//! Authorization" section 3): the client signs its own statement, and a certificate identifies the client.

use serde_json::{Map, Value};

use super::{statement::Statement, statement::invalid};
use crate::base::Violation;
use crate::config::StatementIdentity;
use crate::registration::{RegisterError, reject_any};
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
    check_single_purpose(cx, &statement.claims).map_err(invalid)?;
    match version {
        Some(_) => Ok(SelfMade::Udap),
        None => Ok(SelfMade::Yes),
    }
}

/// Checks that the statement is made for this request alone: by the client, for this endpoint, valid for five
/// minutes at most, with a `jti`.
fn check_single_purpose(cx: &Context<'_>, claims: &Map<String, Value>) -> Result<(), String> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("sub").is_none() || text("sub") != text("iss") {
        return Err(
            "must have the same value in `sub` as in `iss`: the client signs for itself".to_owned(),
        );
    }
    if text("jti").is_none() {
        return Err("must have a `jti`, a new one for each request".to_owned());
    }
    if !is_short_lived(claims) {
        return Err(format!(
            "must have `iat`, and an `exp` at most {MOST_SECONDS} seconds later"
        ));
    }
    if !is_for_this_endpoint(cx, claims) {
        let endpoint = cx.service.registration_endpoint();
        return Err(format!(
            "must have the URL of this endpoint, {endpoint}, in `aud`"
        ));
    }
    Ok(())
}

fn is_short_lived(claims: &Map<String, Value>) -> bool {
    let time = |name: &str| claims.get(name).and_then(Value::as_f64);
    match (time("iat"), time("exp")) {
        (Some(made), Some(ends)) => ends - made <= MOST_SECONDS,
        _ => false,
    }
}

/// Whether an audience of the statement is the registration endpoint, or another accepted name of this server.
fn is_for_this_endpoint(cx: &Context<'_>, claims: &Map<String, Value>) -> bool {
    let audiences = match claims.get("aud") {
        Some(Value::Array(all)) => all.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => return false,
    };
    let endpoint = cx.service.registration_endpoint();
    let further = &cx.settings().accepted_audiences;
    for audience in audiences {
        if let Value::String(name) = audience
            && (*name == endpoint || further.contains(name))
        {
            return true;
        }
    }
    false
}

/// Whether the statement requests the end of the registration.
pub(in crate::registration) fn is_cancellation(statement: &Statement) -> bool {
    match statement.claims.get("grant_types") {
        Some(Value::Array(grants)) => grants.is_empty(),
        _ => false,
    }
}

/// Checks what UDAP requires of the metadata beyond the rules for any registration.
///
/// # Errors
/// Every broken rule.
pub(in crate::registration) fn screen(
    statement: Option<&Statement>,
    members: &Map<String, Value>,
) -> Result<(), RegisterError> {
    match statement {
        Some(statement) if statement.self_made == SelfMade::Udap => reject_any(violations(members)),
        _ => Ok(()),
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
        match self.members.get(name) {
            Some(Value::String(text)) => !text.is_empty(),
            _ => false,
        }
    }
}

fn texts<'a>(members: &'a Map<String, Value>, name: &str) -> Vec<&'a str> {
    match members.get(name) {
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// A rule: the member, whether it complies, and what is required.
type UdapRule = (&'static str, bool, &'static str);

/// Returns the broken rules.
fn violations(members: &Map<String, Value>) -> Vec<Violation> {
    let grants = texts(members, "grant_types");
    let by_code = grants.contains(&"authorization_code");
    let by_credentials = grants.contains(&"client_credentials");
    let is_refreshed = grants.contains(&"refresh_token");
    let requested = UdapRequest { members, by_code };
    let mut rules: Vec<UdapRule> = vec![
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
    rules.extend(rules_by_grant(&requested));
    rules.extend(rules_for_all(&requested));
    let mut violations = Vec::new();
    for (name, complies, rule) in rules {
        if !complies {
            violations.push(Violation::metadata(name, rule));
        }
    }
    violations
}

fn rules_by_grant(requested: &UdapRequest<'_>) -> [UdapRule; 5] {
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

fn rules_for_all(requested: &UdapRequest<'_>) -> [UdapRule; 4] {
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
        let found = violations(members.as_object().unwrap());
        let names: Vec<&str> = found.iter().map(|broken| &*broken.member).collect();
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
