//! Judges one registration or update by the whole pipeline, without serving it.
//!
//! The request takes the same way as a request of a client, through the same endpoints. Only the service below them
//! is [another one](Service::judging): it shows the store of the server and keeps in memory what is written, so
//! nothing is stored or used up. The request counts neither for the limits of callers nor for the metrics, and
//! writes nothing to the log.

mod compare;
mod follow;
mod input;
mod replay;

pub(crate) use follow::{Observer, queue};
pub(crate) use input::TrialInput;
pub(crate) use replay::{ReplayError, replay};

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use hyper::{Method, Request, Uri};
use serde::Serialize;
use serde_json::{Map, Value};

use compare::ComparedAnswer;

use crate::base::{ClientId, NoRandomness, SealError, Secret, TokenDigest, json, random};
use crate::client::{MemberOrigin, RegistrationTokens};
use crate::http::{AssembledRequest, BodyError, ClientCertificate, Problem};
use crate::jose::decode_unverified;
use crate::management;
use crate::registration::{self, NamedToken};
use crate::script::{RecordedCall, Runtime, ScriptSet};
use crate::service::{Conditions, JudgedStep, Service};
use crate::store::{Change, ScriptFiles, StoreError};
use crate::telemetry;

/// A request to be judged.
pub(crate) struct TrialRequest {
    /// What is requested.
    pub(crate) target: Target,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) body: Bytes,
    /// The address of the client.
    pub(crate) address: IpAddr,
    /// The certificate of the client.
    pub(crate) certificate: Option<ClientCertificate>,
    /// The identifier of the initial access token; it takes precedence over a token in the headers.
    pub(crate) initial_access_token: Option<String>,
}

/// What a request asks for.
pub(crate) enum Target {
    /// The registration of a new client.
    Registration,
    /// An update of this client. Without a token in the headers, the request has the token of the client.
    Update(ClientId),
}

/// How a request was judged.
#[derive(Serialize)]
pub(crate) struct Judgement {
    answer: JudgedAnswer,
    /// The steps of the pipeline that ran, in the order in which they ended.
    steps: Vec<JudgedStep>,
    /// The calls of scripts, in order.
    hooks: Vec<RecordedCall>,
    /// Where each member of the answer comes from, if the request was accepted.
    origins: Map<String, Value>,
}

impl Judgement {
    /// Returns the status of the answer.
    pub(crate) const fn status(&self) -> u16 {
        self.answer.status
    }
}

/// The answer that the client would get.
#[derive(Serialize)]
struct JudgedAnswer {
    status: u16,
    /// The headers, as far as the endpoint sets them.
    headers: Map<String, Value>,
    body: Value,
}

impl JudgedAnswer {
    async fn read(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let mut headers = Map::new();
        for name in parts.headers.keys() {
            let mut fields = Vec::new();
            for field in parts.headers.get_all(name) {
                fields.push(String::from_utf8_lossy(field.as_bytes()));
            }
            headers.insert(name.as_str().to_owned(), fields.join(", ").into());
        }
        let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
        Self {
            status: parts.status.as_u16(),
            headers,
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
        }
    }
}

impl JudgedAnswer {
    /// Returns the answer without the secrets of `[scripts.secrets]`, which a script may have put there.
    fn redacted(mut self, runtime: &Runtime) -> Self {
        runtime.redact(&mut self.body);
        self
    }

    /// Returns the answer as it is compared with others.
    fn into_answered(self) -> ComparedAnswer {
        ComparedAnswer {
            status: self.status,
            body: self.body,
        }
    }
}

