//! `[admin]`: the listener for administrators, and the scopes that they need.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::base::scope;
use crate::config::{Live, LoginSettings, ServerSettings, Verdict, login};

/// `[admin]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct AdminSettings {
    /// Address for health, readiness, metrics and the admin API. `None`: the address of the server.
    pub listen: Option<SocketAddr>,
    /// Whether this listener uses TLS, with the certificate of `[server.tls]`. It requests a client
    /// certificate if the server does, but never requires one.
    pub tls: bool,
    /// File to which the first start writes the administrator's credentials. `None`:
    /// `admin-credentials.json` in the folder of the store.
    pub credentials_file: Option<PathBuf>,
    /// Where the console is served.
    pub console: ConsoleUse,
    /// `[admin.login]`
    pub login: LoginSettings,
    /// `[admin.scopes]`
    pub scopes: AdminScopes,
}

/// `console`: whether the pages for administrators are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ConsoleUse {
    /// On the admin listener. Without one, to callers on this machine, if the server listens on a loopback address.
    #[default]
    Auto,
    /// On the admin listener. Without one, on the listener of the server, to everyone.
    On,
    /// Nowhere.
    Off,
}

/// `[admin.scopes]`: the scope that an access token needs for each type of call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct AdminScopes {
    /// List and read clients, their schema, and the description of this API.
    pub clients_read: String,
    /// Create, change and delete clients; together with `clients_export`, import them.
    pub clients_write: String,
    /// Export clients with their secrets.
    pub clients_export: String,
    /// Report that clients were used.
    pub clients_used: String,
    /// Resolve the URLs of Client ID Metadata Documents to clients.
    pub clients_resolve: String,
    /// Read the configuration.
    pub config_read: String,
    /// Change the configuration.
    pub config_write: String,
    /// Introspect the access tokens of every client.
    pub tokens_read: String,
    /// Create and revoke initial access tokens.
    pub tokens_write: String,
    /// Read the loaded scripts.
    pub scripts_read: String,
    /// Pin, push and promote versions of the scripts.
    pub scripts_write: String,
    /// Try registrations and updates, with other scripts too.
    pub scripts_try: String,
    /// Read and check client documents that wait for approval or are denied.
    pub documents_read: String,
    /// Approve, deny, fetch and pin client documents.
    pub documents_write: String,
    /// Read what waits for approval.
    pub pending_read: String,
    /// Approve and deny what waits.
    pub pending_write: String,
    /// Read the audit log.
    pub audit_read: String,
    /// List and read administrators.
    pub admins_read: String,
    /// Create, change, rotate and delete administrators.
    pub admins_write: String,
    /// Make a backup of the embedded store, with everything in it.
    pub store_backup: String,
}

impl Default for AdminScopes {
    fn default() -> Self {
        Self {
            clients_read: "clients.read".to_owned(),
            clients_write: "clients.write".to_owned(),
            clients_export: "clients.export".to_owned(),
            clients_used: "clients.used".to_owned(),
            clients_resolve: "clients.resolve".to_owned(),
            config_read: "config.read".to_owned(),
            config_write: "config.write".to_owned(),
            tokens_read: "tokens.read".to_owned(),
            tokens_write: "tokens.write".to_owned(),
            scripts_read: "scripts.read".to_owned(),
            scripts_write: "scripts.write".to_owned(),
            scripts_try: "scripts.try".to_owned(),
            documents_read: "documents.read".to_owned(),
            documents_write: "documents.write".to_owned(),
            pending_read: "pending.read".to_owned(),
            pending_write: "pending.write".to_owned(),
            audit_read: "audit.read".to_owned(),
            admins_read: "admins.read".to_owned(),
            admins_write: "admins.write".to_owned(),
            store_backup: "store.backup".to_owned(),
        }
    }
}

