//! Which clients have a secret.

use super::algorithms::{ALGORITHMS, is_symmetric};
use crate::client::Metadata;

/// Whether a client with this metadata needs a secret for its authentication method, or for an
/// algorithm that uses the secret as its key (OpenID Connect Dynamic Client Registration section
/// 3.2).
pub fn needs_secret(metadata: &Metadata) -> bool {
    let further = metadata.texts("additional_token_endpoint_auth_methods");
    let by_method = metadata
        .text("token_endpoint_auth_method")
        .into_iter()
        .chain(further)
        .any(|method| {
            matches!(
                method,
                "client_secret_basic" | "client_secret_post" | "client_secret_jwt"
            )
        });
    // The algorithm of client assertions matters only with the method that uses it.
    let keyed = ALGORITHMS
        .iter()
        .filter(|algorithm| algorithm.member != "token_endpoint_auth_signing_alg");
    by_method
        || keyed
            .filter_map(|algorithm| metadata.text(algorithm.member))
            .any(is_symmetric)
}
