//! The options of `[registration]` whose values are words.

use serde::{Deserialize, Serialize};

/// `defaultApplicationType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DefaultApplicationType {
    /// `web` (OpenID Connect Dynamic Client Registration section 2).
    Web,
    /// `native`
    Native,
    /// `native` if any redirect URI is loopback `http` or has a private-use scheme, otherwise `web`. For
    /// clients written for RFC 7591, which has no `application_type`.
    ByRedirectUris,
}

/// `unsupportedListValues`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum UnsupportedListValues {
    /// They are omitted, and the response shows the remaining values (RFC 7591 sections 2 and 3.2.1).
    Drop,
    /// The request is rejected.
    Refuse,
}

/// `pageUriHosts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PageUriHosts {
    /// Any host.
    Any,
    /// The host of a redirect URI, with its scheme.
    RedirectHost,
    /// A host of the same site as a redirect URI, with its scheme. Both hosts are below the same registered
    /// domain.
    RedirectSite,
}

/// `insecurePageUris`: what becomes of pages and pictures for people that are not `https`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum InsecurePageUris {
    /// The request is rejected.
    Refuse,
    /// They are omitted, and the response shows the remaining members.
    Drop,
    /// Those with `http` are registered. Other schemes are rejected.
    Allow,
}

/// `rotateRegistrationAccessToken`: when a registration access token is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Rotation {
    /// Never: the client keeps one token.
    Never,
    /// With each PUT.
    OnUpdate,
    /// With each GET and PUT.
    OnUse,
}

/// `initialAccessToken`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum InitialAccessTokenUse {
    /// The token is ignored.
    Off,
    /// A valid token is accepted and an invalid one is rejected. A registration without a token is allowed.
    Optional,
    /// A registration without a valid token is rejected.
    Required,
}

/// `clientAssertionAudience`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClientAssertionAudience {
    /// The issuer, as the only value (RFC 7523bis section 3).
    Issuer,
    /// The issuer or the URL of the token endpoint, possibly among other values (RFC 7523 section 3). An
    /// assertion created for another server can be used here if it names this server too.
    Any,
}

/// `registrationApproval`: whether registrations can wait for an administrator
/// (draft-dellaert-oauth-approval-based-dcr).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RegistrationApproval {
    /// None waits.
    Off,
    /// A registration waits if its client asks for that, or if a script holds it.
    Offered,
    /// Every registration waits.
    Required,
}

/// `clientDocuments`: whose documents are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClientDocuments {
    /// Nobody's: a URL is an unknown client.
    Off,
    /// Those whose URL matches `clientDocumentAllowList`.
    Listed,
    /// Those of every public host that is not denied.
    Any,
}

/// `clientDocumentApproval`: which documents wait for an administrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClientDocumentApproval {
    /// None: a valid document is a client at once.
    Never,
    /// Those with a new URL. `clientDocumentHold` decides about later changes.
    First,
    /// New ones, and every change.
    Always,
}

/// `clientDocumentHold`: what a sensitive change of a document causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClientDocumentHold {
    /// Nothing: the change takes effect. Scripts and the audit log are told.
    None,
    /// The previous version stays in force until an administrator approves the change.
    Keep,
    /// The client is rejected until an administrator approves the change.
    Stop,
}

/// `clientDocumentDefaultAuthMethod`: what a document without an authentication method means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClientDocumentDefaultAuthMethod {
    /// The client is public.
    None,
    /// The document is invalid.
    Refuse,
}

/// `clientDocumentRedirectUris`: allowed hosts for the `https` redirect URIs of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClientDocumentRedirectUris {
    /// Any host.
    Any,
    /// The host of the URL of the document.
    SameHost,
}
