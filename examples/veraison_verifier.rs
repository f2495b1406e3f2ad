//! A small verifier with the challenge-response API of Veraison
//! (<https://github.com/veraison/services>): real signatures and real attestation results (EAR), but
//! devices of `attester.rs` instead of real ones. It is for experiments, not for production: callers need
//! no authorization, and each start creates a new key.
//!
//! `veraison_verifier ENDORSEMENT [ADDRESS]`; `attestation.md` shows how to use it.

#![expect(clippy::print_stdout, reason = "it prints its address")]

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, LOCATION};
use axum::http::{StatusCode, response};
use axum::response::Response;
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use registrar::clock::{Clock as _, SystemClock, Timestamp};
use registrar::testing::{Algorithm, Key, ear_status, verified};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

/// The media type that it accepts: evidence of `attester.rs`.
const MEDIA_TYPE: &str = "application/eat+jwt; eat_profile=\"tag:registrar.example,2026:device\"";
const SESSION: &str = "application/vnd.veraison.challenge-response-session+json";
const DISCOVERY: &str = "application/vnd.veraison.discovery+json";
const SESSIONS: &str = "/challenge-response/v1/newSession";
/// Lifetime of a session in seconds, and the largest number of open sessions.
const LIFETIME: u64 = 150;
const MOST_SESSIONS: usize = 1_000;
const MOST_BYTES: usize = 64 * 1024;
/// The claims of a trustworthiness vector.
const CLAIMS: [&str; 4] = [
    "instance-identity",
    "hardware",
    "executables",
    "configuration",
];

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (endorsement, address) = match &arguments[..] {
        [endorsement] => (endorsement, "127.0.0.1:8084"),
        [endorsement, address] => (endorsement, address.as_str()),
        _ => return Err("usage: veraison_verifier ENDORSEMENT [ADDRESS]".into()),
    };
    let endorsement: Value = serde_json::from_str(&std::fs::read_to_string(endorsement)?)?;
    let address: SocketAddr = address.parse()?;
    let listener = TcpListener::bind(address).await?;
    println!("the verifier listens on http://{}", listener.local_addr()?);
    serve(listener, &endorsement).await
}

/// Serves until the process ends. `endorsement` has the `keys` of the known devices and the
/// `measurements` of the software that may run on them.
pub(crate) async fn serve(listener: TcpListener, endorsement: &Value) -> Outcome<()> {
    let verifier = Arc::new(Verifier::new(endorsement)?);
    let router = Router::new()
        .route("/.well-known/veraison/verification", get(discovery))
        .route(SESSIONS, post(open))
        .route(
            "/challenge-response/v1/session/{id}",
            get(show).post(appraise).delete(close),
        )
        .with_state(verifier);
    Ok(axum::serve(listener, router).await?)
}

struct Verifier {
    key: Key,
    /// The JWK Set of the known devices.
    devices: Value,
    measurements: Vec<Value>,
    sessions: Mutex<HashMap<String, Session>>,
}

#[derive(Clone)]
struct Session {
    nonce: Vec<u8>,
    expires_at: Timestamp,
    /// The media type of the evidence, the evidence, and the result.
    done: Option<(String, Bytes, String)>,
}

impl Session {
    fn to_json(&self) -> Value {
        let expiry = i64::try_from(self.expires_at.unix())
            .ok()
            .and_then(|at| jiff::Timestamp::from_second(at).ok());
        let mut shown = json!({
            "status": if self.done.is_some() { "complete" } else { "waiting" },
            "nonce": URL_SAFE_NO_PAD.encode(&self.nonce),
            "expiry": expiry.map(|at| at.to_string()),
            "accept": [MEDIA_TYPE],
        });
        if let (Some((media_type, evidence, result)), Some(shown)) =
            (&self.done, shown.as_object_mut())
        {
            let evidence = json!({"type": media_type, "value": STANDARD.encode(evidence)});
            shown.insert("evidence".to_owned(), evidence);
            shown.insert("result".to_owned(), result.as_str().into());
        }
        shown
    }
}

async fn discovery(State(verifier): State<Arc<Verifier>>, headers: HeaderMap) -> Response {
    if !accepts(&headers, DISCOVERY) {
        return problem(
            StatusCode::NOT_ACCEPTABLE,
            "Accept must include the media type of a discovery document",
        );
    }
    let document = json!({
        "ear-verification-key": verifier.key.public_jwk(),
        "media-types": [MEDIA_TYPE],
        "version": "example",
        "service-state": "READY",
        "api-endpoints": {"newChallengeResponseSession": SESSIONS},
    });
    answer(
        builder(StatusCode::OK, DISCOVERY).header(CACHE_CONTROL, "max-age=60"),
        &document,
    )
}

