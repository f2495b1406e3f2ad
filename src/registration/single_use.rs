//! What may register only one client: signed requests, evidence, proofs of client attestations and, if the
//! operator says so, software statements.
//!
//! A use is stored together with the client, so a rejected request uses up nothing.

use serde_json::{Map, Value};

use crate::base::{ErrorCode, Timestamp, Violation};
use crate::registration::{
    Attempt, ClientAttestationError, Proven, RegisterError, SelfMade, SignedRequest, Statement,
    evidence,
};
use crate::service::Context;
use crate::store::{Change, StoreError, UsedOnce};

/// Seconds for which the use of something without an expiry is remembered. After that, sending it again
/// registers one more client, and has no other effect.
const REMEMBERED: u64 = 365 * 24 * 60 * 60;

/// Seconds for which an expired token is still accepted, since clocks differ.
const SKEW: u64 = 60;

/// One thing that this request uses up.
#[derive(Clone)]
pub(super) struct Use {
    what: UsedOnce,
    identifier: Vec<String>,
    until: Timestamp,
}

/// Returns what `attempt` uses up.
pub(super) fn uses(
    attempt: Attempt<'_>,
    statement: Option<&Statement>,
    signed: Option<&SignedRequest>,
) -> Vec<Use> {
    let (cx, now) = (attempt.cx, attempt.cx.service.clock.now());
    let mut uses = Vec::new();
    if let Some(statement) = statement {
        let is_used = match statement.self_made {
            SelfMade::No => {
                cx.settings().software_statement_single_use && !is_own(attempt, statement)
            }
            // It was made for this request.
            SelfMade::Yes | SelfMade::Udap => true,
        };
        if is_used {
            uses.push(of_statement(cx, statement));
        }
    }
    if let Some(SignedRequest { claims, token, .. }) = signed {
        uses.push(Use::of_token(UsedOnce::SignedRequest, claims, token, now));
    }
    uses
}

/// Whether the statement registered the client that is updated, which may present it again.
fn is_own(attempt: Attempt<'_>, statement: &Statement) -> bool {
    let Some(registered) = attempt.existing() else {
        return false;
    };
    registered.metadata.metadata().text("software_statement") == Some(&statement.text)
}

/// Returns the use of `statement`.
pub(super) fn of_statement(cx: &Context<'_>, statement: &Statement) -> Use {
    let now = cx.service.clock.now();
    Use::of_token(UsedOnce::Statement, &statement.claims, &statement.text, now)
}

/// Returns the change that uses up `one`. The error offers no nonce for new evidence.
///
/// # Errors
/// When it was already used.
pub(super) async fn spend(cx: &Context<'_>, one: &Use) -> Result<Change, RegisterError> {
    match one.change(cx).await? {
        Some(change) => Ok(change),
        None => Err(one.used()),
    }
}

/// Returns the change that uses up everything that `proven` uses.
///
/// # Errors
/// When any of it was already used.
pub(super) async fn change(attempt: Attempt<'_>, proven: &Proven) -> Result<Change, RegisterError> {
    let mut change = Change::default();
    for one in &proven.uses {
        match one.change(attempt.cx).await? {
            Some(use_up) => change = change.and(use_up),
            None if one.what == UsedOnce::Evidence => {
                let requested = proven.requested.metadata();
                return Err(evidence::stale(attempt, &proven.proofs, requested).await);
            }
            None => return Err(one.used()),
        }
    }
    Ok(change)
}

/// Whether it was already used.
pub(super) async fn is_used(cx: &Context<'_>, one: &Use) -> Result<bool, RegisterError> {
    Ok(one.change(cx).await?.is_none())
}

