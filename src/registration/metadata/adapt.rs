//! Step 8b: scripts repair the requests of programs that the operator cannot change, before any rule is
//! checked.
//!
//! The repaired request is checked like a request of any unknown client. The statement itself and the members
//! that a verified statement has set cannot be changed. A client attestation is applied afterwards.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::merge::Merged;
use crate::client::member::{self, SetBy};
use crate::client::{Metadata, ScriptRef};
use crate::registration::hooks::{self, Shown};
use crate::registration::{Caller, Purpose, RegisterError};
use crate::script::{Facts, Hook};
use crate::service::Context;

/// A request as the scripts left it.
pub(in crate::registration) struct Adapted {
    pub(in crate::registration) members: Map<String, Value>,
    /// The scripts that were called.
    pub(in crate::registration) by: Vec<ScriptRef>,
}

/// Calls the scripts that define `adaptRequest`.
pub(in crate::registration) async fn adapt(
    cx: &Context<'_>,
    caller: &Caller,
    purpose: Purpose<'_>,
    shown: &Shown,
    Merged { members, settled }: Merged,
) -> Result<Adapted, RegisterError> {
    let scripts = &cx.snapshot.scripts;
    if !scripts.has(Hook::AdaptRequest) {
        return Ok(Adapted {
            members,
            by: Vec::new(),
        });
    }
    let request = Metadata::new(
        members
            .into_iter()
            .filter(|(name, _)| may_see(name))
            .collect(),
    );
    let facts = facts(cx, caller, shown, (request.clone(), settled));
    let adapted = scripts.adapt(request, facts, registered(purpose)).await?;
    Ok(Adapted {
        members: adapted.request.into_object(),
        by: adapted.by,
    })
}

/// Whether scripts see the member `name`. An update repeats values that this server has set, such as the
/// client secret; these were checked earlier.
fn may_see(name: &str) -> bool {
    name == "client_id" || member::find(name).is_none_or(|member| member.set_by != SetBy::Server)
}

fn facts(
    cx: &Context<'_>,
    caller: &Caller,
    shown: &Shown,
    (request, settled): (Metadata, BTreeSet<String>),
) -> Arc<Facts> {
    let facts = Arc::unwrap_or_clone(hooks::facts(cx, caller, shown, request));
    Arc::new(Facts { settled, ..facts })
}

/// `context.client`: the metadata that is already registered.
fn registered(purpose: Purpose<'_>) -> Metadata {
    match purpose {
        Purpose::Create => Metadata::default(),
        Purpose::Replace(stored) => hooks::shown(stored.client(), None),
    }
}
