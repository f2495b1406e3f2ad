//! The server that a command works with: where it is, who asks, and with which scopes.

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
    /// The server, as in `https://register.example.org`; none: where the configuration file says
    /// that it listens.
    #[arg(long, value_name = "URL", value_parser = server_url)]
    server: Option<String>,
    /// Where its admin API is, when it has a listener of its own.
    #[arg(long, value_name = "URL", value_parser = server_url)]
    admin_server: Option<String>,
    /// A JSON file with `client_id` and `client_secret`; none: `REGISTRAR_CLIENT_ID` and
    /// `REGISTRAR_CLIENT_SECRET` of the environment, or admin-credentials.json beside the store.
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
    /// A PEM file of authorities that are trusted beside those of the system.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The configuration file: where the server is, its paths, and the scopes of administrators.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Picks the scope that a call needs.
pub(super) type Needs = fn(&AdminScopes) -> &String;

impl RemoteArguments {
    /// Gets an access token with the scopes that `needed` picks, and no other.
    pub(super) async fn connect(&self, needed: &[Needs]) -> Result<Remote, Failure> {
        let settings = self.settings()?;
        let http = Direct::new(self.ca.as_deref()).map_err(|error| Failure::Failed(error.to_string()))?;
        let credentials = credentials::find(self.credentials.as_deref(), &settings)?;
        let server = self.server.clone().unwrap_or_else(|| own_url(&settings));
        let admin = self.admin_server.clone().unwrap_or_else(|| self.admin_url(&settings, &server));
        for url in [&server, &admin] {
            warn_of_plain_http(url);
        }
        let mut scopes: Vec<&str> = Vec::new();
        for scope in needed.iter().map(|pick| pick(&settings.admin.scopes).as_str()) {
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        let token = credentials::Grant { http: &http, url: &server, path: &settings.server.paths.token };
        let bearer = token.ask(&credentials, &scopes.join(" ")).await?;
        Ok(Remote::new(http, admin, bearer, settings.server.paths.config))
    }

    /// The configuration, as the server has it; the defaults when no file is named and none is
    /// where one is looked for.
    fn settings(&self) -> Result<Settings, Failure> {
        let config = self.config.clone().unwrap_or_else(|| DEFAULT_FILE.into());
        let is_there = self.config.is_some() || Path::new(DEFAULT_FILE).exists();
        let mut sources = super::sources(&FileArguments { config }, Vec::new());
        sources.file = sources.file.filter(|_| is_there);
        let loaded = config::load(&sources);
        let loaded = loaded.map_err(|errors| format!("the configuration is not right:\n{errors}"))?;
        Ok(loaded.settings)
    }

    /// Who names the server by hand means all of it, unless told otherwise.
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

/// Where a server with these settings is, seen from the same machine.
fn own_url(settings: &Settings) -> String {
    let server = &settings.server;
    let scheme = if server.tls.is_on() { "https" } else { "http" };
    // The certificate has the name that clients use.
    let named = server.issuer.clone().filter(|_| server.tls.is_on());
    let url = named.unwrap_or_else(|| format!("{scheme}://{}", reachable(server.listen)));
    url.trim_end_matches('/').to_owned()
}

/// An address to connect to: who listens on all addresses is reached at the nearest.
fn reachable(mut address: std::net::SocketAddr) -> std::net::SocketAddr {
    if address.ip().is_unspecified() {
        let is_v4 = address.is_ipv4();
        address.set_ip(if is_v4 { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    address
}

fn server_url(text: &str) -> Result<String, String> {
    let url = url::Url::parse(text).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
    let url = url.filter(|url| url.has_host() && url.query().is_none() && url.fragment().is_none());
    let url = url.filter(|url| url.username().is_empty() && url.password().is_none());
    let due = || "a URL of http or https is needed, such as https://register.example.org".to_owned();
    url.map(|url| url.as_str().trim_end_matches('/').to_owned()).ok_or_else(due)
}

/// The secret and the token can be read on the way there.
fn warn_of_plain_http(url: &str) {
    let Ok(parsed) = url::Url::parse(url) else { return };
    let is_here = match parsed.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if parsed.scheme() == "http" && !is_here {
        note!("registrar: warning: {url} is not https: whoever is between can read the credentials");
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
        assert_eq!(own_url(&settings), "http://[::1]:8443", "a proxy speaks TLS, and is not asked");
        settings.server.tls.certificate = Some("server.pem".into());
        assert_eq!(own_url(&settings), "https://register.example.org");
    }

    #[test]
    fn a_server_is_named_by_a_url() {
        assert_eq!(server_url("https://a.example/"), Ok("https://a.example".to_owned()));
        assert_eq!(server_url("http://127.0.0.1:1/base/"), Ok("http://127.0.0.1:1/base".to_owned()));
        for bad in ["a.example", "ftp://a.example", "https://u:p@a.example", "https://a.example/?x", "8080"] {
            assert!(server_url(bad).is_err(), "{bad}");
        }
    }
}
