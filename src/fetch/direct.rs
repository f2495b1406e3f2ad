//! The second face: asks the one server that the operator of a command names. It may be anywhere,
//! in a private network and without TLS too, so nothing of [`super::Policy`] applies; nobody but
//! the command line uses it. Answers are bounded, and no redirect carries a token elsewhere.

use std::io;
use std::path::Path;
use std::time::Duration;

use reqwest::redirect::Policy as Redirects;
use reqwest::{Body, Client};
use tokio::time::timeout;
use url::Url;

use super::client::{BuildError, certificates};
use super::message::{self, Request, Response};

/// The longest that a connection may take to be there, with TLS.
const CONNECT: Duration = Duration::from_secs(5);
/// The longest that a whole answer may take, and a stream may stand still.
const PATIENCE: Duration = Duration::from_mins(1);
/// Bytes of an answer that is read as a whole.
const ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Why the server did not answer.
#[derive(Debug, thiserror::Error)]
pub enum DirectError {
    /// There is no such host, or nobody listens there.
    #[error("{0}")]
    Unreachable(String),
    /// Its certificate is not trusted, or it does not speak TLS as it should.
    #[error("{0}")]
    Tls(String),
    /// It was too slow.
    #[error("there was no answer within {} seconds", PATIENCE.as_secs())]
    Timeout,
    /// The connection broke off, or what came was not HTTP.
    #[error("{0}")]
    Broken(String),
    /// The request can not be sent.
    #[error("{0}")]
    Unsendable(String),
}

/// A client for the server that an operator named.
pub struct Direct(Client);

/// An answer whose body is read while it arrives.
pub struct Arriving {
    /// The status.
    pub status: u16,
    answer: reqwest::Response,
}

impl Direct {
    /// A client that trusts the authorities of the system, and those in the PEM file `ca`.
    ///
    /// # Errors
    /// When the file can not be read, or TLS can not be set up.
    pub fn new(ca: Option<&Path>) -> Result<Self, BuildError> {
        let anchors = ca.map(|path| certificates("--ca", path)).transpose()?.unwrap_or_default();
        let client = Client::builder()
            .redirect(Redirects::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .user_agent(concat!("registrar/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .tls_certs_merge(anchors)
            .build();
        client.map(Self).map_err(BuildError::Client)
    }

    /// Sends `request` and reads the answer to its end, whatever its status is.
    ///
    /// # Errors
    /// When there is no whole answer.
    pub async fn send(&self, request: Request) -> Result<Response, DirectError> {
        let whole = async {
            let answer = self.0.execute(prepare(request)?).await.map_err(|error| failure(&error))?;
            read(answer).await
        };
        timeout(PATIENCE, whole).await.map_err(|_| DirectError::Timeout)?
    }

    /// Sends `request` and gives the answer when its head has arrived.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn open(&self, request: Request) -> Result<Arriving, DirectError> {
        let head = self.0.execute(prepare(request)?);
        let answer = timeout(PATIENCE, head).await.map_err(|_| DirectError::Timeout)?;
        let answer = answer.map_err(|error| failure(&error))?;
        Ok(Arriving { status: answer.status().as_u16(), answer })
    }

    /// Sends `request` with a body that is read while it is sent: as long as that takes.
    ///
    /// # Errors
    /// When there is no whole answer.
    pub async fn upload<I>(&self, request: Request, parts: I) -> Result<Response, DirectError>
    where
        I: Iterator<Item = io::Result<Vec<u8>>> + Send + 'static,
    {
        let mut prepared = prepare(request)?;
        *prepared.body_mut() = Some(Body::wrap_stream(futures_util::stream::iter(parts)));
        read(self.0.execute(prepared).await.map_err(|error| failure(&error))?).await
    }
}

impl Arriving {
    /// The next bytes of the body; none: that was all.
    ///
    /// # Errors
    /// When the answer breaks off or stands still.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, DirectError> {
        let chunk = timeout(PATIENCE, self.answer.chunk()).await.map_err(|_| DirectError::Timeout)?;
        Ok(chunk.map_err(|error| failure(&error))?.map(Vec::from))
    }

    /// The whole answer: for one that is a refusal.
    ///
    /// # Errors
    /// When there is no whole answer.
    pub async fn whole(self) -> Result<Response, DirectError> {
        timeout(PATIENCE, read(self.answer)).await.map_err(|_| DirectError::Timeout)?
    }
}

fn prepare(request: Request) -> Result<reqwest::Request, DirectError> {
    let url =
        Url::parse(&request.url).map_err(|_| DirectError::Unsendable("the URL can not be read".into()))?;
    message::prepare(url, request).map_err(|refusal| DirectError::Unsendable(refusal.to_string()))
}

async fn read(answer: reqwest::Response) -> Result<Response, DirectError> {
    message::read(answer, ANSWER_BYTES).await.map_err(|error| DirectError::Broken(error.to_string()))
}

/// What went wrong, with its cause: the operator is told all of it, and the first text alone
/// repeats the URL, which the operator knows.
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
    let is_tls = causes.iter().any(|text| text.contains("certificate") || text.contains("SSL"));
    // The last one is what happened; those before it say where.
    let last = causes.pop().unwrap_or_else(|| "the connection failed".to_owned());
    match (is_tls, error.is_connect(), error.is_timeout()) {
        (true, ..) => DirectError::Tls(last),
        (_, true, true) => {
            DirectError::Unreachable(format!("no connection in {} seconds", CONNECT.as_secs()))
        }
        (_, true, _) => DirectError::Unreachable(last),
        (_, _, true) => DirectError::Timeout,
        _ => DirectError::Broken(last),
    }
}
