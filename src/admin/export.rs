//! All clients as JSON lines, of which no more than a page is in memory.

use std::sync::Arc;

use futures_util::stream::{BoxStream, StreamExt, try_unfold};
use serde_json::{Map, Value};

use crate::secret::SealError;
use crate::service::Service;
use crate::store::line::{CLIENTS, of as line_of};
use crate::store::{StoreError, Stored};

/// Clients that are in memory at a time.
const PAGE: usize = 100;

/// Why an export ends before its last line.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExportError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A secret does not open.
    #[error("the secret of the client {0}: {1}")]
    Seal(String, SealError),
    /// A line can not be written.
    #[error("a line can not be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// Pages that follow, and how many clients there were before.
struct Position {
    pages: BoxStream<'static, Result<Vec<Stored>, StoreError>>,
    clients: u64,
    is_over: bool,
}

/// The lines of all clients in the order of their identifiers, some at a time, and a last line with
/// their number: where it is missing, something was cut off. Clients that the operator made, the
/// administrator above all, belong to their server and are left out.
pub(super) fn lines(
    service: &Arc<Service>,
) -> impl futures_util::Stream<Item = Result<Vec<u8>, ExportError>> + Send + use<> {
    let service = Arc::clone(service);
    let pages = service.store.clients.pages(PAGE).boxed();
    try_unfold(Position { pages, clients: 0, is_over: false }, move |position| {
        let service = Arc::clone(&service);
        async move {
            let next = next(&service, position).await;
            next.inspect_err(|error| tracing::error!(%error, "an export was broken off"))
        }
    })
}

async fn next(service: &Service, mut position: Position) -> Result<Option<(Vec<u8>, Position)>, ExportError> {
    if position.is_over {
        return Ok(None);
    }
    let mut text = Vec::new();
    let Some(page) = position.pages.next().await.transpose()? else {
        line(&mut text, &Map::from_iter([(CLIENTS.to_owned(), position.clients.into())]))?;
        return Ok(Some((text, Position { is_over: true, ..position })));
    };
    for stored in page.iter().filter(|stored| !stored.client().is_operators()) {
        let client = stored.client();
        let members = line_of(client, &service.store.sealing_key);
        line(&mut text, &members.map_err(|error| ExportError::Seal(client.id.to_string(), error))?)?;
        position.clients += 1;
    }
    Ok(Some((text, position)))
}

fn line(text: &mut Vec<u8>, members: &Map<String, Value>) -> Result<(), serde_json::Error> {
    serde_json::to_writer(&mut *text, members)?;
    text.push(b'\n');
    Ok(())
}
