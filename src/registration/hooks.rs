//! Steps 12, 13, 15 and 16: the decisions of scripts, their effects, and the notifications to scripts.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tracing::Instrument as _;

use crate::base::{Secret, Violation};
use crate::client::{Approved, Client, Metadata, Valid};
use crate::registration::{
    Attempt, Caller, ClientInformation, Issued, Proven, RegisterError, Sanctioned, evidence, sector,
};
use crate::script::{Decision, Facts, Hook, HookError, Proofs, ScriptSet};
use crate::service::Context;
use crate::store::StoreError;

/// Returns a JWT as scripts see it.
pub(super) fn jwt(header: &Map<String, Value>, claims: &Map<String, Value>) -> Value {
    json!({ "header": header, "claims": claims })
}

/// Step 12: the scripts decide on `valid`.
pub(super) async fn decide(
    attempt: Attempt<'_>,
    proven: &Proven,
    valid: &Valid,
) -> Result<Decision, RegisterError> {
    let (scripts, hook) = (
        &attempt.cx.snapshot.scripts,
        attempt.purpose.decision_hook(),
    );
    let mut client = valid.metadata().clone();
    if !scripts.has(hook) {
        return Ok(Decision {
            client,
            decided_by: Vec::new(),
            attestation: None,
        });
    }
    if let Some(existing) = attempt.existing() {
        name(&mut client, existing);
    }
    let facts = attempt.facts(&proven.proofs, proven.requested.metadata().clone());
    let mut decision = scripts.decide(hook, facts, client).await?;
    // The identifiers of a client are shown to scripts, but are not metadata that could be approved.
    for member in NAMES {
        decision.client.remove(member);
    }
    Ok(decision)
}

/// Step 13: validates the metadata that the scripts changed, including the file of its sector.
pub(super) async fn approve(
    cx: &Context<'_>,
    proven: &Proven,
    valid: Valid,
    decided: Decision,
) -> Result<Sanctioned, RegisterError> {
    let scripts = decided.decided_by;
    let checked = sector::Claim::of(valid.metadata());
    let approved = match valid.approve_changed(decided.client, &proven.rules(cx)) {
        Ok(metadata) => check_again(cx, checked.as_ref(), metadata).await,
        Err(violations) => Err(violations),
    };
    match approved {
        Ok(metadata) => Ok(Sanctioned { metadata, scripts }),
        Err(violations) => {
            let scripts = scripts.into_iter().map(|script| script.name).collect();
            Err(RegisterError::SpoiledByScript {
                scripts,
                violations,
            })
        }
    }
}

/// Checks the sector that `metadata` claims, unless it is the one that was `checked` before.
async fn check_again(
    cx: &Context<'_>,
    checked: Option<&sector::Claim>,
    metadata: Approved,
) -> Result<Approved, Vec<Violation>> {
    let claim = sector::Claim::of(metadata.metadata());
    match claim {
        Some(claim) if checked != Some(&claim) => claim.check(cx).await?,
        _ => {}
    }
    Ok(metadata)
}

/// Step 15: lets the scripts change the response, except its credentials.
///
/// # Errors
/// When a script fails.
pub(crate) async fn modify(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    hook: Hook,
    answer: ClientInformation,
) -> Result<ClientInformation, HookError> {
    let scripts = &cx.snapshot.scripts;
    if !scripts.has(hook) {
        return Ok(answer);
    }
    let proofs = Arc::new(Proofs::none(answer.trust_level));
    let facts = caller.facts(cx, &proofs, Metadata::default());
    let (mut client, members) = (answer.metadata.clone(), answer.members());
    for name in NAMES {
        if let Some(value) = members.get(name) {
            client.set(name, value.clone());
        }
    }
    let members = scripts
        .modify_response(hook, members, facts, client)
        .await?;
    Ok(answer.saying(members))
}

