//! Members that grant rights at the upstream authorization server, such as groups, audiences and
//! undefined scopes. A client that nobody vouches for must not grant them to itself.

use serde_json::{Map, Value};

use crate::client::{
    MEMBERS, SetBy, rules::InitialAccessPolicy, rules::Metadata, rules::Registration,
    rules::is_one_of, rules::member,
};

/// The sources that allow privileged members in a request.
#[derive(Clone, Copy)]
pub(crate) struct Privileges<'a> {
    /// The members that the operator lets every client register.
    pub(crate) settings: &'a Registration,
    /// The members that the initial access token allows.
    pub(crate) policy: Option<&'a InitialAccessPolicy>,
    /// Whether a verified software statement gives a member this value.
    pub(crate) vouched: &'a dyn Fn(&str, &Value) -> bool,
    /// The registered metadata, if this is an update.
    pub(crate) registered: Option<&'a Metadata>,
}

impl Privileges<'_> {
    fn allow(&self, name: &str, value: &Value) -> bool {
        if is_one_of(&self.settings.privileged_members, name) {
            return true;
        }
        if let Some(policy) = self.policy
            && let Some(allowed) = &policy.privileged_members
            && is_one_of(allowed, name)
        {
            return true;
        }
        if (self.vouched)(name, value) {
            return true;
        }
        // The client was allowed to register this value, and that has not been revoked.
        match self.registered {
            Some(registered) => registered.get(name) == Some(value),
            None => false,
        }
    }
}

/// Removes from `members` the privileged ones that are not allowed. They are ignored like unknown
/// members (RFC 7591 section 2), and the response shows what was registered (section 3.2.1).
pub(crate) fn withhold(
    mut members: Map<String, Value>,
    privileges: &Privileges<'_>,
) -> Map<String, Value> {
    members.retain(|name, value| {
        !is_privileged(name) || asks_for_nothing(value) || privileges.allow(name, value)
    });
    members
}

/// Returns the names of all privileged members.
pub(crate) fn privileged_members() -> impl Iterator<Item = &'static str> {
    let members = MEMBERS.iter();
    let privileged = members.filter(|member| member.set_by == SetBy::Privileged);
    privileged.map(|member| member.name)
}

fn is_privileged(name: &str) -> bool {
    member::find(name).is_some_and(|member| member.set_by == SetBy::Privileged)
}

/// Whether a value grants no right: `false`, or an empty list.
fn asks_for_nothing(value: &Value) -> bool {
    match value {
        Value::Bool(is_set) => !is_set,
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// Returns the names in `privilegedMembers` that are not privileged members.
pub(super) fn settings_faults(settings: &Registration) -> Vec<(String, String)> {
    let mut faults = Vec::new();
    for name in &settings.privileged_members {
        if !is_privileged(name) {
            let all: Vec<&str> = privileged_members().collect();
            let all = all.join(", ");
            let reason =
                format!("'{name}' is not a privileged member; the privileged members are {all}");
            faults.push(("registration.privilegedMembers".to_owned(), reason));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    /// Checks a request with a privileged member, `groups`, and a member that any client may send.
    #[track_caller]
    fn check(privileges: &Privileges<'_>, is_kept: bool) {
        let kept = withhold(
            object(json!({"groups": ["a"], "client_name": "K"})),
            privileges,
        );
        assert_eq!(
            (
                kept.contains_key("groups"),
                kept.contains_key("client_name")
            ),
            (is_kept, true)
        );
    }

    #[test]
    fn an_unauthenticated_client_gets_no_privileges_and_a_verified_one_its_own() {
        let settings = Registration::default();
        let stranger = Privileges {
            settings: &settings,
            policy: None,
            vouched: &|_, _| false,
            registered: None,
        };
        check(&stranger, false);

        let open = Registration {
            privileged_members: vec!["groups".to_owned()],
            ..Registration::default()
        };
        check(
            &Privileges {
                settings: &open,
                ..stranger
            },
            true,
        );

        let policy = |names: Value| -> InitialAccessPolicy {
            serde_json::from_value(json!({ "privileged_members": names })).unwrap()
        };
        check(
            &Privileges {
                policy: Some(&policy(json!(["groups"]))),
                ..stranger
            },
            true,
        );
        check(
            &Privileges {
                policy: Some(&policy(json!(["claims"]))),
                ..stranger
            },
            false,
        );
        check(
            &Privileges {
                policy: Some(&policy(json!(null))),
                ..stranger
            },
            false,
        );

        let (same, other) = (
            object(json!({"groups": ["a"]})),
            object(json!({"groups": ["b"]})),
        );
        check(
            &Privileges {
                vouched: &|name, value| same.get(name) == Some(value),
                ..stranger
            },
            true,
        );
        check(
            &Privileges {
                vouched: &|name, value| other.get(name) == Some(value),
                ..stranger
            },
            false,
        );

        let (same, other) = (Metadata::new(same), Metadata::new(other));
        check(
            &Privileges {
                registered: Some(&same),
                ..stranger
            },
            true,
        );
        check(
            &Privileges {
                registered: Some(&other),
                ..stranger
            },
            false,
        );
    }

    #[test]
    fn each_privileged_member_is_withheld_unless_it_requests_nothing() {
        let settings = Registration::default();
        let stranger = Privileges {
            settings: &settings,
            policy: None,
            vouched: &|_, _| false,
            registered: None,
        };
        for name in privileged_members() {
            for (value, is_kept) in [
                (json!(true), false),
                (json!(["x"]), false),
                (json!(false), true),
                (json!([]), true),
            ] {
                let kept = withhold(Map::from_iter([(name.to_owned(), value)]), &stranger);
                assert_eq!(kept.contains_key(name), is_kept, "{name}");
            }
        }
        assert_eq!(privileged_members().count(), 9);
    }

    #[test]
    fn only_privileged_members_are_listed() {
        let settings = Registration {
            privileged_members: vec!["groups".to_owned(), "scope".to_owned()],
            ..Registration::default()
        };
        let faults = settings_faults(&settings);
        assert!(
            faults.len() == 1
                && faults[0]
                    .1
                    .starts_with("'scope' is not a privileged member"),
            "{faults:?}"
        );
    }
}
