//! Interprets `store.url`: the parameters of libpq that this server supports, and TLS to the database, with
//! the same OpenSSL as everywhere else.

use std::fs;
use std::path::Path;
use std::time::Duration;

use openssl::error::ErrorStack;
use openssl::ssl::{SslConnector, SslConnectorBuilder, SslMethod, SslVerifyMode};
use postgres_openssl::MakeTlsConnector;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::config::StoreSettings;
use crate::store::StoreError;

/// The application name that the database shows for our connections.
const APPLICATION: &str = "registrar";
/// Seconds of silence after which a connection is probed.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// A database and the settings for connecting to it.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) config: Config,
    pub(super) tls: MakeTlsConnector,
}

impl Target {
    /// Returns the database that `settings` name.
    pub(super) fn new(settings: &StoreSettings) -> Result<Self, StoreError> {
        let (url, mode) = take_ssl_mode(settings.url.expose());
        // The library's error message could repeat a part of the password.
        let mut config: Config = url.parse().map_err(|_| bad_url(FORM))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(bad_url("the host is missing"));
        }
        if let Some(file) = &settings.password_file {
            config.password(password(file)?);
        }
        let (ssl_mode, trust) = trust(mode.as_deref(), &config, settings.ca_file.is_some())?;
        let patience = Duration::from_millis(settings.timeout_ms);
        config
            .ssl_mode(ssl_mode)
            .application_name(APPLICATION)
            .connect_timeout(patience)
            .keepalives_idle(KEEPALIVE)
            .tcp_user_timeout(patience * 2);
        let tls = connector(trust, settings.ca_file.as_deref())?;
        Ok(Self { config, tls })
    }
}

const FORM: &str = "it must be postgres://USER:PASSWORD@HOST:PORT/DATABASE, with /, ?, #, @ and % in a \
                    password written as %2F, %3F, %23, %40 and %25";

fn bad_url(reason: &str) -> StoreError {
    StoreError::Setting {
        key: "store.url",
        reason: reason.to_owned(),
    }
}

/// Returns the URL without its `sslmode`, of which the library supports only a part of the values.
fn take_ssl_mode(url: &str) -> (String, Option<String>) {
    let Some((start, query)) = url.split_once('?') else {
        return (url.to_owned(), None);
    };
    let (mut mode, mut others) = (None, Vec::new());
    for part in query.split('&') {
        match part.strip_prefix("sslmode=") {
            Some(value) => drop(mode.get_or_insert(value.to_owned())),
            None => others.push(part),
        }
    }
    let rest = if others.is_empty() {
        start.to_owned()
    } else {
        format!("{start}?{}", others.join("&"))
    };
    (rest, mode)
}

/// Returns whether TLS is used and which servers are trusted, by the names of libpq. Without `sslmode`, a
/// database on this machine is trusted, and a database elsewhere must prove its name.
fn trust(
    mode: Option<&str>,
    config: &Config,
    has_authority: bool,
) -> Result<(SslMode, ServerTrust), StoreError> {
    Ok(match mode {
        Some("disable") => (SslMode::Disable, ServerTrust::Anybody),
        Some("prefer") => (SslMode::Prefer, ServerTrust::Anybody),
        Some("require") if has_authority => (SslMode::Require, ServerTrust::Signed),
        Some("require") => (SslMode::Require, ServerTrust::Anybody),
        Some("verify-ca") => (SslMode::Require, ServerTrust::Signed),
        None if config.get_hosts().iter().all(is_here) => (SslMode::Prefer, ServerTrust::Anybody),
        Some("verify-full") | None => (SslMode::Require, ServerTrust::SignedName),
        Some(_) => {
            let reason = "sslmode must be disable, prefer, require, verify-ca or verify-full";
            return Err(bad_url(reason));
        }
    })
}

fn is_here(host: &Host) -> bool {
    match host {
        #[cfg(unix)]
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost"
                || name
                    .parse::<std::net::IpAddr>()
                    .is_ok_and(|ip| ip.is_loopback())
        }
    }
}

fn password(file: &Path) -> Result<String, StoreError> {
    let failed = |reason: String| StoreError::Setting {
        key: "store.passwordFile",
        reason,
    };
    let text =
        fs::read_to_string(file).map_err(|error| failed(format!("{}: {error}", file.display())))?;
    let password = text.strip_suffix('\n').unwrap_or(&text);
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.is_empty() {
        return Err(failed(format!("{}: the file is empty", file.display())));
    }
    Ok(password.to_owned())
}

/// Which servers are trusted to be the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ServerTrust {
    /// Any server: TLS protects only against passive eavesdroppers.
    Anybody,
    /// A server with a certificate signed by a trusted CA.
    Signed,
    /// A server with such a certificate for the name of the host.
    SignedName,
}

