//! The hooks at which the server calls scripts.

/// A point at which the server calls a function of the scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hook {
    /// `adaptRequest(request, context)`: repairs a request before any rule is checked.
    AdaptRequest,
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
}

impl Hook {
    /// All hooks.
    pub const ALL: [Self; 17] = [
        Self::AdaptRequest,
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
    ];

    /// Returns the name of its function.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AdaptRequest => "adaptRequest",
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
        }
    }

    /// Returns the names of its parameters, for messages and documentation.
    pub const fn parameters(self) -> &'static [&'static str] {
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
            Self::DeleteClient | Self::ClientCreated | Self::ClientUpdated | Self::ClientDeleted
        )
    }

    /// Returns the hook whose function has this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hook| hook.name() == name)
    }
}
