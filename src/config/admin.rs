//! What administrators reach, and with which scopes.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Live;
use super::check::Verdict;
use super::settings::ServerSettings;
use crate::model::scope;

/// `[admin]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct AdminSettings {
    /// Where health, readiness, metrics and the admin API are served; none: where the server
    /// listens.
    pub listen: Option<SocketAddr>,
    /// Whether that listener speaks TLS, with the certificate of `[server.tls]`. It asks for a
    /// client certificate where the server does, and takes those who show none.
    pub tls: bool,
    /// Where the first start writes the credentials of the administrator; none:
    /// `admin-credentials.json` in the folder of the store.
    pub credentials_file: Option<PathBuf>,
    /// `[admin.scopes]`
    pub scopes: AdminScopes,
}

/// `[admin.scopes]`: the scope that an access token must have for each kind of call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct AdminScopes {
    /// Listing and showing clients, their schema, and the description of this API.
    pub clients_read: String,
    /// Replacing and deleting clients; with `clients_export` importing them.
    pub clients_write: String,
    /// Exporting clients with their secrets.
    pub clients_export: String,
    /// Telling that clients were used.
    pub clients_used: String,
    /// Showing the configuration.
    pub config_read: String,
    /// Changing the configuration.
    pub config_write: String,
    /// Introspecting the access tokens of every client.
    pub tokens_read: String,
    /// Making and revoking initial access tokens.
    pub tokens_write: String,
    /// Showing the scripts that run.
    pub scripts_read: String,
    /// Reading the audit log.
    pub audit_read: String,
}

impl Default for AdminScopes {
    fn default() -> Self {
        Self {
            clients_read: "clients.read".to_owned(),
            clients_write: "clients.write".to_owned(),
            clients_export: "clients.export".to_owned(),
            clients_used: "clients.used".to_owned(),
            config_read: "config.read".to_owned(),
            config_write: "config.write".to_owned(),
            tokens_read: "tokens.read".to_owned(),
            tokens_write: "tokens.write".to_owned(),
            scripts_read: "scripts.read".to_owned(),
            audit_read: "audit.read".to_owned(),
        }
    }
}

impl AdminScopes {
    /// All of them, each once: several kinds of calls may have one scope.
    pub fn all(&self) -> Vec<&str> {
        let Self {
            clients_read,
            clients_write,
            clients_export,
            clients_used,
            config_read,
            config_write,
            tokens_read,
            tokens_write,
            scripts_read,
            audit_read,
        } = self;
        let all = [
            clients_read,
            clients_write,
            clients_export,
            clients_used,
            config_read,
            config_write,
            tokens_read,
            tokens_write,
            scripts_read,
            audit_read,
        ];
        let mut names: Vec<&str> = Vec::new();
        for name in all {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        names
    }
}

/// What can not stand together, and what lets others read along.
pub(super) fn check_listener(settings: &AdminSettings, server: &ServerSettings, verdict: &mut Verdict) {
    let Some(listen) = settings.listen else {
        if settings.tls {
            verdict.refuse("admin.tls", "is for admin.listen, which is not set");
        }
        return;
    };
    if settings.tls && !server.tls.is_on() {
        verdict.refuse("admin.tls", "needs server.tls.certificate and server.tls.key");
    }
    if !settings.tls && !listen.ip().to_canonical().is_loopback() {
        let reason = "other machines reach this address, and tokens go there in clear: set admin.tls, or \
                      let nobody in between read along";
        verdict.warn("admin.listen", reason);
    }
}

/// Refuses names that no scope can have, and those that anybody could register.
pub(super) fn check(settings: &AdminSettings, live: &Live, verdict: &mut Verdict) {
    for (at, scope) in live.scopes.iter().enumerate() {
        if let Some(reserved) = settings.scopes.all().iter().find(|reserved| scope.defines(reserved)) {
            let key = if scope.pattern.is_some() { "pattern" } else { "id" };
            let reason = "is a scope of administrators ([admin.scopes]), which nobody may register";
            verdict.refuse(&format!("scopes[{at}].{key}"), format!("'{reserved}' {reason}"));
        }
    }
    let scopes = serde_json::to_value(&settings.scopes).unwrap_or_default();
    for (name, named) in scopes.as_object().into_iter().flatten() {
        if !scope::is_word(named.as_str().unwrap_or_default()) {
            verdict.refuse(&format!("admin.scopes.{name}"), NOT_A_SCOPE);
        }
    }
}

/// What a scope token is (RFC 6749 section 3.3).
pub(super) const NOT_A_SCOPE: &str = "must be visible ASCII without a quote or a backslash";

#[cfg(test)]
mod tests {
    use crate::config::{Sources, load};

    /// What is said, warnings too, of a configuration with these values.
    fn check(values: &[(&str, &str)], expected: &[&str]) {
        let overrides = values.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        let said = match load(&Sources { overrides, ..Sources::default() }) {
            Ok(configuration) => configuration.warnings,
            Err(errors) => errors.0.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(said.len(), expected.len(), "{said:?}");
        for (said, expected) in said.iter().zip(expected) {
            assert!(said.contains(expected), "{said} does not say {expected}");
        }
    }

    #[test]
    fn a_listener_that_others_reach_wants_tls() {
        let (near, far) = (("admin.listen", "127.0.0.1:8081"), ("admin.listen", "0.0.0.0:8081"));
        let on = [("admin.tls", "true"), ("server.tls.certificate", "a.pem"), ("server.tls.key", "a.key")];
        check(&[near], &[]);
        check(&[("admin.listen", "[::1]:8081")], &[]);
        check(&[far], &["admin.listen: other machines reach"]);
        check(&[&on[..], &[far]].concat(), &[]);
        check(&[far, on[0]], &["admin.tls: needs server.tls.certificate"]);
        check(&on, &["admin.tls: is for admin.listen"]);
    }

    #[test]
    fn two_listeners_have_two_addresses() {
        let both = |address| [("server.listen", address), ("admin.listen", address)];
        check(&both("127.0.0.1:8080"), &["cannot both be opened"]);
        check(&both("127.0.0.1:0"), &[]);
        for (one, other) in [
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("127.0.0.1:8080", "0.0.0.0:8080"),
            ("[::]:8080", "127.0.0.1:8080"),
            ("[::]:8080", "[::1]:8080"),
            ("[::ffff:127.0.0.1]:8080", "127.0.0.1:8080"),
        ] {
            let said = load(&Sources {
                overrides: vec![
                    ("server.issuer".to_owned(), "https://a.example".to_owned()),
                    ("server.listen".to_owned(), one.to_owned()),
                    ("admin.listen".to_owned(), other.to_owned()),
                ],
                ..Sources::default()
            });
            let said = said.map_or_else(|errors| errors.to_string(), |_| String::new());
            assert!(said.contains("cannot both be opened"), "{one} {other}: {said}");
        }
        check(&[("server.listen", "127.0.0.1:8080"), ("admin.listen", "127.0.0.2:8080")], &[]);
    }
}
