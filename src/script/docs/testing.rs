//! What tests can say beyond what scripts can.

use super::{HostFunction, function};

/// Every function that is there in tests only. The example is a test that passes, where one
/// script lets every `createClient` pass.
pub static TEST_FUNCTIONS: &[HostFunction] = &[
    function("", "assert(condition: bool)", "Fails the test unless it is so.", "assert(1 + 1 == 2);"),
    function(
        "",
        "assert(condition: bool, message: string)",
        "The same, and says what is wrong.",
        "assert(1 + 1 == 2, \"numbers are broken\");",
    ),
    function(
        "",
        "assert_eq(left: any, right: any)",
        "Fails the test, and shows both, unless they are the same JSON. The order of members does not matter.",
        "assert_eq(#{ a: 1, b: [2] }, #{ b: [2], a: 1 });",
    ),
    function(
        "",
        "run(hook: string, given: map) -> map",
        "Calls a hook of all scripts, in their order, as the server does. `given` and the result are below. Fails \
         when no script has the hook, and when they do not load.",
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
        "The same, but only the script of this file name is there.",
        "assert_eq(run_script(\"10-a.rhai\", \"createClient\", #{}).outcome, \"passed\");",
    ),
    function(
        "fake",
        "http(method: string, url: string, answer: map)",
        "From now on, `http` gets this answer to this method and URL: `#{ status, headers, json, body }`, each may be \
         left out. What has no answer fails, like a server that is not there.",
        "fake::http(\"GET\", \"https://a.example/\", #{ json: #{ ok: true } }); \
         assert(http::get(\"https://a.example/\").json.ok);",
    ),
    function(
        "fake",
        "now(seconds: int)",
        "Sets the clock. It stands still; a test begins at 2026-01-01T00:00:00Z.",
        "fake::now(86400); assert_eq(time::format(time::now()), \"1970-01-02T00:00:00Z\");",
    ),
    function(
        "fake",
        "advance(seconds: int)",
        "Moves the clock ahead.",
        "let then = time::now(); fake::advance(60); assert_eq(time::now() - then, 60);",
    ),
    function(
        "fake",
        "secret(name: string, text: string)",
        "Makes up a secret of 8 bytes or more; those of the configuration are never read in tests.",
        "fake::secret(\"key\", \"not a secret\"); assert_eq(secrets::get(\"key\"), \"not a secret\");",
    ),
    function(
        "fake",
        "client(members: map)",
        "Makes up a client that `clients` finds.",
        "fake::client(#{ software_id: \"a\" }); assert(clients::exists(#{ software_id: \"a\" }));",
    ),
];
