//! The documents of clients that this server publishes (OAuth Client ID Metadata Document).
//!
//! A document is built from the stored client at each request, so it ends with the client. It does not depend on who
//! asks: everyone gets the same bytes until the client or the configuration changes.

pub(crate) mod endpoint;

use serde_json::{Map, Value};

use crate::base::{ClientId, sha256_hex};
use crate::client::{Client, hosted_document};
use crate::config::HostedClientDocuments;
use crate::service::Context;
use crate::store::StoreError;

/// A document, with the client that it describes.
pub(crate) struct Published {
    /// The client.
    pub(crate) client: Client,
    /// The members of the document.
    pub(crate) document: Map<String, Value>,
    /// The document as it is sent.
    pub(crate) octets: Vec<u8>,
}

impl Published {
    /// Returns the version of the document, which changes with its bytes.
    pub(crate) fn version(&self) -> String {
        let digest = sha256_hex(&self.octets);
        format!("{}-{digest}", self.client.revision)
    }
}

/// Returns the document of the client `id`; none if there is none at this moment.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn find(cx: &Context<'_>, id: &ClientId) -> Result<Option<Published>, StoreError> {
    if cx.settings().hosted_client_documents == HostedClientDocuments::Off {
        return Ok(None);
    }
    let Some(stored) = cx.service.store.clients.find(id).await? else {
        return Ok(None);
    };
    let client = stored.into_client();
    let is_published = client.has_hosted_document() && client.is_usable(cx.service.clock.now());
    Ok(is_published.then(|| published(cx, client)))
}

fn published(cx: &Context<'_>, client: Client) -> Published {
    let document = hosted_document::document(
        &cx.service.document_url(&client.id),
        client.metadata.metadata(),
        client.provenance.trust_level,
        cx.settings(),
    );
    let octets = serde_json::to_vec(&document).unwrap_or_default();
    Published {
        client,
        document,
        octets,
    }
}
