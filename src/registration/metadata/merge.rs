//! Step 8: applies the software statement to the request (RFC 7591 sections 2.3 and 3.1.1), then the rules of
//! its issuer for scopes and claims, then the limits on what the requester may ask for.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::base::{Violation, absent, scope};
use crate::client::{Requested, member, rules};
use crate::config::StatementRedirectUris;
use crate::registration::{
    Attempt, RegisterError, SignedRequest, Statement, TokenPolicy, reject_any,
};
use crate::service::Context;

/// Claims of a JWT (RFC 7519 section 4.1) that describe the token and never the client.
const REGISTERED_CLAIMS: &[&str] = &["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];

/// Members that a statement cannot set: the statement itself, and members of the current request.
const OF_THE_REQUEST: &[&str] = &[
    "software_statement",
    "evidence",
    "evidence_nonce",
    "evidence_type",
    "client_document",
    "registration_mode",
];

/// Returns what the request states: the claims of a signed request, else the members as sent.
pub(in crate::registration) fn said(
    members: Map<String, Value>,
    signed: Option<&SignedRequest>,
) -> Map<String, Value> {
    match signed {
        None => members,
        Some(signed) => {
            let claims = absent::present(signed.claims.clone()).into_iter();
            claims
                .filter(|(name, _)| !REGISTERED_CLAIMS.contains(&name.as_str()))
                .collect()
        }
    }
}

/// A request with its statement applied.
pub(in crate::registration) struct MergedRequest {
    pub(in crate::registration) members: Map<String, Value>,
    /// The members that a verified statement has set.
    pub(in crate::registration) settled: BTreeSet<String>,
    /// The members that a statement has set, verified or not.
    pub(in crate::registration) stated: Vec<String>,
}

/// Lets the values of `statement` override the values in the request. If the request states one of these values in
/// another language or another form, that member is removed, because the issuer of the statement has not
/// vouched for it.
///
/// # Errors
/// When the request names redirect URIs that the statement does not contain.
pub(in crate::registration) fn merge(
    cx: &Context<'_>,
    mut members: Map<String, Value>,
    statement: Option<&Statement>,
) -> Result<MergedRequest, RegisterError> {
    let Some(statement) = statement else {
        return Ok(MergedRequest {
            members,
            settled: BTreeSet::new(),
            stated: Vec::new(),
        });
    };
    let mut vouched = claimed_members(cx, statement);
    if cx.settings().software_statement_redirect_uris == StatementRedirectUris::Subset {
        narrow(&mut vouched, &members)?;
    }
    let is_retold = |name: &str| {
        !vouched.contains_key(name) && vouched.keys().any(|own| rules::retells(name, own))
    };
    members.retain(|name, _| !is_retold(name));
    let mut stated: Vec<String> = vouched.keys().cloned().collect();
    let settled = settled(statement, &stated);
    members.extend(vouched);
    grant_automatically(cx, statement, &mut members, &mut stated);
    Ok(MergedRequest {
        members: absent::present(members),
        settled,
        stated,
    })
}

/// Returns the members that the requester cannot change, of those that `statement` has.
fn settled(statement: &Statement, stated: &[String]) -> BTreeSet<String> {
    if statement.is_verified {
        stated.iter().cloned().collect()
    } else {
        BTreeSet::new()
    }
}

/// Returns the part of `members` that the requester may ask for.
pub(in crate::registration) fn requested(
    attempt: Attempt<'_>,
    members: Map<String, Value>,
    statement: Option<&Statement>,
    initial_access: Option<&TokenPolicy>,
) -> Requested {
    let cx = attempt.cx;
    let existing = attempt.existing();
    let privileges = rules::Privileges {
        settings: cx.settings(),
        policy: initial_access.map(|shown| &shown.policy),
        vouched: &|name, value| statement.is_some_and(|it| is_vouched(cx, it, name, value)),
        registered: existing.map(|client| client.metadata.metadata()),
    };
    let custom = &cx.settings().dynamic_registration_custom_attributes;
    Requested::read(rules::withhold(members, &privileges), custom)
}

/// Whether `statement` gives the member `name` this value, and an issuer that the operator trusts signed it.
fn is_vouched(cx: &Context<'_>, statement: &Statement, name: &str, value: &Value) -> bool {
    statement.is_vouched && claimed_members(cx, statement).get(name) == Some(value)
}

/// Returns the client metadata in the claims of `statement`: claims named like a metadata member, then claims
/// that `softwareStatementClaims` maps to a member.
fn claimed_members(cx: &Context<'_>, statement: &Statement) -> Map<String, Value> {
    let mut vouched = Map::new();
    for (name, value) in &statement.claims {
        if !is_reserved(name) && counts(statement, name, value) {
            vouched.insert(name.clone(), permitted(statement, name, value));
        }
    }
    for (claim, name) in &cx.settings().software_statement_claims {
        let Some(value) = statement.claims.get(claim) else {
            continue;
        };
        if counts(statement, claim, value) && !vouched.contains_key(name) {
            vouched.insert(name.clone(), permitted(statement, name, value));
        }
    }
    vouched
}

/// Whether the issuer of the statement may make this claim, and the claim has a value.
fn counts(statement: &Statement, claim: &str, value: &Value) -> bool {
    let may_claim = match &statement.issuer {
        Some(issuer) => issuer.may_claim(claim),
        None => true,
    };
    may_claim && !absent::is_absent(value)
}

/// Whether a claim with this name is never client metadata.
fn is_reserved(name: &str) -> bool {
    if REGISTERED_CLAIMS.contains(&name) || OF_THE_REQUEST.contains(&name) {
        return true;
    }
    match member::find(name) {
        Some(member) => member.set_by == member::SetBy::Server,
        None => false,
    }
}

/// Returns the value of a claim for the member `name`. Of a `scope`, only the scopes remain that the issuer
/// may grant. If none remains, the request of the client cannot add any.
fn permitted(statement: &Statement, name: &str, value: &Value) -> Value {
    let allowed = match &statement.issuer {
        Some(issuer) if name == "scope" => &issuer.scopes,
        _ => &None,
    };
    let (Some(allowed), Value::String(asked)) = (allowed, value) else {
        return value.clone();
    };
    let mut kept: Vec<&str> = Vec::new();
    for word in scope::words(asked) {
        if allowed.iter().any(|own| own == word) {
            kept.push(word);
        }
    }
    kept.join(" ").into()
}

/// `softwareStatementRedirectUris = "subset"`: the client gets those redirect URIs of the statement that the
/// request names, or all of them if it names none.
fn narrow(
    vouched: &mut Map<String, Value>,
    members: &Map<String, Value>,
) -> Result<(), RegisterError> {
    let (Some(asked), Some(all)) = (members.get(REDIRECT_URIS), vouched.get(REDIRECT_URIS)) else {
        return Ok(());
    };
    let (asked, all) = (items(asked), items(all));
    let mut violations = Vec::new();
    for (index, uri) in asked.iter().enumerate() {
        if !all.contains(uri) {
            violations.push(not_vouched(index));
        }
    }
    reject_any(violations)?;
    vouched.insert(REDIRECT_URIS.to_owned(), asked.to_vec().into());
    Ok(())
}

const REDIRECT_URIS: &str = "redirect_uris";

/// Returns the items of a list. A value that is not a list is its only item.
fn items(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        one => std::slice::from_ref(one),
    }
}

