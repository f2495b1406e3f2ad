//! Where each endpoint is, below the address of the server.

use serde::{Deserialize, Serialize};

use super::check::Verdict;

/// `[server.paths]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Paths {
    /// The registration and management endpoint.
    pub registration: String,
    /// The token endpoint (RFC 6749 section 3.2).
    pub token: String,
    /// The introspection endpoint (RFC 7662).
    pub introspection: String,
    /// The revocation endpoint (RFC 7009).
    pub revocation: String,
    /// The public keys of this server.
    pub jwks: String,
    /// Challenges for the proofs of client attestations.
    pub challenge: String,
    /// The live configuration, for administrators.
    pub config: String,
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            registration: "/register".to_owned(),
            token: "/token".to_owned(),
            introspection: "/introspect".to_owned(),
            revocation: "/revoke".to_owned(),
            jwks: "/jwks".to_owned(),
            challenge: "/challenge".to_owned(),
            config: CONFIG.to_owned(),
        }
    }
}

const CONFIG: &str = "/admin/v1/config";

/// Where something else is already.
const RESERVED: [&str; 5] = ["/.well-known/", "/healthz", "/readyz", "/metrics", "/admin/v1/"];

/// Refuses paths that no router could tell apart, or that no URL can have.
pub(super) fn check(paths: &Paths, verdict: &mut Verdict) {
    let named = [
        ("registration", &paths.registration),
        ("token", &paths.token),
        ("introspection", &paths.introspection),
        ("revocation", &paths.revocation),
        ("jwks", &paths.jwks),
        ("challenge", &paths.challenge),
        ("config", &paths.config),
    ];
    for (at, (name, path)) in named.iter().enumerate() {
        let key = format!("server.paths.{name}");
        if !is_path(path) {
            verdict.refuse(&key, "must be a path of the server, such as /register");
        }
        let is_own = *name == "config" && path.as_str() == CONFIG;
        if let Some(reserved) = RESERVED.iter().find(|reserved| path.starts_with(**reserved) && !is_own) {
            verdict.refuse(&key, format!("there is something else at {reserved} already"));
        }
        if let Some((other, _)) = named.iter().take(at).find(|(_, earlier)| earlier == path) {
            verdict.refuse(&key, format!("is the path of server.paths.{other} too"));
        }
    }
}

fn is_path(path: &str) -> bool {
    let is_plain = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte));
    // Who resolves a URL takes a segment of dots out of it, so nobody would arrive there.
    let is_resolved = path.split('/').skip(1).all(|segment| !["", ".", ".."].contains(&segment));
    path.starts_with('/') && is_plain && is_resolved
}
