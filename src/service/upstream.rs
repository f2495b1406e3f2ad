//! The metadata of the upstream authorization server, fetched and cached.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use serde_json::{Map, Value};
use url::Url;

use crate::base::Clock;
use crate::config::FetchSettings;
use crate::fetch::{self, BuildError, FetchError, Fetcher, RemoteDocuments};

/// The members of a metadata document.
pub(crate) type MetadataDocument = Map<String, Value>;

/// The text of the metadata document that a snapshot publishes, with the upstream metadata that it was made from.
/// Every request gets the same text, so it is written once.
#[derive(Debug, Default)]
pub(crate) struct KeptMetadata(Mutex<Option<(Option<Arc<MetadataDocument>>, Bytes)>>);

impl KeptMetadata {
    /// Returns the text for the upstream metadata `theirs`, which `write` writes if they are others than before.
    pub(crate) fn text(
        &self,
        theirs: Option<&Arc<MetadataDocument>>,
        write: impl FnOnce() -> Vec<u8>,
    ) -> Bytes {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, text)) = &*kept
            && of.as_ref().map(Arc::as_ptr) == theirs.map(Arc::as_ptr)
        {
            return text.clone();
        }
        let text = Bytes::from(write());
        *kept = Some((theirs.cloned(), text.clone()));
        text
    }
}

/// The server that `discovery.upstream` names.
pub(crate) struct Upstream {
    /// `discovery.upstream`
    named: String,
    /// The issuer identifier of this server.
    own_issuer: String,
    documents: RemoteDocuments<MetadataDocument>,
    /// OpenID Connect Discovery section 4: most servers publish their fuller document there.
    openid: String,
    /// RFC 8414 section 3.1.
    oauth: String,
    /// Whether the document was at `oauth` the last time.
    is_at_oauth: AtomicBool,
    state: Mutex<UpstreamState>,
}

#[derive(Debug, Default)]
struct UpstreamState {
    trouble: Option<String>,
    is_compared: bool,
}

impl Upstream {
    /// The server at `named`, an http or https URL, upstream of a server whose issuer is `own_issuer`.
    ///
    /// # Errors
    /// When no fetcher can be created for it.
    pub(crate) fn new(
        named: &str,
        own_issuer: &str,
        clock: &Arc<dyn Clock>,
        settings: &FetchSettings,
    ) -> Result<Self, BuildError> {
        let base = named.trim_end_matches('/');
        let (origin, path, settings) = only_from(base, settings);
        let accepted = [base.to_owned(), own_issuer.to_owned()];
        let parse = move |document: &Value| members(document, &accepted);
        let fetcher = Arc::new(Fetcher::new(&settings)?);
        Ok(Self {
            named: base.to_owned(),
            own_issuer: own_issuer.to_owned(),
            documents: RemoteDocuments::new(
                fetcher,
                Arc::clone(clock),
                &settings,
                fetch::JSON,
                parse,
            ),
            openid: format!("{base}/.well-known/openid-configuration"),
            oauth: format!("{origin}/.well-known/oauth-authorization-server{path}"),
            is_at_oauth: AtomicBool::new(false),
            state: Mutex::default(),
        })
    }

    /// Returns its metadata.
    ///
    /// # Errors
    /// When the metadata is not cached and cannot be fetched, or belongs to another issuer.
    pub(crate) async fn metadata(&self) -> Result<Arc<MetadataDocument>, FetchError> {
        let is_at_oauth = self.is_at_oauth.load(Ordering::Relaxed);
        let (first, second) = if is_at_oauth {
            (&self.oauth, &self.openid)
        } else {
            (&self.openid, &self.oauth)
        };
        let mut found = self.documents.get(first).await;
        if matches!(found, Err(FetchError::Status(400..=428 | 430..=499))) {
            found = self.documents.get(second).await;
            if found.is_ok() {
                self.is_at_oauth.store(!is_at_oauth, Ordering::Relaxed);
            }
        }
        self.note(&found);
        found
    }

    /// Returns why no metadata was available when it was last needed; none if it was available.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .trouble
            .clone()
    }

    /// Logs when the metadata becomes unavailable, and when it is available again.
    fn note(&self, found: &Result<Arc<MetadataDocument>, FetchError>) {
        let upstream = self.named.as_str();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let trouble = found
            .as_ref()
            .err()
            .map(|error| format!("upstream metadata of {upstream}: {error}"));
        if state.trouble != trouble {
            match found {
                Err(error) => tracing::warn!(upstream, %error, "upstream metadata is unavailable"),
                Ok(_) => {
                    tracing::info!(upstream, "upstream metadata is available again");
                }
            }
        }
        state.trouble = trouble;
        if let (Ok(members), false) = (found, state.is_compared) {
            state.is_compared = true;
            self.compare(members);
        }
    }

    fn compare(&self, members: &MetadataDocument) {
        let issuer = members
            .get("issuer")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if issuer != self.own_issuer {
            let own = self.own_issuer.as_str();
            tracing::warn!(
                issuer,
                own,
                "clients that read the metadata here will reject ID tokens of the upstream server, because \
                 they name another issuer; set server.issuer to that issuer, and route its well-known URLs \
                 to this server in the proxy"
            );
        }
    }
}

/// Returns its origin, its path, and the fetch settings for it. They allow only this one host, wherever it
/// is, since the operator has named it.
pub(super) fn only_from(base: &str, settings: &FetchSettings) -> (String, String, FetchSettings) {
    let Ok(url) = Url::parse(base) else {
        return (base.to_owned(), String::new(), settings.clone());
    };
    let (host, port) = (
        url.host_str().unwrap_or_default(),
        url.port_or_known_default().unwrap_or(443),
    );
    let allowed_hosts = format!("{host}:{port}").parse().into_iter().collect();
    let settings = FetchSettings {
        allowed_hosts,
        allow_http: url.scheme() == "http",
        ..settings.clone()
    };
    let path = url.path().trim_end_matches('/').to_owned();
    (
        base.strip_suffix(path.as_str()).unwrap_or(base).to_owned(),
        path,
        settings,
    )
}

/// Returns the document as an object, if its issuer is one of `accepted` (RFC 8414 section 3.3). A document
/// of another issuer does not come from the server that was asked.
fn members(document: &Value, accepted: &[String]) -> Result<MetadataDocument, String> {
    let members = document.as_object().ok_or("must be an object")?;
    let issuer = issuer(members);
    if accepted.iter().any(|one| one == issuer) {
        return Ok(members.clone());
    }
    Err("must have the issuer that discovery.upstream or server.issuer names".to_owned())
}

/// Returns the issuer without its trailing slash, since a configuration may name it without one.
fn issuer(members: &MetadataDocument) -> &str {
    members
        .get("issuer")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .trim_end_matches('/')
}
