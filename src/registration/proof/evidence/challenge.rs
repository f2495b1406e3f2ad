//! The error response that requests fresh evidence and carries the nonce for it.

use std::sync::Arc;

use serde_json::Value;

use crate::base::Secret;
use crate::client::Metadata;
use crate::registration::RegisterError;
use crate::registration::attempt::Attempt;
use crate::script::{Hook, Proofs};
use crate::service::Context;
use crate::store::expiring::nonces::NonceError;

/// Returns `stale_evidence` with a nonce: the verifier's nonce if a script obtains one, else a nonce of this
/// server. Returns the reason if no nonce can be issued.
pub(in crate::registration) async fn stale(
    attempt: Attempt<'_>,
    proofs: &Arc<Proofs>,
    requested: &Metadata,
) -> RegisterError {
    match nonce(attempt, proofs, requested).await {
        Ok(nonce) => RegisterError::StaleEvidence(nonce),
        Err(error) => error,
    }
}

async fn nonce(
    attempt: Attempt<'_>,
    proofs: &Arc<Proofs>,
    requested: &Metadata,
) -> Result<Secret, RegisterError> {
    let (scripts, hook) = (&attempt.cx.snapshot.scripts, Hook::GetEvidenceNonce);
    if scripts.has(hook) {
        let facts = attempt.facts(proofs, requested.clone());
        let said = scripts.ask(hook, facts, requested.clone()).await?;
        if let Some(Value::String(nonce)) = said.map(|said| said.value) {
            return Ok(Secret::new(nonce));
        }
    }
    new_nonce(attempt.cx).await
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
