//! An update by an administrator: the steps and rules of any update (RFC 7592 section 2.2), without the steps
//! that verify proofs.
//!
//! An administrator presents no statement, evidence or certificate of the client, and none is required. The
//! trust level of the client stays as it was. The limits of its initial access token still apply, since they
//! apply to the client's own next update. `updateClient` is called as usual, sees the path of the admin API
//! in `context.httpRequest`, and may reject the update.

use serde_json::{Map, Value};

use super::hooks::{self, Shown};
use super::proof::initial_access::InitialAccess;
use super::{Caller, Proven, Purpose, RegisterError, check, issue, update};
use crate::base::model::absent;
use crate::client::{Client, Provenance, Requested};
use crate::service::Context;
use crate::store::Stored;
use crate::telemetry::meter::{self, ClientChange};

/// Replaces the metadata of `stored` by `members`, and returns the updated client. Members that only the
/// operator may set are applied, and deleted if they are omitted.
///
/// # Errors
/// The error of the first step that rejects the update. The client is then unchanged.
pub async fn replace_as_operator(
    cx: &Context<'_>,
    caller: &Caller,
    members: Map<String, Value>,
    stored: &Stored,
) -> Result<Client, RegisterError> {
    let (purpose, members) = (Purpose::Replace(stored), absent::present(members));
    update::screen_operator(cx, stored, &members)?;
    let proven = unproven(cx, caller, members, stored);
    let valid = check(cx, &proven).await?;
    let decided = hooks::decide(cx, caller, purpose, &proven, &valid).await?;
    let sanctioned = hooks::approve(cx, &proven, valid, decided).await?;
    let mut issued = issue::update(cx, caller, stored, None, (&proven, sanctioned))?;
    issued.client.provenance = kept(&stored.client().provenance, issued.client.provenance);
    issue::put_back(cx, caller, stored, &issued, &proven).await?;
    meter::client(ClientChange::Updated, proven.shown.trust_level.as_str());
    tracing::info!(
        revision = issued.client.revision,
        "client updated by an administrator"
    );
    Ok(issued.client)
}

/// Builds the request, with the proofs that the client once presented.
fn unproven(
    cx: &Context<'_>,
    caller: &Caller,
    members: Map<String, Value>,
    stored: &Stored,
) -> Proven {
    let custom = &cx.settings().dynamic_registration_custom_attributes;
    let initial_access = InitialAccess::of(caller, Purpose::Replace(stored));
    Proven {
        requested: Requested::read_as_operator(members, custom),
        shown: Shown {
            initial_access_token: initial_access.as_ref().map(InitialAccess::attributes),
            ..Shown::of(stored.client().provenance.trust_level)
        },
        statement: None,
        initial_access,
        registered: Purpose::Replace(stored).registered(),
        is_certified: stored.client().is_certified(),
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
