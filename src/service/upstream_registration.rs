//! The registration endpoint of the upstream server (`[upstreamRegistration]`): its messages and their outcomes.
//!
//! Everything is sent to the host that the operator names, whatever host the upstream server names in its answers:
//! it may know itself by another name than this server does, and an answer must not send a token anywhere else.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::base::{Secret, json, sha256};
use crate::config::{FetchSettings, Settings};
use crate::fetch::{BuildError, FetchError, Fetcher, Request, Response};
use crate::service::{upstream::only_from, webhooks::read_private};

/// Maximum size of the file with the initial access token, in bytes.
const TOKEN_BYTES: u64 = 8_192;
/// The number of clients that can be read at the same time, at most.
const TURNS: usize = 64;
/// Maximum number of characters of a text of the upstream server that is passed on.
const TEXT: usize = 500;

/// Registers clients at the upstream server.
pub(crate) struct UpstreamRegistrar {
    fetcher: Fetcher,
    url: Url,
    token_file: Option<PathBuf>,
    /// The members that are sent; all that a client may set if it is empty.
    pub(crate) members: Vec<String>,
    tasks: TaskTracker,
    turns: [tokio::sync::Mutex<()>; TURNS],
}

/// How a client is managed at the upstream server.
#[derive(Clone)]
pub(crate) struct UpstreamManagement {
    /// Its identifier, which is the same here and there.
    pub(crate) client_id: String,
    /// Its `registration_client_uri` there.
    pub(crate) uri: String,
    /// Its `registration_access_token` there.
    pub(crate) token: Secret,
}

/// What the upstream server has registered.
pub(crate) struct UpstreamAnswer {
    /// All members of its answer, without the credentials.
    pub(crate) members: Map<String, Value>,
    /// `client_id`
    pub(crate) client_id: String,
    /// `client_secret`
    pub(crate) secret: Option<Secret>,
    /// `client_secret_expires_at`; 0 if it never expires.
    pub(crate) secret_expires_at: u64,
    /// `registration_client_uri`
    pub(crate) uri: Option<String>,
    /// `registration_access_token`
    pub(crate) token: Option<Secret>,
}

/// Why the upstream server has not done what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UpstreamFault {
    /// It rejects the metadata.
    #[error("the authorization server rejected the client: {description}")]
    Rejected {
        /// Its error code.
        code: String,
        /// Its description.
        description: String,
    },
    /// It does not accept the credentials of this server, or of the client.
    #[error("the upstream server does not accept the token (status {0})")]
    Denied(u16),
    /// The request did not reach it, or it does not process requests now.
    #[error("the upstream server is not available: {0}")]
    Unavailable(String),
    /// Nobody knows whether it has done it.
    #[error("the outcome at the upstream server is not known: {0}")]
    Unknown(String),
    /// Its answer to what it has done cannot be used.
    #[error("the answer of the upstream server cannot be used: {0}")]
    Unusable(String),
}

impl UpstreamFault {
    /// Whether it may have done what it was asked.
    pub(crate) const fn may_be_done(&self) -> bool {
        matches!(self, Self::Unknown(_) | Self::Unusable(_))
    }
}

impl UpstreamRegistrar {
    /// The registrar that the settings name, if they name one.
    ///
    /// # Errors
    /// When no fetcher can be created for it.
    pub(crate) fn new(settings: &Settings) -> Result<Option<Self>, BuildError> {
        let front = &settings.upstream_registration;
        let Some(url) = front.url.as_deref().and_then(|url| Url::parse(url).ok()) else {
            return Ok(None);
        };
        let (_, _, only_there) = only_from(url.as_str(), &settings.fetch);
        let limits = FetchSettings {
            // Every registration is a request to this one host.
            concurrent_per_host: only_there.concurrent,
            ..only_there
        };
        Ok(Some(Self {
            fetcher: Fetcher::new(&limits)?,
            url,
            token_file: front.initial_access_token_file.clone(),
            members: front.members.clone(),
            tasks: TaskTracker::new(),
            turns: [const { tokio::sync::Mutex::const_new(()) }; TURNS],
        }))
    }

