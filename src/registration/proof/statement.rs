//! Step 6: the software statement (RFC 7591 section 2.3).

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{keys, keys::KeyHooks, udap, udap::SelfMade};
use crate::base::{ErrorCode, Violation};
use crate::client::{ScriptRef, StatementOrigin, TrustLevel};
use crate::config::StatementValidation;
use crate::jose::{Algorithm, Claims, Compact, Expectations, TypRule, Verified, kind};
use crate::registration::{Attempt, Parsed, RegisterError, hooks};
use crate::script::{Hook, Proofs};
use crate::service::Context;
use crate::trust::{Issuer, Source, TrustError};

/// A software statement that was accepted.
#[derive(Clone)]
pub(in crate::registration) struct Statement {
    /// The statement itself, byte for byte.
    pub(in crate::registration) text: String,
    pub(in crate::registration) header: Map<String, Value>,
    pub(in crate::registration) claims: Map<String, Value>,
    /// Whether an issuer that the operator trusts signed it. False if it contains its own keys, or if it was
    /// not verified at all.
    pub(in crate::registration) is_vouched: bool,
    /// Whether its signature was verified.
    pub(in crate::registration) is_verified: bool,
    /// The configured entry of the issuer, if the entry has the keys.
    pub(in crate::registration) issuer: Option<Arc<Issuer>>,
    /// The script that returned the keys.
    pub(in crate::registration) keys_by: Option<ScriptRef>,
    /// Whether it was accepted because of the certificate of its signer, which contains the name in its
    /// `iss`.
    pub(in crate::registration) is_certified: bool,
    /// Whether the client itself made the statement.
    pub(in crate::registration) self_made: SelfMade,
}

impl Statement {
    /// Returns the entry whose authorities signed the certificate of its signer.
    pub(in crate::registration) fn certified_by(&self) -> Option<&Issuer> {
        self.issuer.as_deref().filter(|_| self.is_certified)
    }

    /// Returns the origin that is recorded with the client.
    pub(in crate::registration) fn origin(&self) -> StatementOrigin {
        let text = |name: &str| match self.claims.get(name) {
            Some(Value::String(text)) => Some(text.clone()),
            _ => None,
        };
        StatementOrigin {
            iss: text("iss").unwrap_or_default(),
            jti: text("jti"),
            software_id: text("software_id"),
            certified_by: self.certified_by().map(|issuer| issuer.id.clone()),
        }
    }
}

/// Verifies the statement of a request, if there is one. A statement that cannot be verified is rejected,
/// never ignored.
pub(in crate::registration) async fn verify(
    attempt: Attempt<'_>,
    parsed: &Parsed,
) -> Result<Option<Statement>, RegisterError> {
    let cx = attempt.cx;
    let Some(text) = sent(cx, &parsed.members)? else {
        return Ok(None);
    };
    let token = Compact::parse(text).map_err(|error| invalid(error.to_string()))?;
    let claims = token
        .unverified_claims()
        .map_err(|error| invalid(error.to_string()))?;
    let mut statement = match cx.settings().software_statement_validation_type {
        StatementValidation::None => unverified(&token, claims),
        StatementValidation::Builtin => builtin(cx, &token, &claims).await?,
        StatementValidation::Script => scripted(attempt, &token, &claims).await?,
        StatementValidation::Jwks | StatementValidation::JwksUri => {
            own_keys(cx, &token, &claims).await?
        }
    };
    check_issuer(cx, &statement)?;
    statement.self_made = udap::judge(cx, &parsed.members, &statement)?;
    Ok(Some(statement))
}

/// Returns the statement in a request; none if there is none and none is required.
fn sent<'a>(
    cx: &Context<'_>,
    members: &'a Map<String, Value>,
) -> Result<Option<&'a str>, RegisterError> {
    match members.get("software_statement") {
        None if cx.settings().software_statement_required => {
            Err(invalid("is required on this server"))
        }
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(invalid("must be a string: a signed JWT in compact form")),
    }
}

/// `none`: the claims are not verified, so they count no more than the request itself.
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
    let verifier = &cx.service.verifier;
    let mut failure = unapproved("has an `iss` that this server does not know");
    for issuer in cx.snapshot.trust.statement_issuers(iss(claims)?) {
        let expected = expectations(cx, &issuer.algorithms);
        match verifier.judge(token, &issuer.source, &expected).await {
            Ok(believed) => {
                let accepted = accepted(token, &believed.claims, true)?;
                return Ok(Statement {
                    issuer: Some(issuer),
                    is_certified: believed.is_certified,
                    ..accepted
                });
            }
            // The statement is valid, but its signer is not trusted.
            Err(TrustError::Certificate(error)) if error.is_untrusted() => {
                failure = unapproved(error.to_string());
            }
            Err(error) => failure = keys::failed(error, &|rule| invalid(rule)),
        }
    }
    Err(failure)
}

