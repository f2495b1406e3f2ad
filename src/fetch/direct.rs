//! The client of the command line, for the one server that its operator names. That server may be anywhere,
//! in a private network and without TLS too, so [`super::UrlPolicy`] does not apply. Only the command line uses
//! this client. The size of answers is limited, and no redirect forwards a token to another server.

use std::io;
use std::path::Path;
use std::time::Duration;

use reqwest::redirect::Policy as Redirects;
use reqwest::{Body, Client, ClientBuilder};
use tokio::time::timeout;
use url::Url;

use crate::fetch::{
    client::BuildError, client::certificates, message, message::Request, message::Response,
};

/// The maximum time for a connection to be established, including TLS.
const CONNECT: Duration = Duration::from_secs(5);
/// The maximum time for a complete answer, and for a stream to make progress.
const PATIENCE: Duration = Duration::from_mins(1);
/// The maximum length of an answer that is read completely, in bytes.
const ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Why the server did not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DirectError {
    /// The host does not exist, or does not accept connections.
    #[error("{0}")]
    Unreachable(String),
    /// Its certificate is not trusted, or TLS failed.
    #[error("{0}")]
    Tls(String),
    /// It timed out.
    #[error("timed out: no answer within {} seconds", PATIENCE.as_secs())]
    Timeout,
    /// The connection was closed, or the answer was not HTTP.
    #[error("{0}")]
    Broken(String),
    /// The request cannot be sent.
    #[error("{0}")]
    Unsendable(String),
}

/// A client for the server that the operator names.
pub(crate) struct Direct(Client);

/// An answer whose body is read while it arrives.
pub(crate) struct Arriving {
    /// The status.
    pub(crate) status: u16,
    answer: reqwest::Response,
}

impl Direct {
    /// A client that trusts the authorities of the system and those in the PEM file `ca`.
    ///
    /// # Errors
    /// When the file cannot be read, or TLS cannot be set up.
    pub(crate) fn new(ca: Option<&Path>) -> Result<Self, BuildError> {
        let anchors = match ca {
            Some(path) => certificates("--ca", path)?,
            None => Vec::new(),
        };
        let client = builder().tls_certs_merge(anchors).build();
        client.map(Self).map_err(BuildError::Client)
    }

    /// A client for a server on this machine, which it finds by address. The certificate of that server is for the name
    /// that clients use, so it is not verified. Requests must not contain secrets.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(crate) fn on_this_machine() -> Result<Self, BuildError> {
        let client = builder().tls_danger_accept_invalid_certs(true).build();
        client.map(Self).map_err(BuildError::Client)
    }

    /// Sends `request` and reads the whole answer, whatever its status is.
    ///
    /// # Errors
    /// When no complete answer arrives.
    pub(crate) async fn send(&self, request: Request) -> Result<Response, DirectError> {
        in_time(self.exchange(prepare(request)?)).await
    }

    /// Sends `request` and returns the answer when its head has arrived.
    ///
    /// # Errors
    /// When there is no answer.
    pub(crate) async fn open(&self, request: Request) -> Result<Arriving, DirectError> {
        let answer = in_time(self.head(prepare(request)?)).await?;
        Ok(Arriving {
            status: answer.status().as_u16(),
            answer,
        })
    }

    /// Sends `request` with a body that is read while it is sent, without a time limit.
    ///
    /// # Errors
    /// When no complete answer arrives.
    pub(crate) async fn upload<I>(
        &self,
        request: Request,
        parts: I,
    ) -> Result<Response, DirectError>
    where
        I: Iterator<Item = io::Result<Vec<u8>>> + Send + 'static,
    {
        let mut prepared = prepare(request)?;
        *prepared.body_mut() = Some(Body::wrap_stream(futures_util::stream::iter(parts)));
        self.exchange(prepared).await
    }

    async fn exchange(&self, request: reqwest::Request) -> Result<Response, DirectError> {
        read(self.head(request).await?).await
    }

    /// Sends `request` and waits for the head of its answer.
    async fn head(&self, request: reqwest::Request) -> Result<reqwest::Response, DirectError> {
        let answered = self.0.execute(request).await;
        answered.map_err(|error| failure(&error))
    }
}

impl Arriving {
    /// Returns the next bytes of the body; none at its end.
    ///
    /// # Errors
    /// When the answer is incomplete or times out.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, DirectError> {
        match timeout(PATIENCE, self.answer.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk.map(Vec::from)),
            Ok(Err(error)) => Err(failure(&error)),
            Err(_) => Err(DirectError::Timeout),
        }
    }

    /// Returns the whole answer. Meant for error responses.
    ///
    /// # Errors
    /// When no complete answer arrives.
    pub(crate) async fn whole(self) -> Result<Response, DirectError> {
        in_time(read(self.answer)).await
    }
}

fn builder() -> ClientBuilder {
    Client::builder()
        .redirect(Redirects::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .user_agent(concat!("registrar/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
}

/// Waits for `work` for a limited time.
async fn in_time<T>(work: impl Future<Output = Result<T, DirectError>>) -> Result<T, DirectError> {
    let done = timeout(PATIENCE, work).await;
    done.unwrap_or(Err(DirectError::Timeout))
}

fn prepare(request: Request) -> Result<reqwest::Request, DirectError> {
    let Ok(url) = Url::parse(&request.url) else {
        return Err(DirectError::Unsendable("the URL is invalid".into()));
    };
    message::prepare(url, request).map_err(|refusal| DirectError::Unsendable(refusal.to_string()))
}

async fn read(answer: reqwest::Response) -> Result<Response, DirectError> {
    let limit = message::AnswerLimit {
        is_error_cut_off: false,
        bytes: ANSWER_BYTES,
        is_cut_off: false,
    };
    let whole = message::read(answer, limit).await;
    whole.map_err(|error| DirectError::Broken(error.to_string()))
}

/// Converts an error together with its causes. The operator sees all of them. The first text is left out,
/// since it only repeats the URL, which the operator knows.
fn failure(error: &reqwest::Error) -> DirectError {
    let mut causes: Vec<String> = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(one) = cause {
        let text = one.to_string();
        if causes.last() != Some(&text) {
            causes.push(text);
        }
        cause = one.source();
    }
    let is_tls = causes
        .iter()
        .any(|text| text.contains("certificate") || text.contains("SSL"));
    // The last cause is what happened; the previous ones describe where.
    let last = match causes.pop() {
        Some(last) => last,
        None => "connection failed".to_owned(),
    };
    match (is_tls, error.is_connect(), error.is_timeout()) {
        (true, ..) => DirectError::Tls(last),
        (_, true, true) => DirectError::Unreachable(format!(
            "timed out: no connection within {} seconds",
            CONNECT.as_secs()
        )),
        (_, true, _) => DirectError::Unreachable(last),
        (_, _, true) => DirectError::Timeout,
        _ => DirectError::Broken(last),
    }
}
