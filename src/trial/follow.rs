//! What follows a registration or an update behind its answer: the candidate judges it too, and it is recorded to be
//! judged again later.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::response::Response;
use hyper::header::{
    AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue, IF_MATCH, PROXY_AUTHORIZATION,
};
use hyper::http::request::Parts;
use hyper::{Method, Request};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::compare::{Compared, ComparedAnswer, difference};
use super::{Target, TrialRequest, judge};
use crate::base::{ClientId, Timestamp};
use crate::http::{ClientCertificate, body, observe, peer};
use crate::management;
use crate::registration::HookMark;
use crate::service::{Candidate, Conditions, ScriptHttp, Service};
use crate::store::{PastUses, RecordedRequest};

/// The maximum number of requests that are queued. Each has at most the size of a body.
const MOST_WAITING: usize = 64;

/// The queue of answered requests. A clone is another handle on the same queue.
#[derive(Clone)]
pub(crate) struct Observer(mpsc::Sender<AnsweredRequest>);

/// The receiving side of the queue.
pub(crate) struct ObservedRequests(mpsc::Receiver<AnsweredRequest>);

/// A request that was answered.
struct AnsweredRequest {
    request: CopiedRequest,
    at: Timestamp,
    initial_access_token: Option<String>,
    /// The candidate that judges it too, and the answer to compare with.
    shadow: Option<(Arc<Candidate>, ComparedAnswer)>,
    is_recorded: bool,
}

/// The parts of a request that it is judged again by, without the credentials of the client.
struct CopiedRequest {
    client_id: Option<ClientId>,
    headers: HeaderMap,
    body: Bytes,
    address: IpAddr,
    certificate: Option<ClientCertificate>,
    correlation_id: Option<String>,
}

/// A request that is being answered, and is looked at afterwards.
pub(crate) struct Followed {
    queue: Observer,
    request: CopiedRequest,
    mark: HookMark,
    candidate: Option<Arc<Candidate>>,
    is_recorded: bool,
}

/// Creates the queue.
pub(crate) fn queue() -> (Observer, ObservedRequests) {
    let (sender, receiver) = mpsc::channel(MOST_WAITING);
    (Observer(sender), ObservedRequests(receiver))
}

impl Observer {
    fn put(&self, observed: AnsweredRequest) {
        let Err(mpsc::error::TrySendError::Full(skipped)) = self.0.try_send(observed) else {
            return;
        };
        if let Some((candidate, _)) = skipped.shadow {
            candidate.note_skipped();
        }
    }

    /// Copies a registration or an update if the candidate judges it too, or if it is recorded. Returns the request to
    /// be answered.
    pub(crate) fn begin(
        &self,
        service: &Service,
        request: Request<Body>,
    ) -> (Request<Body>, Option<Followed>) {
        let Some(wanted) = WhatFollows::of(service, request.method()) else {
            return (request, None);
        };
        let (mut parts, body) = request.into_parts();
        let copied = CopiedRequest::of(&parts);
        let followed = copied.map(|request| {
            let mark = HookMark::default();
            parts.extensions.insert(mark.clone());
            Followed {
                queue: self.clone(),
                request,
                mark,
                candidate: wanted.candidate,
                is_recorded: wanted.is_recorded,
            }
        });
        (Request::from_parts(parts, body), followed)
    }
}

/// What follows a request.
struct WhatFollows {
    candidate: Option<Arc<Candidate>>,
    is_recorded: bool,
}

impl WhatFollows {
    /// Returns `None` if nothing follows a request with this method.
    fn of(service: &Service, method: &Method) -> Option<Self> {
        if ![Method::POST, Method::PUT].contains(method) {
            return None;
        }
        let snapshot = service.snapshot();
        let settings = &snapshot.live.registration;
        let candidate = snapshot.candidate.as_ref();
        let candidate = candidate.filter(|candidate| candidate.shadows_next(settings));
        let wanted = Self {
            candidate: candidate.cloned(),
            is_recorded: settings.recorded_requests > 0,
        };
        (wanted.is_recorded || wanted.candidate.is_some()).then_some(wanted)
    }
}

impl Followed {
    /// Queues the request, which was answered with `response`, if it reached the hooks of scripts. Returns the response.
    pub(crate) async fn end(self, service: &Service, response: Response) -> Response {
        let Some(reached) = self.mark.reached() else {
            return response;
        };
        let (shadow, response) = match self.candidate {
            Some(candidate) => {
                let (answered, response) = ComparedAnswer::read(response).await;
                (Some((candidate, answered)), response)
            }
            None => (None, response),
        };
        let observed = AnsweredRequest {
            request: self.request,
            at: service.clock.now(),
            initial_access_token: reached.initial_access_token,
            shadow,
            is_recorded: self.is_recorded,
        };
        self.queue.put(observed);
        response
    }
}

