//! Step 6: the software statement (RFC 7591 section 2.3).

use std::sync::Arc;

use serde_json::{Map, Value};

use super::hooks::{Shown, jwt};
use super::parse::Parsed;
use super::udap::{self, SelfMade};
use super::{Caller, RegisterError, keys};
use crate::client::{ScriptRef, StatementOrigin};
use crate::config::trust::StatementValidation;
use crate::jose::{Claims, Compact, Expectations, TypRule, Verified, kind};
use crate::model::{ErrorCode, Violation};
use crate::script::Hook;
use crate::service::Context;
use crate::trust::{Believed, Issuer, Source, TrustError};

/// A software statement that was accepted.
#[derive(Clone)]
pub(super) struct Statement {
    /// The statement itself, byte for byte.
    pub(super) text: String,
    pub(super) header: Map<String, Value>,
    pub(super) claims: Map<String, Value>,
    /// Whether somebody whom the operator trusts vouches for it: not so when its keys come from
    /// itself, or when it was not verified at all.
    pub(super) is_vouched: bool,
    /// Whether its signature was verified.
    pub(super) is_verified: bool,
    /// The entry of the issuer, when the keys are of one.
    pub(super) issuer: Option<Arc<Issuer>>,
    /// The script that gave the keys.
    pub(super) keys_by: Option<ScriptRef>,
    /// Whether it was believed for the certificate of its signer, which has the name of its `iss`.
    pub(super) is_certified: bool,
    /// Whether it is the word of the client about itself.
    pub(super) self_made: SelfMade,
}

impl Statement {
    /// The entry whose authorities vouch for the certificate of its signer.
    pub(super) fn certified_by(&self) -> Option<&Issuer> {
        self.issuer.as_deref().filter(|_| self.is_certified)
    }

    /// What names it in a provenance.
    pub(super) fn origin(&self) -> StatementOrigin {
        let text = |name: &str| self.claims.get(name).and_then(Value::as_str).map(str::to_owned);
        StatementOrigin {
            iss: text("iss").unwrap_or_default(),
            jti: text("jti"),
            software_id: text("software_id"),
            certified_by: self.certified_by().map(|issuer| issuer.id.clone()),
        }
    }
}

/// Verifies the statement of a request, if there is one: what can not be verified is refused,
/// never ignored.
pub(super) async fn verify(
    cx: &Context<'_>,
    caller: &Caller,
    parsed: &Parsed,
) -> Result<Option<Statement>, RegisterError> {
    let text = match parsed.members.get("software_statement") {
        None if cx.settings().software_statement_required => {
            return Err(invalid("is required here"));
        }
        None => return Ok(None),
        Some(Value::String(text)) => text,
        Some(_) => return Err(invalid("must be a string: a signed JWT in compact form")),
    };
    let token = Compact::parse(text).map_err(|error| invalid(error.to_string()))?;
    let claims = token.unverified_claims().map_err(|error| invalid(error.to_string()))?;
    let statement = match cx.settings().software_statement_validation_type {
        StatementValidation::None => unverified(&token, claims),
        StatementValidation::Builtin => builtin(cx, &token, &claims).await?,
        StatementValidation::Script => scripted(cx, caller, &token, claims).await?,
        StatementValidation::Jwks | StatementValidation::JwksUri => own_keys(cx, &token, &claims).await?,
    };
    check_issuer(cx, &statement)?;
    let self_made = udap::judge(cx, &parsed.members, &statement)?;
    Ok(Some(Statement { self_made, ..statement }))
}

/// `none`: the claims are the requester's own, and so they are worth no more than its request.
fn unverified(token: &Compact, claims: Map<String, Value>) -> Statement {
    let (text, header) = (token.as_str().to_owned(), token.unverified_header().clone());
    Statement {
        text,
        header,
        claims,
        is_vouched: false,
        is_verified: false,
        issuer: None,
        keys_by: None,
        is_certified: false,
        self_made: SelfMade::No,
    }
}

/// `builtin`: an entry of `dcrSsaValidationConfigs` has the keys.
async fn builtin(
    cx: &Context<'_>,
    token: &Compact,
    claims: &Map<String, Value>,
) -> Result<Statement, RegisterError> {
    let issuers = cx.snapshot.trust.statement_issuers(iss(claims)?);
    let mut failure = unapproved("has an `iss` that this server does not know");
    for issuer in issuers {
        let expected = expectations(cx, &issuer.algorithms);
        match cx.service.verifier.judge(token, &issuer.source, &expected).await {
            Ok(Believed { claims, is_certified }) => {
                let accepted = accepted(token, &claims, true)?;
                return Ok(Statement { issuer: Some(issuer), is_certified, ..accepted });
            }
            // Nothing is wrong with it, but that nobody here trusts its signer.
            Err(TrustError::Certificate(error)) if error.is_untrusted() => {
                failure = unapproved(error.to_string());
            }
            Err(error) => failure = keys::failed(error, &|rule| invalid(rule)),
        }
    }
    Err(failure)
}