impl AdminScopes {
    /// Returns all scopes without duplicates. Several types of calls can have the same scope.
    pub(crate) fn all(&self) -> Vec<&str> {
        let Self {
            clients_read,
            clients_write,
            clients_export,
            clients_used,
            clients_resolve,
            config_read,
            config_write,
            tokens_read,
            tokens_write,
            scripts_read,
            scripts_write,
            scripts_try,
            documents_read,
            documents_write,
            pending_read,
            pending_write,
            audit_read,
            admins_read,
            admins_write,
            store_backup,
        } = self;
        let all = [
            clients_read,
            clients_write,
            clients_export,
            clients_used,
            clients_resolve,
            config_read,
            config_write,
            tokens_read,
            tokens_write,
            scripts_read,
            scripts_write,
            scripts_try,
            documents_read,
            documents_write,
            pending_read,
            pending_write,
            audit_read,
            admins_read,
            admins_write,
            store_backup,
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

/// Checks the listener: options that exclude each other, and tokens sent in clear text.
pub(super) fn check_listener(
    settings: &AdminSettings,
    server: &ServerSettings,
    verdict: &mut Verdict,
) {
    let Some(listen) = settings.listen else {
        if settings.tls {
            verdict.refuse(
                "admin.tls",
                "has no effect without admin.listen; set admin.listen, or remove it",
            );
        }
        if settings.console == ConsoleUse::On && !server.listen.ip().to_canonical().is_loopback() {
            let reason = "serves the console to everyone who can reach server.listen; set admin.listen, or set it to auto";
            verdict.warn("admin.console", reason);
        }
        return;
    };
    if settings.tls && !server.tls.is_on() {
        verdict.refuse(
            "admin.tls",
            "needs server.tls.certificate and server.tls.key",
        );
    }
    if !settings.tls && !listen.ip().to_canonical().is_loopback() {
        let reason = "other machines can reach this address, and access tokens are sent to it in clear text; \
                      set admin.tls, or protect the network";
        verdict.warn("admin.listen", reason);
    }
}

/// Rejects invalid scope names, and administrators' scopes that clients could register.
pub(super) fn check(settings: &AdminSettings, live: &Live, verdict: &mut Verdict) {
    login::check(settings, verdict);
    for (at, scope) in live.scopes.iter().enumerate() {
        if let Some(reserved) = settings
            .scopes
            .all()
            .iter()
            .find(|reserved| scope.defines(reserved))
        {
            let key = if scope.pattern.is_some() {
                "pattern"
            } else {
                "id"
            };
            let reason =
                "is reserved for administrators ([admin.scopes]); clients must not register it";
            verdict.refuse(
                &format!("scopes[{at}].{key}"),
                format!("'{reserved}' {reason}"),
            );
        }
    }
    let scopes = serde_json::to_value(&settings.scopes).unwrap_or_default();
    for (name, named) in scopes.as_object().into_iter().flatten() {
        if !scope::is_word(named.as_str().unwrap_or_default()) {
            verdict.refuse(&format!("admin.scopes.{name}"), NOT_A_SCOPE);
        }
    }
}

/// The rule for scope tokens (RFC 6749 section 3.3).
pub(super) const NOT_A_SCOPE: &str = "must be visible ASCII without quotes and backslashes";

#[cfg(test)]
mod tests {
    use crate::config::{Sources, load};

    /// Checks the errors or warnings of a configuration with these values.
    fn check(values: &[(&str, &str)], expected: &[&str]) {
        let overrides = values
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let said = match load(&Sources {
            overrides,
            ..Sources::default()
        }) {
            Ok(configuration) => configuration.warnings,
            Err(errors) => errors.0.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(said.len(), expected.len(), "{said:?}");
        for (said, expected) in said.iter().zip(expected) {
            assert!(
                said.contains(expected),
                "{said} does not contain {expected}"
            );
        }
    }

    #[test]
    fn a_public_listener_needs_tls() {
        let (near, far) = (
            ("admin.listen", "127.0.0.1:8081"),
            ("admin.listen", "0.0.0.0:8081"),
        );
        let on = [
            ("admin.tls", "true"),
            ("server.tls.certificate", "a.pem"),
            ("server.tls.key", "a.key"),
        ];
        check(&[near], &[]);
        check(&[("admin.listen", "[::1]:8081")], &[]);
        check(&[far], &["admin.listen: other machines can reach"]);
        check(&[&on[..], &[far]].concat(), &[]);
        check(&[far, on[0]], &["admin.tls: needs server.tls.certificate"]);
        check(&on, &["admin.tls: has no effect without admin.listen"]);
    }

    #[test]
    fn two_listeners_need_two_addresses() {
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
            assert!(
                said.contains("cannot both be opened"),
                "{one} {other}: {said}"
            );
        }
        check(
            &[
                ("server.listen", "127.0.0.1:8080"),
                ("admin.listen", "127.0.0.2:8080"),
            ],
            &[],
        );
    }
}
