//! The key that seals secrets, and how far its replacement is: `GET /admin/v1/key`. It shows names of keys, and no key.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::{Request, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use crate::admin::endpoint::admit;
use crate::base::Timestamp;
use crate::http::{Problem, answer};
use crate::service::{Context, Service};
use crate::store::{KeyRotation, RotationStage};

/// The key that seals secrets, and its last rotation.
#[derive(Serialize, JsonSchema)]
pub(in crate::admin) struct KeyState {
    /// The name of the key that seals.
    key: String,
    /// The names of the keys in the key file that only open what they sealed.
    previous: Vec<String>,
    /// The last rotation, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ShownRotation")]
    rotation: Option<ShownRotation>,
}

/// A rotation of the key.
#[derive(Serialize, JsonSchema)]
struct ShownRotation {
    key: String,
    previous: String,
    /// announced (servers are finding out whether all of them have the key), `in_force` (it seals, and what the previous
    /// key sealed is being sealed anew) or complete.
    #[schemars(with = "String")]
    stage: RotationStage,
    announced_at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_force_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<u64>,
    /// When the previous key was first missing from the key file of a server.
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<u64>,
    /// How many records were sealed anew.
    sealed_anew: u64,
    /// How many records no key of the server opened when everything was last looked at.
    unopened: u64,
    /// How many servers lack the key.
    missing_on: usize,
}

impl From<KeyRotation> for ShownRotation {
    fn from(rotation: KeyRotation) -> Self {
        Self {
            key: rotation.key,
            previous: rotation.previous,
            stage: rotation.stage,
            announced_at: rotation.announced_at.unix(),
            in_force_at: rotation.in_force_at.map(Timestamp::unix),
            completed_at: rotation.completed_at.map(Timestamp::unix),
            finished_at: rotation.finished_at.map(Timestamp::unix),
            sealed_anew: rotation.sealed_anew,
            unopened: rotation.unopened,
            missing_on: rotation.missing_on.len(),
        }
    }
}

/// Returns the name of the key that seals secrets, and how far its last rotation is.
///
/// # Errors
/// 401 without a valid token; 403 without the required scope.
pub(crate) async fn show(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    admit(&cx, &parts, |scopes| &scopes.config_read).await?;
    let store = &service.store;
    let state = KeyState {
        key: store.sealing_keys.current_id(),
        previous: store.sealing_keys.previous_ids(),
        rotation: store.key_rotations.last().await?.map(ShownRotation::from),
    };
    Ok(answer::json(StatusCode::OK, &state))
}
