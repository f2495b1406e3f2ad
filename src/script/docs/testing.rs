//! The functions that only tests of scripts can call.

use crate::script::modules::{HostFunction, function};

/// All functions that are available in tests only. Each example is a test that passes with a single
/// script whose `createClient` returns `true`.
pub(crate) static TEST_FUNCTIONS: &[HostFunction] = &[
    function(
        "",
        "assert(condition: bool)",
        "Fails the test unless the condition is true.",
        "assert(1 + 1 == 2);",
    ),
    function(
        "",
        "assert(condition: bool, message: string)",
        "The same, with a message for the failure.",
        "assert(1 + 1 == 2, \"numbers are broken\");",
    ),
    function(
        "",
        "assert_eq(left: any, right: any)",
        "Fails the test and shows both values, unless they are the same JSON. The order of members does not \
         matter.",
        "assert_eq(#{ a: 1, b: [2] }, #{ b: [2], a: 1 });",
    ),
    function(
        "",
        "run(hook: string, given: map) -> map",
        "Calls a hook of all scripts in order, as the server does. `given` and the result are described in \
         the section on tests. Fails when no script has the hook, and when the scripts do not load.",
        "assert_eq(run(\"createClient\", #{ request: #{ client_name: \"K\" } }).outcome, \"passed\");",
    ),
    function(
        "",
        "run(hook: string) -> map",
        "The same with an empty request.",
        "assert_eq(run(\"createClient\").client, #{});",
    ),
    function(
        "",
        "run_script(script: string, hook: string, given: map) -> map",
        "The same, with only the script of this file name.",
        "assert_eq(run_script(\"10-a.rhai\", \"createClient\", #{}).outcome, \"passed\");",
    ),
    function(
        "fake",
        "http(method: string, url: string, answer: map)",
        "From now on, `http` gets this response to this method and URL: `#{ status, headers, json, body }`, \
         each optional. A request without a fake response fails, as if the server were unreachable.",
        "fake::http(\"GET\", \"https://a.example/\", #{ json: #{ ok: true } }); \
         assert(http::get(\"https://a.example/\").json.ok);",
    ),
    function(
        "fake",
        "now(seconds: int)",
        "Sets the clock, which does not advance by itself. A test begins at 2026-01-01T00:00:00Z.",
        "fake::now(86400); assert_eq(time::format(time::now()), \"1970-01-02T00:00:00Z\");",
    ),
    function(
        "fake",
        "advance(seconds: int)",
        "Moves the clock forward.",
        "let then = time::now(); fake::advance(60); assert_eq(time::now() - then, 60);",
    ),
    function(
        "fake",
        "secret(name: string, text: string)",
        "Defines a secret of at least 8 bytes. Tests never read the secrets of the configuration.",
        "fake::secret(\"key\", \"not a secret\"); assert_eq(secrets::get(\"key\"), \"not a secret\");",
    ),
    function(
        "fake",
        "client(members: map)",
        "Adds a client that `clients` finds.",
        "fake::client(#{ software_id: \"a\" }); assert(clients::exists(#{ software_id: \"a\" }));",
    ),
];
