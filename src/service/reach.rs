//! Whether another server can be reached by the rules of `[fetch]`.

use std::time::Duration;

use crate::fetch::{FetchError, Fetcher, Request};

/// Sends a `HEAD`, which changes nothing, and returns the status of the answer.
///
/// # Errors
/// Why there is none, in a text that clients may see; the log has the details.
pub(crate) async fn reach(
    fetcher: &Fetcher,
    url: &str,
    patience: Duration,
) -> Result<u16, FetchError> {
    let request = Request {
        method: "HEAD".to_owned(),
        timeout: Some(patience),
        is_body_ignored: true,
        is_error_body_ignored: true,
        ..Request::get(url)
    };
    // The requests of clients keep their turns.
    match fetcher.apart(1).send(request).await {
        Ok(response) => Ok(response.status),
        // Whoever redirects has answered.
        Err(FetchError::Redirected(status)) => Ok(status),
        Err(error) => Err(error),
    }
}
