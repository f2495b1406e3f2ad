//! Scopes (RFC 6749 section 3.3, RFC 7591 section 2).

use super::Rules;
use super::report::{is_faulted, shown, violation};
use crate::client::Metadata;
use crate::model::Violation;

/// Grants what was asked for and is defined, and the scopes that everybody gets. What is left out
/// is no mistake: the answer shows what was granted.
pub(super) fn grant(cx: &Rules<'_>, metadata: &mut Metadata, found: &[Violation]) {
    let asked = metadata.text("scope").unwrap_or_default().to_owned();
    if is_faulted(found, "scope") || !is_scope(&asked) {
        return;
    }
    let is_defined = |name: &&str| cx.scopes.iter().any(|scope| scope.id == *name);
    let allowed = cx.initial_access.and_then(|policy| policy.scopes.as_ref());
    let is_allowed = |name: &&str| allowed.is_none_or(|allowed| allowed.iter().any(|one| one == name));
    let asked = asked.split(' ').filter(is_defined);
    let adds_defaults = cx.settings.dynamic_registration_scopes_param_enabled;
    let default =
        cx.scopes.iter().filter(|scope| adds_defaults && scope.default).map(|scope| scope.id.as_str());
    let mut granted: Vec<&str> = Vec::new();
    for name in asked.chain(default).filter(is_allowed) {
        if !granted.contains(&name) {
            granted.push(name);
        }
    }
    if granted.is_empty() {
        metadata.remove("scope");
    } else {
        metadata.set("scope", granted.join(" "));
    }
}

/// Every scope is written as RFC 6749 has it, and defined. A request never gets here with one
/// that is not defined; a script may.
pub(super) fn check(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    let Some(scope) = metadata.text("scope").filter(|_| !is_faulted(found, "scope")) else { return };
    if !is_scope(scope) {
        let rule =
            "must be words of visible ASCII without a quote or a backslash, with one space between two";
        found.push(violation("scope", rule));
        return;
    }
    for name in scope.split(' ').filter(|name| !cx.scopes.iter().any(|scope| scope.id == *name)) {
        found.push(violation("scope", format!("`{}` is not defined in [[scopes]]", shown(name))));
    }
    let Some(allowed) = cx.initial_access.and_then(|policy| policy.scopes.as_ref()) else { return };
    for name in scope.split(' ').filter(|name| !allowed.iter().any(|one| one == name)) {
        let rule = format!("`{}` is not allowed by the initial access token", shown(name));
        found.push(violation("scope", rule));
    }
}

/// RFC 6749 section 3.3; the empty text asks for nothing.
fn is_scope(text: &str) -> bool {
    let is_character =
        |byte: u8| byte == b'!' || (b'#'..=b'[').contains(&byte) || (b']'..=b'~').contains(&byte);
    text.is_empty() || text.split(' ').all(|word| !word.is_empty() && word.bytes().all(is_character))
}
