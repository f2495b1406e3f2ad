//! Mistakes that are found before a script runs.

use serde_json::json;

use super::*;
use crate::script::tests::world;

#[test]
fn unknown_functions_and_wrong_numbers_of_arguments_are_found_in_every_branch() {
    let mut cases = Vec::new();
    for (body, expected) in [
        (
            "if false { nope(1); } true",
            "10-a.rhai:2:12: there is no function nope",
        ),
        (
            "let x = parse_imt(\"5\"); x == 5",
            "did you mean parse_int?",
        ),
        (
            "println(\"x\"); true",
            "there is no function println; use `log::info(text)`",
        ),
        (
            "log::warm(\"x\"); true",
            "the module log has no function warm; did you mean log::warn?",
        ),
        ("log::debog(\"x\"); true", "did you mean log::debug?"),
        (
            "log::debug(5); true",
            "log::debug takes (text: string), not (a whole number)",
        ),
        (
            "http::get(); true",
            "http::get takes (url: string) or (url: string, headers: map), not ()",
        ),
        (
            "kv::increment(\"n\", 1) < 5",
            "kv::increment takes (key: string, by: int, seconds: int)",
        ),
        (
            "time::format(\"now\") == \"\"",
            "time::format takes (seconds: int), not (a string)",
        ),
        (
            "context.client.client_name.startsWith(\"x\")",
            "a string has no method `startsWith`; use `starts_with`",
        ),
        (
            "context.client.client_name.starts_wth(\"x\")",
            "did you mean `starts_with`?",
        ),
        (
            "context.client.client_name.len(1) == 5",
            "`len` takes no arguments, not 1 argument",
        ),
        (
            "context.client.redirect_uris.length > 5",
            "an array has no property `length`; use `len()`",
        ),
        (
            "context.client.redirect_uris[0].hots() == 5",
            "no value has a method `hots`",
        ),
        (
            "context.getClent(); true",
            "context has no method `getClent`; did you mean `getClient`?",
        ),
        (
            "let f = |uri| uri.nope(); context.client.redirect_uris.all(f)",
            "no value has a method `nope`",
        ),
        (
            "switch context.trustLevel { \"open\" => nope(), _ => true }",
            "there is no function nope",
        ),
        (
            "try { nope() } catch { return false; } true",
            "there is no function nope",
        ),
    ] {
        cases.push((create(body), expected));
    }
    find_all(cases);
    finds(
        "fn is_fine(value) { true }\nfn createClient(context) { is_fine(1, 2) }",
        "is_fine(value) is called with 2 arguments",
    );
    finds(
        "fn is_fine(value) { true }\nfn createClient(context) { is_fine() }",
        "is_fine(value) is called with no arguments",
    );
}

#[test]
fn a_function_that_always_calls_itself_is_found() {
    for (text, place) in [
        ("fn f(n) { log::info(\"x\"); f(n + 1) }", "1:27"),
        ("fn f(n) { return f(n - 1); }", "1:18"),
        (
            "fn f(n) { let all = [1, f(n)]; if n == 0 { return 0; } all }",
            "1:25",
        ),
        (
            "fn f(n) { if n > 5 { log::info(\"x\"); } 1 + f(n - 1) }",
            "1:44",
        ),
        ("fn f(n) { n -= 1; { f(n) } }", "1:21"),
    ] {
        let text = format!("{text}\nfn createClient(context) {{ f(3) == 5 }}");
        let said = said(&text);
        let expected = format!("Error 10-a.rhai:{place}: f always calls itself, so it never ends");
        assert!(said.contains(&expected), "{text}\n{said}");
    }
}

#[test]
fn a_number_in_quotes_is_found_with_and_without_the_attribute() {
    let mistake = include_str!("../../../../tests/fixtures/scripts/mistakes/10-string-int.rhai");
    for (limit, expected) in [
        (
            Some(json!(5)),
            "`==` compares a whole number with a string, which are never equal; write the number without quotes: 5",
        ),
        (None, "[scripts.attributes] does not set `limit`"),
        (Some(json!("5")), ""),
    ] {
        let set = world(&[("10-a.rhai", mistake)], |settings| {
            settings
                .attributes
                .extend(limit.clone().map(|limit| ("limit".to_owned(), limit)));
        });
        let findings = set.unwrap().set.findings().to_vec();
        let said: Vec<String> = findings.iter().map(ToString::to_string).collect();
        let said = said.join("\n");
        // The script has no updateClient, which is another warning.
        assert_eq!(
            said.contains("quotes"),
            !expected.is_empty(),
            "{limit:?} {said}"
        );
        assert!(said.contains(expected), "{limit:?} {said}");
    }
}

