//! The check of scripts: what it finds, and what it must not report.

mod found;
mod hints;
mod hooks;
mod values;

use std::path::{Path, PathBuf};

use super::load;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns what is found in a script, or why it cannot be loaded.
fn said(text: &str) -> String {
    said_of(&[("10-a.rhai", text)])
}

fn said_of(files: &[(&str, &str)]) -> String {
    match load(files, |_| {}) {
        Ok(set) => {
            let mut said = Vec::new();
            for finding in set.findings() {
                said.push(format!("{:?} {finding}", finding.severity));
            }
            said.join("\n")
        }
        Err(errors) => errors,
    }
}

/// Checks that each script has what is expected of it. All failures are shown together.
#[track_caller]
fn find_all(cases: impl IntoIterator<Item = (String, &'static str)>) {
    let mut missed = Vec::new();
    for (text, expected) in cases {
        let said = said(&text);
        if !said.contains(expected) {
            missed.push(format!(
                "{text}
says
{said}
and not
{expected}"
            ));
        }
    }
    assert!(
        missed.is_empty(),
        "{}",
        missed.join(
            "

"
        )
    );
}

#[track_caller]
fn finds(text: &str, expected: &'static str) {
    find_all([(text.to_owned(), expected)]);
}

#[track_caller]
fn find_nothing(texts: impl IntoIterator<Item = String>) {
    let mut wrong = Vec::new();
    for text in texts {
        let said = said(&text);
        if !said.is_empty() {
            wrong.push(format!(
                "{text}
says
{said}"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}",
        wrong.join(
            "

"
        )
    );
}

#[track_caller]
fn finds_nothing(text: &str) {
    find_nothing([text.to_owned()]);
}

/// Wraps the body of `createClient` in a script that has nothing else to report.
fn create(body: &str) -> String {
    format!("fn createClient(context) {{\n{body}\n}}\nfn updateClient(context) {{ true }}")
}

#[track_caller]
fn body_is_fine(body: &str) {
    finds_nothing(&create(body));
}

/// Returns the folders of all scripts of the repository.
fn folders() -> Vec<PathBuf> {
    let mut folders = vec![root().join("scripts")];
    for entry in std::fs::read_dir(root().join("examples/scripts")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders
}

#[test]
fn nothing_is_wrong_with_the_scripts_of_the_repository() {
    for folder in folders() {
        let set = load(&[], |settings| settings.directory.clone_from(&folder)).unwrap();
        let said: Vec<String> = set.findings().iter().map(ToString::to_string).collect();
        assert!(said.is_empty(), "{}\n{}", folder.display(), said.join("\n"));
    }
}

#[test]
fn each_typical_mistake_has_an_answer() {
    for (name, expected) in MISTAKES {
        let path = root().join("tests/fixtures/scripts/mistakes").join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        let said = said(&text);
        println!("--- {name}\n{said}");
        assert!(
            !expected.is_empty() && said.contains(expected),
            "{name}\n{text}\nsays\n{said}\nand not\n{expected}"
        );
    }
}

const MISTAKES: &[(&str, &str)] = &[
    (
        "01-typo-member.rhai",
        "10-a.rhai:2:23: unknown metadata 'redirect_uri'; did you mean 'redirect_uris'?",
    ),
    (
        "03-hook-arity.rhai",
        "10-a.rhai:1:1: wrong number of parameters; the hook is createClient(context)",
    ),
    (
        "05-return-type.rhai",
        "10-a.rhai:2:5: createClient must return true or false, but ends with a string",
    ),
    ("07-infinite.rhai", "10-a.rhai:3:5: this loop never ends"),
    (
        "08-undefined-fn.rhai",
        "10-a.rhai:2:8: there is no function is_allowed",
    ),
    (
        "10-string-int.rhai",
        "Warning 10-a.rhai:2:46: [scripts.attributes] does not set `limit`, so this compares () with \"5\"; if it is to \
         be a number, write the number without quotes: 5",
    ),
    ("11b-readonly-attr.rhai", "10-a.rhai:2:"),
    (
        "12b-host-module.rhai",
        "10-a.rhai:2:5: Undefined module: htttp; did you mean http?",
    ),
    (
        "13-forget-true.rhai",
        "10-a.rhai:3:1: createClient must return true or false, but ends with (); end the hook with `true`",
    ),
    (
        "15-assign-in-if.rhai",
        "`=` assigns a value; compare with `==`",
    ),
    (
        "17-wrong-value-type.rhai",
        "10-a.rhai:2:31: 'contacts' must be an array, as in [\"one\", \"two\"], not a string",
    ),
    (
        "19-js-throw.rhai",
        "10-a.rhai:2:5: a thrown text is a fault",
    ),
    (
        "21-single-quotes.rhai",
        "a string is written in double quotes: \"bad\"",
    ),
    ("23-and-or.rhai", "instead of `and` write `&&`"),
    (
        "25-throw-200.rhai",
        "`status` of a thrown map must be from 400 to 599, not 200",
    ),
];

#[test]
fn a_script_that_cannot_be_parsed_is_explained() {
    let mut cases = Vec::new();
    for (text, expected) in [
        (
            "throw { status: 400, error: \"x\" };",
            "a map begins with `#{`",
        ),
        ("let x = { a: 1 }; x", "a map begins with `#{`"),
        (
            "let x = 'abc'; x",
            "a string is written in double quotes: \"abc\"",
        ),
        ("true and false", "instead of `and` write `&&`"),
        ("if true or false { }", "instead of `or` write `||`"),
        ("not true", "write `!`"),
        ("let x = null; x", "write `()`, the absent value"),
        ("let x = None; x", "write `()`, the absent value"),
        ("let x = undefined; x", "write `()`, the absent value"),
        ("let x = 1 === 1; x", "write `==`"),
        (
            "LIMIT > 5",
            "a function reads a constant of the script as global::LIMIT",
        ),
        (
            "counter > 5",
            "declare it with `const counter`, and read it as global::counter",
        ),
        (
            "if (context = 5) { }",
            "`=` assigns a value; compare with `==`",
        ),
        ("console.log(\"x\")", "write `log::info(text)`"),
        (
            "log.info(\"x\")",
            "the functions of a module are called with `::`, as in log::name(..)",
        ),
        (
            "let a = true ? 1 : 2;",
            "write `if condition { one } else { two }`",
        ),
        ("let i = 1; i++;", "write `value += 1`"),
        (
            "for (let i = 0; i < 3; i++) { }",
            "write `for number in 0..3 { .. }`",
        ),
        (
            "let f = x => x;",
            "a function without a name is written `|value| value + 1`",
        ),
        ("let x: int = 5;", "have no types; remove it"),
        (
            "let uris = context.client.redirect_uris; uri.len()",
            "did you mean 'uris'?",
        ),
        ("names::host(\"x\")", "did you mean name?"),
        ("try { } catch error { }", "write `catch (error) { .. }`"),
        ("if true return false;", "the braces are required"),
        ("elif", "write `else if`"),
        ("# comment", "a comment begins with `//`"),
        ("raise \"x\";", "write `throw`"),
        ("f\"x\"", "values are put into a string in backticks"),
    ] {
        let more = "\nconst LIMIT = 5;\nlet counter = 1;\nimport \"lib/x\" as name;";
        cases.push((format!("{}{more}", create(text)), expected));
    }
    find_all(cases);
    finds(
        "fn a(context) { true }\nfn createClient(context): bool { true }",
        "have no types; remove it",
    );
    let said = said_of(&[
        ("10-a.rhai", "import \"lib/x\" as x;"),
        ("lib/x.rhai", "fn f() {\n    let x = null;\n}"),
    ]);
    assert!(
        said.contains("lib/x.rhai:2:13: ") && said.contains("write `()`"),
        "{said}"
    );
}

#[test]
fn what_may_be_right_is_not_reported() {
    let mut texts = Vec::new();
    for body in [
        "let context = #{ clinet: 1 }; context.clinet == 1",
        "let name = \"x\"; context.client[name] == ()",
        "let m = #{ f: |x| x + 1 }; m.f(2) == 3",
        "let x = (); if context.trustLevel == \"open\" { x = 5; } x == 5",
        "let list = context.client.contacts ?? []; list.push(\"a\"); list.len() > 0",
        "let list = (); list.push(1); list.len() == 1",
        "context.client.contacts.push(\"a@example.org\"); true",
        "context.client.contacts = (); true",
        "context.client.contacts = if true { [\"a\"] } else { () }; true",
        "let copy = context.configurationAttributes; copy.limit = 5; copy.limit == 5",
        "let request = context.httpRequest; request.extra = 5; request.extra == 5",
        "context.configurationAttributes.limit == \"five\" || context.configurationAttributes.limit == ()",
        "context.softwareStatement != () && context.softwareStatement.claims.level > 5",
        "context.client.client_name == () || context.client.client_name.len() < 50",
        "let n = kv::get(\"n\"); n == () || n > 5",
        "let claims = context.softwareStatement.claims; claims.a.b.c == \"x\" && claims.n == 5",
        "for uri in context.client.redirect_uris { if uri::parse(uri).host == \"a\" { return false; } } true",
        "let i = 0; while i < 5 { i += 1; } i == 5",
        "loop { if kv::increment(\"n\", 1, 60) > 3 { break; } } true",
        "let f = Fn(\"is_fine\"); f.call(1, 2)",
        "context.client.redirect_uris.all(|uri| uri.starts_with(\"https\"))",
        "let limit = 5; context.client.redirect_uris.filter(|uri| uri.len() > limit).len() == 0",
        "context.client[\"client_name#fr\"] = \"Nom\"; true",
        "context.getRegisterRequest().getRedirectUris().len() > 0",
        "let text = context.client.client_name ?? \"\"; text.trim(); text != \"\"",
        "switch context.trustLevel { \"open\" => false, _ => true }",
        "if context.trustLevel == \"open\" { throw #{ error: \"x\", error_description: \"y\" }; } else { true }",
        "if context.trustLevel == \"open\" { reject(\"x\") } else { true }",
        "try { http::get(\"https://a.example\").status == 200 } catch (error) { log::warn(`${error}`); false }",
        "let verdict = true; verdict",
        "let answer = http::get(\"https://a.example\"); answer.status == 200 && answer.json.ok == true",
        "1.5 > 1 && 'a' == \"a\" && \"a\" < \"b\" && [1] == [1] && 5 in [5] && \"a\" in \"abc\" && \"a\" in #{ a: 1 }",
        "let text = 5 + \" clients\"; text.len() > 5",
        "debug(context.trustLevel); print(5); true",
        "let this_one = context.client.to_map(); this_one.anything == ()",
        "let parts = \"a b\".split(\" \"); parts[0] == \"a\" && parts.len == 2",
        "is_def_fn(\"x\", 1) || type_of(context.client) == \"Members\"",
        "is_fine(context, 5) && is_fine(5, context)",
        "let d = timestamp(); d.elapsed >= 0.0",
        "let c = context; c.client.client_name != \"bad\"",
        "context.event == () || context.event.type == \"client.created\"",
        "attribute(context, \"limit\") == 5",
        "sum(3) == 6 && product(3) == 6 && walk([1]) == () && later(3) == 0 && checked(3) == 0 && block(3) == 0",
        "lazy(()) == () && either(3) && retry(3) == 3 && twice(3) == 3 && last(3) == 0",
    ] {
        let more = "\nfn is_fine(one, two) { one == 1 || one.client == () }\nfn reject(text) { throw #{ error: \"x\", error_description: text }; }\n\
             fn attribute(context, name) { context.configurationAttributes[name] }\n\
             fn sum(n) { if n == 0 { return 0; } n + sum(n - 1) }\n\
             fn product(n) { if n == 0 { 1 } else { n * product(n - 1) } }\n\
             fn walk(list) { for item in list { walk([]); } }\n\
             fn later(n) { let next = || later(n - 1); if n == 0 { n } else { next.call() } }\n\
             fn positive(n) { if n < 1 { throw n; } n }\n\
             fn checked(n) { try { checked(positive(n) - 1) } catch (zero) { zero } }\n\
             fn block(n) { let m = { if n == 0 { return 0; } n - 1 }; block(m) }\n\
             fn ended(n) { positive(n); ended(n - 1) }\n\
             fn method(list) { list.pop(); method(list) }\n\
             fn lazy(map) { map?.next?.contains(lazy(map.next)) }\n\
             fn either(n) { n == 0 || either(n - 1) }\n\
             fn retry(n) { while n < 0 { return retry(n + 1); } n }\n\
             fn twice(n) { twice(n, 1) }\nfn twice(n, m) { n * m }\n\
             fn last(n) { switch n { 0 => 0, _ => last(n - 1) } }";
        texts.push(format!("{}{more}", create(body)));
    }
    find_nothing(texts);
    body_is_fine("true");
    finds_nothing(
        "fn modifyPostResponse(response, context) { response.anything = 5; response.more == () }",
    );
    finds_nothing(
        "fn adaptRequest(request, context) { request.vendor = 5; request.remove(\"vendor\"); request.vendor == () }",
    );
    finds_nothing("fn clientCreated(context) { log::info(\"x\"); }");
    finds_nothing(
        "fn clientCreated(context) { if context.event.attempt > 5 { return; } throw `x ${context.trustLevel}`; }",
    );
    finds_nothing(
        "fn isCertValidForClient(certificate, context) { certificate.subject == \"CN=a\" }",
    );
    finds_nothing(
        "fn getSoftwareStatementJwks(context) { if context.trustLevel == \"open\" { #{ keys: [] } } }",
    );
}
