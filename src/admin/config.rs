//! Shows the live configuration, and changes it by JSON Patch (RFC 6902).

use crate::live::{Document, Operations, PatchError};
use crate::service::Context;
use crate::store::audit::Author;

/// Returns the configuration that applies to this request.
pub fn show(cx: &Context<'_>) -> Document {
    cx.snapshot.document(&cx.service.settings)
}

/// Applies the JSON Patch in `body`, durably and as a whole, and returns the configuration in force
/// afterwards. If `expected` is set, the current revision must be in it.
///
/// # Errors
/// Returns the reason why nothing was changed.
pub async fn patch(
    cx: &Context<'_>,
    author: Author,
    body: &[u8],
    expected: Option<Vec<String>>,
) -> Result<Document, PatchError> {
    cx.service
        .changes
        .patch(Operations::parse(body)?, expected, author)
        .await
}