#[test]
fn members_that_do_not_exist_are_found() {
    let mut cases = Vec::new();
    for (body, expected) in [
        (
            "context.clinet.client_name == \"x\"",
            "context has no member called 'clinet'; did you mean 'client'?",
        ),
        (
            "context.user == ()",
            "context has no member called 'user'; it has client, stored, registerRequest",
        ),
        (
            "context.client[\"redirect_uri\"] == ()",
            "unknown metadata 'redirect_uri'; did you mean 'redirect_uris'?",
        ),
        (
            "context.registerRequest.scop == ()",
            "did you mean 'scope'?",
        ),
        (
            "context.client.favourite_colour == ()",
            "add a custom name to dynamicRegistrationCustomAttributes",
        ),
        (
            "context.httpRequest.header == ()",
            "context.httpRequest has no member called 'header'; did you mean 'headers'?",
        ),
        (
            "context.httpRequest.ip == ()",
            "it has method, path, headers, ipAddress",
        ),
        (
            "context.certificate.subjct == ()",
            "did you mean 'subject'?",
        ),
        (
            "context.event.position1 == ()",
            "context.event has no member called 'position1'; did you mean 'position'?",
        ),
        (
            "context.softwareStatement.claim == ()",
            "did you mean 'claims'?",
        ),
        (
            "let request = context.httpRequest; request.pth == \"\"",
            "did you mean 'path'?",
        ),
        ("is_local(context) && true", "did you mean 'ipAddress'?"),
        (
            "global::LIMTI == 5",
            "there is no constant global::LIMTI; did you mean global::LIMIT?",
        ),
        (
            "context.trustLevel == \"atested\"",
            "there is no trust level \"atested\"; did you mean \"attested\"?",
        ),
    ] {
        let more = "\nconst LIMIT = 5;\nfn is_local(given) { given.httpRequest.ipAdress == () }";
        cases.push((format!("{}{more}", create(body)), expected));
    }
    find_all(cases);
    finds(
        "fn adaptRequest(request, context) { request.redirect_uri == () }",
        "Warning 10-a.rhai:1:45: unknown metadata 'redirect_uri'; did you mean 'redirect_uris'?",
    );
}

#[test]
fn a_library_function_that_is_gone_is_found() {
    let library = "fn host(uri) { uri::parse(uri).host }\nprivate fn secret() { 1 }\nexport const LIMIT = 5;\n";
    let script = |body: &str| {
        let script = format!("import \"lib/names\" as names;\n{}", create(body));
        said_of(&[("10-a.rhai", &script), ("lib/names.rhai", library)])
    };
    for (body, expected) in [
        (
            "names::hots(\"a\") == \"b\"",
            "lib/names.rhai has no function hots; did you mean host?",
        ),
        (
            "names::gone(\"a\") == \"b\"",
            "lib/names.rhai has no function gone; it has host, secret",
        ),
        (
            "names::host() == \"b\"",
            "host(uri) of lib/names.rhai is called with no arguments",
        ),
        (
            "names::secret() == 1",
            "secret of lib/names.rhai is private",
        ),
        (
            "names::LIMTI == 1",
            "lib/names.rhai has no exported variable 'LIMTI'",
        ),
    ] {
        let said = script(body);
        assert!(said.contains(expected), "{body}\nsays\n{said}");
    }
    assert_eq!(
        script("names::host(\"a\") == \"b\" && names::LIMIT == 5"),
        ""
    );
    let broken = said_of(&[
        (
            "10-a.rhai",
            "import \"lib/names\" as names;\nfn createClient(context) { true }\nfn updateClient(context) { true }",
        ),
        (
            "lib/names.rhai",
            "fn host(context) {\n    context.clinet\n}",
        ),
    ]);
    assert_eq!(broken, "", "nothing is known of what nobody passes");
    let passed = said_of(&[
        (
            "10-a.rhai",
            "import \"lib/names\" as names;\nfn createClient(context) { names::host(context) }\nfn updateClient(context) { true }",
        ),
        (
            "lib/names.rhai",
            "fn host(context) {\n    context.clinet\n}",
        ),
    ]);
    assert!(
        passed.contains("lib/names.rhai:2:13: context has no member called 'clinet'"),
        "{passed}"
    );
}

