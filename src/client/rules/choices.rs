//! OpenID Connect RP Metadata Choices 1.0: a client lists what it supports, and the server chooses
//! a value.

use super::{algorithms::ALGORITHMS, algorithms::AlgorithmMember};
use crate::client::{
    rules::Metadata, rules::Registration, rules::Rules, rules::Violation, rules::choice_of,
    rules::is_faulted, rules::is_one_of, rules::keys, rules::methods, rules::shown,
    rules::violation,
};

/// A list in a request, and the member whose value is chosen from it.
struct Choice {
    list: &'static str,
    member: &'static str,
    supported: fn(&Registration) -> &[String],
    /// The algorithm that is chosen, if the member names one.
    algorithm: Option<&'static AlgorithmMember>,
}

/// Returns the choices. The method comes before the algorithm that has to match it.
fn choices() -> impl Iterator<Item = Choice> {
    let first = [
        Choice {
            list: "subject_types_supported",
            member: "subject_type",
            supported: |settings| &settings.subject_types_supported,
            algorithm: None,
        },
        Choice {
            list: "token_endpoint_auth_methods_supported",
            member: "token_endpoint_auth_method",
            supported: |settings| &settings.token_endpoint_auth_methods_supported,
            algorithm: None,
        },
    ];
    let algorithms = ALGORITHMS.iter().map(|algorithm| Choice {
        list: algorithm.choices,
        member: algorithm.member,
        supported: algorithm.supported,
        algorithm: Some(algorithm),
    });
    first.into_iter().chain(algorithms)
}

/// Returns each list with the member whose value is chosen from it.
pub(super) fn lists() -> impl Iterator<Item = (&'static str, &'static str)> {
    choices().map(|choice| (choice.list, choice.member))
}

/// Returns the list from which the value of `member` is chosen, if it has one.
pub(super) fn list_of(member: &str) -> Option<&'static str> {
    let (list, _) = lists().find(|(_, chosen)| *chosen == member)?;
    Some(list)
}

/// Sets each member to one supported value of its list and removes the lists. A response contains
/// only the chosen values (section 2).
pub(super) fn narrow(cx: &Rules<'_>, metadata: &mut Metadata, found: &mut Vec<Violation>) {
    for choice in choices() {
        if !metadata.has(choice.list) {
            continue;
        }
        let list: Vec<String> = metadata.texts(choice.list).map(str::to_owned).collect();
        metadata.remove(choice.list);
        if is_faulted(found, choice.list) || is_faulted(found, choice.member) {
            continue;
        }
        match pick(cx, metadata, &choice, &list) {
            Ok(value) => metadata.set(choice.member, value),
            Err(violation) => found.push(violation),
        }
    }
}

fn pick(
    cx: &Rules<'_>,
    metadata: &Metadata,
    choice: &Choice,
    list: &[String],
) -> Result<String, Violation> {
    let wanted = metadata.text(choice.member);
    if let Some(wanted) = wanted
        && !is_one_of(list, wanted)
    {
        return Err(not_listed(choice, wanted));
    }
    // The value that the client prefers comes first, then the others in the client's order. A value
    // whose requirements are not met is chosen only if there is no other, so that the error names
    // what is missing.
    let preferred = list.iter().filter(|one| Some(one.as_str()) == wanted);
    let mut chosen = None;
    for value in preferred.chain(list) {
        if !is_supported(cx, choice, value) || !is_allowed(cx, metadata, choice, value) {
            continue;
        }
        if has_what_it_needs(cx, metadata, choice, value) {
            return Ok(value.clone());
        }
        chosen = chosen.or(Some(value));
    }
    if let Some(chosen) = chosen {
        return Ok(chosen.clone());
    }
    let supported = choice_of((choice.supported)(cx.settings));
    let rule = format!("contains no supported value; {supported}");
    Err(violation(choice.list, rule))
}

fn is_supported(cx: &Rules<'_>, choice: &Choice, value: &str) -> bool {
    match choice.algorithm {
        Some(algorithm) => algorithm.is_supported(cx.settings, value),
        None => is_one_of((choice.supported)(cx.settings), value),
    }
}

fn not_listed(choice: &Choice, wanted: &str) -> Violation {
    let rule = format!(
        "must be one of {}, which does not have {}",
        choice.list,
        shown(wanted)
    );
    violation(choice.member, rule)
}

/// Whether the other choices of the client and its initial access token allow `value`.
fn is_allowed(cx: &Rules<'_>, metadata: &Metadata, choice: &Choice, value: &String) -> bool {
    match choice.member {
        "token_endpoint_auth_signing_alg" => methods::can_sign(metadata, value),
        methods::METHOD => {
            let policy = cx.initial_access;
            let allowed = policy.and_then(|policy| policy.token_endpoint_auth_methods.as_ref());
            allowed.is_none_or(|allowed| allowed.contains(value))
        }
        _ => true,
    }
}

/// Whether the client has the keys and members that `value` requires.
fn has_what_it_needs(cx: &Rules<'_>, metadata: &Metadata, choice: &Choice, value: &str) -> bool {
    if let Some(algorithm) = choice.algorithm
        && keys::algorithm_fault(metadata, algorithm, value).is_some()
    {
        return false;
    }
    choice.member != methods::METHOD || methods::has_what_it_needs(cx, metadata, value)
}
