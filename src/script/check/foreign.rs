//! What other languages have, and what it is here.

/// Methods of other languages, with what to use instead.
const METHODS: [(&str, &str); 24] = [
    ("length", "use `len()`"),
    ("size", "use `len()`"),
    ("count", "use `len()`"),
    ("includes", "use `contains`, or `item in list`"),
    ("include", "use `contains`, or `item in list`"),
    ("has", "use `contains`"),
    ("has_key", "use `contains`"),
    ("hasOwnProperty", "use `contains`"),
    ("startsWith", "use `starts_with`"),
    ("startswith", "use `starts_with`"),
    ("endsWith", "use `ends_with`"),
    ("endswith", "use `ends_with`"),
    ("toLowerCase", "use `to_lower()`"),
    ("lower", "use `to_lower()`"),
    ("toUpperCase", "use `to_upper()`"),
    ("upper", "use `to_upper()`"),
    ("indexOf", "use `index_of`"),
    ("substring", "use `sub_string(start, length)`"),
    ("substr", "use `sub_string(start, length)`"),
    ("toString", "use `to_string()`"),
    ("strip", "use `trim()`, which changes the string in place"),
    ("forEach", "use `for item in list { .. }`"),
    ("join", "put the strings together in a loop"),
    ("match", "use `contains`, `starts_with` or `ends_with`"),
];

const ONLY_IN_TESTS: &str =
    "it is for tests only; to reject a request, return false, or throw #{ error: \"..\" }";

/// Functions of other languages, with what to use instead.
const FUNCTIONS: [(&str, &str); 16] = [
    ("println", "use `log::info(text)`"),
    ("printf", "use `log::info(text)`"),
    ("echo", "use `log::info(text)`"),
    ("parseInt", "use `parse_int(text)`"),
    ("Number", "use `parse_int(text)`"),
    ("str", "use `value.to_string()`"),
    ("String", "use `value.to_string()`"),
    ("typeof", "use `type_of(value)`"),
    ("type", "use `type_of(value)`"),
    ("isinstance", "use `type_of(value) == \"string\"`"),
    (
        "Error",
        "use `throw #{ error: \"invalid_client_metadata\", error_description: \"..\" };`",
    ),
    (
        "Exception",
        "use `throw #{ error: \"invalid_client_metadata\", error_description: \"..\" };`",
    ),
    ("fetch", "use `http::get(url)`"),
    ("assert", ONLY_IN_TESTS),
    ("assert_eq", ONLY_IN_TESTS),
    (
        "require",
        "use `import \"lib/name\" as name;` at the beginning of the script",
    ),
];

const PUBLIC: &str = "remove it: functions are public, unless `private` is before their `fn`";

/// Variables and words of other languages, with what to use instead.
const WORDS: [(&str, &str); 39] = [
    ("and", "write `&&`"),
    ("or", "write `||`"),
    ("not", "write `!`"),
    ("null", "write `()`, the absent value"),
    ("nil", "write `()`, the absent value"),
    ("None", "write `()`, the absent value"),
    ("undefined", "write `()`, the absent value"),
    ("True", "write `true`"),
    ("False", "write `false`"),
    ("elif", "write `else if`"),
    ("elsif", "write `else if`"),
    ("elseif", "write `else if`"),
    ("function", "write `fn name(parameters) { .. }`"),
    ("def", "write `fn name(parameters) { .. }`"),
    ("func", "write `fn name(parameters) { .. }`"),
    ("var", "write `let`"),
    ("async", "remove it: host functions wait for their result"),
    ("await", "remove it: host functions wait for their result"),
    (
        "new",
        "remove it: maps are written `#{ name: value }`, and arrays `[one, two]`",
    ),
    ("console", "write `log::info(text)`"),
    (
        "JSON",
        "write `json::parse(text)` or `json::stringify(value)`",
    ),
    (
        "Math",
        "write `min(one, two)`, `abs(number)` and so on, without `Math`",
    ),
    ("Date", "write `time::now()`"),
    ("raise", "write `throw`"),
    ("except", "write `catch`"),
    ("self", "write `context`, the parameter of the hook"),
    ("then", "remove it, and write `if condition { .. }`"),
    ("match", "write `switch value { \"one\" => .., _ => .. }`"),
    ("default", "write `_ => ..`"),
    ("unless", "write `if !condition { .. }`"),
    (
        "delete",
        "set the member to (), as in `context.client.contacts = ();`",
    ),
    (
        "mut",
        "remove it: every variable that is declared with `let` can be changed",
    ),
    (
        "class",
        "there are no classes; write functions, as in `fn name(parameters) { .. }`, and maps, as in `#{ name: value }`",
    ),
    (
        "finally",
        "remove it, and write its statements below the `catch { .. }`",
    ),
    ("pub", PUBLIC),
    ("public", PUBLIC),
    ("static", "write `const`"),
    ("case", "write `\"one\" => ..,`, without `case`"),
    ("typeof", "write `type_of(value)`"),
];

pub(super) fn method(name: &str) -> Option<&'static str> {
    find(&METHODS, name)
}

pub(super) fn function(name: &str) -> Option<&'static str> {
    find(&FUNCTIONS, name).or_else(|| find(&METHODS, name))
}

pub(super) fn word(name: &str) -> Option<&'static str> {
    find(&WORDS, name)
}

fn find(table: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    let mut found = table.iter().filter(|(foreign, _)| *foreign == name);
    found.next().map(|(_, advice)| *advice)
}

#[cfg(test)]
mod tests {
    use rhai::Engine;

    use super::*;

    /// Returns the names of the methods and functions that `advice` recommends.
    fn recommended(advice: &str) -> Vec<&str> {
        let quoted = advice.split('`').skip(1).step_by(2);
        let calls =
            quoted.filter(|call| call.contains('(') && !call.contains(' ') && !call.contains("::"));
        calls
            .map(|call| call.split('(').next().unwrap().rsplit('.').next().unwrap())
            .collect()
    }

    #[test]
    fn what_is_recommended_exists_and_what_is_foreign_does_not() {
        let engine = Engine::new();
        let own =
            engine.collect_fn_metadata(None, |info| Some(info.metadata.name.to_string()), true);
        for (foreign, advice) in METHODS.iter().chain(&FUNCTIONS) {
            assert!(!own.iter().any(|name| name == foreign), "{foreign} exists");
            for name in recommended(advice) {
                assert!(
                    name == "type_of" || own.iter().any(|own| own == name),
                    "{foreign}: {name}"
                );
            }
        }
    }
}
