//! Steps 12, 13, 15 and 16: the decisions of scripts, their effects, and the notifications to scripts.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use tracing::Instrument as _;

use super::metadata::sector;
use super::proof::evidence;
use super::{Caller, ClientInformation, Issued, Proven, Purpose, RegisterError};
use crate::base::secret::Secret;
use crate::client::{Approved, Client, Metadata, ScriptRef, TrustLevel, Valid};
use crate::http::ClientCertificate;
use crate::script::{Decision, Facts, Hook, HookError, ScriptSet};
use crate::service::Context;
use crate::store::StoreError;

/// The proofs of a request, as scripts see them.
#[derive(Debug, Clone)]
pub struct Shown {
    /// `context.trustLevel`
    pub trust_level: TrustLevel,
    /// `context.softwareStatement`
    pub software_statement: Option<Value>,
    /// `context.dcr`
    pub dcr: Option<Value>,
    /// `context.attestation`
    pub attestation: Option<Value>,
    /// `context.initialAccessToken`
    pub initial_access_token: Option<Value>,
}

impl Shown {
    /// Returns a value without proofs, with only the trust level of the client.
    pub const fn of(trust_level: TrustLevel) -> Self {
        Self {
            trust_level,
            software_statement: None,
            dcr: None,
            attestation: None,
            initial_access_token: None,
        }
    }
}

impl Default for Shown {
    fn default() -> Self {
        Self::of(TrustLevel::Open)
    }
}

/// Returns a JWT as scripts see it.
pub(super) fn jwt(header: &Map<String, Value>, claims: &Map<String, Value>) -> Value {
    json!({ "header": header, "claims": claims })
}

/// The metadata that the scripts decided on, ready to be stored.
pub(super) struct Sanctioned {
    pub(super) metadata: Approved,
    pub(super) scripts: Vec<ScriptRef>,
}

