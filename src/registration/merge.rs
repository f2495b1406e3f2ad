//! Step 8: the software statement over the request (RFC 7591 sections 2.3 and 3.1.1), then the
//! rules of its issuer for scopes and claims.

use serde_json::{Map, Value};

use super::signed_request::SignedRequest;
use super::statement::Statement;
use crate::service::Context;

/// Claims of a JWT (RFC 7519 section 4.1), which say something of the token and never of the
/// client.
const REGISTERED_CLAIMS: &[&str] = &["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];

/// Members that a statement can not set: itself, and what belongs to the present request.
const OF_THE_REQUEST: &[&str] = &["software_statement", "evidence", "evidence_nonce", "evidence_type"];

/// What the request says: the claims of a signed one, else the members as they were sent.
pub(super) fn said(members: Map<String, Value>, signed: Option<&SignedRequest>) -> Map<String, Value> {
    match signed {
        None => members,
        Some(signed) => {
            let claims = signed.claims.clone().into_iter();
            claims.filter(|(name, _)| !REGISTERED_CLAIMS.contains(&name.as_str())).collect()
        }
    }
}

/// Puts what `statement` says of the client over what the request says, and what it says under
/// names of its directory's own where the request says nothing.
pub(super) fn merge(
    cx: &Context<'_>,
    mut members: Map<String, Value>,
    statement: Option<&Statement>,
) -> Map<String, Value> {
    let Some(statement) = statement else { return members };
    for (name, value) in &statement.claims {
        let is_own = REGISTERED_CLAIMS.contains(&name.as_str()) || OF_THE_REQUEST.contains(&name.as_str());
        let may_claim = statement.issuer.as_ref().is_none_or(|issuer| issuer.may_claim(name));
        if !is_own && may_claim {
            members.insert(name.clone(), vouched(statement, name, value));
        }
    }
    for (claim, name) in &cx.settings().software_statement_claims {
        let may_claim = statement.issuer.as_ref().is_none_or(|issuer| issuer.may_claim(claim));
        let is_absent = members.get(name).is_none_or(Value::is_null);
        if let Some(value) = statement.claims.get(claim).filter(|_| may_claim && is_absent) {
            members.insert(name.clone(), value.clone());
        }
    }
    grant(&mut members, automatic(cx, statement));
    members
}

/// The value of a claim, of which only the scopes are left that its issuer may hand out.
fn vouched(statement: &Statement, name: &str, value: &Value) -> Value {
    let allowed = statement.issuer.as_ref().and_then(|issuer| issuer.scopes.as_ref());
    match (name, allowed, value.as_str()) {
        ("scope", Some(allowed), Some(scope)) => {
            let kept = scope.split(' ').filter(|word| allowed.iter().any(|own| own == word));
            kept.collect::<Vec<_>>().join(" ").into()
        }
        _ => value.clone(),
    }
}

/// The scopes that clients of the statement's issuer get without asking. Whoever only says that
/// it is that issuer gets none.
fn automatic<'a>(cx: &'a Context<'_>, statement: &Statement) -> &'a [String] {
    let iss = statement.claims.get("iss").and_then(Value::as_str).unwrap_or_default();
    let trusted = cx.settings().trusted_ssa_issuers.get(iss).filter(|_| statement.is_vouched);
    trusted.map_or(&[], |trusted| &trusted.automatically_granted_scopes)
}

fn grant(members: &mut Map<String, Value>, granted: &[String]) {
    let asked = match members.get("scope") {
        None | Some(Value::Null) => "",
        Some(Value::String(scope)) => scope,
        // Of another type: the rules say so.
        Some(_) => return,
    };
    let missing = granted.iter().filter(|own| asked.split(' ').all(|word| word != *own)).map(String::as_str);
    let words: Vec<&str> = asked.split(' ').filter(|word| !word.is_empty()).chain(missing).collect();
    if !granted.is_empty() {
        members.insert("scope".to_owned(), words.join(" ").into());
    }
}
