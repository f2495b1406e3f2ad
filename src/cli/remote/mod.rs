//! The server that a command calls: its address, the credentials of the caller, and the scopes.

mod credentials;
mod server;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::Args;
use url::{Host, Url};

pub(super) use server::{Call, PollFailure, Remote, segment};

use crate::cli::{CommandFailure, DEFAULT_FILE, FileArguments};
use crate::config::{AdminScopes, Settings, Sources};
use crate::fetch::Direct;
use credentials::TokenEndpoint;

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

/// Where a server is.
pub(super) struct ServerPlace {
    /// The URL for clients.
    pub(super) server: String,
    /// The URL of the admin API.
    pub(super) admin: String,
}

/// Picks the scope that a call needs.
pub(super) type Needs = fn(&AdminScopes) -> &String;

impl RemoteArguments {
    /// Connects with an access token that has only the scopes that `needed` picks, or every scope of the caller if
    /// `needed` is empty.
    pub(super) async fn connect(&self, needed: &[Needs]) -> Result<Remote, CommandFailure> {
        self.connect_with(&self.settings()?, needed).await
    }

    /// Does the same with the server that has these settings.
    pub(super) async fn connect_with(
        &self,
        settings: &Settings,
        needed: &[Needs],
    ) -> Result<Remote, CommandFailure> {
        let ServerPlace { server, admin } = self.place(settings);
        self.connect_to(settings, (&server, admin), needed).await
    }

    /// Does the same with the server at the public URL `url`, as its clients reach it.
    pub(super) async fn connect_at(
        &self,
        settings: &Settings,
        url: &str,
        needed: &[Needs],
    ) -> Result<Remote, CommandFailure> {
        let url = url.trim_end_matches('/');
        self.connect_to(settings, (url, url.to_owned()), needed)
            .await
    }

    async fn connect_to(
        &self,
        settings: &Settings,
        (server, admin): (&str, String),
        needed: &[Needs],
    ) -> Result<Remote, CommandFailure> {
        let http =
            Direct::new(self.ca()).map_err(|error| CommandFailure::Failed(error.to_string()))?;
        let credentials = credentials::find(self.credentials.as_deref(), settings)?;
        warn_of_plain_http(server);
        warn_of_plain_http(&admin);
        let scope = scope(needed, &settings.admin.scopes);
        let token_endpoint = TokenEndpoint::new(&http, server, settings);
        let bearer = token_endpoint.request_token(&credentials, &scope).await?;
        let config = settings.server.paths.config.clone();
        Ok(Remote::new(http, admin, bearer, config))
    }

    /// Returns the file of additional authorities.
    pub(super) fn ca(&self) -> Option<&Path> {
        self.ca.as_deref()
    }

    /// Returns where the server with these settings is.
    pub(super) fn place(&self, settings: &Settings) -> ServerPlace {
        let server = match &self.server {
            Some(server) => server.clone(),
            None => own_url(settings),
        };
        let admin = self.admin_url(settings, &server);
        ServerPlace { server, admin }
    }

    /// Returns the configuration file, and whether it is expected to exist: it was named, or it does exist.
    pub(super) fn file(&self) -> (FileArguments, bool) {
        let default = || PathBuf::from(DEFAULT_FILE);
        let config = self.config.clone().unwrap_or_else(default);
        let is_expected = self.config.is_some() || config.exists();
        (FileArguments { config }, is_expected)
    }

    /// Returns the configuration of the server, or the defaults if no file is named and the default file does
    /// not exist.
    fn settings(&self) -> Result<Settings, CommandFailure> {
        Ok(super::read_configuration(&self.sources())?.settings)
    }

    /// Returns the sources of the configuration of the server.
    pub(super) fn sources(&self) -> Sources {
        sources(self.config.as_deref())
    }

    /// Returns the URL of the admin API. An explicit `--server` covers the admin API too, unless
    /// `--admin-server` names another URL.
    fn admin_url(&self, settings: &Settings, server: &str) -> String {
        if let Some(admin) = &self.admin_server {
            return admin.clone();
        }
        match settings.admin.listen {
            Some(address) if self.server.is_none() => {
                let scheme = if settings.admin.tls { "https" } else { "http" };
                format!("{scheme}://{}", reachable(address))
            }
            _ => server.to_owned(),
        }
    }
}

/// Returns the sources of a configuration in `file`, or in the default file if that exists.
pub(super) fn sources(file: Option<&Path>) -> Sources {
    let config = file.unwrap_or(Path::new(DEFAULT_FILE)).to_owned();
    let is_expected = file.is_some() || config.exists();
    let mut sources = super::sources(&FileArguments { config }, Vec::new());
    if !is_expected {
        sources.file = None;
    }
    sources
}

/// Returns the scopes that `needed` picks, without duplicates.
fn scope(needed: &[Needs], scopes: &AdminScopes) -> String {
    let mut names: Vec<&str> = Vec::new();
    for pick in needed {
        let name = pick(scopes);
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names.join(" ")
}

/// Returns the URL of a server with these settings, as seen from the same machine.
fn own_url(settings: &Settings) -> String {
    let server = &settings.server;
    match &server.issuer {
        // The certificate is issued for the name that clients use.
        Some(issuer) if server.tls.is_on() => issuer.trim_end_matches('/').to_owned(),
        _ if server.tls.is_on() => format!("https://{}", reachable(server.listen)),
        _ => format!("http://{}", reachable(server.listen)),
    }
}

/// Returns an address to connect to. A server that listens on all addresses is reached by loopback.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, address.port()).into(),
        _ => address,
    }
}

/// Parses the URL of a server: http or https, a host and perhaps a path.
pub(super) fn server_url(text: &str) -> Result<String, String> {
    match Url::parse(text) {
        Ok(url) if is_plain(&url) => Ok(url.as_str().trim_end_matches('/').to_owned()),
        _ => Err("expected an http or https URL, such as https://register.example.org".to_owned()),
    }
}

/// Whether `url` has a host and perhaps a path, and nothing else.
fn is_plain(url: &Url) -> bool {
    let is_http = ["http", "https"].contains(&url.scheme()) && url.has_host();
    let has_user = !url.username().is_empty() || url.password().is_some();
    is_http && !has_user && url.query().is_none() && url.fragment().is_none()
}

/// Warns that the secret and the token can be read in transit over plain http.
fn warn_of_plain_http(url: &str) {
    let Ok(parsed) = Url::parse(url) else {
        return;
    };
    let is_here = match parsed.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
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
