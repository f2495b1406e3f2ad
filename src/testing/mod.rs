//! What the tests, benches and examples of this repository do that an embedding program cannot, in plain values. Not part
//! of the API: it changes without notice.

mod fetch;
mod inside;
mod keys;
mod scripts;
mod storage;
#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::sync::Arc;

use serde_json::Value;

use crate::base::TokenDigest;
use crate::client::MEMBERS;
use crate::config::{Live, LogFormat, TelemetrySettings};
use crate::ear::Tier;
use crate::server::{self, Server, StandIns, Start, StartError};
use crate::telemetry::{init_to, meter};
use crate::x509::Certificate;

pub use crate::fetch::FakeNames;
pub use crate::jose::Algorithm;
pub use crate::script::HttpAnswer;
pub use crate::script::testing::fake::FakeHost;
pub use fetch::{
    CachedKeys, FetchedAnswer, FetchedClientDocument, Fetching, Request, check_client_document,
};
pub use inside::Inside;
pub use keys::{Key, verified};
pub use scripts::TestScripts;
pub use storage::Storage;

/// The number of keys that the verification of a client assertion tries at most.
pub const MOST_TRIES: usize = crate::trust::MOST_TRIES;

/// Returns the names of all pages of the console, and whether each can be opened and be sent a form.
pub fn console_pages() -> Vec<(&'static str, bool, bool)> {
    crate::console::routes()
}

/// Returns the inside of a running server.
pub fn inside(server: &Server) -> Inside {
    Inside::new(Arc::clone(server.service()))
}

/// Starts a server whose scripts call `host` instead of other systems and the store.
///
/// # Errors
/// See [`server::start`].
pub async fn start_with_host(start: Start, host: Arc<FakeHost>) -> Result<Server, StartError> {
    let stand_ins = StandIns {
        host: Some(host),
        ..StandIns::default()
    };
    server::start_with_stand_ins(start, stand_ins).await
}

/// Starts a server that resolves the names of other servers with `names`.
///
/// # Errors
/// See [`server::start`].
pub async fn start_with_names(start: Start, names: Arc<FakeNames>) -> Result<Server, StartError> {
    let stand_ins = StandIns {
        names: Some(names),
        ..StandIns::default()
    };
    server::start_with_stand_ins(start, stand_ins).await
}

/// Checks the parts of a live configuration that are checked besides its form.
///
/// # Errors
/// All faults, one in each line.
pub fn judge(live: Live) -> Result<(), String> {
    crate::service::judge(live).map(drop)
}

/// Returns the name of each member of client metadata, its type, and who may set it.
pub fn members() -> Vec<(&'static str, String, String)> {
    let mut members = Vec::new();
    for member in MEMBERS {
        let (kind, set_by) = (format!("{:?}", member.kind), format!("{:?}", member.set_by));
        members.push((member.name, kind, set_by));
    }
    members
}

/// Returns the digest of a registration access token, as the record of its client has it.
///
/// # Errors
/// Never, since a digest is JSON.
pub fn token_digest(token: &str) -> Result<Value, String> {
    plain(serde_json::to_value(TokenDigest::of(token)))
}

/// Returns the public key of a certificate as a JWK.
///
/// # Errors
/// When it is not a certificate, or its key has no JWK.
pub fn certificate_jwk(pem: &str) -> Result<Value, String> {
    let certificate = plain(Certificate::from_pem(pem))?;
    let jwk = certificate.jwk().ok_or("its key has no JWK")?;
    Ok(jwk.into())
}

/// Returns the `ear.status` of a trustworthiness vector with these values.
pub fn ear_status(values: impl Iterator<Item = i8>) -> &'static str {
    let worst = values.map(Tier::of_claim).max();
    worst.unwrap_or(Tier::None).as_str()
}

/// Sends every log line of this process to the writers that `writer` makes, as JSON.
///
/// # Errors
/// When the log of this process is already set up.
pub fn log_to<W, M>(writer: M) -> Result<(), String>
where
    W: std::io::Write,
    M: Fn() -> W + Send + Sync + 'static,
{
    let settings = TelemetrySettings {
        level: "trace".to_owned(),
        format: LogFormat::Json,
        ..TelemetrySettings::default()
    };
    plain(init_to(&settings, writer)).map(drop)
}

/// Returns the metrics of this process, as `/metrics` shows them.
pub fn metrics() -> Option<String> {
    meter::text()
}

/// Returns an outcome with the text of its error.
fn plain<T>(outcome: Result<T, impl Display>) -> Result<T, String> {
    outcome.map_err(|error| error.to_string())
}
