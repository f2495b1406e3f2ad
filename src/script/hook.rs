//! The hooks at which the server calls scripts, with their documentation.

/// A point at which the server calls a function of the scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Hook {
    /// `adaptRequest(request, context)`: repairs a request before any rule is checked.
    AdaptRequest,
    /// `mayFetchDocument(context)`: may the client document at this URL be fetched?
    MayFetchDocument,
    /// `createClient(context)`: may this client be registered?
    CreateClient,
    /// `updateClient(context)`: may this client be changed?
    UpdateClient,
    /// `deleteClient(context)`: may this client be deleted?
    DeleteClient,
    /// `modifyPostResponse(response, context)`: the response to a registration.
    ModifyPostResponse,
    /// `modifyPutResponse(response, context)`: the response to an update.
    ModifyPutResponse,
    /// `modifyReadResponse(response, context)`: the response to a read.
    ModifyReadResponse,
    /// `getSoftwareStatementJwks(context)`
    GetSoftwareStatementJwks,
    /// `getSoftwareStatementHmacSecret(context)`
    GetSoftwareStatementHmacSecret,
    /// `getDcrJwks(context)`
    GetDcrJwks,
    /// `getDcrHmacSecret(context)`
    GetDcrHmacSecret,
    /// `getEvidenceNonce(context)`
    GetEvidenceNonce,
    /// `verifyEvidence(context)`
    VerifyEvidence,
    /// `isCertValidForClient(certificate, context)`
    IsCertValidForClient,
    /// `clientCreated(context)`
    ClientCreated,
    /// `clientUpdated(context)`
    ClientUpdated,
    /// `clientDeleted(context)`
    ClientDeleted,
    /// `registrationPending(context)`
    RegistrationPending,
}

impl Hook {
    /// All hooks.
    pub(crate) const ALL: [Self; 19] = [
        Self::AdaptRequest,
        Self::MayFetchDocument,
        Self::CreateClient,
        Self::UpdateClient,
        Self::DeleteClient,
        Self::ModifyPostResponse,
        Self::ModifyPutResponse,
        Self::ModifyReadResponse,
        Self::GetSoftwareStatementJwks,
        Self::GetSoftwareStatementHmacSecret,
        Self::GetDcrJwks,
        Self::GetDcrHmacSecret,
        Self::GetEvidenceNonce,
        Self::VerifyEvidence,
        Self::IsCertValidForClient,
        Self::ClientCreated,
        Self::ClientUpdated,
        Self::ClientDeleted,
        Self::RegistrationPending,
    ];

    /// Returns the name of its function.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AdaptRequest => "adaptRequest",
            Self::MayFetchDocument => "mayFetchDocument",
            Self::CreateClient => "createClient",
            Self::UpdateClient => "updateClient",
            Self::DeleteClient => "deleteClient",
            Self::ModifyPostResponse => "modifyPostResponse",
            Self::ModifyPutResponse => "modifyPutResponse",
            Self::ModifyReadResponse => "modifyReadResponse",
            Self::GetSoftwareStatementJwks => "getSoftwareStatementJwks",
            Self::GetSoftwareStatementHmacSecret => "getSoftwareStatementHmacSecret",
            Self::GetDcrJwks => "getDcrJwks",
            Self::GetDcrHmacSecret => "getDcrHmacSecret",
            Self::GetEvidenceNonce => "getEvidenceNonce",
            Self::VerifyEvidence => "verifyEvidence",
            Self::IsCertValidForClient => "isCertValidForClient",
            Self::ClientCreated => "clientCreated",
            Self::ClientUpdated => "clientUpdated",
            Self::ClientDeleted => "clientDeleted",
            Self::RegistrationPending => "registrationPending",
        }
    }

    /// Returns the names of its parameters, for messages and documentation.
    pub(crate) const fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::ModifyPostResponse | Self::ModifyPutResponse | Self::ModifyReadResponse => {
                &["response", "context"]
            }
            Self::AdaptRequest => &["request", "context"],
            Self::IsCertValidForClient => &["certificate", "context"],
            _ => &["context"],
        }
    }

    /// Returns whether one task calls the hook for many requests concurrently. That holds for the hooks
    /// after the response, and for the hook of a deletion, because an administrator can delete many clients
    /// at once. A script that waits on the thread of that task would hold up all of these requests.
    pub(super) const fn shares_a_task(self) -> bool {
        matches!(
            self,
            Self::DeleteClient
                | Self::ClientCreated
                | Self::ClientUpdated
                | Self::ClientDeleted
                | Self::RegistrationPending
        )
    }

    /// Returns the hook whose function has this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hook| hook.name() == name)
    }
}

