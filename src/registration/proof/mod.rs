//! Steps 7 to 9: verifies the proofs in a request. The remaining members are metadata.

pub(crate) mod certificate;
pub(in crate::registration) mod client_attestation;
pub(in crate::registration) mod evidence;
pub(in crate::registration) mod initial_access;
pub(in crate::registration) mod keys;
pub(in crate::registration) mod signed_request;
pub(in crate::registration) mod statement;
pub(in crate::registration) mod udap;

pub(in crate::registration) use self::initial_access::TokenPolicy;
pub(in crate::registration) use self::signed_request::SignedRequest;
pub(in crate::registration) use self::statement::Statement;
pub(in crate::registration) use self::udap::SelfMade;

use std::sync::Arc;

use tracing::Instrument as _;

use crate::client::TrustLevel;
use crate::registration::{
    Attempt, AttestedClient, Offered, Proven, RegisterError, hooks, merge, metadata, single_use,
    update,
};
use crate::script::Proofs;
use crate::telemetry::traces;

/// Runs steps 7 to 9. Every proof in the request is either verified or rejected, never ignored.
pub(super) async fn prove(
    attempt: Attempt<'_>,
    Offered { parsed, statement }: Offered,
) -> Result<Proven, RegisterError> {
    let (cx, caller) = (attempt.cx, attempt.caller);
    let by_statement = statement.as_ref();
    let signed = signed_request::verify(attempt, &parsed, by_statement);
    let signed = signed.instrument(traces::step("signed request")).await?;
    let members = merge::said(parsed.members, signed.as_ref());
    if let Some(existing) = attempt.existing() {
        update::screen(cx, existing, &members)?;
    }
    let merged = merge::merge(cx, members, by_statement)?;
    udap::screen(by_statement, &merged.members)?;
    let initial_access = TokenPolicy::of(attempt);
    let token = initial_access.as_ref();
    let proofs = Arc::new(proofs(attempt, by_statement, signed.as_ref(), token));
    let adapted = metadata::adapt(attempt, &proofs, merged).await?;
    let members = client_attestation::apply(cx, caller.attested.as_ref(), adapted.members)?;
    let requested = merge::requested(attempt, members, by_statement, token);
    let appraised = evidence::appraise(attempt, &proofs, requested.metadata()).await?;

    let mut scripts = Vec::new();
    if let Some(statement) = by_statement {
        scripts.extend(statement.keys_by.clone());
    }
    if let Some(signed) = &signed {
        scripts.extend(signed.keys_by.clone());
    }
    scripts.extend(adapted.by);
    scripts.extend(appraised.by());
    let mut uses = single_use::uses(attempt, by_statement, signed.as_ref());
    uses.extend(caller.attested.as_ref().map(AttestedClient::uses));
    let is_evidence_owed = appraised.is_owed;
    let proofs = appraised.added_to(proofs);
    uses.extend(appraised.uses);
    let existing = attempt.existing();
    Ok(Proven {
        proofs,
        scripts,
        uses,
        is_evidence_owed,
        registered: existing.map(|client| client.metadata.metadata().clone()),
        is_certified: by_statement.is_some_and(|statement| statement.is_certified),
        requested,
        statement,
        initial_access,
    })
}

/// Returns what the proofs that need no script establish. The highest trust level counts.
fn proofs(
    attempt: Attempt<'_>,
    statement: Option<&Statement>,
    signed: Option<&SignedRequest>,
    initial_access: Option<&TokenPolicy>,
) -> Proofs {
    let caller = attempt.caller;
    let mut trust_level = certificate::trust_level(attempt.cx, caller);
    if initial_access.is_some() {
        trust_level = trust_level.max(TrustLevel::Token);
    }
    if let Some(Statement {
        is_vouched: true, ..
    }) = statement
    {
        trust_level = trust_level.max(TrustLevel::Statement);
    }
    if caller.attested.is_some() {
        trust_level = trust_level.max(TrustLevel::Attested);
    }
    let mut proofs = Proofs {
        software_statement: statement.map(|shown| hooks::jwt(&shown.header, &shown.claims)),
        dcr: signed.map(|shown| hooks::jwt(&shown.header, &shown.claims)),
        attestation: caller.attested.as_ref().map(AttestedClient::shown),
        ..Proofs::none(trust_level)
    };
    if let Some(token) = initial_access {
        token.show_in(&mut proofs);
    }
    proofs
}
