//! An update by an administrator: the steps and rules of any update (RFC 7592 section 2.2), without
//! those that look at proofs.
//!
//! An administrator shows no statement, evidence or certificate of the client, and is not asked for
//! one: how the client came to be trusted stays as it was. What its initial access token allows
//! still holds, since the next update by its holder will be held to it. `updateClient` decides as
//! ever, and sees the path of the admin API in `context.httpRequest`; what it refuses is not done.

use serde_json::{Map, Value};

use super::hooks::{self, Shown};
use super::initial_access::InitialAccess;
use super::{Caller, Proven, Purpose, RegisterError, check, issue, update};
use crate::client::{Client, Provenance, Requested};
use crate::model::absent;
use crate::service::Context;
use crate::store::Stored;
use crate::telemetry::meter::{self, ClientChange};

/// Puts `members` in the place of what `stored` has registered, and gives the client as it is then.
/// Members that only the operator sets are heard, and gone when they are left out.
///
/// # Errors
/// The first step that refuses; the client is as it was.
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
    tracing::info!(revision = issued.client.revision, "an administrator updated a client");
    Ok(issued.client)
}

/// The request with the proofs that the client showed once.
fn unproven(cx: &Context<'_>, caller: &Caller, members: Map<String, Value>, stored: &Stored) -> Proven {
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

/// Who registered the client and what was shown then, with the scripts and the configuration that
/// decided now.
fn kept(before: &Provenance, now: Provenance) -> Provenance {
    Provenance { scripts: now.scripts, configuration: now.configuration, ..before.clone() }
}
