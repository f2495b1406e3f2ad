//! Step 11: the file at `sector_identifier_uri` (OpenID Connect Registration section 5).

use super::RegisterError;
use crate::client::Metadata;
use crate::model::Violation;

/// Refuses every `sector_identifier_uri`: the file must be read and compared with the redirect
/// URIs at registration, and there is nothing yet that fetches it.
pub(super) fn check(metadata: &Metadata) -> Result<(), RegisterError> {
    if !metadata.has("sector_identifier_uri") {
        return Ok(());
    }
    let rule = "this server can not fetch the file yet; leave it out and use redirect URIs of one host";
    Err(RegisterError::Metadata(vec![Violation::metadata("sector_identifier_uri", rule)]))
}
