//! The versions of the scripts: every set that was in force, and which of them is pinned.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::admin::endpoint::refusal::call_refused;
use crate::admin::endpoint::{Named, admit, read_typed, store_problem, unknown};
use crate::http::{Problem, answer};
use crate::service::{Context, ScriptOrder, ScriptOrderError, ScriptsInForce, Service};
use crate::store::{ScriptFiles, ScriptVersion, VersionError, VersionSource};

/// The size limit of a set of scripts as JSON, in bytes: texts can be longer in JSON than by themselves.
pub(crate) const MOST_BODY_BYTES: usize = 8 << 20;

/// The versions that are kept.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ScriptVersionList")]
pub(in crate::admin) struct VersionList<'a> {
    /// The version that came into force last is first.
    versions: Vec<VersionSummary<'a>>,
}

/// A version of the scripts.
#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct VersionSummary<'a> {
    /// The identifier of the set: a hash over all its files.
    version: &'a str,
    #[schemars(extend("enum" = ["folder", "push", "candidate"]))]
    source: &'static str,
    /// When it was first kept, in seconds since 1970-01-01T00:00:00Z.
    kept_at: u64,
    /// When it last came into force on any server, in seconds since 1970-01-01T00:00:00Z.
    in_force_at: u64,
    /// Whether this server uses it.
    is_in_force: bool,
    is_pinned: bool,
    /// The names of its files.
    files: &'a [String],
}

/// A version with its files.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ScriptVersion")]
pub(in crate::admin) struct VersionWithFiles<'a> {
    version: &'a str,
    /// The texts of its files by name.
    #[schemars(with = "std::collections::BTreeMap<String, String>")]
    files: ScriptFiles,
}

/// The scripts in force after a call.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ScriptsInForce")]
pub(in crate::admin) struct InForce {
    version: String,
    /// Whether the version is in force because it is pinned.
    is_pinned: bool,
}

/// A set of scripts.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ScriptFiles")]
pub(in crate::admin) struct PushedFiles {
    /// The texts of the files by name, such as `10-policy.rhai` or `lib/names.rhai`.
    #[schemars(with = "std::collections::BTreeMap<String, String>")]
    files: ScriptFiles,
    /// Whether a set without scripts is meant. It turns off every policy.
    #[serde(default)]
    empty: bool,
}

/// The version to pin.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ScriptPin")]
pub(in crate::admin) struct WantedPin {
    /// The identifier of a version that is kept.
    #[schemars(length(min = 1, max = 64))]
    version: String,
}

/// Lists the versions.
///
/// # Errors
/// Returns the problem to answer with.
pub(crate) async fn list(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    admit(&cx, &parts, |scopes| &scopes.scripts_read).await?;
    let versions = cx.service.store.script_versions.list().await?;
    let snapshot = &cx.snapshot;
    let pinned = snapshot.pin.as_ref().map(|pin| pin.version.as_str());
    let summaries = versions
        .iter()
        .map(|version| summary(version, snapshot.scripts.revision(), pinned));
    let list = VersionList {
        versions: summaries.collect(),
    };
    Ok(answer::json(StatusCode::OK, &list))
}

fn summary<'a>(
    version: &'a ScriptVersion,
    in_force: &str,
    pinned: Option<&str>,
) -> VersionSummary<'a> {
    VersionSummary {
        version: &version.version,
        source: match version.source {
            VersionSource::Folder => "folder",
            VersionSource::Push => "push",
            VersionSource::Candidate => "candidate",
        },
        kept_at: version.kept_at.unix(),
        in_force_at: version.in_force_at.unix(),
        is_in_force: version.version == in_force,
        is_pinned: Some(version.version.as_str()) == pinned,
        files: &version.files,
    }
}