fn not_vouched(index: usize) -> Violation {
    let rule = "is not one of the redirect URIs of the software statement; send only redirect URIs of the \
                statement, or omit redirect_uris to register all of them";
    Violation::redirect_uri(format!("{REDIRECT_URIS}[{index}]"), rule)
}

/// Grants the scopes that clients of the statement's issuer get without asking, and notes them in `stated`.
fn grant_automatically(
    cx: &Context<'_>,
    statement: &Statement,
    members: &mut Map<String, Value>,
    stated: &mut Vec<String>,
) {
    let granted = automatic(cx, statement);
    if !granted.is_empty() {
        stated.push("scope".to_owned());
    }
    grant(members, granted);
}

/// Returns the scopes that clients of the statement's issuer get without asking. A statement that only claims
/// to be from that issuer grants none.
fn automatic<'a>(cx: &'a Context<'_>, statement: &Statement) -> &'a [String] {
    let iss: &str = match statement.claims.get("iss") {
        Some(Value::String(iss)) => iss,
        _ => "",
    };
    match cx.settings().trusted_ssa_issuers.get(iss) {
        Some(trusted) if statement.is_vouched => &trusted.automatically_granted_scopes,
        _ => &[],
    }
}

fn grant(members: &mut Map<String, Value>, granted: &[String]) {
    let asked = match members.get("scope") {
        None => "",
        Some(Value::String(asked)) => asked,
        // A value of another type: the rules reject it.
        Some(_) => return,
    };
    if granted.is_empty() {
        return;
    }
    let mut words: Vec<&str> = scope::words(asked).collect();
    for own in granted {
        if !scope::has(asked, own) {
            words.push(own);
        }
    }
    let scope = words.join(" ");
    members.insert("scope".to_owned(), scope.into());
}
