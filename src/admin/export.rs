//! Exports all clients as JSON lines, with at most one page in memory.

use std::sync::Arc;

use futures_util::stream::{BoxStream, StreamExt, try_unfold};

use crate::base::SealError;
use crate::service::Service;
use crate::store::transfer::{CLIENTS, ClientLine, append_line};
use crate::store::{StoreError, Stored};

/// The number of clients in memory at a time.
const PAGE: usize = 100;

/// Why an export ends before its last line.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExportError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A secret cannot be decrypted.
    #[error("the secret of the client {0}: {1}")]
    Seal(String, SealError),
    /// A line cannot be written.
    #[error("a line cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// The remaining pages, and the number of clients written so far.
struct Position {
    pages: BoxStream<'static, Result<Vec<Stored>, StoreError>>,
    clients: u64,
    is_over: bool,
}

/// Returns the lines of all clients, ordered by identifier, in chunks. The last line has their number; an
/// export without it is truncated. Clients that the operator created, such as the administrator, belong to
/// their server and are left out.
pub(super) fn lines(
    service: &Arc<Service>,
) -> impl futures_util::Stream<Item = Result<Vec<u8>, ExportError>> + Send + use<> {
    let service = Arc::clone(service);
    let pages = service.store.clients.pages(PAGE).boxed();
    try_unfold(
        Position {
            pages,
            clients: 0,
            is_over: false,
        },
        move |position| {
            let service = Arc::clone(&service);
            async move {
                let next = next(&service, position).await;
                next.inspect_err(|error| tracing::error!(%error, "client export aborted"))
            }
        },
    )
}

async fn next(
    service: &Service,
    mut position: Position,
) -> Result<Option<(Vec<u8>, Position)>, ExportError> {
    if position.is_over {
        return Ok(None);
    }
    let mut text = Vec::new();
    let Some(page) = position.pages.next().await.transpose()? else {
        let last = serde_json::json!({ CLIENTS: position.clients });
        append_line(&mut text, &last)?;
        position.is_over = true;
        return Ok(Some((text, position)));
    };
    for stored in page.iter().filter(|stored| !stored.client().is_operators()) {
        let client = stored.client();
        let members = ClientLine::new(client, &service.store.sealing_key)
            .map_err(|error| ExportError::Seal(client.id.to_string(), error))?;
        append_line(&mut text, &members)?;
        position.clients += 1;
    }
    Ok(Some((text, position)))
}