async fn open(State(verifier): State<Arc<Verifier>>, request: Request) -> Response {
    if !accepts(request.headers(), SESSION) {
        return problem(
            StatusCode::NOT_ACCEPTABLE,
            "Accept must include the media type of a session",
        );
    }
    let Some(nonce) = nonce_of(request.uri().query().unwrap_or_default()) else {
        return problem(
            StatusCode::BAD_REQUEST,
            "nonce must be 8 to 64 bytes in base64url, or nonceSize a number from 8 to 64",
        );
    };
    let now = SystemClock.now();
    let session = Session {
        nonce,
        expires_at: now.plus(LIFETIME),
        done: None,
    };
    let Some(id) = random(16).map(|bytes| URL_SAFE_NO_PAD.encode(bytes)) else {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "no randomness");
    };
    let mut sessions = verifier
        .sessions
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    sessions.retain(|_, session| session.expires_at > now);
    if sessions.len() >= MOST_SESSIONS {
        return problem(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many sessions are open",
        );
    }
    sessions.insert(id.clone(), session.clone());
    answer(
        builder(StatusCode::CREATED, SESSION).header(LOCATION, format!("session/{id}")),
        &session.to_json(),
    )
}

/// Returns the nonce that a query requests; `None` if the query is invalid.
fn nonce_of(query: &str) -> Option<Vec<u8>> {
    let asked: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let nonce = match &asked[..] {
        [] => random(32)?,
        [(name, size)] if name == "nonceSize" => random(size.parse().ok()?)?,
        [(name, nonce)] if name == "nonce" => {
            URL_SAFE_NO_PAD.decode(nonce.trim_end_matches('=')).ok()?
        }
        _ => return None,
    };
    (8..=64).contains(&nonce.len()).then_some(nonce)
}

fn random(size: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; size];
    openssl::rand::rand_bytes(&mut bytes).ok().map(|()| bytes)
}

async fn show(State(verifier): State<Arc<Verifier>>, Path(id): Path<String>) -> Response {
    match verifier.session(&id) {
        Some(session) => answer(builder(StatusCode::OK, SESSION), &session.to_json()),
        None => problem(StatusCode::NOT_FOUND, "no such session"),
    }
}

async fn close(State(verifier): State<Arc<Verifier>>, Path(id): Path<String>) -> Response {
    verifier
        .sessions
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .remove(&id);
    answer(builder(StatusCode::NO_CONTENT, SESSION), &Value::Null)
}

async fn appraise(
    State(verifier): State<Arc<Verifier>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    if !accepts(request.headers(), SESSION) {
        return problem(
            StatusCode::NOT_ACCEPTABLE,
            "Accept must include the media type of a session",
        );
    }
    let media_type = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let media_type = media_type.unwrap_or_default().to_owned();
    if media_type != MEDIA_TYPE {
        let problem = problem(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported media type of the evidence",
        );
        return with_header(problem, MEDIA_TYPE);
    }
    let Some(mut session) = verifier.session(&id) else {
        return problem(StatusCode::NOT_FOUND, "no such session");
    };
    let Ok(evidence) = to_bytes(request.into_body(), MOST_BYTES).await else {
        return problem(StatusCode::BAD_REQUEST, "the evidence is too large");
    };
    let Ok(result) = verifier.result(&session.nonce, &evidence) else {
        return problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the result could not be signed",
        );
    };
    session.done = Some((media_type, evidence, result));
    verifier
        .sessions
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(id, session.clone());
    answer(builder(StatusCode::OK, SESSION), &session.to_json())
}

impl Verifier {
    fn new(endorsement: &Value) -> Outcome<Self> {
        let measurements = endorsement
            .get("measurements")
            .and_then(Value::as_array)
            .cloned();
        Ok(Self {
            key: Key::generate(Algorithm::Es256)?,
            devices: json!({"keys": endorsement.get("keys")}),
            measurements: measurements.ok_or("the endorsement has no measurements")?,
            sessions: Mutex::default(),
        })
    }