/// Returns the connector for TLS with the database. `authorities` is the PEM file of trusted CAs; if it is
/// `None`, the CAs of the system are trusted.
fn connector(
    trust: ServerTrust,
    authorities: Option<&Path>,
) -> Result<MakeTlsConnector, StoreError> {
    let failed = |error: ErrorStack| StoreError::Unavailable(format!("TLS: {error}"));
    let mut builder = SslConnector::builder(SslMethod::tls_client()).map_err(failed)?;
    match (trust, authorities) {
        (ServerTrust::Anybody, _) => builder.set_verify(SslVerifyMode::NONE),
        (ServerTrust::Signed | ServerTrust::SignedName, Some(file)) => {
            builder.set_ca_file(file).map_err(|error| {
                let reason = format!(
                    "{}: cannot be read as PEM certificates: {error}",
                    file.display()
                );
                StoreError::Setting {
                    key: "store.caFile",
                    reason,
                }
            })?;
        }
        (ServerTrust::Signed | ServerTrust::SignedName, None) => {
            trust_the_system(&mut builder).map_err(failed)?;
        }
    }
    let mut connector = MakeTlsConnector::new(builder.build());
    let with_name = trust == ServerTrust::SignedName;
    connector.set_callback(move |connection, _| {
        connection.set_verify_hostname(with_name);
        Ok(())
    });
    Ok(connector)
}

/// The built-in OpenSSL does not know where this system keeps its CAs.
fn trust_the_system(builder: &mut SslConnectorBuilder) -> Result<(), ErrorStack> {
    let found = openssl_probe::probe();
    builder.load_verify_locations(
        found.cert_file.as_deref(),
        found.cert_dir.first().map(AsRef::as_ref),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Result<Target, String> {
        let settings = StoreSettings {
            url: url.into(),
            ..StoreSettings::default()
        };
        Target::new(&settings).map_err(|error| error.to_string())
    }

    fn mode(url: &str, has_authority: bool) -> (SslMode, ServerTrust) {
        let (url, mode) = take_ssl_mode(url);
        trust(mode.as_deref(), &url.parse().unwrap(), has_authority).unwrap()
    }

    #[test]
    fn a_remote_database_must_prove_its_name_unless_configured_otherwise() {
        let far = "postgres://u:p@db.example.org/r";
        assert_eq!(
            mode(far, false),
            (SslMode::Require, ServerTrust::SignedName)
        );
        assert_eq!(
            mode("postgres://u:p@127.0.0.1/r", false),
            (SslMode::Prefer, ServerTrust::Anybody)
        );
        assert_eq!(
            mode("postgres://u@%2Frun%2Fpg/r", false),
            (SslMode::Prefer, ServerTrust::Anybody)
        );
        assert_eq!(
            mode(&format!("{far}?sslmode=require"), false),
            (SslMode::Require, ServerTrust::Anybody)
        );
        assert_eq!(
            mode(&format!("{far}?sslmode=require"), true),
            (SslMode::Require, ServerTrust::Signed)
        );
        assert_eq!(
            mode(
                &format!("{far}?connect_timeout=3&sslmode=verify-full"),
                true
            ),
            (SslMode::Require, ServerTrust::SignedName)
        );
        assert_eq!(
            mode(&format!("{far}?sslmode=disable"), true),
            (SslMode::Disable, ServerTrust::Anybody)
        );
    }

    #[test]
    fn an_invalid_url_is_rejected_without_showing_the_password() {
        for url in [
            "postgres://u:hidden@db/r?nothing=1",
            "postgres://u:hidden@db:port/r",
            "postgres://u:hidden@db/r?sslmode=maybe",
            "postgres://u:hidden@/r",
        ] {
            let error = target(url)
                .err()
                .unwrap_or_else(|| panic!("{url} is accepted"));
            assert!(
                error.starts_with("store.url: ") && !error.contains("hid"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_password_can_come_from_a_file() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("password");
        let settings = StoreSettings {
            url: "postgres://u:other@127.0.0.1/r".into(),
            password_file: Some(file.clone()),
            ..StoreSettings::default()
        };
        assert!(
            Target::new(&settings)
                .err()
                .unwrap()
                .to_string()
                .contains("store.passwordFile")
        );
        fs::write(&file, "\n").unwrap();
        assert!(
            Target::new(&settings)
                .err()
                .unwrap()
                .to_string()
                .contains("empty")
        );
        fs::write(&file, "a b\r\n").unwrap();
        let target = Target::new(&settings).unwrap();
        assert_eq!(target.config.get_password(), Some(&b"a b"[..]));
        assert_eq!(target.config.get_application_name(), Some("registrar"));
    }
}
