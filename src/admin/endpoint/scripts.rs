//! `GET` on the loaded scripts, the schema of a client, and the OpenAPI document.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::{Request, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use crate::admin::{endpoint::admit, openapi, schema};
use crate::http::{Problem, answer};
use crate::service::{Context, Service, reloads::Reloadable};

/// The loaded scripts, and statistics of their calls.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Scripts")]
pub(in crate::admin) struct LoadedScripts<'a> {
    /// The identifier of the set: a hash over all its files.
    revision: &'a str,
    /// When the set was loaded, in seconds since 1970-01-01T00:00:00Z.
    since: u64,
    scripts: Vec<LoadedScript<'a>>,
    calls: Vec<ScriptCalls>,
    /// Why the scripts that are meant to be in force were not loaded: the mistake, with its script, line and column.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Why the candidate was not loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    candidate_error: Option<String>,
}

/// A loaded script.
#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct LoadedScript<'a> {
    /// Its file name.
    name: &'a str,
    /// SHA-256 of its text, in hex.
    hash: &'a str,
    /// The hooks that it has.
    hooks: Vec<&'static str>,
    warnings: &'a [String],
}

/// The calls of one script for one hook since the server started.
#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct ScriptCalls {
    script: String,
    hook: &'static str,
    /// Calls that have ended.
    calls: u64,
    /// Calls that ended with a fault.
    faults: u64,
    /// The last of these faults, with its script, line and column.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_fault: Option<String>,
    /// The time that the calls took, without the time spent waiting.
    ran_seconds: f64,
    /// The time that the calls spent waiting for external systems and the store.
    waited_seconds: f64,
}

/// Returns the loaded scripts.
///
/// # Errors
/// Returns the problem to answer with.
pub(crate) async fn get(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    admit(&cx, &parts, |scopes| &scopes.scripts_read).await?;
    Ok(answer::json(StatusCode::OK, &loaded(&cx)))
}

fn loaded<'a>(cx: &'a Context<'_>) -> LoadedScripts<'a> {
    let set = &cx.snapshot.scripts;
    let mut scripts = Vec::new();
    for script in set.scripts() {
        scripts.push(LoadedScript {
            name: &script.name,
            hash: &script.hash,
            hooks: script.hooks.iter().map(|hook| hook.name()).collect(),
            warnings: &script.warnings,
        });
    }
    LoadedScripts {
        revision: set.revision(),
        since: set.since().unix(),
        scripts,
        calls: calls(cx),
        error: cx.service.reloads.failure(Reloadable::Scripts),
        candidate_error: cx.service.reloads.failure(Reloadable::Candidate),
    }
}

fn calls(cx: &Context<'_>) -> Vec<ScriptCalls> {
    let counted = cx.snapshot.scripts.statistics().into_iter();
    let calls = counted.map(|counted| ScriptCalls {
        script: counted.script,
        hook: counted.hook.name(),
        calls: counted.calls,
        faults: counted.faults,
        last_fault: counted.last_fault,
        ran_seconds: counted.ran.as_secs_f64(),
        waited_seconds: counted.waited.as_secs_f64(),
    });
    calls.collect()
}

/// Returns the JSON Schema of a client.
///
/// # Errors
/// Returns the problem to answer with.
pub(crate) async fn client_schema(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    admit(&cx, &parts, |scopes| &scopes.clients_read).await?;
    Ok(answer::json(StatusCode::OK, &schema::client()))
}

/// Returns the OpenAPI document.
///
/// # Errors
/// Returns the problem to answer with.
pub(crate) async fn description(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    admit(&cx, &parts, |scopes| &scopes.clients_read).await?;
    Ok(answer::json(StatusCode::OK, &openapi::document(&cx)))
}