/// Step 12: the scripts decide on `valid`.
pub(super) async fn decide(
    cx: &Context<'_>,
    caller: &Caller,
    purpose: Purpose<'_>,
    proven: &Proven,
    valid: &Valid,
) -> Result<Decision, RegisterError> {
    let hook = purpose.decision_hook();
    let mut client = valid.metadata().clone();
    if !cx.snapshot.scripts.has(hook) {
        return Ok(Decision {
            client,
            decided_by: Vec::new(),
            attestation: None,
        });
    }
    if let Purpose::Replace(stored) = purpose {
        name(&mut client, stored.client());
    }
    let facts = facts(
        cx,
        caller,
        &proven.shown,
        proven.requested.metadata().clone(),
    );
    let mut decision = cx
        .snapshot
        .scripts
        .decide(hook, facts, client)
        .await
        .map_err(RegisterError::Hook)?;
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
        Ok(metadata) => match sector::Claim::of(metadata.metadata()) {
            Some(claim) if checked.as_ref() != Some(&claim) => {
                claim.check(cx).await.map(|()| metadata)
            }
            _ => Ok(metadata),
        },
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

/// Step 15: lets the scripts change the response, except its credentials.
///
/// # Errors
/// When a script fails.
pub async fn modify(
    cx: &Context<'_>,
    caller: &Caller,
    hook: Hook,
    answer: ClientInformation,
) -> Result<ClientInformation, HookError> {
    let scripts = &cx.snapshot.scripts;
    if !scripts.has(hook) {
        return Ok(answer);
    }
    let facts = facts(
        cx,
        caller,
        &Shown::of(answer.trust_level),
        Metadata::default(),
    );
    let (mut client, members) = (answer.metadata.clone(), answer.members());
    for (member, value) in NAMES
        .into_iter()
        .filter_map(|name| Some((name, members.get(name)?)))
    {
        client.set(member, value.clone());
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
pub async fn before_deletion(
    cx: &Context<'_>,
    caller: &Caller,
    client: &Client,
) -> Result<(), HookError> {
    let scripts = &cx.snapshot.scripts;
    if !scripts.has(Hook::DeleteClient) {
        return Ok(());
    }
    let facts = facts(
        cx,
        caller,
        &Shown::of(client.provenance.trust_level),
        Metadata::default(),
    );
    scripts
        .decide(Hook::DeleteClient, facts, shown(client, None))
        .await
        .map(drop)
}

/// Step 16: the notification that scripts receive of a change, some time after the response.
pub struct Announcement {
    scripts: Arc<ScriptSet>,
    hook: Hook,
    facts: Arc<Facts>,
    client: Metadata,
}

impl Announcement {
    /// Creates the notification that `purpose` was done; `None` when no script has the hook.
    pub(super) fn of(
        cx: &Context<'_>,
        caller: &Caller,
        purpose: Purpose<'_>,
        (proven, issued): (&Proven, &Issued),
    ) -> Option<Self> {
        let (scripts, hook) = (&cx.snapshot.scripts, purpose.notification_hook());
        if !scripts.has(hook) {
            return None;
        }
        let mut request = proven.requested.metadata().clone();
        // Events in the queue must not contain evidence.
        for name in evidence::MEMBERS {
            request.remove(name);
        }
        let facts = facts(cx, caller, &proven.shown, request);
        let client = shown(&issued.client, issued.secret.as_ref());
        Some(Self {
            scripts: Arc::clone(scripts),
            hook,
            facts,
            client,
        })
    }

    /// Creates the notification that `client` was deleted; `None` when no script has the hook.
    pub fn of_deletion(cx: &Context<'_>, caller: &Caller, client: &Client) -> Option<Self> {
        let (scripts, hook) = (&cx.snapshot.scripts, Hook::ClientDeleted);
        if !scripts.has(hook) {
            return None;
        }
        let facts = facts(
            cx,
            caller,
            &Shown::of(client.provenance.trust_level),
            Metadata::default(),
        );
        Some(Self {
            scripts: Arc::clone(scripts),
            hook,
            facts,
            client: shown(client, None),
        })
    }

    /// Makes `change`, and then notifies the scripts. When the caller disconnects meanwhile, the request is
    /// cancelled, but a change that is already written remains. Therefore a separate task does both.
    ///
    /// # Errors
    /// The errors of `change`, in which case no script is notified.
    pub async fn follow(
        self,
        cx: &Context<'_>,
        change: impl Future<Output = Result<(), StoreError>> + Send + 'static,
    ) -> Result<(), StoreError> {
        let both = async move {
            change.await?;
            self.scripts.tell(self.hook, self.facts, self.client);
            Ok(())
        };
        let done = cx
            .service
            .changes_under_way
            .spawn(both.in_current_span())
            .await;
        done.unwrap_or_else(|_| Err(StoreError::Unavailable("the server is stopping".to_owned())))
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

/// Returns the facts of a request with the proofs `shown`, for a hook.
pub(super) fn facts(
    cx: &Context<'_>,
    caller: &Caller,
    shown: &Shown,
    register_request: Metadata,
) -> Arc<Facts> {
    Arc::new(Facts {
        register_request,
        http_request: caller.request.clone(),
        trust_level: shown.trust_level,
        custom_attributes: cx.settings().dynamic_registration_custom_attributes.clone(),
        settled: BTreeSet::new(),
        software_statement: shown.software_statement.clone(),
        dcr: shown.dcr.clone(),
        attestation: shown.attestation.clone(),
        certificate: caller.certificate.as_ref().map(certificate),
        initial_access_token: shown.initial_access_token.clone(),
    })
}

/// Returns the certificate as scripts see it, including whether it is trusted.
fn certificate(presented: &ClientCertificate) -> Value {
    let mut members = presented.certificate.to_json();
    members.insert("trusted".to_owned(), presented.is_trusted.into());
    members.into()
}