/// Shows a version with its files, or the candidate with them.
///
/// # Errors
/// 404 for a version that is not kept, and as [`list`].
pub(crate) async fn show(
    State(service): State<Arc<Service>>,
    Named(version): Named,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (parts, _) = request.into_parts();
    admit(&cx, &parts, |scopes| &scopes.scripts_read).await?;
    let kept = cx.service.store.script_versions.files(&version).await?;
    let files = kept.or_else(|| candidate_files(&cx, &version));
    let files = files.ok_or_else(|| unknown("version"))?;
    let shown = VersionWithFiles {
        version: &version,
        files,
    };
    Ok(answer::json(StatusCode::OK, &shown))
}

/// Returns the files of the candidate, if it is `version`. It is kept only once it is promoted.
fn candidate_files(cx: &Context<'_>, version: &str) -> Option<ScriptFiles> {
    let candidate = cx.snapshot.candidate.as_ref();
    let candidate = candidate.filter(|it| it.scripts.revision() == version);
    candidate.map(|candidate| candidate.scripts.files())
}

/// Keeps a set of scripts as a version and pins it, so that every server uses it.
///
/// # Errors
/// 400 for scripts that cannot be loaded, and for a set without scripts that is not said to be meant; 413 for too large
/// a set; as [`list`] otherwise.
pub(crate) async fn push(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    order(&service, request, |parts| {
        let PushedFiles { files, empty } = read_typed(parts)?;
        Ok(ScriptOrder::Push {
            files,
            is_empty_meant: empty,
        })
    })
    .await
}

/// Pins a version that is kept, so that every server uses it.
///
/// # Errors
/// 404 for a version that is not kept; 400 if it cannot be loaded; as [`list`] otherwise.
pub(crate) async fn pin(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    order(&service, request, |parts| {
        Ok(ScriptOrder::Pin(read_typed::<WantedPin>(parts)?.version))
    })
    .await
}

/// Removes the pin, so that every server uses its script folder.
///
/// # Errors
/// 400 if the script folder cannot be loaded; as [`list`] otherwise.
pub(crate) async fn unpin(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    order(&service, request, |_| Ok(ScriptOrder::Unpin)).await
}

/// Keeps the candidate as a version and pins it, so that every server uses it.
///
/// # Errors
/// 409 without a candidate; as [`list`] otherwise.
pub(crate) async fn promote(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    order(&service, request, |_| Ok(ScriptOrder::Promote)).await
}

/// Carries out the order that `read` takes from the request.
async fn order(
    service: &Service,
    request: Request<Body>,
    read: fn(&mut Parts) -> Result<ScriptOrder, Problem>,
) -> Result<Response, Problem> {
    let cx = Context::new(service);
    let (mut parts, _) = request.into_parts();
    let by = admit(&cx, &parts, |scopes| &scopes.scripts_write).await?;
    let outcome = match read(&mut parts) {
        Ok(order) => {
            let orders = &cx.service.script_orders;
            let carried = orders.carry_out(order, by.author()).await;
            carried.map_err(|error| problem(&error))
        }
        Err(problem) => Err(problem),
    };
    match outcome {
        Ok(ScriptsInForce { version, pin }) => {
            let in_force = InForce {
                version,
                is_pinned: pin.is_some(),
            };
            Ok(answer::json(StatusCode::OK, &in_force))
        }
        Err(problem) => Err(call_refused(&cx, &parts, &by.author(), problem)),
    }
}

fn problem(error: &ScriptOrderError) -> Problem {
    let description = error.to_string().replace('\n', "; ");
    let (status, code) = match error {
        ScriptOrderError::Version(VersionError::Store(error)) => return store_problem(error),
        ScriptOrderError::Version(VersionError::Unknown) => (StatusCode::NOT_FOUND, "not_found"),
        ScriptOrderError::Version(VersionError::TooLarge) => {
            (StatusCode::PAYLOAD_TOO_LARGE, "invalid_scripts")
        }
        ScriptOrderError::Invalid(_) | ScriptOrderError::Empty => {
            (StatusCode::BAD_REQUEST, "invalid_scripts")
        }
        ScriptOrderError::NoCandidate => (StatusCode::CONFLICT, "no_candidate"),
        ScriptOrderError::Busy | ScriptOrderError::Ended => {
            return Problem::unavailable(&description, 1);
        }
    };
    Problem::new(status, code, &description)
}
