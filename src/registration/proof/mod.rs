//! Steps 7 to 9: verifies the proofs in a request. The remaining members are metadata.

pub mod certificate;
pub(in crate::registration) mod client_attestation;
pub(in crate::registration) mod evidence;
pub(in crate::registration) mod initial_access;
pub(in crate::registration) mod keys;
pub(in crate::registration) mod signed_request;
pub(in crate::registration) mod statement;
pub(in crate::registration) mod udap;

use tracing::Instrument as _;

use self::initial_access::InitialAccess;
use self::signed_request::SignedRequest;
use self::statement::Statement;
use super::hooks::{self, Shown};
use super::metadata::{adapt, merge};
use super::{AttestedClient, Caller, Offered, Purpose, RegisterError};
use super::{single_use, update};
use crate::client::{Metadata, Requested, Rules, ScriptRef, TrustLevel};
use crate::service::Context;
use crate::telemetry::traces::step;

/// A request whose proofs were verified. The remaining members are metadata.
pub(super) struct Proven {
    pub(super) requested: Requested,
    pub(super) shown: Shown,
    pub(super) statement: Option<Statement>,
    pub(super) initial_access: Option<InitialAccess>,
    /// The metadata that is already registered, if this is an update.
    pub(super) registered: Option<Metadata>,
    /// Whether the client is authenticated by the certificates of its statement.
    pub(super) is_certified: bool,
    /// Whether evidence is required that no script has appraised yet.
    pub(super) is_evidence_owed: bool,
    /// The scripts that returned keys, adapted the request, or appraised evidence.
    pub(super) scripts: Vec<ScriptRef>,
    /// What this request uses up.
    pub(super) uses: Vec<single_use::Use>,
}

impl Proven {
    /// Returns the rules for this request.
    pub(super) fn rules<'a>(&'a self, cx: &'a Context<'_>) -> Rules<'a> {
        let initial_access = self.initial_access.as_ref().map(|shown| &shown.policy);
        let (registered, is_certified) = (self.registered.as_ref(), self.is_certified);
        Rules {
            initial_access,
            registered,
            is_certified,
            ..cx.rules()
        }
    }
}

/// Runs steps 7 to 9. Every proof in the request is either verified or rejected, never ignored.
pub(super) async fn prove(
    cx: &Context<'_>,
    caller: &Caller,
    purpose: Purpose<'_>,
    Offered { parsed, statement }: Offered,
) -> Result<Proven, RegisterError> {
    let signed = signed_request::verify(cx, caller, &parsed, statement.as_ref());
    let signed = signed.instrument(step("signed request")).await?;
    let members = merge::said(parsed.members, signed.as_ref());
    if let Purpose::Replace(stored) = purpose {
        update::screen(cx, stored, &members)?;
    }
    let merged = merge::merge(cx, members, statement.as_ref())?;
    udap::screen(statement.as_ref(), &merged.members)?;
    let initial_access = InitialAccess::of(caller, purpose);
    let shown = shown(
        cx,
        caller,
        statement.as_ref(),
        signed.as_ref(),
        initial_access.as_ref(),
    );
    let adapted = adapt::adapt(cx, caller, purpose, &shown, merged).await?;
    let members = client_attestation::apply(cx, caller.attested.as_ref(), adapted.members)?;
    let proven_by = (statement.as_ref(), initial_access.as_ref());
    let requested = merge::requested(cx, purpose, members, proven_by);
    let appraised = evidence::appraise(cx, caller, purpose, &shown, requested.metadata()).await?;
    let keys_by = statement.iter().filter_map(|shown| shown.keys_by.clone());
    let keys_by = keys_by.chain(signed.iter().filter_map(|shown| shown.keys_by.clone()));
    let uses = single_use::uses(cx, purpose, statement.as_ref(), signed.as_ref());
    let proofs = caller.attested.iter().map(AttestedClient::uses);
    Ok(Proven {
        shown: appraised.over(shown),
        scripts: keys_by.chain(adapted.by).chain(appraised.by()).collect(),
        uses: uses
            .into_iter()
            .chain(proofs)
            .chain(appraised.uses)
            .collect(),
        is_evidence_owed: appraised.is_owed,
        registered: purpose.registered(),
        is_certified: statement
            .as_ref()
            .is_some_and(|statement| statement.is_certified),
        requested,
        statement,
        initial_access,
    })
}

/// Returns what scripts see of the proofs that need no script. The highest trust level counts.
fn shown(
    cx: &Context<'_>,
    caller: &Caller,
    statement: Option<&Statement>,
    signed: Option<&SignedRequest>,
    initial_access: Option<&InitialAccess>,
) -> Shown {
    let is_vouched = statement.is_some_and(|statement| statement.is_vouched);
    let levels = [
        certificate::trust_level(cx, caller),
        initial_access::trust_level(initial_access),
        if is_vouched {
            TrustLevel::Statement
        } else {
            TrustLevel::Open
        },
        if caller.attested.is_some() {
            TrustLevel::Attested
        } else {
            TrustLevel::Open
        },
    ];
    Shown {
        trust_level: levels.into_iter().max().unwrap_or(TrustLevel::Open),
        software_statement: statement.map(|shown| hooks::jwt(&shown.header, &shown.claims)),
        dcr: signed.map(|shown| hooks::jwt(&shown.header, &shown.claims)),
        attestation: caller.attested.as_ref().map(AttestedClient::shown),
        initial_access_token: initial_access.map(InitialAccess::attributes),
    }
}