/// Why a request cannot be judged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JudgeError {
    /// There is no such client to update.
    #[error("client not found")]
    UnknownClient,
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// No token could be created.
    #[error("no token could be created")]
    Randomness(#[from] NoRandomness),
    /// The made-up secret could not be sealed.
    #[error("no secret could be sealed")]
    Seal(#[from] SealError),
}

/// Compiles other scripts than those in force, to be called with `runtime`. An error says why they cannot be loaded.
async fn compile(
    service: &Service,
    files: ScriptFiles,
    runtime: Arc<Runtime>,
) -> Result<Arc<ScriptSet>, String> {
    let settings = service.settings.scripts.clone();
    // The top levels of scripts run, which takes a while.
    let compiled =
        tokio::task::spawn_blocking(move || ScriptSet::of_files(files, &settings, &runtime)).await;
    match compiled {
        Ok(Ok(scripts)) => Ok(Arc::new(scripts)),
        Ok(Err(errors)) => Err(errors.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// Judges `request` under `conditions`. Nothing of it is stored.
///
/// # Errors
/// When the client of an update does not exist, or the store fails before the request is judged.
pub(crate) async fn judge(
    service: &Service,
    request: TrialRequest,
    conditions: &Conditions,
) -> Result<Judgement, JudgeError> {
    let judging = Arc::new(service.judging(conditions));
    let request = assemble(&judging, request).await?;
    let answered = telemetry::silently(answer(Arc::clone(&judging), request)).await;
    let scripts = Arc::clone(&judging.snapshot().scripts);
    let answer = JudgedAnswer::read(answered)
        .await
        .redacted(scripts.runtime());
    let (steps, hooks, origins) = match judging.judged() {
        Some(judged) => (judged.steps(), judged.calls(), judged.origins()),
        None => Default::default(),
    };
    Ok(Judgement {
        origins: answer.origins(&origins, &hooks),
        answer,
        steps,
        hooks,
    })
}

impl JudgedAnswer {
    /// Returns where the members of the answer come from: `of_metadata`, the scripts that changed the answer, or this
    /// server.
    fn origins(
        &self,
        of_metadata: &Map<String, Value>,
        hooks: &[RecordedCall],
    ) -> Map<String, Value> {
        let mut origins = Map::new();
        let Value::Object(members) = &self.body else {
            return origins;
        };
        if self.status >= 400 {
            return origins;
        }
        for name in members.keys() {
            let own = MemberOrigin::Server.to_string();
            let origin = of_metadata.get(name).cloned();
            origins.insert(name.clone(), origin.unwrap_or_else(|| own.into()));
        }
        for call in hooks.iter().filter(|call| call.changed_the_answer()) {
            for change in &call.changed {
                if let Some(origin) = origins.get_mut(&change.member) {
                    *origin = MemberOrigin::Script(call.script.clone()).to_string().into();
                }
            }
        }
        origins
    }
}

/// Sends `request` to its endpoint.
async fn answer(service: Arc<Service>, request: Request<Body>) -> Response {
    let state = State(service);
    let answered = if request.method() == Method::PUT {
        Box::pin(management::endpoint::put(state, request)).await
    } else {
        Box::pin(registration::endpoint::post(state, request)).await
    };
    answered.unwrap_or_else(Problem::into_response)
}

/// Returns the request as it arrives at its endpoint.
async fn assemble(judging: &Service, request: TrialRequest) -> Result<Request<Body>, JudgeError> {
    let mut headers = request.headers;
    if let Target::Update(id) = &request.target {
        let known = SentCredentials {
            secret: sent_secret(&request.body),
            has_token: headers.contains_key(AUTHORIZATION),
        };
        let token = disguise(judging, id, known).await?;
        if let Some(token) = token {
            headers.insert(AUTHORIZATION, bearer(&token));
        }
    }
    let (method, uri) = line(judging, &request.target);
    let mut assembled: Request<Body> = AssembledRequest {
        method,
        uri,
        headers,
        body: limited(request.body, judging.settings.limits.body_bytes),
        address: request.address,
        certificate: request.certificate,
    }
    .into();
    if let Some(id) = request.initial_access_token {
        assembled.extensions_mut().insert(NamedToken(id));
    }
    Ok(assembled)
}

/// Returns the method and the URI of a request.
fn line(judging: &Service, target: &Target) -> (Method, Uri) {
    let path = &judging.settings.server.paths.registration;
    let (method, text) = match target {
        Target::Registration => (Method::POST, path.clone()),
        Target::Update(id) => {
            let mut uri =
                url::form_urlencoded::Serializer::for_suffix(format!("{path}?"), path.len() + 1);
            uri.append_pair("client_id", id.as_str());
            (Method::PUT, uri.finish())
        }
    };
    (method, text.parse().unwrap_or_default())
}

fn limited(body: Bytes, limit: usize) -> Result<Bytes, BodyError> {
    if body.len() > limit {
        Err(BodyError::TooLarge { limit })
    } else {
        Ok(body)
    }
}

/// What a request shows that the administrator knows of the credentials of a client.
struct SentCredentials {
    /// `client_secret`, right or wrong.
    secret: Option<Secret>,
    /// Whether there is a token, right or wrong.
    has_token: bool,
}

/// Returns the `client_secret` in `body`, which may be a signed request.
fn sent_secret(body: &[u8]) -> Option<Secret> {
    let members = match json::parse_object(body) {
        Ok(members) => members,
        Err(_) => {
            decode_unverified(std::str::from_utf8(body).ok()?)
                .ok()?
                .claims
        }
    };
    let secret = members.get("client_secret")?.as_str()?;
    Some(Secret::new(secret.to_owned()))
}

/// Gives the client `id` a made-up secret, since the administrator may not learn the real one, and unless the request has
/// a token, a made-up registration access token, which is returned: the store has no more than the digest of the real
/// one. Both exist only in the overlay.
async fn disguise(
    judging: &Service,
    id: &ClientId,
    known: SentCredentials,
) -> Result<Option<Secret>, JudgeError> {
    let clients = &judging.store.clients;
    let stored = clients.find(id).await?.ok_or(JudgeError::UnknownClient)?;
    let mut client = stored.client().clone();
    if let Some(secret) = &mut client.secret {
        let key = &judging.store.sealing_keys;
        let real = key.open(&secret.sealed, id.as_str())?;
        if !known.secret.is_some_and(|sent| sent.matches(real.expose())) {
            secret.sealed = key.seal(&random::client_secret()?, id.as_str())?;
        }
    }
    let token = if known.has_token {
        None
    } else {
        let token = random::token()?;
        client.tokens = RegistrationTokens {
            current: TokenDigest::of(token.expose()),
            previous: None,
        };
        Some(token)
    };
    clients.replace(&stored, &client, Change::default()).await?;
    Ok(token)
}

fn bearer(token: &Secret) -> HeaderValue {
    let text = format!("Bearer {}", token.expose());
    let mut value = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("Bearer"));
    value.set_sensitive(true);
    value
}
