//! `If-Match` (RFC 9110 section 13.1.1): no update is lost.

use hyper::header::{HeaderMap, IF_MATCH};

use super::{Held, ManageError};
use crate::registration::endpoint::entity_tag;

/// Refuses when `If-Match` is there and names neither `*` nor the present revision.
pub(super) fn check(headers: &HeaderMap, held: &Held) -> Result<(), ManageError> {
    if !headers.contains_key(IF_MATCH) {
        return Ok(());
    }
    let revision = held.stored.client().revision;
    let present = entity_tag(revision);
    let lists = headers.get_all(IF_MATCH).iter().filter_map(|value| value.to_str().ok());
    let matches =
        lists.flat_map(|list| list.split(',')).map(str::trim).any(|tag| tag == "*" || tag == present);
    if matches { Ok(()) } else { Err(ManageError::PreconditionFailed { revision }) }
}
