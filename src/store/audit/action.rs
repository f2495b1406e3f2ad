//! What the audit log reports.

use serde::{Deserialize, Serialize};

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    /// A client was registered.
    ClientCreated,
    /// A client was replaced.
    ClientUpdated,
    /// An administrator gave a client a new secret.
    ClientSecretRotated,
    /// An administrator gave a client a new registration access token.
    RegistrationTokenRotated,
    /// A client was deleted.
    ClientDeleted,
    /// A client was imported from an export.
    ClientImported,
    /// A client was removed because it had expired.
    ClientExpired,
    /// All clients were exported, with their secrets.
    ClientsExported,
    /// A backup of the store was made, with everything in it.
    StoreBackedUp,
    /// A server found a new key in the key file, and announced it to all servers of the store.
    KeyAnnounced,
    /// An announced key was withdrawn, because no server has it any more.
    KeyWithdrawn,
    /// A new key seals from then on.
    KeyPutInForce,
    /// Nothing is sealed with the previous key any more.
    KeyRotationCompleted,
    /// The previous key is no longer in the key file of a server.
    KeyRemoved,
    /// A registration was rejected.
    RegistrationRefused,
    /// An update by the client itself was rejected.
    UpdateRefused,
    /// A deletion by the client itself was rejected.
    DeletionRefused,
    /// A call of the admin API was rejected: the caller lacks the permission, or the request is invalid.
    AdministrationRefused,
    /// An administrator failed to authenticate, or a caller failed to authenticate too often.
    AuthenticationRefused,
    /// Access tokens were requested too often.
    TokenRefused,
    /// More rejections occurred than could be recorded; the details contain their number.
    RefusalsLost,
    /// An administrator was created.
    AdministratorCreated,
    /// An administrator was changed, disabled or enabled.
    AdministratorUpdated,
    /// An administrator got a new secret.
    AdministratorRotated,
    /// An administrator was deleted.
    AdministratorDeleted,
    /// An administrator signed in to the console.
    AdministratorSignedIn,
    /// An administrator signed out of the console.
    AdministratorSignedOut,
    /// An administrator ended a session in the console.
    SessionRevoked,
    /// An initial access token was created.
    InitialAccessTokenCreated,
    /// An initial access token was revoked.
    InitialAccessTokenRevoked,
    /// The live configuration was patched, or reloaded from its file.
    ConfigurationChanged,
    /// The configuration file was reloaded and rejected, or a patch was rejected.
    ConfigurationRefused,
    /// Changed scripts were loaded.
    ScriptsReloaded,
    /// Changed scripts were read and rejected.
    ScriptsRefused,
    /// A version of the scripts was pinned: it is in force on all servers.
    ScriptsPinned,
    /// The pinned version of the scripts was unpinned.
    ScriptsUnpinned,
    /// An event that was parked, or waited for another attempt, is delivered again.
    EventRetried,
    /// An event that was parked, or waited for another attempt, is never delivered.
    EventSkipped,
    /// Existing clients are sent to one consumer of events again.
    EventsReplayed,
    /// A consumer of events that was disabled receives events again.
    ConsumerEnabled,
    /// The server began to publish the document of a client.
    DocumentPublished,
    /// The document of a client was withdrawn, by an update or with its client.
    DocumentWithdrawn,
    /// A registration or an update waits for approval.
    RegistrationPending,
    /// A registration or an update that waited was approved.
    RegistrationApproved,
    /// A registration or an update that waited was denied.
    RegistrationDenied,
    /// Nobody decided in time about a registration or an update that waited.
    RegistrationExpired,
    /// A client has cancelled a registration or an update that waited.
    RegistrationCancelled,
    /// An administrator tried a registration or an update, of which nothing was stored.
    RequestTried,
    /// A client document with a new URL became a client.
    DocumentAdmitted,
    /// A changed client document is in force.
    DocumentChanged,
    /// A client document, or a change of one, waits for an administrator.
    DocumentHeld,
    /// An administrator approved a client document.
    DocumentApproved,
    /// An administrator denied a client document.
    DocumentDenied,
    /// An administrator ended the denial of a client document.
    DocumentAllowed,
    /// An administrator brought a client document, which is never fetched.
    DocumentPinned,
    /// An administrator ended the pin of a client document, which is fetched again.
    DocumentUnpinned,
    /// An administrator had a client document fetched.
    DocumentRefreshed,
    /// A client document no longer exists at its URL.
    DocumentGone,
    /// A client document was rejected, or could not be fetched again.
    DocumentRefused,
    /// It is not known whether the upstream server has registered, changed or deleted a client.
    UpstreamOutcomeUnknown,
    /// An administrator has found that out.
    UpstreamOutcomeSettled,
}
