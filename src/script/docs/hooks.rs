//! When each hook is called, and what becomes of what it returns.

use super::super::hook::Hook;

impl Hook {
    /// When it is called, and what becomes of what it returns.
    pub const fn about(self) -> &'static str {
        match self {
            Self::AdaptRequest => {
                "A registration or an update was read and its software statement laid over it; no default was \
                 filled in, and no rule has looked at it. `true`: go on with what `request` is now; `false`: 400 \
                 `invalid_client_metadata`. What comes out is judged like any request. What a verified statement \
                 has set cannot be changed. `context.client` is what is registered already, and has no members \
                 when the client is new. An administrator's update is not adapted."
            }
            Self::CreateClient => {
                "Before a client is stored. `true`: go on; `false`: 400 `invalid_client_metadata`."
            }
            Self::UpdateClient => {
                "Before an update is stored. The same. An administrator's update has a path that begins with \
                 `/admin/` in `context.httpRequest`, and no statement."
            }
            Self::DeleteClient => {
                "Before a client is deleted, by whomever. `true`: go on; `false`: 403 `access_denied`. `context.client` is read-only."
            }
            Self::ModifyPostResponse => {
                "The answer to a registration is ready. `true`: keep what was changed in `response`. \
                 Credentials and identifiers can not be changed."
            }
            Self::ModifyPutResponse => "The same for an update.",
            Self::ModifyReadResponse => "The same for a read.",
            Self::GetSoftwareStatementJwks => {
                "Keys for a software statement: a JWK Set as a map or as JSON text; `()`: ask the next script. The \
                 statement is not verified yet: find the keys of its `iss`, and believe nothing else that it says."
            }
            Self::GetSoftwareStatementHmacSecret => {
                "The HMAC key for a software statement: a string; `()`: ask the next script."
            }
            Self::GetDcrJwks => "Keys for a signed request. The same as for a software statement.",
            Self::GetDcrHmacSecret => {
                "The HMAC key for a signed request. The same as for a software statement."
            }
            Self::GetEvidenceNonce => {
                "A nonce for evidence, when a verifier makes its own: 1 to 1024 visible ASCII characters; `()`: ask the next script."
            }
            Self::VerifyEvidence => {
                "Appraises evidence, before any rule of metadata. `true`, or a map that becomes `context.attestation`: accepted, and the trust level is `attested`; `false`: 400; `()`: ask the next script."
            }
            Self::IsCertValidForClient => {
                "Whether a certificate is that of the client, where its subject alone does not settle it. `true` or `false`; `()`: ask the next script."
            }
            Self::ClientCreated => {
                "After a client was stored and answered. What it returns does not matter; a fault is tried again after each of `retryPausesMs`, so it may be called more than once. Later events of the same client wait for it."
            }
            Self::ClientUpdated => "The same after an update.",
            Self::ClientDeleted => {
                "The same after a deletion, which takes the place of earlier events of the client that still wait."
            }
        }
    }
}
