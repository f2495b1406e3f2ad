//! The live configuration: shown, and changed by JSON Patch (RFC 6902).

use crate::live::{Document, Operations, PatchError};
use crate::service::Context;
use crate::store::audit::Author;

/// The configuration that this request sees.
pub fn show(cx: &Context<'_>) -> Document {
    cx.snapshot.document(&cx.service.settings)
}

/// Makes the JSON Patch in `body`, durably and as a whole; gives the configuration that is in
/// force then. `expected` are revisions of which one must be the present one.
///
/// # Errors
/// Why nothing was changed.
pub async fn patch(
    cx: &Context<'_>,
    author: Author,
    body: &[u8],
    expected: Option<Vec<String>>,
) -> Result<Document, PatchError> {
    cx.service.changes.patch(Operations::parse(body)?, expected, author).await
}
