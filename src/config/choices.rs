//! The words from which some properties of `[registration]` choose.

use serde::{Deserialize, Serialize};

/// `defaultApplicationType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DefaultApplicationType {
    /// `web`, as OpenID Connect Dynamic Client Registration section 2 has it.
    Web,
    /// `native`
    Native,
    /// `native` when any redirect URI is loopback `http` or has a private-use scheme, else `web`: for
    /// clients that know RFC 7591 only, which lets them use both without saying what they are.
    ByRedirectUris,
}

/// `unsupportedListValues`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum UnsupportedListValues {
    /// They are left out, and the answer shows what is left (RFC 7591 sections 2 and 3.2.1).
    Drop,
    /// The request is refused.
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
    /// A host of the same site as a redirect URI, with its scheme: both are below the same domain that
    /// somebody registered.
    RedirectSite,
}

/// When a registration access token is replaced by a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Rotation {
    /// One token for the life of the client.
    Never,
    /// A new one with each PUT.
    OnUpdate,
    /// A new one with each GET and PUT.
    OnUse,
}

/// `initialAccessToken`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum InitialAccessToken {
    /// Not looked at.
    Off,
    /// Taken when there is one; a wrong one is refused.
    Optional,
    /// Nobody registers without one.
    Required,
}

/// `clientAssertionAudience`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClientAssertionAudience {
    /// The issuer, and nothing else (RFC 7523bis section 3).
    Issuer,
    /// The issuer or the URL of the token endpoint, perhaps beside other values (RFC 7523 section 3): an
    /// assertion that another server gets can be used here, if it names this one too.
    Any,
}
