//! The metadata of a request, from its body to what the rules check. [`parse`] is step 5, and [`adapt`] is a
//! part of step 8, in which `merge.rs` applies the statement. `sector.rs` is step 11.

pub(super) mod merge;
pub(super) mod sector;

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::base::{Violation, absent, json};
use crate::client::{Metadata, ScriptRef, member};
use crate::http::RequestForm;
use crate::jose::Compact;
use crate::registration::{Attempt, Received, RegisterError};
use crate::script::{ChangedMember, Facts, Hook, Proofs};
use merge::MergedRequest;

/// A body that was read and is not yet verified.
#[derive(Clone)]
pub(super) struct Parsed {
    /// The members of the object that are present. For a signed request, these are its claims, which are not
    /// yet verified.
    pub(super) members: Map<String, Value>,
    /// The signed request.
    pub(super) signed: Option<Compact>,
}

/// Step 5: reads the members of a body, which is one JSON object, or a JWS whose payload is one JSON object.
pub(super) fn parse(received: &Received) -> Result<Parsed, RegisterError> {
    match received.form {
        RequestForm::Json => Ok(Parsed {
            members: absent::present(json::parse_object(&received.bytes)?),
            signed: None,
        }),
        RequestForm::Signed => parse_signed(&received.bytes),
    }
}

fn parse_signed(bytes: &[u8]) -> Result<Parsed, RegisterError> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(unreadable("is not ASCII"));
    };
    // Many tools send a file including the line feed at its end.
    let token = Compact::parse(text.trim_ascii()).map_err(unreadable)?;
    let members = token.unverified_claims().map_err(unreadable)?;
    Ok(Parsed {
        members: absent::present(members),
        signed: Some(token),
    })
}

fn unreadable(rule: impl std::fmt::Display) -> RegisterError {
    RegisterError::Unproven(Violation::metadata(
        "",
        format!("the signed request {rule}"),
    ))
}

/// A request as the scripts left it.
pub(super) struct ScriptedRequest {
    pub(super) members: Map<String, Value>,
    /// The scripts that were called.
    pub(super) by: Vec<ScriptRef>,
    /// The members that the scripts changed.
    pub(super) changed: Vec<ChangedMember>,
}

/// Step 8b: calls the scripts that define `adaptRequest`, which repair the requests of programs that the
/// operator cannot change, before any rule is checked.
///
/// The repaired request is checked like a request of any unknown client. The statement itself and the members
/// that a verified statement has set cannot be changed. A client attestation is applied afterwards.
pub(super) async fn adapt(
    attempt: Attempt<'_>,
    proofs: &Arc<Proofs>,
    MergedRequest {
        members, settled, ..
    }: MergedRequest,
) -> Result<ScriptedRequest, RegisterError> {
    let scripts = &attempt.cx.snapshot.scripts;
    if !scripts.has(Hook::AdaptRequest) {
        let (by, changed) = (Vec::new(), Vec::new());
        return Ok(ScriptedRequest {
            members,
            by,
            changed,
        });
    }
    let visible = members.into_iter().filter(|(name, _)| may_see(name));
    let request = Metadata::new(visible.collect());
    let facts = Arc::unwrap_or_clone(attempt.facts(proofs, request.clone()));
    let facts = Arc::new(Facts { settled, ..facts });
    // `context.client`: the metadata that is already registered.
    let registered = match attempt.existing() {
        Some(client) => client.shown(None),
        None => Metadata::default(),
    };
    let adapted = scripts.adapt(request, facts, registered).await?;
    Ok(ScriptedRequest {
        members: adapted.request.into_object(),
        by: adapted.by,
        changed: adapted.changed,
    })
}

/// Whether scripts see the member `name`. An update repeats values that this server has set, such as the
/// client secret; these were checked earlier.
fn may_see(name: &str) -> bool {
    match member::find(name) {
        Some(member) => name == "client_id" || member.set_by != member::SetBy::Server,
        None => true,
    }
}
