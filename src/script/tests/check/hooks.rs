//! Mistakes in the hooks of a script, and files that were meant to be scripts.

use super::*;

#[test]
fn mistakes_in_the_hooks_of_a_script_are_found() {
    let mut cases = Vec::new();
    for (script, expected) in [
        (
            "fn createClient(context) { true }",
            "Warning 10-a.rhai:1:1: createClient has no matching updateClient",
        ),
        (
            "private fn deleteClient(context) { true }",
            "the server cannot call deleteClient: remove `private`",
        ),
        (
            "fn createCleint(context) { true }",
            "10-a.rhai:1:1: the function createCleint is never called; did you mean the hook createClient?",
        ),
        (
            "fn helper(context) { true }",
            "Warning 10-a.rhai:1:1: the script has no hook, so it is never called",
        ),
        (
            "let limit = 5;\n  let createClient = |context| true;",
            "Warning 10-a.rhai:2:3: createClient is a variable here, which the server never calls; declare the hook as a \
             function: `fn createClient(context) { .. }`",
        ),
        (
            "/* one */ fn deleteClient(context) { \"/*\" != `/*${1}/*` }\n/* two *//* three\nfn createClient(context) { /* four */ false }",
            "Warning 10-a.rhai:2:10: this comment never ends",
        ),
        (
            "fn getEvidenceNonce(context) { 5 }",
            "getEvidenceNonce must return () or a string, but ends with a whole number",
        ),
        (
            "fn verifyEvidence(context) { \"ok\" }",
            "verifyEvidence must return () or true or false or a map, but ends with a string",
        ),
    ] {
        cases.push((script.to_owned(), expected));
    }
    find_all(cases);
}

#[test]
fn files_that_look_like_scripts_are_found() {
    let fine = "fn deleteClient(context) { true }";
    let said = said_of(&[
        ("10-a.rhai", fine),
        ("20-x.rhai.txt", fine),
        ("30-y.RHAI", fine),
        ("lib/z.Rhai", fine),
        ("sub/x.rhai", fine),
        ("tests/a.rhai", "fn test_a() { }"),
        ("lib/deeper/b.rhai", fine),
        (".hidden.RHAI", fine),
        ("README.md", "rhai"),
        ("data/rhai.txt", "rhai"),
    ]);
    let lines: Vec<&str> = said.lines().collect();
    let renamed =
        "this file is ignored, because the name of a script ends with .rhai; rename it to";
    assert_eq!(
        lines,
        [
            format!("Warning 20-x.rhai.txt: {renamed} 20-x.rhai"),
            format!("Warning 30-y.RHAI: {renamed} 30-y.rhai"),
            format!("Warning lib/z.Rhai: {renamed} lib/z.rhai"),
            "Warning sub/x.rhai: this file is ignored: scripts must be directly in the folder of the scripts, and files \
             that they import below its lib/"
                .to_owned(),
        ]
    );
}
