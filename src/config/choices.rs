//! The allowed values of some properties of `[registration]`.

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
pub enum InitialAccessToken {
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
