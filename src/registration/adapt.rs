//! Step 8b: scripts repair what programs send that nobody here can change, before any rule looks at it.
//!
//! What comes out is judged like a stranger's request. What a verified statement has set, and the
//! statement itself, stays as it is; a client attestation is applied afterwards.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::hooks::{self, Shown};
use super::merge::Merged;
use super::{Caller, Purpose, RegisterError};
use crate::client::member::{self, SetBy};
use crate::client::{Metadata, ScriptRef};
use crate::script::{Facts, Hook};
use crate::service::Context;

/// A request as scripts left it.
pub(super) struct Adapted {
    pub(super) members: Map<String, Value>,
    /// The scripts that were asked.
    pub(super) by: Vec<ScriptRef>,
}

/// Asks the scripts that have `adaptRequest`.
pub(super) async fn adapt(
    cx: &Context<'_>,
    caller: &Caller,
    purpose: Purpose<'_>,
    shown: &Shown,
    Merged { members, settled }: Merged,
) -> Result<Adapted, RegisterError> {
    let scripts = &cx.snapshot.scripts;
    if !scripts.has(Hook::AdaptRequest) {
        return Ok(Adapted { members, by: Vec::new() });
    }
    let request = Metadata::new(members.into_iter().filter(|(name, _)| may_see(name)).collect());
    let facts = facts(cx, caller, shown, (request.clone(), settled));
    let adapted = scripts.adapt(request, facts, registered(purpose)).await?;
    Ok(Adapted { members: adapted.request.into_object(), by: adapted.by })
}

/// An update repeats what this server has set, its secret among it; that was looked at before.
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

/// `context.client`: what is registered already.
fn registered(purpose: Purpose<'_>) -> Metadata {
    match purpose {
        Purpose::Create => Metadata::default(),
        Purpose::Replace(stored) => hooks::shown(stored.client(), None),
    }
}
