//! `POST` on the replay of recorded requests: what other scripts would have decided.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::admin::Administrator;
use crate::admin::endpoint::candidate::differences;
use crate::admin::endpoint::refusal::call_refused;
use crate::admin::endpoint::trial::sees_secrets;
use crate::admin::endpoint::{admit, bad_request, read_typed};
use crate::http::{Problem, answer};
use crate::service::candidate::Difference;
use crate::service::{Context, ScriptHttp, Service};
use crate::store::ScriptFiles;
use crate::trial::{self, ReplayError};

/// The maximum number of requests of one call.
const MOST: usize = 200;

/// The scripts to judge recorded requests by.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ScriptReplayRequest")]
pub(in crate::admin) struct ScriptReplayRequest {
    /// The texts of the files by name, such as `10-policy.rhai` or `lib/names.rhai`.
    #[schemars(with = "std::collections::BTreeMap<String, String>")]
    files: ScriptFiles,
    /// The position after which the page starts; `next` of the previous call.
    #[serde(default)]
    after: u64,
    /// The maximum number of requests; 200 by default.
    #[schemars(range(min = 1, max = MOST))]
    limit: Option<usize>,
    /// Whether scripts may send `GET` requests, which needs the scope `scripts.write`. If false, `http` fails in them.
    #[serde(default)]
    http: bool,
}

/// What other scripts decide differently.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ScriptReplay")]
pub(in crate::admin) struct ReplayedRequests {
    /// The number of requests that were judged by both sets of scripts.
    judged: usize,
    /// The number of requests that could not be judged, such as updates of clients that no longer exist.
    skipped: usize,
    #[schemars(schema_with = "differences")]
    differences: Vec<Difference>,
    /// The value of `after` for the next call, if more requests follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// Judges recorded requests by other scripts, without effect.
///
/// # Errors
/// 400 for an invalid body or for scripts that cannot be loaded; 401 without a valid token; 403 without the required
/// scope; 408, 413 and 415 for a body that cannot be read; 503 if the store fails.
pub(crate) async fn replay(
    State(service): State<Arc<Service>>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let cx = Context::new(&service);
    let (mut parts, _) = request.into_parts();
    let by = admit(&cx, &parts, |scopes| &scopes.scripts_try).await?;
    match replay_page(&cx, &by, &mut parts).await {
        Ok(replayed) => Ok(answer::json(StatusCode::OK, &replayed)),
        Err(problem) => Err(call_refused(&cx, &parts, &by.author(), problem)),
    }
}

async fn replay_page(
    cx: &Context<'_>,
    by: &Administrator,
    parts: &mut Parts,
) -> Result<ReplayedRequests, Problem> {
    let wanted: ScriptReplayRequest = read_typed(parts)?;
    let sees_secrets = sees_secrets(cx, by, wanted.http)?;
    let limit = wanted.limit.unwrap_or(MOST);
    if !(1..=MOST).contains(&limit) {
        return Err(bad_request(&format!("limit must be from 1 to {MOST}")));
    }
    let http = if wanted.http {
        ScriptHttp::LiveReads
    } else {
        ScriptHttp::Refused
    };
    let page = (wanted.after, limit);
    let replayed = trial::replay(cx.service, wanted.files, sees_secrets, &http, page);
    let replayed = Box::pin(replayed).await.map_err(problem)?;
    let is_full = replayed.judged + replayed.skipped >= limit;
    Ok(ReplayedRequests {
        judged: replayed.judged,
        skipped: replayed.skipped,
        differences: replayed.differences,
        next: replayed.last.filter(|_| is_full),
    })
}

fn problem(error: ReplayError) -> Problem {
    match error {
        ReplayError::Store(error) => error.into(),
        ReplayError::Invalid(_) => {
            let description = error.to_string().replace('\n', "; ");
            Problem::new(StatusCode::BAD_REQUEST, "invalid_scripts", &description)
        }
    }
}
