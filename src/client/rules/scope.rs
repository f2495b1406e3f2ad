//! Scopes (RFC 6749 section 3.3, RFC 7591 section 2).

use crate::base::scope;
use crate::client::{
    rules::Metadata, rules::Rules, rules::Violation, rules::is_faulted, rules::is_one_of,
    rules::shown, rules::sound_text, rules::violation,
};

/// Writes `scope` with single spaces between its words. A scope without words becomes absent.
pub(super) fn normalise(metadata: &mut Metadata) {
    match metadata.text("scope").and_then(scope::normal) {
        None => {}
        Some(words) if words.is_empty() => drop(metadata.remove("scope")),
        Some(words) => metadata.set("scope", words),
    }
}

/// Grants the requested scopes that are defined, and the default scopes. Leaving a scope out is not
/// an error: the response shows what was granted.
pub(super) fn grant(cx: &Rules<'_>, metadata: &mut Metadata, found: &[Violation]) {
    let asked = metadata.text("scope").unwrap_or_default().to_owned();
    if is_faulted(found, "scope") || !is_scope(&asked) {
        return;
    }
    let allowed = cx.initial_access.and_then(|policy| policy.scopes.as_ref());
    let mut granted: Vec<&str> = Vec::new();
    for name in scope::words(&asked) {
        if is_defined(cx, name) {
            grant_one(name, allowed, &mut granted);
        }
    }
    if cx.settings.dynamic_registration_scopes_param_enabled {
        for scope in cx.scopes {
            if scope.default {
                grant_one(&scope.id, allowed, &mut granted);
            }
        }
    }
    if granted.is_empty() {
        metadata.remove("scope");
    } else {
        metadata.set("scope", granted.join(" "));
    }
}

/// Adds `name` to `granted`, once, if the initial access token allows it.
fn grant_one<'a>(name: &'a str, allowed: Option<&Vec<String>>, granted: &mut Vec<&'a str>) {
    let is_allowed = allowed.is_none_or(|allowed| is_one_of(allowed, name));
    if is_allowed && !granted.contains(&name) {
        granted.push(name);
    }
}

fn is_defined(cx: &Rules<'_>, name: &str) -> bool {
    cx.scopes.iter().any(|scope| scope.defines(name))
}

/// Checks that every scope has the syntax of RFC 6749 and is defined. Undefined scopes never get
/// here from a request, but they may from a script.
pub(super) fn check(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    let Some(granted) = sound_text(metadata, "scope", found) else {
        return;
    };
    if !is_scope(granted) {
        let rule = "must consist of words in visible ASCII without quotes or backslashes";
        found.push(violation("scope", rule));
        return;
    }
    for name in scope::words(granted) {
        if !is_defined(cx, name) {
            let rule = format!("`{}` is not defined in [[scopes]]", shown(name));
            found.push(violation("scope", rule));
        }
    }
    let Some(allowed) = cx.initial_access.and_then(|policy| policy.scopes.as_ref()) else {
        return;
    };
    for name in scope::words(granted) {
        if !is_one_of(allowed, name) {
            let name = shown(name);
            let rule = format!("`{name}` is not allowed by the initial access token");
            found.push(violation("scope", rule));
        }
    }
}

fn is_scope(text: &str) -> bool {
    scope::words(text).all(scope::is_word)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::client::rules::testing::{check, check_changed};
    use crate::config::Registration;

    #[test]
    fn any_white_space_separates_and_single_spaces_are_stored() {
        for text in [
            "openid profile",
            " openid  profile ",
            "\n    openid\n    profile\n",
            "profile\topenid",
        ] {
            let stored = if text.starts_with('p') {
                "profile openid"
            } else {
                "openid profile"
            };
            check(json!({"scope": text}), Ok(json!({"scope": stored})));
            let changed = json!({"scope": text, "redirect_uris": ["https://a.example/cb"]});
            check_changed(
                &Registration::default(),
                changed,
                Ok(json!({"scope": stored})),
            );
        }
        // The default scopes.
        check(json!({"scope": " \n"}), Ok(json!({"scope": "openid"})));
    }

    #[test]
    fn a_scope_is_visible_ascii() {
        for text in ["openid \"x\"", "op\u{200b}enid", "\u{e9}", "a\\b"] {
            check(json!({"scope": text}), Err(&["scope: visible ASCII"]));
        }
    }

    #[test]
    fn scopes_have_their_own_limit() {
        let scopes =
            |count: usize| vec!["https://purl.example.org/spec/scope"; count].join("\n      ");
        check(
            json!({"scope": scopes(400)}),
            Ok(json!({"scope": "openid"})),
        );
        check(
            json!({"scope": scopes(500)}),
            Err(&["scope: has 17999 bytes; at most 16384 are allowed"]),
        );
    }
}
