//! The server that a command calls: its address, the credentials of the caller, and the scopes.

mod credentials;
mod server;

use std::path::{Path, PathBuf};

use clap::Args;

pub(super) use server::{Call, Remote, segment};

use super::{DEFAULT_FILE, Failure, FileArguments};
use crate::config::{self, AdminScopes, Settings};
use crate::fetch::Direct;

#[derive(Debug, Args)]
pub(super) struct RemoteArguments {
    /// The URL of the server, such as `https://register.example.org`. Default: the address in the
    /// configuration file.
    #[arg(long, value_name = "URL", value_parser = server_url)]
    server: Option<String>,
    /// The URL of the admin API, if it has a listener of its own.
    #[arg(long, value_name = "URL", value_parser = server_url)]
    admin_server: Option<String>,
    /// A JSON file with `client_id` and `client_secret`. Default: the environment variables
    /// `REGISTRAR_CLIENT_ID` and `REGISTRAR_CLIENT_SECRET`, or else the admin-credentials.json in the folder
    /// of the store.
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
    /// A PEM file of CAs to trust in addition to the CAs of the system.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The configuration file, for the address of the server, its paths, and the scopes of administrators.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Picks the scope that a call needs.
pub(super) type Needs = fn(&AdminScopes) -> &String;

impl RemoteArguments {
    /// Connects with an access token that has only the scopes that `needed` picks.
    pub(super) async fn connect(&self, needed: &[Needs]) -> Result<Remote, Failure> {
        let settings = self.settings()?;
        let http =
            Direct::new(self.ca.as_deref()).map_err(|error| Failure::Failed(error.to_string()))?;
        let credentials = credentials::find(self.credentials.as_deref(), &settings)?;
        let server = self.server.clone().unwrap_or_else(|| own_url(&settings));
        let admin = self
            .admin_server
            .clone()
            .unwrap_or_else(|| self.admin_url(&settings, &server));
        for url in [&server, &admin] {
            warn_of_plain_http(url);
        }
        let mut scopes: Vec<&str> = Vec::new();
        for scope in needed
            .iter()
            .map(|pick| pick(&settings.admin.scopes).as_str())
        {
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        let token = credentials::Grant {
            http: &http,
            url: &server,
            path: &settings.server.paths.token,
        };
        let bearer = token.ask(&credentials, &scopes.join(" ")).await?;
        Ok(Remote::new(
            http,
            admin,
            bearer,
            settings.server.paths.config,
        ))
    }

    /// Returns the configuration of the server, or the defaults if no file is named and the default file does
    /// not exist.
    fn settings(&self) -> Result<Settings, Failure> {
        let config = self.config.clone().unwrap_or_else(|| DEFAULT_FILE.into());
        let is_there = self.config.is_some() || Path::new(DEFAULT_FILE).exists();
        let mut sources = super::sources(&FileArguments { config }, Vec::new());
        sources.file = sources.file.filter(|_| is_there);
        let loaded = config::load(&sources);
        let loaded = loaded.map_err(|errors| format!("invalid configuration:\n{errors}"))?;
        Ok(loaded.settings)
    }

    /// Returns the URL of the admin API. An explicit `--server` covers the admin API too, unless
    /// `--admin-server` names another URL.
    fn admin_url(&self, settings: &Settings, server: &str) -> String {
        match settings.admin.listen {
            Some(address) if self.server.is_none() => {
                let scheme = if settings.admin.tls { "https" } else { "http" };
                format!("{scheme}://{}", reachable(address))
            }
            _ => server.to_owned(),
        }
    }
}

/// Returns the URL of a server with these settings, as seen from the same machine.
fn own_url(settings: &Settings) -> String {
    let server = &settings.server;
    let scheme = if server.tls.is_on() { "https" } else { "http" };
    // The certificate is issued for the name that clients use.
    let named = server.issuer.clone().filter(|_| server.tls.is_on());
    let url = named.unwrap_or_else(|| format!("{scheme}://{}", reachable(server.listen)));
    url.trim_end_matches('/').to_owned()
}

/// Returns an address to connect to. A server that listens on all addresses is reached by loopback.
fn reachable(mut address: std::net::SocketAddr) -> std::net::SocketAddr {
    if address.ip().is_unspecified() {
        let is_v4 = address.is_ipv4();
        address.set_ip(if is_v4 {
            [127, 0, 0, 1].into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    address
}

fn server_url(text: &str) -> Result<String, String> {
    let url = url::Url::parse(text)
        .ok()
        .filter(|url| ["http", "https"].contains(&url.scheme()));
    let url = url.filter(|url| url.has_host() && url.query().is_none() && url.fragment().is_none());
    let url = url.filter(|url| url.username().is_empty() && url.password().is_none());
    let due = || "expected an http or https URL, such as https://register.example.org".to_owned();
    url.map(|url| url.as_str().trim_end_matches('/').to_owned())
        .ok_or_else(due)
}

/// Warns that the secret and the token can be read in transit over plain http.
fn warn_of_plain_http(url: &str) {
    let Ok(parsed) = url::Url::parse(url) else {
        return;
    };
    let is_here = match parsed.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if parsed.scheme() == "http" && !is_here {
        note!("registrar: warning: {url} is not https; the credentials can be read in transit");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_found_from_its_settings() {
        let mut settings = Settings::default();
        assert_eq!(own_url(&settings), "http://127.0.0.1:8080");
        settings.server.listen = "0.0.0.0:8443".parse().unwrap();
        assert_eq!(own_url(&settings), "http://127.0.0.1:8443");
        settings.server.listen = "[::]:8443".parse().unwrap();
        assert_eq!(own_url(&settings), "http://[::1]:8443");
        settings.server.issuer = Some("https://register.example.org".to_owned());
        assert_eq!(
            own_url(&settings),
            "http://[::1]:8443",
            "TLS ends at a proxy, which is not used"
        );
        settings.server.tls.certificate = Some("server.pem".into());
        assert_eq!(own_url(&settings), "https://register.example.org");
    }

    #[test]
    fn a_server_is_named_by_a_url() {
        assert_eq!(
            server_url("https://a.example/"),
            Ok("https://a.example".to_owned())
        );
        assert_eq!(
            server_url("http://127.0.0.1:1/base/"),
            Ok("http://127.0.0.1:1/base".to_owned())
        );
        for bad in [
            "a.example",
            "ftp://a.example",
            "https://u:p@a.example",
            "https://a.example/?x",
            "8080",
        ] {
            assert!(server_url(bad).is_err(), "{bad}");
        }
    }
}
