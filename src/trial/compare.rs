//! Compares two answers to the same request.

use axum::body::{Body, to_bytes};
use axum::response::Response;
use serde_json::{Map, Value};

use crate::client::member::{self, SetBy};
use crate::service::candidate::{AnswerStatus, Difference, MemberDifference};

/// An answer to a request.
pub(super) struct ComparedAnswer {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl ComparedAnswer {
    /// Reads `response`, and returns it as it was.
    pub(super) async fn read(response: Response) -> (Self, Response) {
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
        let answered = Self {
            status: parts.status.as_u16(),
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
        };
        (answered, Response::from_parts(parts, Body::from(bytes)))
    }

    const fn is_accepted(&self) -> bool {
        self.status < 400
    }

    fn verdict(&self) -> AnswerStatus {
        let member = |name: &str| self.body.get(name).filter(|_| !self.is_accepted());
        let text = |name: &str| member(name).and_then(Value::as_str).map(str::to_owned);
        AnswerStatus {
            status: self.status,
            error: text("error"),
            error_description: text("error_description"),
        }
    }

    /// Returns the members of the client that the server has not created itself.
    fn members(&self) -> Map<String, Value> {
        let mut members = self.body.as_object().cloned().unwrap_or_default();
        members.retain(|name, _| !is_created(name));
        members
    }
}

/// The request whose answers are compared.
pub(super) struct Compared {
    pub(super) at: u64,
    pub(super) correlation_id: Option<String>,
    pub(super) client_id: Option<String>,
}

/// Returns how `after` differs from `before`; `None` if both sets of scripts decide alike. The descriptions of
/// rejections may differ.
pub(super) fn difference(
    request: Compared,
    before: &ComparedAnswer,
    after: &ComparedAnswer,
) -> Option<Difference> {
    let (old, new) = (before.verdict(), after.verdict());
    let is_same_verdict = (old.status, &old.error) == (new.status, &new.error);
    let members = if before.is_accepted() && after.is_accepted() {
        differing(&before.members(), &after.members())
    } else {
        Vec::new()
    };
    if is_same_verdict && members.is_empty() {
        return None;
    }
    Some(Difference {
        at: request.at,
        correlation_id: request.correlation_id,
        client_id: request.client_id,
        before: old,
        after: new,
        members,
    })
}

fn differing(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<MemberDifference> {
    let mut members = Vec::new();
    let added = after.keys().filter(|name| !before.contains_key(*name));
    for name in before.keys().chain(added) {
        let (old, new) = (before.get(name), after.get(name));
        if old == new {
            continue;
        }
        let is_hidden = can_hold_secret(name);
        members.push(MemberDifference {
            member: name.clone(),
            before: old.filter(|_| !is_hidden).cloned(),
            after: new.filter(|_| !is_hidden).cloned(),
            is_hidden,
        });
    }
    members
}

/// Whether the server creates the member anew for each registration.
fn is_created(name: &str) -> bool {
    CODES.contains(&name) || member::find(name).is_some_and(|member| member.set_by == SetBy::Server)
}

/// The codes of a registration that waits for approval.
const CODES: [&str; 3] = [
    "registration_code",
    "verification_code",
    "verification_uri_complete",
];

/// Whether a value of the member may be a secret. The members of the standards are none, except for what the server
/// [creates](is_created), which is not compared.
fn can_hold_secret(name: &str) -> bool {
    member::find(name).is_none()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn compared(before: (u16, Value), after: (u16, Value)) -> Option<Difference> {
        let answered = |(status, body)| ComparedAnswer { status, body };
        let request = Compared {
            at: 1,
            correlation_id: None,
            client_id: None,
        };
        difference(request, &answered(before), &answered(after))
    }

    #[test]
    fn what_a_server_creates_is_no_difference() {
        let one = json!({"client_id": "a", "client_secret": "s", "client_name": "n"});
        let other = json!({"client_id": "b", "client_secret": "t", "client_name": "n"});
        assert_eq!(compared((201, one), (201, other)), None);
    }

    #[test]
    fn members_and_verdicts_are_compared_and_unknown_members_are_hidden() {
        let one = json!({"client_name": "n", "scope": "a", "own": "secret"});
        let other = json!({"client_name": "m", "own": "other", "contacts": ["c"]});
        let found = compared((201, one.clone()), (201, other)).unwrap();
        let shown = serde_json::to_value(&found.members).unwrap();
        assert_eq!(
            shown,
            json!([
                {"member": "client_name", "before": "n", "after": "m"},
                {"member": "scope", "before": "a"},
                {"member": "own", "is_hidden": true},
                {"member": "contacts", "after": ["c"]},
            ])
        );
        let rejected = json!({"error": "access_denied", "error_description": "no"});
        let found = compared((201, one), (403, rejected.clone())).unwrap();
        assert_eq!(found.after.error.as_deref(), Some("access_denied"));
        assert!(found.members.is_empty());
        let alike = json!({"error": "access_denied", "error_description": "in other words"});
        assert_eq!(compared((403, rejected.clone()), (403, alike)), None);
        let other = json!({"error": "invalid_client_metadata"});
        assert!(compared((400, rejected), (400, other)).is_some());
    }
}
