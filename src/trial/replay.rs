//! Judges recorded requests by the scripts in force and by other scripts.

use std::sync::Arc;

use crate::base::{ClientId, Clock, ManualClock};
use crate::http::ClientCertificate;
use crate::script::ScriptSet;
use crate::service::candidate::Difference;
use crate::service::{Conditions, ScriptHttp, Service};
use crate::store::{NumberedRequest, PastUses, RecordedRequest, ScriptFiles, StoreError};
use crate::trial::compare::{Compared, ComparedAnswer, difference};
use crate::trial::{JudgeError, Target, TrialRequest, compile, follow, judge};
use crate::x509::Certificate;

/// What a replay of some recorded requests shows.
pub(crate) struct Replayed {
    /// Requests that both sets of scripts have judged.
    pub(crate) judged: usize,
    /// Requests that could not be judged, such as updates of clients that no longer exist.
    pub(crate) skipped: usize,
    pub(crate) differences: Vec<Difference>,
    /// The position of the last request; `None` if there was none.
    pub(crate) last: Option<u64>,
}

/// Why nothing was judged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    /// The scripts cannot be loaded.
    #[error("the scripts cannot be loaded: {0}")]
    Invalid(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Judges the first `limit` recorded requests after the position `after` by the scripts `files`, and by those in force. Each is
/// judged at the time at which it was answered, and nothing that it used up is missing. The scripts see made-up secrets
/// unless `sees_secrets`.
///
/// # Errors
/// When the scripts cannot be loaded, or the store fails.
pub(crate) async fn replay(
    service: &Service,
    files: ScriptFiles,
    sees_secrets: bool,
    http: &ScriptHttp,
    (after, limit): (u64, usize),
) -> Result<Replayed, ReplayError> {
    // Its calls do not count for the scripts in force.
    let runtime = Arc::clone(service.snapshot().scripts.runtime());
    let runtime = if sees_secrets {
        runtime.beside()
    } else {
        runtime.with_made_up_secrets()
    };
    let compiled = compile(service, files, runtime).await;
    let scripts = &compiled.map_err(ReplayError::Invalid)?;
    let mut replayed = Replayed {
        judged: 0,
        skipped: 0,
        differences: Vec::new(),
        last: None,
    };
    for NumberedRequest { position, request } in service.store.recorded.list(after, limit).await? {
        replayed.last = Some(position);
        match judge_both(service, &request, scripts, http).await {
            None => replayed.skipped += 1,
            Some((before, after)) => {
                replayed.judged += 1;
                let found = difference(compared(request), &before, &after);
                replayed.differences.extend(found);
            }
        }
    }
    Ok(replayed)
}

fn compared(request: RecordedRequest) -> Compared {
    Compared {
        at: request.at.unix(),
        correlation_id: request.correlation_id,
        client_id: request.client_id,
    }
}

/// Returns the answers by the scripts in force and by `scripts`; `None` if the request cannot be judged.
async fn judge_both(
    service: &Service,
    request: &RecordedRequest,
    scripts: &Arc<ScriptSet>,
    http: &ScriptHttp,
) -> Option<(ComparedAnswer, ComparedAnswer)> {
    let present = conditions(service, request, None, http);
    let other = conditions(service, request, Some(Arc::clone(scripts)), http);
    let before = answer(service, request, &present).await?;
    let after = answer(service, request, &other).await?;
    Some((before, after))
}

fn conditions(
    service: &Service,
    request: &RecordedRequest,
    scripts: Option<Arc<ScriptSet>>,
    http: &ScriptHttp,
) -> Conditions {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(request.at));
    Conditions {
        scripts,
        clock: Some(clock),
        http: http.clone(),
        past_uses: PastUses::Forget,
        verifier: Some(Arc::clone(&service.verifier)),
        ..Conditions::default()
    }
}

/// Returns the answer to a request; `None` if it cannot be judged.
async fn answer(
    service: &Service,
    request: &RecordedRequest,
    conditions: &Conditions,
) -> Option<ComparedAnswer> {
    let judged: Result<_, JudgeError> = Box::pin(judge(service, trial(request)?, conditions)).await;
    Some(judged.ok()?.answer.into_answered())
}

fn trial(request: &RecordedRequest) -> Option<TrialRequest> {
    let target = match &request.client_id {
        None => Target::Registration,
        Some(id) => Target::Update(ClientId::parse(id).ok()?),
    };
    let certificate = match &request.certificate {
        None => None,
        Some((pem, is_trusted)) => Some(ClientCertificate {
            certificate: Arc::new(Certificate::from_pem(pem).ok()?),
            is_trusted: *is_trusted,
        }),
    };
    Some(TrialRequest {
        target,
        headers: follow::headers(&request.headers),
        body: request.body.clone().into(),
        address: request.address,
        certificate,
        initial_access_token: request.initial_access_token.clone(),
    })
}
