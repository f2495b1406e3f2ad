//! Patterns of scopes, as a file has them.

use super::check;

#[test]
fn a_pattern_is_valid_names_no_default_and_leaves_the_scopes_of_administrators_alone() {
    check(
        "[[scopes]]\nid = \"a\"\npattern = \"(\"\n",
        &["r.toml:1:1: scopes[0]: pattern: '(' is not a valid regular expression, or too large"],
    );
    check(
        "[[scopes]]\nid = \"a\"\npattern = \"b\"\ndefault = true\n",
        &[
            "r.toml:1:3: scopes[0].default: must not be true beside pattern, which names no scope that a client could be given",
        ],
    );
    check(
        "[[scopes]]\nid = \"a\"\npattern = \"[a-z]+[.].*\"\n",
        &[
            "r.toml:1:3: scopes[0].pattern: 'clients.read' is a scope of administrators ([admin.scopes]), which nobody may register",
        ],
    );
}
