//! Scripts that cannot be parsed or read, and what is said about them.

use super::*;

#[test]
fn what_other_languages_and_editors_write_is_explained() {
    let mut cases = Vec::new();
    for (body, expected) in [
        (
            "context.client.client_name == \u{201c}x\u{201d}",
            "10-a.rhai:2:31: Unexpected '\u{201c}'; a string is written in straight double quotes (\"), not in curly ones",
        ),
        ("let x = \u{2018}a\u{2019}; true", "not in curly ones"),
        (
            "\u{a0}true",
            "the character U+00A0, which looks like one or is invisible; type a space",
        ),
        (
            "let x = 5 \u{2013} 1; true",
            "write the minus of the keyboard (-)",
        ),
        (
            "text::matches(\"a\", \"\\d+\")",
            "write two backslashes for one, or write the string between backticks, as in `\\d+`",
        ),
        (
            "switch 1 { case 1 => true }",
            "instead of `case` write `\"one\" => ..,`",
        ),
        (
            "switch 1 { default => true }",
            "instead of `default` write `_ => ..`",
        ),
        (
            "try { 1 } catch { 2 } finally { 3 }",
            "remove it, and write its statements below",
        ),
        (
            "try { 1 } finally { 3 }",
            "remove it, and write its statements below",
        ),
        ("1 <> 2", "write `!=`"),
        (
            "let mut x = 1; true",
            "every variable that is declared with `let` can be changed",
        ),
        (
            "print \"x\"; true",
            "write `log::info(text)`, with parentheses",
        ),
        (
            "log::info \"x\"; true",
            "the arguments of a function are in parentheses",
        ),
        ("unless true { }", "write `if !condition { .. }`"),
        (
            "delete context.client.contacts; true",
            "set the member to ()",
        ),
        (
            "assert(true); true",
            "there is no function assert; it is for tests only",
        ),
        ("true }\nclass A {", "there are no classes"),
        ("true }\nexport fn a() {", "remove `export` before `fn`"),
        ("true }\npub fn a() {", "remove it: functions are public"),
        ("true }\npublic fn a() {", "remove it: functions are public"),
    ] {
        cases.push((create(body), expected));
    }
    cases.push((
        "fn createClient(context) {\n  true /* x\n}\n".to_owned(),
        "the comment that begins in line 2 never ends; close it with `*/`",
    ));
    find_all(cases);
}

#[test]
fn a_byte_order_mark_is_ignored() {
    finds_nothing("\u{feff}fn deleteClient(context) { true }");
}

#[test]
fn a_file_in_another_encoding_is_named_with_its_line() {
    let folder = tempfile::TempDir::new().unwrap();
    let text = b"fn deleteClient(context) {\n    // \xfcber\n    true\n}\n";
    std::fs::write(folder.path().join("10-a.rhai"), text).unwrap();
    let load_from = |path: &Path| {
        let loaded = load(&[], |settings| path.clone_into(&mut settings.directory));
        loaded.map(drop).unwrap_err()
    };
    assert_eq!(
        load_from(folder.path()),
        "10-a.rhai: the file is not UTF-8 in line 2; save it in UTF-8"
    );
    let file = folder.path().join("10-a.rhai");
    let said = load_from(&file);
    assert!(
        said.ends_with("10-a.rhai: this is a file; name the folder with the scripts"),
        "{said}"
    );
}
