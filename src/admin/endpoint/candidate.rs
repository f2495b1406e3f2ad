//! How the candidate does: the scripts beside the ones in force.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::{Request, StatusCode};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::json;

use crate::admin::endpoint::{admit, unknown};
use crate::http::{Problem, answer};
use crate::service::candidate::Difference;
use crate::service::{Context, Service};

/// The candidate, and how it did since it was loaded on this server.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ScriptCandidate")]
pub(in crate::admin) struct CandidateReport<'a> {
    /// The identifier of the set: a hash over all its files.
    version: &'a str,
    /// When it was loaded, in seconds since 1970-01-01T00:00:00Z.
    since: u64,
    shadow: ShadowReport,
    canary: CanaryReport,
    /// The last 200 requests that it answers differently, newest first.
    #[schemars(schema_with = "differences")]
    differences: Vec<Difference>,
}

/// The requests that the candidate judged without effect.
#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct ShadowReport {
    /// `registration.scriptsShadow`
    share: f64,
    same: u64,
    different: u64,
    /// Requests that were not judged, because too many others were.
    skipped: u64,
}

/// The requests that the candidate decided.
#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct CanaryReport {
    /// `registration.scriptsCanary`
    share: f64,
    decided: u64,
    /// The faults of its scripts in these requests.
    faults: u64,
    /// Whether it decides no more requests, because it had too many faults.
    has_stopped: bool,
}

/// Returns the schema of a list of differences.
pub(super) fn differences(_: &mut SchemaGenerator) -> Schema {
    let verdict = json!({
        "type": "object",
        "required": ["status"],
        "properties": {
            "status": {"type": "integer", "description": "The status of the answer."},
            "error": {"type": "string", "description": "The error code, if the request is rejected."},
            "error_description": {"type": "string"},
        },
    });
    let member = json!({
        "type": "object",
        "description": "A member of the client that differs. A missing value is absent.",
        "required": ["member"],
        "properties": {
            "member": {"type": "string"},
            "before": {},
            "after": {},
            "is_hidden": {
                "type": "boolean",
                "description": "Whether the values are not shown, because the member can hold a secret.",
            },
        },
    });
    json_schema!({
        "type": "array",
        "items": {
            "type": "object",
            "required": ["at", "before", "after", "members"],
            "properties": {
                "at": {"type": "integer", "description": "When the request was answered, in seconds since 1970."},
                "correlation_id": {"type": "string"},
                "client_id": {"type": "string", "description": "The client that the request updates."},
                "before": verdict,
                "after": verdict,
                "members": {"type": "array", "items": member},
            },
        },
    })
}

/// Shows how the candidate does.
///
/// # Errors
/// 404 without a candidate; else the problem to answer with.
pub(crate) async fn show(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    admit(&cx, &parts, |scopes| &scopes.scripts_read).await?;
    let Some(candidate) = &cx.snapshot.candidate else {
        return Err(unknown("candidate"));
    };
    let counts = candidate.counts();
    let report = CandidateReport {
        version: candidate.scripts.revision(),
        since: candidate.scripts.since().unix(),
        shadow: ShadowReport {
            share: cx.settings().scripts_shadow,
            same: counts.same,
            different: counts.different,
            skipped: counts.skipped,
        },
        canary: CanaryReport {
            share: cx.settings().scripts_canary,
            decided: counts.decided,
            faults: counts.faults,
            has_stopped: counts.has_stopped,
        },
        differences: candidate.differences(),
    };
    Ok(answer::json(StatusCode::OK, &report))
}
