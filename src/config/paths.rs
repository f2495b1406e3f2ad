//! Paths of the endpoints.

use serde::{Deserialize, Serialize};

use crate::config::Verdict;

/// `[server.paths]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Paths {
    /// Registration and client management endpoint (RFC 7591, RFC 7592).
    pub registration: String,
    /// Token endpoint (RFC 6749 section 3.2).
    pub token: String,
    /// Introspection endpoint (RFC 7662).
    pub introspection: String,
    /// Revocation endpoint (RFC 7009).
    pub revocation: String,
    /// JWK Set with the public keys of this server.
    pub jwks: String,
    /// Endpoint that issues challenges for the proofs of client attestations.
    pub challenge: String,
    /// Documents of clients, each at this path with the identifier of its client.
    pub client_documents: String,
    /// Live configuration, for administrators.
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
            client_documents: "/clients".to_owned(),
            config: CONFIG.to_owned(),
        }
    }
}

const CONFIG: &str = "/admin/v1/config";

/// Prefixes of paths that the server uses itself.
const RESERVED: [&str; 5] = [
    "/.well-known/",
    "/healthz",
    "/readyz",
    "/metrics",
    "/admin/v1/",
];

/// Rejects paths that a router could not distinguish, or that a URL cannot have.
pub(super) fn check(paths: &Paths, verdict: &mut Verdict) {
    let named = [
        ("registration", &paths.registration),
        ("token", &paths.token),
        ("introspection", &paths.introspection),
        ("revocation", &paths.revocation),
        ("jwks", &paths.jwks),
        ("challenge", &paths.challenge),
        ("clientDocuments", &paths.client_documents),
        ("config", &paths.config),
    ];
    for (at, (name, path)) in named.iter().enumerate() {
        let key = format!("server.paths.{name}");
        if !is_path(path) {
            verdict.refuse(&key, "is not a valid path; use a path such as /register");
        }
        let is_own = *name == "config" && path.as_str() == CONFIG;
        for reserved in RESERVED {
            if path.starts_with(reserved) && !is_own {
                verdict.refuse(&key, format!("{reserved} is reserved; choose another path"));
            }
        }
        let mut earlier = named.iter().take(at);
        if let Some((other, _)) = earlier.find(|(_, earlier)| earlier == path) {
            verdict.refuse(
                &key,
                format!("is the same as server.paths.{other}; choose another path"),
            );
        }
    }
}

fn is_path(path: &str) -> bool {
    let is_plain = path
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte));
    // Resolving a URL removes dot segments, so no request would arrive at such a path.
    let is_resolved = path
        .split('/')
        .skip(1)
        .all(|segment| !["", ".", ".."].contains(&segment));
    path.starts_with('/') && is_plain && is_resolved
}
