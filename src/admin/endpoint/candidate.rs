//! How the candidate does: the scripts beside the ones in force.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::{Request, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

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
