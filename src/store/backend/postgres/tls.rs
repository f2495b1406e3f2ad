//! TLS to the database, with the same OpenSSL as everywhere else.

use std::path::Path;

use openssl::error::ErrorStack;
use openssl::ssl::{SslConnector, SslConnectorBuilder, SslMethod, SslVerifyMode};
use postgres_openssl::MakeTlsConnector;

use crate::store::StoreError;

/// Which servers are trusted to be the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// Any server: TLS protects only against passive eavesdroppers.
    Anybody,
    /// A server with a certificate signed by a trusted CA.
    Signed,
    /// A server with such a certificate for the name of the host.
    SignedName,
}

/// Returns the connector for TLS with the database. `authorities` is the PEM file of trusted CAs; if it is
/// `None`, the CAs of the system are trusted.
pub(super) fn connector(
    trust: Trust,
    authorities: Option<&Path>,
) -> Result<MakeTlsConnector, StoreError> {
    let failed = |error: ErrorStack| StoreError::Unavailable(format!("TLS: {error}"));
    let mut builder = SslConnector::builder(SslMethod::tls_client()).map_err(failed)?;
    match (trust, authorities) {
        (Trust::Anybody, _) => builder.set_verify(SslVerifyMode::NONE),
        (Trust::Signed | Trust::SignedName, Some(file)) => {
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
        (Trust::Signed | Trust::SignedName, None) => {
            trust_the_system(&mut builder).map_err(failed)?;
        }
    }
    let mut connector = MakeTlsConnector::new(builder.build());
    let with_name = trust == Trust::SignedName;
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
