//! Keeps track of who gave each member its value, on its way through the pipeline.

use serde_json::{Map, Value};

use crate::client::{Client, MemberOrigin, MemberOrigins, Metadata};
use crate::registration::{Attempt, Proven, Sanctioned};
use crate::script::ChangedMember;

/// The members of a request that the client has not sent as they are.
pub(super) struct MemberSources {
    /// The origin of all other members of the request.
    rest: MemberOrigin,
    set: Vec<(String, MemberOrigin)>,
}

impl MemberSources {
    /// A request whose members come from `origin`.
    pub(super) const fn all_from(origin: MemberOrigin) -> Self {
        Self {
            rest: origin,
            set: Vec::new(),
        }
    }

    /// Notes that `origin` has set the member `name`.
    pub(super) fn set(&mut self, name: String, origin: MemberOrigin) {
        match self.set.iter_mut().find(|(member, _)| *member == name) {
            Some((_, present)) => *present = origin,
            None => self.set.push((name, origin)),
        }
    }

    /// Notes the members that scripts changed.
    pub(super) fn set_by_scripts(&mut self, changed: Vec<ChangedMember>) {
        for ChangedMember { member, script } in changed {
            self.set(member, MemberOrigin::Script(script));
        }
    }

    /// Notes that `origin` has set the members in which `after` differs from `before`.
    pub(super) fn set_where_different(
        &mut self,
        before: &Map<String, Value>,
        after: &Map<String, Value>,
        origin: &MemberOrigin,
    ) {
        for (name, value) in after {
            if before.get(name) != Some(value) {
                self.set(name.clone(), origin.clone());
            }
        }
    }

    /// Returns the origin of the member `name` of the request.
    fn of(&self, name: &str) -> MemberOrigin {
        let set = self.set.iter().find(|(member, _)| member == name);
        match set {
            Some((_, origin)) => origin.clone(),
            None => self.rest.clone(),
        }
    }
}

/// Returns the origins of the members of the client that is about to be stored. None if an administrator changes a client
/// whose origins are not known.
pub(super) fn settle(
    attempt: Attempt<'_>,
    proven: &Proven,
    sanctioned: &Sanctioned,
) -> Option<MemberOrigins> {
    let settled = SettledOrigins {
        proven,
        changed: &sanctioned.changed,
        existing: attempt.existing(),
        is_administrators: proven.sources.rest == MemberOrigin::Administrator,
    };
    if settled.is_administrators && settled.existing.is_some_and(|it| it.origins.is_none()) {
        return None;
    }
    let members = sanctioned.metadata.metadata().iter();
    let origins = members.map(|(name, value)| (name, settled.origin_of(name, value)));
    Some(MemberOrigins::collect(origins))
}

/// What decides the origin of a member.
struct SettledOrigins<'a> {
    proven: &'a Proven,
    /// The members that the deciding scripts changed.
    changed: &'a [ChangedMember],
    existing: Option<&'a Client>,
    is_administrators: bool,
}

impl SettledOrigins<'_> {
    fn origin_of(&self, name: &str, value: &Value) -> MemberOrigin {
        let changed = self.changed.iter().rfind(|changed| changed.member == name);
        if let Some(ChangedMember { script, .. }) = changed {
            return MemberOrigin::Script(script.clone());
        }
        let is_requested = self.proven.requested.metadata().has(name);
        // An administrator sends the whole client, and so repeats what it does not change.
        let is_kept = self.is_administrators || (!is_requested && name == "lifetime");
        if is_kept && let Some(kept) = self.kept(name, value) {
            return kept;
        }
        if is_requested {
            return self.proven.sources.of(name);
        }
        match &self.proven.initial_access {
            Some(token)
                if name == "lifetime" && token.policy.maximum_lifetime == value.as_u64() =>
            {
                MemberOrigin::InitialAccessToken
            }
            _ => MemberOrigin::Default,
        }
    }

    /// Returns the recorded origin of a member that has the registered value.
    fn kept(&self, name: &str, value: &Value) -> Option<MemberOrigin> {
        let existing = self.existing?;
        let registered: &Metadata = existing.metadata.metadata();
        if registered.get(name) != Some(value) {
            return None;
        }
        Some(existing.origins.as_ref()?.origin_of(name))
    }
}
