//! The error response that requests fresh evidence and carries the nonce for it.

use serde_json::Value;

use crate::base::secret::Secret;
use crate::client::Metadata;
use crate::registration::hooks::{self, Shown};
use crate::registration::{Caller, RegisterError};
use crate::script::Hook;
use crate::service::Context;
use crate::store::expiring::nonces::NonceError;

/// Returns `stale_evidence` with a nonce: the verifier's nonce if a script obtains one, else a nonce of this
/// server. Returns the reason if no nonce can be issued.
pub(in crate::registration) async fn stale(
    cx: &Context<'_>,
    caller: &Caller,
    shown: &Shown,
    requested: &Metadata,
) -> RegisterError {
    match nonce(cx, caller, shown, requested).await {
        Ok(nonce) => RegisterError::StaleEvidence(nonce),
        Err(error) => error,
    }
}

async fn nonce(
    cx: &Context<'_>,
    caller: &Caller,
    shown: &Shown,
    requested: &Metadata,
) -> Result<Secret, RegisterError> {
    let (scripts, hook) = (&cx.snapshot.scripts, Hook::GetEvidenceNonce);
    if scripts.has(hook) {
        let facts = hooks::facts(cx, caller, shown, requested.clone());
        let said = scripts.ask(hook, facts, requested.clone()).await?;
        if let Some(Value::String(nonce)) = said.map(|said| said.value) {
            return Ok(Secret::new(nonce));
        }
    }
    new_nonce(cx).await
}

/// Issues a nonce that this server remembers.
pub(in crate::registration) async fn new_nonce(cx: &Context<'_>) -> Result<Secret, RegisterError> {
    let lifetime = cx.settings().evidence_nonce_lifetime;
    let most = cx.service.settings.limits.evidence_nonces;
    match cx
        .service
        .store
        .nonces
        .issue(cx.service.clock.now(), lifetime, most)
        .await
    {
        Ok(nonce) => Ok(Secret::new(nonce)),
        Err(NonceError::TooMany { retry_after }) => {
            Err(RegisterError::TooManyNonces { retry_after })
        }
        Err(NonceError::Store(error)) => Err(error.into()),
        Err(NonceError::Randomness(error)) => Err(error.into()),
    }
}