/// Lets the scripts decide whether `client` may be deleted.
///
/// # Errors
/// When a script rejects the deletion or fails.
pub(super) async fn before_deletion(
    cx: &Context<'_>,
    caller: &Caller<'_>,
    client: &Client,
) -> Result<(), HookError> {
    let scripts = &cx.snapshot.scripts;
    if !scripts.has(Hook::DeleteClient) {
        return Ok(());
    }
    let facts = facts_about(cx, caller, client);
    let decided = scripts.decide(Hook::DeleteClient, facts, shown(client, None));
    decided.await?;
    Ok(())
}

/// Returns what a hook sees of a request that contains no metadata and concerns `client`.
pub(super) fn facts_about(cx: &Context<'_>, caller: &Caller<'_>, client: &Client) -> Arc<Facts> {
    let proofs = Arc::new(Proofs::none(client.provenance.trust_level));
    caller.facts(cx, &proofs, Metadata::default())
}

/// Step 16: the notification that scripts receive of a change, some time after the response.
pub(super) struct Announcement {
    scripts: Arc<ScriptSet>,
    hook: Hook,
    facts: Arc<Facts>,
    client: Metadata,
}

impl Announcement {
    /// Creates the notification that `attempt` succeeded; `None` when no script has the hook.
    pub(super) fn of(attempt: Attempt<'_>, proven: &Proven, issued: &Issued) -> Option<Self> {
        let (scripts, hook) = (
            &attempt.cx.snapshot.scripts,
            attempt.purpose.notification_hook(),
        );
        if !scripts.has(hook) {
            return None;
        }
        let mut request = proven.requested.metadata().clone();
        // Events in the queue must not contain evidence.
        for name in evidence::MEMBERS {
            request.remove(name);
        }
        Some(Self {
            scripts: Arc::clone(scripts),
            hook,
            facts: attempt.facts(&proven.proofs, request),
            client: shown(&issued.client, issued.secret.as_ref()),
        })
    }

    /// Creates the notification that `client` was deleted; `None` when no script has the hook.
    pub(super) fn of_deletion(
        cx: &Context<'_>,
        caller: &Caller<'_>,
        client: &Client,
    ) -> Option<Self> {
        let (scripts, hook) = (&cx.snapshot.scripts, Hook::ClientDeleted);
        if !scripts.has(hook) {
            return None;
        }
        Some(Self {
            scripts: Arc::clone(scripts),
            hook,
            facts: facts_about(cx, caller, client),
            client: shown(client, None),
        })
    }

    /// Makes `change`, and then notifies the scripts. When the caller disconnects meanwhile, the request is
    /// cancelled, but a change that is already written remains. Therefore a separate task does both.
    ///
    /// # Errors
    /// The errors of `change`, in which case no script is notified.
    pub(super) async fn follow(
        self,
        cx: &Context<'_>,
        change: impl Future<Output = Result<(), StoreError>> + Send + 'static,
    ) -> Result<(), StoreError> {
        let both = async move {
            change.await?;
            self.scripts.tell(self.hook, self.facts, self.client);
            Ok(())
        };
        let changes = &cx.service.changes_under_way;
        match changes.spawn(both.in_current_span()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(StoreError::Unavailable("the server is stopping".to_owned())),
        }
    }
}

/// The members that identify a registered client.
const NAMES: [&str; 2] = ["client_id", "client_id_issued_at"];

/// Adds the identifiers of `client` to `metadata`.
fn name(metadata: &mut Metadata, client: &Client) {
    metadata.set("client_id", client.id.as_str());
    metadata.set("client_id_issued_at", client.issued_at.unix());
}

/// Returns a client as scripts that change nothing see it: its metadata and its identifiers. The secret is
/// included if given, because other systems cannot serve the client without it.
pub(super) fn shown(client: &Client, secret: Option<&Secret>) -> Metadata {
    let mut metadata = client.metadata.metadata().clone();
    name(&mut metadata, client);
    if let Some(secret) = secret {
        metadata.set("client_secret", secret.expose());
    }
    metadata
}
