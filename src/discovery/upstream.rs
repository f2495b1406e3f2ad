//! What the metadata of the authorization server beside us becomes below ours.

use serde_json::Value;

use crate::service::Members;

/// Its members without those that are ours to say: where clients register, also behind a client
/// certificate (RFC 8705 section 5), and the signed form (RFC 8414 section 2.1), which says
/// what the document said before.
pub(super) fn without_ours(theirs: &Members) -> Members {
    let mut members = theirs.clone();
    for name in ["registration_endpoint", "signed_metadata"] {
        members.remove(name);
    }
    let aliases = members.get_mut("mtls_endpoint_aliases").and_then(Value::as_object_mut);
    if let Some(aliases) = aliases {
        aliases.remove("registration_endpoint");
    }
    members
}

/// What both can do: what is registered here is used there. Where the other server says nothing,
/// or the two have nothing in common, it is what can be registered.
pub(super) fn shared(theirs: Option<&Members>, name: &str, ours: Vec<String>) -> Vec<String> {
    let Some(values) = theirs.and_then(|theirs| theirs.get(name)).and_then(Value::as_array) else {
        return ours;
    };
    let is_shared = |own: &&String| values.iter().any(|value| value.as_str() == Some(own.as_str()));
    let both: Vec<String> = ours.iter().filter(is_shared).cloned().collect();
    if both.is_empty() { ours } else { both }
}