    /// Runs `work` in a task of its own, which goes on if nobody waits for it. The server does not stop before it has
    /// ended, unless it takes too long.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.tasks.spawn(work)
    }

    /// Waits for the turn of the client `id`: requests that may be answered with another token are sent one after the other, so
    /// that the last token is stored last.
    pub(crate) async fn turn(&self, id: &str) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let at = sha256(id.as_bytes())
            .first()
            .map_or(0, |byte| usize::from(*byte))
            % TURNS;
        Some(self.turns.get(at)?.lock().await)
    }

    /// Waits until all tasks have ended. No more may be begun.
    pub(crate) async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Registers a client (RFC 7591 section 3.1).
    ///
    /// # Errors
    /// Why it is not registered, or that nobody knows whether it is.
    pub(crate) async fn create(
        &self,
        metadata: &Map<String, Value>,
    ) -> Result<UpstreamAnswer, UpstreamFault> {
        let token = match &self.token_file {
            Some(file) => Some(read_token(file).map_err(UpstreamFault::Unavailable)?),
            None => None,
        };
        let request = message("POST", &self.url, token.as_ref(), Some(metadata));
        let response = self.send(request).await?;
        match response.status {
            200 | 201 => registration(&response).map_err(UpstreamFault::Unusable),
            _ => Err(fault(&response)),
        }
    }

    /// Reads a client (RFC 7592 section 2.1).
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(crate) async fn read(
        &self,
        client: &UpstreamManagement,
    ) -> Result<UpstreamAnswer, UpstreamFault> {
        self.manage("GET", client, None).await
    }

    /// Replaces the metadata of a client (RFC 7592 section 2.2).
    ///
    /// # Errors
    /// Why it is not replaced, or that nobody knows whether it is.
    pub(crate) async fn update(
        &self,
        client: &UpstreamManagement,
        metadata: &Map<String, Value>,
    ) -> Result<UpstreamAnswer, UpstreamFault> {
        self.manage("PUT", client, Some(metadata)).await
    }

    async fn manage(
        &self,
        method: &str,
        client: &UpstreamManagement,
        metadata: Option<&Map<String, Value>>,
    ) -> Result<UpstreamAnswer, UpstreamFault> {
        let url = self.at_named_host(&client.uri)?;
        let request = message(method, &url, Some(&client.token), metadata);
        let response = self.send(request).await?;
        if response.status != 200 {
            return Err(fault(&response));
        }
        let answer = registration(&response).map_err(UpstreamFault::Unusable)?;
        if answer.client_id != client.client_id {
            return Err(UpstreamFault::Unusable(
                "it is about another client_id".to_owned(),
            ));
        }
        Ok(answer)
    }

    /// Deletes a client (RFC 7592 section 2.3). A client that it no longer knows is deleted.
    ///
    /// # Errors
    /// Why it is not deleted, or that nobody knows whether it is.
    pub(crate) async fn delete(&self, client: &UpstreamManagement) -> Result<(), UpstreamFault> {
        let url = self.at_named_host(&client.uri)?;
        let request = message("DELETE", &url, Some(&client.token), None);
        let response = self.send(request).await?;
        match response.status {
            200..=299 | 404 | 410 => Ok(()),
            _ => Err(fault(&response)),
        }
    }

    /// Returns `uri` at the host that the operator names.
    fn at_named_host(&self, uri: &str) -> Result<Url, UpstreamFault> {
        let unusable =
            || UpstreamFault::Unusable("registration_client_uri is not a URL".to_owned());
        let parsed = self.url.join(uri).map_err(|_| unusable())?;
        let mut url = self.url.clone();
        url.set_path(parsed.path());
        url.set_query(parsed.query());
        Ok(url)
    }

    async fn send(&self, request: Request) -> Result<Response, UpstreamFault> {
        self.fetcher.send(request).await.map_err(|error| {
            let text = error.to_string();
            match error {
                // These were not sent.
                FetchError::Refused(_) | FetchError::Busy | FetchError::Unreachable => {
                    UpstreamFault::Unavailable(text)
                }
                _ => UpstreamFault::Unknown(text),
            }
        })
    }
}

fn message(
    method: &str,
    url: &Url,
    token: Option<&Secret>,
    metadata: Option<&Map<String, Value>>,
) -> Request {
    let mut headers = vec![("accept".to_owned(), "application/json".to_owned())];
    if let Some(token) = token {
        let value = format!("Bearer {}", token.expose());
        headers.push(("authorization".to_owned(), value));
    }
    if metadata.is_some() {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    Request {
        method: method.to_owned(),
        url: url.as_str().to_owned(),
        headers,
        body: metadata.map(|metadata| serde_json::to_vec(metadata).unwrap_or_default()),
        ..Request::default()
    }
}

/// Returns the client of an answer.
fn registration(response: &Response) -> Result<UpstreamAnswer, String> {
    let members = json::parse_object(&response.body);
    let mut members = members.map_err(|_| "it is not one JSON object".to_owned())?;
    let mut text = |name: &str| match members.remove(name) {
        Some(Value::String(text)) if !text.is_empty() => Some(text),
        _ => None,
    };
    let client_id = text("client_id").ok_or("it has no client_id")?;
    let secret = text("client_secret").map(Secret::new);
    let uri = text("registration_client_uri");
    let token = text("registration_access_token").map(Secret::new);
    let expires_at = members.remove("client_secret_expires_at");
    members.remove("client_id_issued_at");
    Ok(UpstreamAnswer {
        members,
        client_id,
        secret,
        secret_expires_at: expires_at.and_then(|end| end.as_u64()).unwrap_or_default(),
        uri,
        token,
    })
}

/// Returns what an answer means that is no success.
fn fault(response: &Response) -> UpstreamFault {
    let status = response.status;
    let told = told(response);
    match status {
        400 | 422 => {
            let (code, description) = told.unwrap_or_default();
            UpstreamFault::Rejected { code, description }
        }
        // A policy rejects the client, as in Keycloak.
        403 if told.is_some() => {
            let (code, description) = told.unwrap_or_default();
            UpstreamFault::Rejected { code, description }
        }
        401 | 403 | 404 | 410 => UpstreamFault::Denied(status),
        503 if response.header("retry-after").is_some() => {
            UpstreamFault::Unavailable(format!("status {status}"))
        }
        // It has done something else than it should, or a gateway may have lost the answer of a request that was processed.
        200..=299 | 500 | 502..=599 => UpstreamFault::Unknown(format!("status {status}")),
        _ => UpstreamFault::Unavailable(format!("status {status}")),
    }
}

/// Returns the error code and the description of an answer, if it has the form of an OAuth error.
fn told(response: &Response) -> Option<(String, String)> {
    let members = json::parse_object(&response.body).ok()?;
    let text = |name: &str| {
        let text = members.get(name).and_then(Value::as_str)?;
        Some(text.chars().take(TEXT).collect::<String>())
    };
    Some((
        text("error")?,
        text("error_description").unwrap_or_default(),
    ))
}

/// Reads the initial access token. It is read for each registration, so that a new one needs no restart.
fn read_token(file: &Path) -> Result<Secret, String> {
    let failed = |reason: String| format!("{}: {reason}", file.display());
    let text = read_private(file, TOKEN_BYTES).map_err(failed)?;
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(failed("it must contain one token".to_owned()));
    }
    Ok(Secret::new(token.to_owned()))
}
