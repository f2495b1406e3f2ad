//! Step 8b: scripts repair the requests of programs that the operator cannot change, before any rule is
//! checked.
//!
//! The repaired request is checked like a request of any unknown client. The statement itself and the members
//! that a verified statement has set cannot be changed. A client attestation is applied afterwards.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::merge::Merged;
use crate::client::member::{self, SetBy};
use crate::client::{Metadata, ScriptRef};
use crate::registration::attempt::Attempt;
use crate::registration::{RegisterError, hooks};
use crate::script::{Facts, Hook, Proofs};

/// A request as the scripts left it.
pub(in crate::registration) struct AdaptedRequest {
    pub(in crate::registration) members: Map<String, Value>,
    /// The scripts that were called.
    pub(in crate::registration) by: Vec<ScriptRef>,
}

/// Calls the scripts that define `adaptRequest`.
pub(in crate::registration) async fn adapt(
    attempt: Attempt<'_>,
    proofs: &Arc<Proofs>,
    Merged { members, settled }: Merged,
) -> Result<AdaptedRequest, RegisterError> {
    let scripts = &attempt.cx.snapshot.scripts;
    if !scripts.has(Hook::AdaptRequest) {
        return Ok(AdaptedRequest {
            members,
            by: Vec::new(),
        });
    }
    let visible = members.into_iter().filter(|(name, _)| may_see(name));
    let request = Metadata::new(visible.collect());
    let facts = Arc::unwrap_or_clone(attempt.facts(proofs, request.clone()));
    let facts = Arc::new(Facts { settled, ..facts });
    // `context.client`: the metadata that is already registered.
    let registered = match attempt.existing() {
        Some(client) => hooks::shown(client, None),
        None => Metadata::default(),
    };
    let adapted = scripts.adapt(request, facts, registered).await?;
    Ok(AdaptedRequest {
        members: adapted.request.into_object(),
        by: adapted.by,
    })
}

/// Whether scripts see the member `name`. An update repeats values that this server has set, such as the
/// client secret; these were checked earlier.
fn may_see(name: &str) -> bool {
    name == "client_id" || member::find(name).is_none_or(|member| member.set_by != SetBy::Server)
}