#[test]
fn comparisons_that_cannot_be_right_are_found() {
    let mut cases = Vec::new();
    for (body, expected) in [
        (
            "\"500\" > 100",
            "`>` compares a string with a whole number, which have no common order; write the number without quotes: 500",
        ),
        (
            "() > 5",
            "`>` compares (), the absent value, which has no order",
        ),
        (
            "context.client.redirect_uris.len() == \"1\"",
            "never equal; write the number without quotes: 1",
        ),
        (
            "context.client.redirect_uris == \"https://a.example\"",
            "use `text in list`",
        ),
        ("context.client.redirect_uris > 5", "compare `list.len()`"),
        (
            "context.client.client_name == 5",
            "compares a string with a whole number",
        ),
        (
            "context.client.default_max_age > \"100\"",
            "write the number without quotes: 100",
        ),
        (
            "context.client.require_auth_time == \"true\"",
            "write it without quotes: true",
        ),
        (
            "time::now() - 5 < \"x\"",
            "compares a whole number with a string",
        ),
        (
            "let n = kv::get(\"n\"); n > \"9\"",
            "Warning 10-a.rhai:2:25: `>` compares texts letter by letter",
        ),
        (
            "if context.client.client_name { return true; } false",
            "a condition must be true or false, not () or a string",
        ),
        (
            "!context.client.contacts",
            "`!` needs true or false, not () or an array",
        ),
        (
            "5 in 7",
            "`in` searches an array, a map, a string or a range, not a whole number",
        ),
        (
            "for name in context.client { } true",
            "`for` needs an array or a range, not a client; use `for name in map.keys()`",
        ),
    ] {
        cases.push((create(body), expected));
    }
    find_all(cases);
    let said = match world(
        &[(
            "10-a.rhai",
            &create("context.configurationAttributes.serial > \"5\""),
        )],
        |settings| {
            settings.attributes.insert("serial".to_owned(), 5.into());
        },
    ) {
        Ok(world) => format!("{:?}", world.set.findings()),
        Err(error) => error,
    };
    assert!(
        said.contains("write the number without quotes: 5"),
        "{said}"
    );
}

#[test]
fn changes_that_are_lost_or_rejected_are_found() {
    let mut cases = Vec::new();
    for (body, expected) in [
        (
            "context.configurationAttributes.limit = 9; true",
            "this changes a copy: `context.configurationAttributes` cannot be changed",
        ),
        (
            "context.httpRequest.headers.x = 9; true",
            "this changes a copy: `context.httpRequest`",
        ),
        (
            "context.trustLevel = \"attested\"; true",
            "context.trustLevel cannot be set",
        ),
        (
            "context.registerRequest.scope = \"x\"; true",
            "'scope' is read-only here",
        ),
        (
            "context.client.client_id = \"x\"; true",
            "'client_id' is set by the server and cannot be changed",
        ),
        (
            "context.client.redirect_uris = \"https://a.example\"; true",
            "'redirect_uris' must be an array, as in [\"one\", \"two\"], not a string",
        ),
        (
            "context.client.default_max_age = \"5\"; true",
            "'default_max_age' must be a whole number, not a string",
        ),
        ("context.client.jwks = []; true", "'jwks' must be a map"),
        (
            "context.client[\"contacts\"] = true; true",
            "'contacts' must be an array",
        ),
        (
            "let name = context.client.client_name.trim(); name == \"x\"",
            "`trim` changes the value in place and returns ()",
        ),
        (
            "let list = []; let more = list.push(1); more == ()",
            "as in `list.push(..);`, and then use `list`",
        ),
    ] {
        cases.push((create(body), expected));
    }
    find_all(cases);
    finds(
        "fn clientCreated(context) { context.client.scope = \"x\"; }",
        "'scope' is read-only here",
    );
    finds(
        "fn deleteClient(context) { context.client.contacts.push(\"x\"); true }",
        "`push` changes members that are read-only here",
    );
    finds(
        "fn adaptRequest(request, context) { request.client_secret = \"x\"; true }",
        "'client_secret' is set by the server",
    );
}

#[test]
fn wrong_results_of_hooks_are_found() {
    let mut cases = Vec::new();
    for (body, expected) in [
        (
            "",
            "createClient must return true or false, but ends with (); end the hook with `true`",
        ),
        (
            "return 5;",
            "10-a.rhai:1:1: createClient must return true or false, but returns a whole number",
        ),
        (
            "if context.trustLevel == \"open\" { true }",
            "Warning 10-a.rhai:2:1: createClient returns () when no branch",
        ),
        ("loop { log::info(\"x\"); }", "this loop never ends"),
        (
            "throw #{ error_description: \"x\" };",
            "a thrown map needs `error`",
        ),
        (
            "throw #{ status: \"400\", error: \"x\" };",
            "`status` of a thrown map must be a whole number from 400 to 599, not a string",
        ),
        (
            "throw #{ error: 5 };",
            "`error` of a thrown map must be a string, not a whole number",
        ),
        (
            "context.createWebApplicationException(200, #{ error: \"x\" }); true",
            "the status of a response must be from 400 to 599, not 200",
        ),
        (
            "import \"lib/x\" as x; true",
            "a function cannot import a file",
        ),
        (
            "print(context.client); true",
            "Warning 10-a.rhai:2:7: `print` writes the whole of a client to the log",
        ),
    ] {
        cases.push((create(body), expected));
    }
    find_all(cases);
}