    fn session(&self, id: &str) -> Option<Session> {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions
            .get(id)
            .filter(|session| session.expires_at > SystemClock.now())
            .cloned()
    }

    /// Returns the attestation result. Invalid evidence is not an error; the result reports it.
    fn result(&self, nonce: &[u8], evidence: &[u8]) -> Outcome<String> {
        let (vector, problem, key) = match self.look_at(nonce, evidence) {
            Ok((vector, key)) => (vector, None, key),
            // As in Veraison: the evidence is not trusted.
            Err(problem) => (
                BTreeMap::from(CLAIMS.map(|claim| (claim, 99))),
                Some(problem),
                None,
            ),
        };
        let mut device = json!({
            "ear.status": ear_status(vector.values().copied()), "ear.trustworthiness-vector": vector,
            "ear.appraisal-policy-id": "policy:DEVICE",
        });
        if let (Some(key), Some(device)) = (key, device.as_object_mut()) {
            device.insert(
                "ear.veraison.key-attestation".to_owned(),
                json!({"akpub": key}),
            );
        }
        if let (Some(problem), Some(device)) = (problem, device.as_object_mut()) {
            device.insert(
                "ear.veraison.policy-claims".to_owned(),
                json!({"problem": problem}),
            );
        }
        let claims = json!({
            "eat_profile": "tag:github.com,2023:veraison/ear", "iat": SystemClock.now().unix(),
            "eat_nonce": URL_SAFE.encode(nonce), "submods": {"DEVICE": device},
            "ear.verifier-id": {"developer": "https://registrar.example/verifier", "build": "example"},
        });
        let header = Map::from_iter([("typ".to_owned(), Value::from("JWT"))]);
        let claims = claims.as_object().cloned().unwrap_or_default();
        Ok(self.key.sign(&header, &claims)?)
    }

    /// Returns the trustworthiness vector of evidence that a known device signed for `nonce`, and the key
    /// that it attests. Fails with the problem of the evidence.
    fn look_at(&self, nonce: &[u8], evidence: &[u8]) -> Result<Appraisal, String> {
        let text = std::str::from_utf8(evidence).map_err(|_| "the evidence is not UTF-8")?;
        let required = ["eat_nonce", "measurement", "dbgstat"];
        let now = SystemClock.now().unix();
        let found = verified(text, &self.devices, Some("eat+jwt"), &required, now);
        let found = found.map_err(|error| format!("the evidence {error}"))?;
        let claim = |name: &str| found.get(name).and_then(Value::as_str);
        let shown = claim("eat_nonce").and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        if shown.as_deref() != Some(nonce) {
            return Err(
                "freshness: the nonce of the evidence does not match session nonce".to_owned(),
            );
        }
        let is_known = found
            .get("measurement")
            .is_some_and(|is| self.measurements.contains(is));
        let is_closed = claim("dbgstat").is_some_and(|state| state.starts_with("disabled"));
        // The values of draft-ietf-rats-ar4si section 2.3.4: approved; unrecognized; unsafe.
        let vector = BTreeMap::from([
            ("instance-identity", 2),
            ("hardware", 2),
            ("executables", if is_known { 2 } else { 33 }),
            ("configuration", if is_closed { 2 } else { 32 }),
        ]);
        Ok((vector, claim("akpub").map(str::to_owned)))
    }
}

type Appraisal = (BTreeMap<&'static str, i8>, Option<String>);

fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    let accepted = headers
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("*/*");
    accepted
        .split(',')
        .any(|one| [media_type, "*/*"].contains(&one.trim()))
}

fn builder(status: StatusCode, media_type: &str) -> response::Builder {
    Response::builder()
        .status(status)
        .header(CONTENT_TYPE, media_type)
}

fn answer(builder: response::Builder, body: &Value) -> Response {
    let body = if body.is_null() {
        Body::empty()
    } else {
        Body::from(body.to_string())
    };
    builder.body(body).unwrap_or_default()
}

fn problem(status: StatusCode, detail: &str) -> Response {
    let title = status.canonical_reason();
    let body = json!({"title": title, "status": status.as_u16(), "detail": detail});
    answer(builder(status, "application/problem+json"), &body)
}

/// Adds the media type that it accepts (RFC 9110 section 15.5.16).
fn with_header(mut response: Response, accepted: &'static str) -> Response {
    response
        .headers_mut()
        .insert(ACCEPT, axum::http::HeaderValue::from_static(accepted));
    response
}
