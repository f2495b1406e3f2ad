//! Makes a backup of the embedded store while it is in use.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use futures_util::stream::{Stream, TryStreamExt};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::refusal::call_refused;
use crate::admin::Administrator;
use crate::admin::endpoint::{Query, admit, bad_request, members_as, read_object};
use crate::base::Timestamp;
use crate::http::Problem;
use crate::service::{Context, Service, backup};
use crate::store::Action;
use crate::store::backup::{BackupError, BackupRefusal, Envelope, Manifest, Recording};

/// How to make a backup.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "StoreBackupRequest")]
pub(in crate::admin) struct StoreBackupRequest {
    /// The public key, a JWK, that the backup is encrypted to. Only then does the backup contain the key file of the
    /// store.
    recipient: Option<Map<String, Value>>,
}

/// Returns a backup of everything in the store, at one moment during the response. One is made at a time.
///
/// # Errors
/// 400 for an invalid body or recipient, 401 without a valid token, 403 without the required scope, 408, 413 and 415
/// for a body that cannot be read, 409 if another backup is being made or the store is not embedded, 503 if the store
/// fails. A later failure ends the body early.
pub(crate) async fn create(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (mut parts, _) = request.into_parts();
    let by = admit(&cx, &parts, |scopes| &scopes.store_backup).await?;
    let envelope = match envelope(&mut parts) {
        Ok(envelope) => envelope,
        Err(problem) => return Err(call_refused(&cx, &parts, &by.author(), problem)),
    };
    let now = service.clock.now();
    let recording = begun(&service, &by, envelope.is_some(), now).await?;
    let manifest = Manifest::new(&service.issuer, now);
    let bytes = service.store.backup(recording, envelope, manifest);
    bytes.map(streamed).map_err(|error| {
        aborted(&error);
        Problem::server_error()
    })
}

/// Begins a backup. No caller gets the secrets without an event in the audit log.
async fn begun(
    service: &Service,
    by: &Administrator,
    is_encrypted: bool,
    now: Timestamp,
) -> Result<Recording, Problem> {
    let recording = service.store.begin_backup().map_err(refused)?;
    let event = by.did(Action::StoreBackedUp, "", now);
    let event = event.with("encrypted", is_encrypted);
    service.store.audit.append(&event).await?;
    tracing::info!(
        encrypted = is_encrypted,
        "backup of the store started by an administrator"
    );
    Ok(recording)
}

/// Returns the key of the backup, if its body names a recipient.
fn envelope(parts: &mut Parts) -> Result<Option<Envelope>, Problem> {
    Query::read(&parts.uri, &[])?;
    let members = read_object(parts)?;
    // Elsewhere, null counts as absent. Here it would turn an encrypted backup into one that everybody can read.
    if members.get("recipient") == Some(&Value::Null) {
        let reason =
            "recipient: must be a public key; leave it out for a backup that is not encrypted";
        return Err(bad_request(reason));
    }
    let StoreBackupRequest { recipient } = members_as(members)?;
    let Some(recipient) = recipient else {
        return Ok(None);
    };
    let envelope = backup::envelope(&recipient);
    let envelope = envelope.map_err(|error| bad_request(&format!("recipient {error}")))?;
    Ok(Some(envelope))
}

fn refused(refusal: BackupRefusal) -> Problem {
    let code = match refusal {
        BackupRefusal::Shared => "not_embedded",
        BackupRefusal::Running => "backup_running",
    };
    Problem::new(StatusCode::CONFLICT, code, &refusal.to_string())
}

fn streamed(bytes: impl Stream<Item = Result<Vec<u8>, BackupError>> + Send + 'static) -> Response {
    let mut response = Response::new(Body::from_stream(bytes.inspect_err(aborted)));
    let headers = response.headers_mut();
    let octets = HeaderValue::from_static("application/octet-stream");
    headers.insert(CONTENT_TYPE, octets);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn aborted(error: &BackupError) {
    tracing::error!(%error, "backup of the store aborted");
}
