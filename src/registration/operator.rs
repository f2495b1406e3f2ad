//! An update by an administrator: the steps and rules of any update (RFC 7592 section 2.2), without the steps
//! that verify proofs.
//!
//! An administrator presents no statement, evidence or certificate of the client, and none is required. The
//! trust level of the client stays as it was. The limits of its initial access token still apply, since they
//! apply to the client's own next update. `updateClient` is called as usual, sees the path of the admin API
//! in `context.httpRequest`, and may reject the update.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::attempt::{Attempt, Proven};
use super::proof::initial_access::InitialAccess;
use super::{Caller, RegisterError, check, hooks, issue, update};
use crate::base::absent;
use crate::client::{Client, Provenance, Requested};
use crate::script::Proofs;
use crate::service::Context;
use crate::store::Stored;
use crate::telemetry::meter::{self, ClientChange};

/// Replaces the metadata of `stored` by `members`, and returns the updated client. Members that only the
/// operator may set are applied, and deleted if they are omitted.
///
/// # Errors
/// The error of the first step that rejects the update. The client is then unchanged.
pub(crate) async fn replace_as_operator(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    members: Map<String, Value>,
    stored: &Stored,
) -> Result<Client, RegisterError> {
    let attempt = Attempt::replace(cx, caller, stored);
    let members = absent::present(members);
    update::screen_operator(cx, stored.client(), &members)?;
    let proven = unproven(attempt, members, stored.client());
    let valid = check(cx, &proven).await?;
    let decided = hooks::decide(attempt, &proven, &valid).await?;
    let sanctioned = hooks::approve(cx, &proven, valid, decided).await?;
    let mut issued = issue::update(attempt, stored, None, &proven, sanctioned)?;
    issued.client.provenance = kept(&stored.client().provenance, issued.client.provenance);
    issue::put_back(attempt, stored, &issued, &proven).await?;
    meter::client(ClientChange::Updated, proven.proofs.trust_level.as_str());
    tracing::info!(
        revision = issued.client.revision,
        "client updated by an administrator"
    );
    Ok(issued.client)
}

/// Builds the request, with the proofs that the client once presented.
fn unproven(attempt: Attempt<'_>, members: Map<String, Value>, client: &Client) -> Proven {
    let custom = &attempt.cx.settings().dynamic_registration_custom_attributes;
    let initial_access = InitialAccess::of(attempt);
    let proofs = Proofs {
        initial_access_token: initial_access.as_ref().map(InitialAccess::attributes),
        ..Proofs::none(client.provenance.trust_level)
    };
    Proven {
        requested: Requested::read_as_operator(members, custom),
        proofs: Arc::new(proofs),
        statement: None,
        initial_access,
        registered: Some(client.metadata.metadata().clone()),
        is_certified: client.is_certified(),
        is_evidence_owed: false,
        scripts: Vec::new(),
        uses: Vec::new(),
    }
}

/// Keeps the origin and the proofs of the client, and records the scripts and the configuration that decided
/// now.
fn kept(before: &Provenance, now: Provenance) -> Provenance {
    Provenance {
        scripts: now.scripts,
        configuration: now.configuration,
        ..before.clone()
    }
}
