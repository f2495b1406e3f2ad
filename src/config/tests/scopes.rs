//! Patterns of scopes in a configuration file.

use super::check;

#[test]
fn a_scope_pattern_must_be_valid_not_default_and_not_match_admin_scopes() {
    check(
        "[[scopes]]\nid = \"a\"\npattern = \"(\"\n",
        &["r.toml:1:1: scopes[0]: pattern: '(' is not a valid regular expression, or is too large"],
    );
    check(
        "[[scopes]]\nid = \"a\"\npattern = \"b\"\ndefault = true\n",
        &[
            "r.toml:1:3: scopes[0].default: must not be true together with pattern, because a pattern does not name one scope",
        ],
    );
    check(
        "[[scopes]]\nid = \"a\"\npattern = \"[a-z]+[.].*\"\n",
        &[
            "r.toml:1:3: scopes[0].pattern: 'clients.read' is reserved for administrators ([admin.scopes]); clients must not register it",
        ],
    );
}
