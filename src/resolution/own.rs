//! URLs of documents that this server itself publishes. They are never fetched: the document is built from the client.

use crate::base::{ClientId, ClientUrl};
use crate::client::rules::client_document::change::digest;
use crate::client::{Client, hosted_document};
use crate::publication::{self, Published};
use crate::resolution::ResolveError;
use crate::service::{Context, Service};
use crate::store::StoreError;

/// Returns what follows the base of the documents of this server in `url`; none if it is the URL of another server.
fn name<'a>(service: &Service, url: &'a ClientUrl) -> Option<&'a str> {
    let below = url.as_str().strip_prefix(&*service.document_base)?;
    below.strip_prefix('/')
}

/// Whether a document at `url` would be one of this server.
pub(super) fn is_own(service: &Service, url: &ClientUrl) -> bool {
    name(service, url).is_some()
}

/// Returns the document that this server publishes at `url` now, if there is one.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn published(
    cx: &Context<'_>,
    url: &ClientUrl,
) -> Result<Option<Published>, StoreError> {
    match name(cx.service, url).map(ClientId::parse) {
        Some(Ok(registered)) => publication::find(cx, &registered).await,
        _ => Ok(None),
    }
}

/// Returns the client that another server would make from the document that this server publishes at `url`, whose
/// identifier `id` is the URL. It keeps the trust level of the client that registered here. None if `url` is not one of
/// this server.
///
/// # Errors
/// When there is no document at `url` now, or the store cannot be read.
pub(super) async fn client(
    cx: &Context<'_>,
    url: &ClientUrl,
    id: &ClientId,
) -> Result<Option<Client>, ResolveError> {
    if !is_own(cx.service, url) {
        return Ok(None);
    }
    let published = published(cx, url).await?.ok_or(ResolveError::Unknown)?;
    let digest = digest(&published.octets);
    let (client, document) = (published.client, published.document);
    Ok(Some(hosted_document::client(
        id.clone(),
        client,
        document,
        digest,
    )))
}
