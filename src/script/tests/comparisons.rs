use serde_json::json;

use super::{create, hooked, load};
use crate::script::{Hook, HookError};

/// Returns the result of an expression in `createClient`, or the message of its fault.
async fn result(body: &str) -> Result<bool, String> {
    let world = hooked(Hook::CreateClient, body);
    match create(
        &world.set,
        json!({"client_name": "5", "default_max_age": 5}),
    )
    .await
    {
        Ok(_) => Ok(true),
        Err(HookError::Refused { .. }) => Ok(false),
        Err(error) => Err(error.to_string()),
    }
}

#[tokio::test]
async fn a_comparison_of_types_that_do_not_fit_is_a_fault() {
    for (body, expected) in [
        (
            "\"500\" > 100",
            "`>` cannot compare a value of the type string with a value of the type int",
        ),
        (
            "() > 5",
            "`>` cannot compare () with a value of the type int; check first that the value is present",
        ),
        (
            "5 <= ()",
            "`<=` cannot compare a value of the type int with ()",
        ),
        ("() < ()", "`<` cannot compare () with ()"),
        (
            "\"5\" == 5",
            "`==` cannot compare a value of the type string with a value of the type int; convert one",
        ),
        ("true != \"true\"", "`!=` cannot compare"),
        (
            "[1] == \"1\"",
            "`==` cannot compare a value of the type array with a value of the type string",
        ),
        ("#{} > 5", "(scripts.strictComparisons)"),
        (
            "context.client.client_name >= context.client.default_max_age",
            "`>=` cannot compare",
        ),
        (
            "context.client.client_uri < 5",
            "`<` cannot compare () with a value of the type int",
        ),
        (
            "if 1.5 == \"1.5\" { true } else { false }",
            "`==` cannot compare a value of the type float",
        ),
    ] {
        let error = result(body).await.expect_err(body);
        assert!(error.contains(expected), "{body}: {error}");
        assert!(
            error.starts_with("10-a.rhai:1:"),
            "the fault has a position: {error}"
        );
    }
    let caught = result("try { \"5\" > 4 } catch { return false; } true").await;
    assert_eq!(caught, Ok(false));
}

#[tokio::test]
async fn a_comparison_of_types_that_fit_is_as_in_rhai() {
    for body in [
        "1 < 2 && 2 <= 2 && 3 > 2 && 2 >= 2 && 2 == 2 && 1 != 2",
        "1 < 1.5 && 1.5 > 1 && 1 == 1.0 && 1.5 != 1",
        "\"a\" < \"b\" && \"a\" == \"a\" && \"a\" != \"b\" && 'a' == \"a\" && \"a\" < 'b' && 'a' < 'b'",
        "true == true && true != false && !(true == false) && true > false",
        "() == () && !(() != ())",
        "context.client.client_uri == () && context.client.client_name != ()",
        "() != 5 && !(5 == ()) && \"\" != () && !([] == ()) && #{} != ()",
        "[1, \"a\"] == [1, \"a\"] && [1] != [\"1\"] && #{ a: 1 } == #{ a: 1 } && #{ a: 1 } != #{ a: \"1\" }",
        "\"a\" in [1, (), \"a\"] && !(\"a\" in [1, 2]) && [1, \"a\"].contains(\"a\") && [1, \"a\"].index_of(\"a\") == 1",
        "switch context.client.client_name { 5 => false, \"5\" => true, _ => false }",
        "-1 < 0 && 0 > -1 && 1 + 1 == 2 && 2 * 3 > 2 + 3 && !(1 > 2) == true",
        "let a = [3, 1, 2]; a.sort(); a == [1, 2, 3]",
        "let a = [1, 2, 3]; a.filter(|n| n > 1) == [2, 3] && a.all(|n| n < 4)",
        "base64::decode_bytes(\"YQ==\") == base64::decode_bytes(\"YQ==\")",
        "let t = timestamp(); t <= timestamp() && t == t",
        "let x = 5; if x == 5 || x > \"a\" { true } else { false }",
        "`${1 < 2}` == \"true\"",
    ] {
        assert_eq!(result(body).await, Ok(true), "{body}");
    }
}

#[tokio::test]
async fn the_option_turns_it_off() {
    for (body, expected) in [
        ("\"500\" > 100", false),
        ("() != 5 && !(() > 5)", true),
        ("\"5\" == 5", false),
    ] {
        let script = format!("fn createClient(context) {{ {body} }}");
        let files = [("10-a.rhai", script.as_str())];
        let set = load(&files, |settings| settings.strict_comparisons = false).unwrap();
        assert_eq!(create(&set, json!({})).await.is_ok(), expected, "{body}");
    }
}

#[test]
fn comparisons_at_the_top_level_and_in_libraries_are_strict_too() {
    for files in [
        &[("10-a.rhai", "const A = \"5\" > 4;")][..],
        &[
            ("10-a.rhai", "import \"lib/a\" as a;"),
            ("lib/a.rhai", "export const A = \"5\" > 4;"),
        ],
    ] {
        let error = load(files, |_| {}).unwrap_err();
        assert!(error.contains("`>` cannot compare"), "{error}");
    }
}