/// `script`: a script gives the keys. No script, or none that knows the issuer: refused.
async fn scripted(
    cx: &Context<'_>,
    caller: &Caller,
    token: &Compact,
    claims: Map<String, Value>,
) -> Result<Statement, RegisterError> {
    iss(&claims)?;
    let hooks = (Hook::GetSoftwareStatementJwks, Hook::GetSoftwareStatementHmacSecret);
    if !cx.snapshot.scripts.has(hooks.0) && !cx.snapshot.scripts.has(hooks.1) {
        if cx.settings().software_statement_required {
            tracing::error!("statements are required, and nothing here has keys of their issuers");
            return Err(invalid("can not be verified: this server has no keys of issuers"));
        }
        return Err(invalid("can not be verified: this server has no keys of issuers; register without one"));
    }
    // It is not verified yet; the script chooses keys by what it says of itself.
    let statement = Some(jwt(token.unverified_header(), &claims));
    let shown = Shown { software_statement: statement, ..Shown::default() };
    let Some((source, by)) = keys::ask(cx, caller, token, hooks, &shown).await? else {
        return Err(unapproved("has an `iss` for which this server has no keys"));
    };
    let algorithms = &cx.snapshot.trust.statement_algorithms;
    let verified = cx.service.verifier.verify(token, &source, &expectations(cx, algorithms)).await;
    let verified = verified.map_err(|error| keys::failed(error, &|rule| invalid(rule)))?;
    Ok(Statement { keys_by: Some(by), ..accepted(token, &verified, true)? })
}

/// `jwks`, `jwks_uri`: the statement brings its own keys, so it proves that somebody holds them
/// and nothing more.
async fn own_keys(
    cx: &Context<'_>,
    token: &Compact,
    claims: &Map<String, Value>,
) -> Result<Statement, RegisterError> {
    iss(claims)?;
    let name = cx.settings().software_statement_validation_claim_name.as_deref().unwrap_or_default();
    let is_url = cx.settings().software_statement_validation_type == StatementValidation::JwksUri;
    let keys = keys::of_claim(claims, name, is_url).map_err(invalid)?;
    let keys = keys.ok_or_else(|| invalid(format!("must have its keys in the claim `{name}`")))?;
    let algorithms = &cx.snapshot.trust.statement_algorithms;
    let expected = expectations(cx, algorithms);
    let verified = cx.service.verifier.verify(token, &Source::of(keys), &expected).await;
    // The keys are where the requester says: when they are not to be had, it is its mistake.
    let verified = verified.map_err(|error| invalid(error.to_string()))?;
    accepted(token, &verified, false)
}

fn accepted(
    token: &Compact,
    verified: &Verified<Claims>,
    is_vouched: bool,
) -> Result<Statement, RegisterError> {
    let text = token.as_str().to_owned();
    let (header, claims) = (verified.header().clone(), verified.claims().clone());
    if let Some(other) = kind::looks_like_other_token(&header, &claims) {
        return Err(invalid(format!("must be a software statement, not {other}")));
    }
    Ok(Statement {
        text,
        header,
        claims,
        is_vouched,
        is_verified: true,
        issuer: None,
        keys_by: None,
        is_certified: false,
        self_made: SelfMade::No,
    })
}

/// `trustedSsaIssuers`: when the operator names any, no other one is accepted.
fn check_issuer(cx: &Context<'_>, statement: &Statement) -> Result<(), RegisterError> {
    let trusted = &cx.settings().trusted_ssa_issuers;
    let is_trusted = trusted.is_empty() || iss(&statement.claims).is_ok_and(|iss| trusted.contains_key(iss));
    if is_trusted { Ok(()) } else { Err(unapproved("has an `iss` that is not trusted here")) }
}

fn expectations<'a>(cx: &'a Context<'_>, algorithms: &'a [crate::jose::Algorithm]) -> Expectations<'a> {
    Expectations {
        algorithms,
        audiences: &cx.snapshot.audiences,
        max_age: cx.settings().software_statement_maximum_age,
        typ: cx.settings().software_statement_typ.as_deref().map_or(TypRule::Any, TypRule::Required),
        ..Expectations::default()
    }
}

/// The issuer that a statement names (RFC 7591 section 2.3: it must).
fn iss(claims: &Map<String, Value>) -> Result<&str, RegisterError> {
    let iss = claims.get("iss").and_then(Value::as_str).filter(|iss| !iss.is_empty());
    iss.ok_or_else(|| invalid("must have a string in `iss`"))
}

pub(super) fn invalid(rule: impl Into<String>) -> RegisterError {
    violation(ErrorCode::InvalidSoftwareStatement, rule.into())
}

pub(super) fn unapproved(rule: impl Into<String>) -> RegisterError {
    violation(ErrorCode::UnapprovedSoftwareStatement, rule.into())
}

fn violation(code: ErrorCode, rule: String) -> RegisterError {
    RegisterError::Unproven(Violation { code, member: "software_statement".into(), rule })
}
