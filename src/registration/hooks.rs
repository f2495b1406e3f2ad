//! Steps 12, 13, 15 and 16: what scripts say, what becomes of it, and what they are told.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use tracing::Instrument as _;

use super::{Caller, ClientInformation, Issued, Proven, Purpose, RegisterError, evidence, sector};
use crate::client::{Approved, Client, Metadata, ScriptRef, TrustLevel, Valid};
use crate::http::ClientCertificate;
use crate::script::{Decision, Facts, Hook, HookError, ScriptSet};
use crate::secret::Secret;
use crate::service::Context;
use crate::store::StoreError;

/// What scripts see of what a request showed.
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
    /// Nothing but how far the client is trusted.
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

/// A JWT as scripts see it.
pub(super) fn jwt(header: &Map<String, Value>, claims: &Map<String, Value>) -> Value {
    json!({ "header": header, "claims": claims })
}

/// What the scripts decided, ready to be stored.
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
        return Ok(Decision { client, decided_by: Vec::new(), attestation: None });
    }
    if let Purpose::Replace(stored) = purpose {
        name(&mut client, stored.client());
    }
    let facts = facts(cx, caller, &proven.shown, proven.requested.metadata().clone());
    let mut decision = cx.snapshot.scripts.decide(hook, facts, client).await.map_err(RegisterError::Hook)?;
    // What names a client is shown to scripts, and is no metadata that could be approved.
    for member in NAMES {
        decision.client.remove(member);
    }
    Ok(decision)
}

/// Step 13: what the scripts changed keeps the same rules, and the file of its sector.
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
            Some(claim) if checked.as_ref() != Some(&claim) => claim.check(cx).await.map(|()| metadata),
            _ => Ok(metadata),
        },
        Err(violations) => Err(violations),
    };
    match approved {
        Ok(metadata) => Ok(Sanctioned { metadata, scripts }),
        Err(violations) => {
            let scripts = scripts.into_iter().map(|script| script.name).collect();
            Err(RegisterError::SpoiledByScript { scripts, violations })
        }
    }
}

/// Step 15: the scripts may change the answer, but not its credentials.
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
    let facts = facts(cx, caller, &Shown::of(answer.trust_level), Metadata::default());
    let (mut client, members) = (answer.metadata.clone(), answer.members());
    for (member, value) in NAMES.into_iter().filter_map(|name| Some((name, members.get(name)?))) {
        client.set(member, value.clone());
    }
    let members = scripts.modify_response(hook, members, facts, client).await?;
    Ok(answer.saying(members))
}

/// The scripts decide whether `client` may be deleted.
///
/// # Errors
/// When a script refuses or fails.
pub async fn before_deletion(cx: &Context<'_>, caller: &Caller, client: &Client) -> Result<(), HookError> {
    let scripts = &cx.snapshot.scripts;
    if !scripts.has(Hook::DeleteClient) {
        return Ok(());
    }
    let facts = facts(cx, caller, &Shown::of(client.provenance.trust_level), Metadata::default());
    scripts.decide(Hook::DeleteClient, facts, shown(client, None)).await.map(drop)
}

/// Step 16: what scripts are told of a change, some time after its answer.
pub struct Announcement {
    scripts: Arc<ScriptSet>,
    hook: Hook,
    facts: Arc<Facts>,
    client: Metadata,
}

impl Announcement {
    /// That `purpose` was done; none when no script wants to know.
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
        // What waits in the queue holds no evidence.
        for name in evidence::MEMBERS {
            request.remove(name);
        }
        let facts = facts(cx, caller, &proven.shown, request);
        let client = shown(&issued.client, issued.secret.as_ref());
        Some(Self { scripts: Arc::clone(scripts), hook, facts, client })
    }

    /// That `client` is gone; none when no script wants to know.
    pub fn of_deletion(cx: &Context<'_>, caller: &Caller, client: &Client) -> Option<Self> {
        let (scripts, hook) = (&cx.snapshot.scripts, Hook::ClientDeleted);
        if !scripts.has(hook) {
            return None;
        }
        let facts = facts(cx, caller, &Shown::of(client.provenance.trust_level), Metadata::default());
        Some(Self { scripts: Arc::clone(scripts), hook, facts, client: shown(client, None) })
    }

    /// Makes `change`, and tells the scripts once it is made. A caller who goes away meanwhile takes
    /// the request with him, but not what is written already: so both are done in a task of their own.
    ///
    /// # Errors
    /// Those of `change`: then nobody is told.
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
        let done = cx.service.changes_under_way.spawn(both.in_current_span()).await;
        done.unwrap_or_else(|_| Err(StoreError::Unavailable("the server stops".to_owned())))
    }
}

/// What names a client that is there.
const NAMES: [&str; 2] = ["client_id", "client_id_issued_at"];

/// Puts what names `client` beside `metadata`.
fn name(metadata: &mut Metadata, client: &Client) {
    metadata.set("client_id", client.id.as_str());
    metadata.set("client_id_issued_at", client.issued_at.unix());
}

/// What scripts that change nothing see of a client: its metadata, and what names it. Another
/// system can only be told of a client whose secret it gets to know.
pub(super) fn shown(client: &Client, secret: Option<&Secret>) -> Metadata {
    let mut metadata = client.metadata.metadata().clone();
    name(&mut metadata, client);
    if let Some(secret) = secret {
        metadata.set("client_secret", secret.expose());
    }
    metadata
}

/// What a hook is told of a request that showed `shown`.
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

/// The certificate as scripts see it: with whether anybody vouches for it.
fn certificate(presented: &ClientCertificate) -> Value {
    let mut members = presented.certificate.to_json();
    members.insert("trusted".to_owned(), presented.is_trusted.into());
    members.into()
}
