//! Patterns of scopes in a configuration file, and values of a wrong type.

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

#[test]
fn a_value_of_a_wrong_type_is_named_and_not_repeated() {
    check(
        "[[scopes]]\nid = \"a\"\n[[scopes]]\nid = 5\n",
        &["r.toml:3:1: scopes[1]: id: must be a text"],
    );
    check(
        "[scripts.secrets]\npin = 48151\n[server]\nlisten = 80\n",
        &[
            "r.toml:1:10: scripts.secrets: pin: must be a text or an object; the default is {}",
            "r.toml:4:1: server.listen: must be an address with a port, such as 127.0.0.1:8080; \
             the default is \"127.0.0.1:8080\"",
        ],
    );
}