/// `script`: a script returns the keys. Without a script, or with none that knows the issuer, the statement
/// is rejected.
async fn scripted(
    attempt: Attempt<'_>,
    token: &Compact,
    claims: &Map<String, Value>,
) -> Result<Statement, RegisterError> {
    const HOOKS: KeyHooks = KeyHooks {
        jwks: Hook::GetSoftwareStatementJwks,
        hmac_secret: Hook::GetSoftwareStatementHmacSecret,
    };
    iss(claims)?;
    let cx = attempt.cx;
    let scripts = &cx.snapshot.scripts;
    if !scripts.has(HOOKS.jwks) && !scripts.has(HOOKS.hmac_secret) {
        return Err(no_keys(cx));
    }
    let mut proofs = Proofs::none(TrustLevel::Open);
    // The claims are not verified yet; the script uses them to choose the keys.
    proofs.software_statement = Some(hooks::jwt(token.unverified_header(), claims));
    let Some((source, by)) = keys::ask(attempt, token, HOOKS, proofs).await? else {
        return Err(unapproved("has an `iss` for which this server has no keys"));
    };
    let verified = verify_with(cx, token, &source).await;
    let verified = verified.map_err(|error| keys::failed(error, &|rule| invalid(rule)))?;
    Ok(Statement {
        keys_by: Some(by),
        ..accepted(token, &verified, true)?
    })
}

/// The operator has neither scripts nor keys for software statements.
fn no_keys(cx: &Context<'_>) -> RegisterError {
    if !cx.settings().software_statement_required {
        return invalid(
            "cannot be verified: this server has no keys of issuers; register without a software statement",
        );
    }
    tracing::error!(
        "software statements are required, but neither a script nor the configuration has keys of their issuers"
    );
    invalid("cannot be verified: this server has no keys of issuers")
}

/// `jwks`, `jwks_uri`: the statement contains its own keys, so it proves only that its sender holds them.
async fn own_keys(
    cx: &Context<'_>,
    token: &Compact,
    claims: &Map<String, Value>,
) -> Result<Statement, RegisterError> {
    iss(claims)?;
    let settings = cx.settings();
    let name: &str = match &settings.software_statement_validation_claim_name {
        Some(name) => name,
        None => "",
    };
    let is_url = settings.software_statement_validation_type == StatementValidation::JwksUri;
    let Some(keys) = keys::of_claim(claims, name, is_url).map_err(invalid)? else {
        return Err(invalid(format!("must have its keys in the claim `{name}`")));
    };
    let verified = verify_with(cx, token, &Source::of(keys)).await;
    // The requester chose the location of the keys, so it is at fault when they are unavailable.
    let verified = verified.map_err(|error| invalid(error.to_string()))?;
    accepted(token, &verified, false)
}

/// Verifies a statement whose issuer has no entry in the configuration.
async fn verify_with(
    cx: &Context<'_>,
    token: &Compact,
    source: &Source,
) -> Result<Verified<Claims>, TrustError> {
    let expected = expectations(cx, &cx.snapshot.trust.statement_algorithms);
    cx.service.verifier.verify(token, source, &expected).await
}

fn accepted(
    token: &Compact,
    verified: &Verified<Claims>,
    is_vouched: bool,
) -> Result<Statement, RegisterError> {
    let text = token.as_str().to_owned();
    let (header, claims) = (verified.header().clone(), verified.claims().clone());
    if let Some(other) = kind::looks_like_other_token(&header, &claims) {
        return Err(invalid(format!(
            "must be a software statement, not {other}"
        )));
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

/// `trustedSsaIssuers`: if the operator names any issuer, all others are rejected.
fn check_issuer(cx: &Context<'_>, statement: &Statement) -> Result<(), RegisterError> {
    let trusted = &cx.settings().trusted_ssa_issuers;
    if trusted.is_empty() {
        return Ok(());
    }
    match iss(&statement.claims) {
        Ok(iss) if trusted.contains_key(iss) => Ok(()),
        _ => Err(unapproved("has an `iss` that this server does not trust")),
    }
}

fn expectations<'a>(cx: &'a Context<'_>, algorithms: &'a [Algorithm]) -> Expectations<'a> {
    let typ = match &cx.settings().software_statement_typ {
        Some(required) => TypRule::Required(required),
        None => TypRule::Any,
    };
    Expectations {
        algorithms,
        audiences: &cx.snapshot.audiences,
        max_age: cx.settings().software_statement_maximum_age,
        typ,
        ..Expectations::default()
    }
}

/// Returns the issuer that a statement names, which is mandatory here (RFC 7591 section 2.3).
fn iss(claims: &Map<String, Value>) -> Result<&str, RegisterError> {
    match claims.get("iss") {
        Some(Value::String(iss)) if !iss.is_empty() => Ok(iss),
        _ => Err(invalid("must have a string in `iss`")),
    }
}

pub(in crate::registration) fn invalid(rule: impl Into<String>) -> RegisterError {
    violation(ErrorCode::InvalidSoftwareStatement, rule.into())
}

pub(in crate::registration) fn unapproved(rule: impl Into<String>) -> RegisterError {
    violation(ErrorCode::UnapprovedSoftwareStatement, rule.into())
}

fn violation(code: ErrorCode, rule: String) -> RegisterError {
    RegisterError::Unproven(Violation {
        code,
        member: "software_statement".into(),
        rule,
    })
}