const ADAPT_REQUEST: &str = "After a registration or an update was read and its software statement was merged into it, \
     before any default is filled in and before any rule is checked. `true`: continue with \
     `request` as it is now; `false`: 400 `invalid_client_metadata`. The changed request is \
     validated like any other. Members set by a verified statement cannot be changed. \
     `context.client` is the client as it is registered, and has no members when the client is \
     new. An update by an administrator is not adapted.";

const MAY_FETCH_DOCUMENT: &str = "Before a client document is fetched. `context.document` has only `url` and `host`, and `context.client` has \
     no members. `true`: fetch it; `false`: 403 `document_denied`; `()`: ask the next script. If no script decides, it \
     is fetched.";

const UPDATE_CLIENT: &str = "The same before an update is stored. `context.stored` is the client before the update. An update by an \
     administrator has a path that begins with `/admin/` in `context.httpRequest`, and no statement.";

const REGISTRATION_PENDING: &str = "After a registration, an update or a client document began to wait for an administrator, for example to tell a \
     chat channel. `context.client` is the client as it would be stored, without its secret, and \
     `context.event.pending` says what waits. The result is ignored, and a fault is retried as for `clientCreated`. The \
     hook is not called if the request was cancelled in the meantime.";

impl Hook {
    /// Describes when the server calls the hook and what it does with the result.
    pub(crate) const fn about(self) -> &'static str {
        match self {
            Self::AdaptRequest => ADAPT_REQUEST,
            Self::MayFetchDocument => MAY_FETCH_DOCUMENT,
            Self::CreateClient => {
                "Before a client is stored. `true`: continue; `false`: 400 `invalid_client_metadata`."
            }
            Self::UpdateClient => UPDATE_CLIENT,
            Self::DeleteClient => {
                "Before a client is deleted, by the client itself or by an administrator. `true`: continue; \
                 `false`: 403 `access_denied`. `context.client` is read-only, and the same as \
                 `context.stored`."
            }
            Self::ModifyPostResponse => {
                "Before the response to a registration is sent. `true`: keep the changes to `response`; \
                 `false`: discard them. Credentials and identifiers cannot be changed."
            }
            Self::ModifyPutResponse => "The same for an update.",
            Self::ModifyReadResponse => "The same for a read.",
            Self::GetSoftwareStatementJwks => {
                "Returns the keys for a software statement, as a map or JSON text that is a JWK Set, or as the \
                 URL of one, which the server fetches, caches, and fetches again for a new key; `()`: ask the \
                 next script. The statement is not verified yet: use its `iss` to find the keys, and \
                 trust none of its other claims."
            }
            Self::GetSoftwareStatementHmacSecret => {
                "Returns the HMAC key for a software statement, as a string; `()`: ask the next script."
            }
            Self::GetDcrJwks => {
                "Returns the keys for a signed request, in the same way as for a software statement."
            }
            Self::GetDcrHmacSecret => "Returns the HMAC key of a signed request, in the same way.",
            Self::GetEvidenceNonce => {
                "Returns a nonce for evidence, when the verifier issues its own nonces: 1 to 1024 visible \
                 ASCII characters; `()`: ask the next script."
            }
            Self::VerifyEvidence => {
                "Appraises evidence, before any metadata rule is checked. `true`, or a map that becomes \
                 `context.attestation`: the evidence is accepted, and the trust level is `attested`; \
                 `false`: 400; `()`: ask the next script."
            }
            Self::IsCertValidForClient => {
                "Decides whether a certificate belongs to the client, where its subject alone does not \
                 settle the question. `true` or `false`; `()`: ask the next script."
            }
            Self::ClientCreated => {
                "After a client was stored, for example by a registration or an import. The result is \
                 ignored. A fault is retried for `eventRetryHours`, so the hook may be called more than \
                 once. Later events of the same client wait for it."
            }
            Self::ClientUpdated => {
                "The same after any other change: an update, a new secret, `disabled`."
            }
            Self::ClientDeleted => {
                "The same after a client was deleted, had expired, or was removed as unused. \
                 `context.client` is the client as it was then."
            }
            Self::RegistrationPending => REGISTRATION_PENDING,
        }
    }
}
