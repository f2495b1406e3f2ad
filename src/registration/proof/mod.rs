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

use serde_json::{Map, Value};
use tracing::Instrument as _;

use crate::client::{MemberOrigin, TrustLevel};
use crate::registration::metadata::merge::MergedRequest;
use crate::registration::{
    Attempt, AttestedClient, MemberSources, Offered, Proven, RegisterError, hooks, merge, metadata,
    single_use, update,
};
use crate::script::{ChangedMember, Proofs};
use crate::telemetry::traces;

/// Runs steps 7 to 9. Every proof in the request is either verified or rejected, never ignored.
pub(super) async fn prove(
    attempt: Attempt<'_>,
    Offered { parsed, statement }: Offered,
) -> Result<Proven, RegisterError> {
    let (cx, caller) = (attempt.cx, attempt.caller);
    let by_statement = statement.as_ref();
    let step = cx.step("signed_request");
    let signed = signed_request::verify(attempt, &parsed, by_statement);
    let signed = signed.instrument(traces::step("signed request")).await;
    let signed = step.done(signed)?;
    let members = merge::said(parsed.members, signed.as_ref());
    let step = cx.step("merge");
    let merged = step.done(with_statement(attempt, members, by_statement))?;
    let initial_access = TokenPolicy::of(attempt);
    let token = initial_access.as_ref();
    let proofs = Arc::new(proofs(attempt, by_statement, signed.as_ref(), token));
    let stated = merged.stated.clone();
    let step = cx.step("adapt_request");
    let adapted = step.done(metadata::adapt(attempt, &proofs, merged).await)?;
    let mut sources = sources(signed.as_ref(), stated, adapted.changed);
    let members = attested(attempt, adapted.members, &mut sources);
    let members = cx.step("attested_members").done(members)?;
    let requested = merge::requested(attempt, members, by_statement, token);
    let step = cx.step("evidence");
    let appraised = evidence::appraise(attempt, &proofs, requested.metadata()).await;
    let appraised = step.done(appraised)?;

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
        sources,
        is_evidence_owed,
        registered: existing.map(|client| client.metadata.metadata().clone()),
        is_certified: by_statement.is_some_and(|statement| statement.is_certified),
        document: attempt.document(&requested),
        requested,
        statement,
        initial_access,
    })
}

/// Runs the first part of step 8: applies the statement.
fn with_statement(
    attempt: Attempt<'_>,
    members: Map<String, Value>,
    statement: Option<&Statement>,
) -> Result<MergedRequest, RegisterError> {
    let cx = attempt.cx;
    if let Some(existing) = attempt.existing() {
        update::screen(cx, existing, &members)?;
    }
    let merged = merge::merge(cx, members, statement)?;
    udap::screen(statement, &merged.members)?;
    Ok(merged)
}

/// Returns who gave the members of the request their values, after the scripts adapted it.
fn sources(
    signed: Option<&SignedRequest>,
    stated: Vec<String>,
    changed: Vec<ChangedMember>,
) -> MemberSources {
    let mut sources = MemberSources::all_from(match signed {
        Some(_) => MemberOrigin::SignedRequest,
        None => MemberOrigin::Request,
    });
    for name in stated {
        sources.set(name, MemberOrigin::SoftwareStatement);
    }
    sources.set_by_scripts(changed);
    sources
}

/// Puts the attested values into `members`.
fn attested(
    attempt: Attempt<'_>,
    members: Map<String, Value>,
    sources: &mut MemberSources,
) -> Result<Map<String, Value>, RegisterError> {
    let attested = attempt.caller.attested.as_ref();
    let before = attested.map(|_| members.clone());
    let members = client_attestation::apply(attempt.cx, attested, members)?;
    if let Some(before) = before {
        sources.set_where_different(&before, &members, &MemberOrigin::Attestation);
    }
    Ok(members)
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