impl Use {
    /// The use of a token, identified by its `iss` and `jti`, or by the token itself if it has no `jti`.
    fn of_token(what: UsedOnce, claims: &Map<String, Value>, text: &str, now: Timestamp) -> Self {
        let claim = |name: &str| claims.get(name).and_then(Value::as_str);
        let identifier = match claim("jti") {
            Some(jti) => vec![claim("iss").unwrap_or_default().to_owned(), jti.to_owned()],
            None => vec![signed_part(text).to_owned()],
        };
        let until = match claims.get("exp").and_then(Value::as_u64) {
            Some(exp) => Timestamp::from_unix(exp).plus(SKEW + 1),
            None => now.plus(REMEMBERED),
        };
        Self {
            what,
            identifier,
            until: until.max(now.plus(1)),
        }
    }

    /// The use of evidence, which is remembered as a digest. Only its verifier knows how long it stays fresh.
    pub(super) fn of_evidence(evidence: &str, now: Timestamp) -> Self {
        let identifier = vec![signed_part(evidence).to_owned()];
        Self {
            what: UsedOnce::Evidence,
            identifier,
            until: now.plus(REMEMBERED),
        }
    }

    /// The use of the proof `jti` of the key with the thumbprint `owner`.
    pub(super) fn of_proof(owner: &str, jti: &str, until: Timestamp) -> Self {
        let identifier = vec![owner.to_owned(), jti.to_owned()];
        Self {
            what: UsedOnce::ClientAttestationProof,
            identifier,
            until,
        }
    }

    /// Uses it up now, apart from any other change. Returns whether it was unused.
    pub(super) async fn claim(&self, cx: &Context<'_>) -> Result<bool, StoreError> {
        let parts: Vec<&str> = self.identifier.iter().map(String::as_str).collect();
        let (store, now) = (&cx.service.store.single_use, cx.service.clock.now());
        store.claim(self.what, &parts, self.until, now).await
    }

    /// Returns the change that uses it up; none if it was already used.
    async fn change(&self, cx: &Context<'_>) -> Result<Option<Change>, RegisterError> {
        let parts: Vec<&str> = self.identifier.iter().map(String::as_str).collect();
        let (store, now) = (&cx.service.store.single_use, cx.service.clock.now());
        Ok(store.one_use(self.what, &parts, self.until, now).await?)
    }

    fn used(&self) -> RegisterError {
        if self.what == UsedOnce::ClientAttestationProof {
            let rule = "the proof of the client attestation was already used; make a new one for each \
                        request";
            return ClientAttestationError::Invalid(rule.to_owned()).into();
        }
        let (code, member, rule) = match self.what {
            UsedOnce::Statement => (
                ErrorCode::UnapprovedSoftwareStatement,
                "software_statement",
                "has already registered a client; each registration needs its own statement",
            ),
            _ => (
                ErrorCode::InvalidClientMetadata,
                "jti",
                "was already used; sign each request with a new jti",
            ),
        };
        RegisterError::Unproven(Violation {
            code,
            member: member.to_owned(),
            rule: rule.to_owned(),
        })
    }
}

/// Returns the part of `text` that its sender cannot write differently. For a JWS (RFC 7515 section 7.1) that
/// is the signed part, because every ECDSA signature has a second valid form. For base64 it is everything but
/// the padding.
fn signed_part(text: &str) -> &str {
    match text.rsplit_once('.') {
        Some((signed, _)) if signed.matches('.').count() == 1 => signed,
        _ => text.trim_ascii().trim_end_matches('='),
    }
}

/// Not printed in full, because it contains evidence or identifies a credential.
impl std::fmt::Debug for Use {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Use({:?}, ..)", self.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_spelling_counts_as_the_same_use() {
        for (one, other) in [
            ("head.body.AA", "head.body.BB"),
            ("AQI", "AQI=="),
            ("{}", " {}\n"),
        ] {
            assert_eq!(signed_part(one), signed_part(other));
        }
        for (one, other) in [
            ("head.body.AA", "head.bodY.AA"),
            ("AQI", "AQJ"),
            ("a.b.c.d.e", "a.b.c.d.f"),
        ] {
            assert_ne!(signed_part(one), signed_part(other));
        }
    }
}