impl CopiedRequest {
    /// Copies a request whose body was received.
    fn of(parts: &Parts) -> Option<Self> {
        let client_id = match parts.method {
            Method::PUT => {
                let id = management::endpoint::client_id(&parts.uri)?;
                Some(ClientId::parse(&id).ok()?)
            }
            _ => None,
        };
        let body = body::received(parts)?;
        let mut headers = parts.headers.clone();
        // The revision that an update expects is another one after it.
        for name in [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE, IF_MATCH] {
            headers.remove(name);
        }
        Some(Self {
            client_id,
            headers,
            body: body.clone(),
            address: peer::client_address(parts),
            certificate: parts.extensions.get().cloned(),
            correlation_id: observe::correlation_id(parts),
        })
    }
}

impl ObservedRequests {
    /// Judges and records requests until `stop` is cancelled.
    pub(crate) async fn work(mut self, service: Arc<Service>, stop: CancellationToken) {
        let mut batch = Vec::with_capacity(MOST_WAITING);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                count = self.0.recv_many(&mut batch, MOST_WAITING) => if count == 0 { return },
            }
            record(&service, &batch).await;
            for observed in batch.drain(..) {
                if stop.is_cancelled() {
                    return;
                }
                Box::pin(shadow(&service, observed)).await;
            }
        }
    }
}

/// Records the requests that are to be recorded.
async fn record(service: &Service, batch: &[AnsweredRequest]) {
    let kept = service.snapshot().live.registration.recorded_requests;
    let mut requests = Vec::new();
    for observed in batch.iter().filter(|observed| observed.is_recorded) {
        requests.push(observed.recorded());
    }
    if requests.is_empty() {
        return;
    }
    if let Err(error) = service.store.recorded.append(&requests, kept).await {
        tracing::warn!(%error, "requests cannot be recorded for a replay");
    }
}

/// Lets the candidate judge a request, and notes how its answer differs.
async fn shadow(service: &Service, observed: AnsweredRequest) {
    let Some((candidate, before)) = observed.shadow else {
        return;
    };
    let conditions = Conditions {
        scripts: Some(Arc::clone(&candidate.scripts)),
        http: if service.snapshot().live.registration.scripts_shadow_http {
            ScriptHttp::LiveReads
        } else {
            ScriptHttp::Refused
        },
        past_uses: PastUses::Forget,
        verifier: Some(Arc::clone(&service.verifier)),
        ..Conditions::default()
    };
    let compared = Compared {
        at: observed.at.unix(),
        correlation_id: observed.request.correlation_id.clone(),
        client_id: observed.request.client_id.as_ref().map(ToString::to_string),
    };
    let request = observed.request.trial(observed.initial_access_token);
    match judge(service, request, &conditions).await {
        Ok(judgement) => {
            let after = judgement.answer.into_answered();
            candidate.note(difference(compared, &before, &after));
        }
        // The client was deleted in the meantime, or the store failed.
        Err(_) => candidate.note_skipped(),
    }
}

impl CopiedRequest {
    fn trial(self, initial_access_token: Option<String>) -> TrialRequest {
        TrialRequest {
            target: self.client_id.map_or(Target::Registration, Target::Update),
            headers: self.headers,
            body: self.body,
            address: self.address,
            certificate: self.certificate,
            initial_access_token,
        }
    }
}

impl AnsweredRequest {
    fn recorded(&self) -> RecordedRequest {
        let request = &self.request;
        let mut headers = Vec::new();
        for (name, value) in &request.headers {
            if let Ok(value) = value.to_str() {
                headers.push((name.as_str().to_owned(), value.to_owned()));
            }
        }
        let certificate = request.certificate.as_ref();
        RecordedRequest {
            at: self.at,
            client_id: request.client_id.as_ref().map(ToString::to_string),
            headers,
            body: String::from_utf8_lossy(&request.body).into_owned(),
            address: request.address,
            certificate: certificate
                .map(|shown| (shown.certificate.pem().to_owned(), shown.is_trusted)),
            initial_access_token: self.initial_access_token.clone(),
            correlation_id: request.correlation_id.clone(),
        }
    }
}

/// Returns the headers of a recorded request.
pub(super) fn headers(recorded: &[(String, String)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in recorded {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.append(name, value);
        }
    }
    headers
}
