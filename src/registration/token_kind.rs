//! Which kind of token it is: a software statement and a signed request may come from one issuer, with
//! the same keys, and must not be taken for one another (RFC 8725 sections 3.11 and 3.12).
//!
//! A `typ` that only one of them has says it. Where there is none, a signed request is told by the
//! statement in it, which no statement has; and where its issuer makes no statements, it is enough that
//! it speaks of a client and is not some other token.

use serde_json::{Map, Value};

use super::hooks::{Shown, jwt};
use super::{Caller, RegisterError, keys};
use crate::config::trust::StatementValidation;
use crate::jose::{Claims, Compact, kind};
use crate::model::{Violation, absent};
use crate::script::{Hook, HookError};
use crate::service::Context;

/// The hooks that give the keys of software statements.
pub(super) const STATEMENT_HOOKS: (Hook, Hook) =
    (Hook::GetSoftwareStatementJwks, Hook::GetSoftwareStatementHmacSecret);

/// Claims of which every registration has one at least, and that tokens about people and access lack.
const OF_CLIENTS: &[&str] = &[
    "redirect_uris",
    "grant_types",
    "response_types",
    "token_endpoint_auth_method",
    "jwks",
    "jwks_uri",
    "client_name",
    "application_type",
];

/// The usual type of a software statement.
const STATEMENT: &str = "software-statement+jwt";

/// Refuses `verified` when it may be something else than a registration that was signed.
pub(super) async fn check_request(
    cx: &Context<'_>,
    caller: &Caller,
    token: &Compact,
    verified: &Claims,
) -> Result<(), RegisterError> {
    let (header, claims) = (verified.header(), verified.claims());
    // Without this type it would have been refused already.
    if cx.settings().dcr_typ.as_deref().is_some_and(is_telling) {
        return Ok(());
    }
    let of_statements = [Some(STATEMENT), cx.settings().software_statement_typ.as_deref()];
    let mut of_statements = of_statements.into_iter().flatten().filter(|typ| is_telling(typ));
    if of_statements.any(|wanted| has_typ(header, wanted)) {
        return Err(refused("is a software statement by its `typ`; send it as software_statement"));
    }
    if let Some(other) = kind::looks_like_other_token(header, claims) {
        return Err(refused(&format!("must be a registration, not {other}")));
    }
    if is_there(claims, "software_statement") {
        return Ok(());
    }
    if !OF_CLIENTS.iter().any(|name| is_there(claims, name)) {
        return Err(refused("says nothing of a client; send its metadata as claims"));
    }
    if makes_statements(cx, caller, token, claims).await? {
        return Err(refused(
            "could be a software statement, since its issuer makes some; send it with the software_statement \
             of the software",
        ));
    }
    Ok(())
}

/// What a token that was sent as a software statement is, when it is a signed request.
pub(super) fn request_by(
    cx: &Context<'_>,
    header: &Map<String, Value>,
    claims: &Map<String, Value>,
) -> Option<&'static str> {
    let wanted = cx.settings().dcr_typ.as_deref().filter(|typ| is_telling(typ));
    let is_typed = wanted.is_some_and(|wanted| has_typ(header, wanted));
    (is_typed || is_there(claims, "software_statement")).then_some("a signed request")
}

/// Whether statements of the issuer of `token` are accepted here.
async fn makes_statements(
    cx: &Context<'_>,
    caller: &Caller,
    token: &Compact,
    claims: &Map<String, Value>,
) -> Result<bool, RegisterError> {
    let iss = claims.get("iss").and_then(Value::as_str).unwrap_or_default();
    let settings = cx.settings();
    if settings.trusted_ssa_issuers.contains_key(iss) {
        return Ok(true);
    }
    match settings.software_statement_validation_type {
        StatementValidation::Builtin => Ok(!cx.snapshot.trust.statement_issuers(iss).is_empty()),
        StatementValidation::Script => {
            let software_statement = Some(jwt(token.unverified_header(), claims));
            let shown = Shown { software_statement, ..Shown::default() };
            match keys::ask(cx, caller, token, STATEMENT_HOOKS, &shown).await {
                Ok(found) => Ok(found.is_some()),
                // A script that turns this issuer away knows no statements of it.
                Err(RegisterError::Hook(HookError::Answered { .. } | HookError::Refused { .. })) => Ok(false),
                Err(error) => Err(error),
            }
        }
        // Statements that bring their own keys, or are not verified, vouch for nothing.
        StatementValidation::None | StatementValidation::Jwks | StatementValidation::JwksUri => Ok(false),
    }
}

/// Every token may be called a `JWT`.
fn is_telling(typ: &str) -> bool {
    !kind::is_same_type(typ, "JWT")
}

fn has_typ(header: &Map<String, Value>, wanted: &str) -> bool {
    header.get("typ").and_then(Value::as_str).is_some_and(|typ| kind::is_same_type(typ, wanted))
}

fn is_there(claims: &Map<String, Value>, name: &str) -> bool {
    claims.get(name).is_some_and(|value| !absent::is_absent(value))
}

fn refused(rule: &str) -> RegisterError {
    RegisterError::Unproven(Violation::metadata("", format!("the signed request {rule}")))
}
