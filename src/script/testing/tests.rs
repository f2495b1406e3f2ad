use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;

use super::{Fakes, Given, Suite, World, WorldSettings, call, hook, trial::Ending};
use crate::config::ScriptSettings;
use crate::script::docs::TEST_FUNCTIONS;

const SCRIPT: &str = r#"import "lib/names" as names;
fn createClient(context) {
    log::info(`asked by ${context.trustLevel}`);
    switch context.registerRequest.client_name {
        "answer" => throw #{ status: 403, error: "access_denied", error_description: "no" },
        "refuse" => false,
        "fault" => context.client.client_nam,
        "loop" => loop { },
        "post" => http::post("https://a.example/", #{ n: kv::increment("n", 1, 60) }, #{}).status == 204,
        _ => {
            context.client.scope = names::scope(context);
            true
        }
    }
}
fn modifyPostResponse(response, context) { response.hint = context.softwareStatement.claims.iss; true }
fn getDcrHmacSecret(context) { secrets::get("shared") }
fn clientCreated(context) { if context.client.client_id == "bad" { throw "no" } }
"#;
const LIBRARY: &str = "fn scope(context) { context.configurationAttributes.scope ?? \"openid\" }\nfn fails() {\n    assert(false, \"in the library\");\n}\n";

struct Folder {
    folder: TempDir,
}

impl Folder {
    fn new(tests: &str) -> Self {
        let folder = TempDir::new().unwrap();
        for (name, text) in [
            ("10-a.rhai", SCRIPT),
            ("lib/names.rhai", LIBRARY),
            ("tests/all.rhai", tests),
        ] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self { folder }
    }

    fn beginning(&self) -> WorldSettings {
        let settings = ScriptSettings {
            directory: self.folder.path().to_owned(),
            ..ScriptSettings::default()
        };
        WorldSettings {
            settings,
            custom: Vec::new(),
        }
    }

    fn suite(&self) -> Result<Arc<Suite>, String> {
        Suite::load(self.beginning())
            .map(Arc::new)
            .map_err(|errors| errors.to_string())
    }
}

/// Returns how every test of `tests` ends, by its name; an empty string means that the test passed.
async fn endings(tests: &str) -> BTreeMap<String, String> {
    let folder = Folder::new(tests);
    let suite = folder.suite().unwrap();
    let mut endings = BTreeMap::new();
    for test in suite.tests() {
        let ending = suite
            .run(test)
            .await
            .err()
            .map_or_else(String::new, |failure| {
                format!(
                    "{}\n{}\n{}",
                    failure.error,
                    failure.calls,
                    failure.log.join("\n")
                )
            });
        endings.insert(test.name.clone(), ending);
    }
    endings
}

/// Checks that a test with this body passes, or fails with this message.
async fn check(body: &str, expected: Result<(), &str>) {
    let tests = format!("import \"lib/names\" as names;\nfn test_it() {{ {body} }}");
    let ending = endings(&tests).await.remove("test_it").unwrap();
    match expected {
        Ok(()) => assert_eq!(ending, "", "{body}"),
        Err(part) => assert!(
            ending.contains(part),
            "{body}: '{ending}' does not contain '{part}'"
        ),
    }
}

#[tokio::test]
async fn a_hook_is_called_as_in_the_server() {
    check(
        "assert_eq(run(\"createClient\").client, #{ scope: \"openid\" });",
        Ok(()),
    )
    .await;
    check(
        "let r = run(\"createClient\", #{ attributes: #{ scope: \"a\" }, trustLevel: \"token\" });
         assert_eq(r.client.scope, \"a\"); assert_eq(r.log, [\"info: asked by token\"]); assert(r.operations > 10);",
        Ok(()),
    )
    .await;
    for (name, outcome, status, code) in [
        ("answer", "answered", 403, "access_denied"),
        ("refuse", "refused", 400, "invalid_client_metadata"),
        ("fault", "fault", 500, "server_error"),
        ("loop", "fault", 500, "server_error"),
        ("post", "fault", 500, "server_error"),
    ] {
        let body = format!(
            "let r = run(\"createClient\", #{{ request: #{{ client_name: \"{name}\" }} }});
             assert_eq([r.outcome, r.status, r.entity.error], [\"{outcome}\", {status}, \"{code}\"]);
             assert_eq(r.client, ());"
        );
        check(&body, Ok(())).await;
    }
    check(
        "let r = run(\"createClient\", #{ request: #{ client_name: \"fault\" } });
         assert_eq([r.script, r.line], [\"10-a.rhai\", 7]); assert(r.message.contains(\"did you mean 'client_name'?\"));",
        Ok(()),
    )
    .await;
}

#[tokio::test]
async fn every_type_of_hook_has_its_result() {
    let bodies = [
        "let r = run(\"modifyPostResponse\", #{ response: #{ a: 1 }, softwareStatement: #{ iss: \"i\" } });
         assert_eq(r.response, #{ a: 1, hint: \"i\" });",
        "fake::secret(\"shared\", \"a-long-secret\"); assert_eq(run(\"getDcrHmacSecret\").value, \"a-long-secret\");",
        "assert_eq(run(\"clientCreated\", #{ client: #{ client_id: \"a\" } }).outcome, \"passed\");
         assert_eq(run(\"clientCreated\", #{ client: #{ client_id: \"bad\" } }).outcome, \"fault\");",
    ];
    for body in bodies {
        check(body, Ok(())).await;
    }
}

#[tokio::test]
async fn an_error_in_a_test_is_a_failure_with_its_position() {
    check(
        "assert_eq(1, 2);",
        Err("tests/all.rhai:2:16: the two values are not equal\nleft:  1\nright: 2"),
    )
    .await;
    check(
        "assert(1 > 2, \"one is small\");",
        Err("one is small\n    fn test_it()"),
    )
    .await;
    check(
        "names::fails();",
        Err("lib/names.rhai:3:5: in the library\n        assert(false"),
    )
    .await;
    check(
        "names::fails();",
        Err("test_it > fails (called in tests/all.rhai, line 2"),
    )
    .await;
    check("print(\"seen\"); assert(false);", Err("info: seen")).await;
    check(
        "run(\"createCleint\");",
        Err("did you mean 'createClient'?"),
    )
    .await;
    check(
        "run(\"updateClient\");",
        Err("no script has a function updateClient"),
    )
    .await;
    check(
        "run_script(\"10-b.rhai\", \"createClient\", #{});",
        Err("did you mean '10-a.rhai'?"),
    )
    .await;
    check(
        "run(\"createClient\", #{ requests: #{} });",
        Err("unknown field `requests`"),
    )
    .await;
    check(
        "fake::http(\"GET\", \"https://a.example/\", #{ stats: 1 });",
        Err("unknown field `stats`"),
    )
    .await;
    check(
        "fake::http(\"GET\", \"a\", #{ json: 1, body: \"b\" });",
        Err("not both"),
    )
    .await;
    check("fake::now(-1);", Err("0 or more")).await;
    check("fake::secret(\"a\", \"short\");", Err("it has 5 bytes")).await;
    check("secrets::get(\"shared\");", Err("unknown secret 'shared'")).await;
    check("loop {}", Err("Too many operations")).await;
    let endings = endings("fn f() { f() }\nfn test_it() { f() }").await;
    assert!(
        endings["test_it"].contains("tests/all.rhai:") && endings["test_it"].contains("overflow"),
        "{endings:?}"
    );
}

#[tokio::test]
async fn each_test_has_its_own_environment_that_its_calls_share() {
    let tests = r#"
        fn post() { run("createClient", #{ request: #{ client_name: "post" } }) }
        fn test_first() {
            fake::http("post", "https://a.example/", #{ status: 204 });
            assert_eq(post().http[0].json, #{ n: 1 });
            assert_eq(post().http[0].json, #{ n: 2 });
            fake::advance(60);
            assert_eq(post().http[0].json, #{ n: 1 });
        }
        fn test_second() { assert_eq(post().outcome, "fault"); }
    "#;
    let endings = endings(tests).await;
    assert!(
        endings.len() == 2 && endings.values().all(String::is_empty),
        "{endings:?}"
    );
}

#[tokio::test]
async fn responses_come_in_their_order_and_take_their_time() {
    for (body, expected) in [
        (
            r#"fake::http("GET", "https://a.example/", [#{ status: 500 }, #{ error: "it is down" }, #{ status: 204 }]);
            assert_eq(http::get("https://a.example/").status, 500);
            try { http::get("https://a.example/"); assert(false); } catch (e) { assert_eq(e, "it is down"); }
            for i in 0..3 { assert_eq(http::get("https://a.example/").status, 204); }"#,
            Ok(()),
        ),
        (
            r#"fake::http("GET", "https://a.example/", #{ delayMs: 400 });
            assert_eq(http::request(#{ url: "https://a.example/", timeoutMs: 401 }).status, 200);
            http::request(#{ url: "https://a.example/", timeoutMs: 400 });"#,
            Err("no response within 400 ms"),
        ),
        (
            r#"fake::http("GET", "https://a.example/", #{ delayMs: 4900 });
            for i in 0..100 { http::get("https://a.example/"); }"#,
            Err("no response within"),
        ),
        (
            r#"fake::http("GET", "https://a.example/", []);"#,
            Err("must not be empty"),
        ),
        (
            r#"fake::http("GET", "https://a.example/", [#{}, #{ stats: 1 }]);"#,
            Err("unknown field `stats`"),
        ),
    ] {
        check(body, expected).await;
    }
}

#[tokio::test]
async fn every_example_of_the_manual_passes() {
    for function in TEST_FUNCTIONS {
        let name = function.call();
        let name = name.split('(').next().unwrap();
        assert!(
            function.example.contains(&format!("{name}(")),
            "the example of {name} does not call it"
        );
        let folder = Folder::new(&format!("fn test_it() {{ {} }}", function.example));
        std::fs::write(
            folder.folder.path().join("10-a.rhai"),
            "fn createClient(context) { true }",
        )
        .unwrap();
        let suite = folder.suite().unwrap();
        let ending = suite.run(&suite.tests()[0]).await;
        assert_eq!(ending, Ok(()), "{}", function.example);
    }
}

#[tokio::test]
async fn test_functions_are_not_available_to_scripts() {
    let folder =
        Folder::new("fn test_it() { assert_eq(run(\"deleteClient\").outcome, \"fault\"); }");
    for call in ["assert(true)", "run(\"createClient\")"] {
        let script = format!("fn deleteClient(context) {{ {call}; true }}");
        std::fs::write(folder.folder.path().join("20-b.rhai"), script).unwrap();
        let suite = folder.suite().unwrap();
        assert_eq!(suite.run(&suite.tests()[0]).await, Ok(()), "{call}");
    }
    std::fs::write(
        folder.folder.path().join("20-b.rhai"),
        "fn deleteClient(context) { fake::now(0); true }",
    )
    .unwrap();
    let suite = folder.suite().unwrap();
    let failure = suite.run(&suite.tests()[0]).await.unwrap_err();
    assert!(
        failure.error.message.contains("20-b.rhai:1:"),
        "{failure:?}"
    );
}

#[test]
fn tests_that_do_not_compile_are_named_with_their_positions() {
    let errors = |tests: &str| Folder::new(tests).suite().map(drop).unwrap_err();
    assert!(errors("fn test_a() {\n    let x = ;\n}").contains("tests/all.rhai:2:13: "));
    assert!(
        errors("\nfn test_a(b) { }")
            .contains("tests/all.rhai:2:1: a test must not have parameters")
    );
    let folder = Folder::new("fn test_b() { } fn helper() { }\nfn test_a() { }");
    let names: Vec<String> = folder
        .suite()
        .unwrap()
        .tests()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(names, ["all.rhai::test_b", "all.rhai::test_a"]);
}

#[tokio::test]
async fn one_call_shows_what_it_did() {
    let folder = Folder::new("");
    let beginning = folder.beginning();
    let world = World::new(&beginning);
    let fakes = json!({
        "now": 5,
        "http": [{"method": "POST", "url": "https://a.example/", "answer": {"status": 204}}],
    });
    world
        .fake(serde_json::from_value::<Fakes>(fakes).unwrap())
        .unwrap();
    let given: Given = serde_json::from_value(json!({"request": {"client_name": "post"}})).unwrap();
    let trial = call(
        &beginning,
        &world,
        None,
        hook("createClient").unwrap(),
        given,
    )
    .await
    .unwrap();
    assert_eq!(
        (trial.outcome, trial.http[0].method.as_str()),
        (Ending::Passed, "POST")
    );
    assert!(trial.operations > 10 && trial.microseconds > 0, "{trial:?}");
    let error = call(
        &beginning,
        &world,
        Some("20-b.rhai"),
        hook("createClient").unwrap(),
        Given::default(),
    );
    assert!(
        error
            .await
            .unwrap_err()
            .contains("unknown script '20-b.rhai'")
    );
}

#[tokio::test]
async fn the_hook_and_the_test_of_the_manual_go_together() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/README.md");
    let manual = std::fs::read_to_string(path).unwrap();
    let blocks = manual
        .split("```rhai\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap());
    let blocks: Vec<&str> = blocks.collect();
    let mut tested = 0;
    for pair in blocks
        .windows(2)
        .filter(|pair| pair[1].starts_with("// scripts/tests/"))
    {
        let folder = Folder::new(pair[1]);
        std::fs::write(folder.folder.path().join("10-a.rhai"), pair[0]).unwrap();
        let suite = folder.suite().unwrap();
        for test in suite.tests() {
            assert_eq!(suite.run(test).await, Ok(()), "{test}");
            tested += 1;
        }
    }
    assert_eq!(
        tested, 4,
        "the tests of the first script, and of the script that repairs a request"
    );
}
