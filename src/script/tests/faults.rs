//! The messages of faults, for the authors of scripts.

use serde_json::json;

use super::{create, hooked};
use crate::script::{Hook, HookError};

/// Returns the fault of a `createClient` with this body, which fails.
async fn said(body: &str) -> String {
    let world = hooked(Hook::CreateClient, body);
    match create(&world.set, json!({"client_name": "K"})).await {
        Err(HookError::Fault(fault)) => fault.to_string(),
        other => panic!("{body}: {other:?} is not a fault"),
    }
}

/// Checks that the fault has a position, and ends with the expected message.
async fn check(body: &str, expected: &str) {
    let said = said(body).await;
    let end = format!(": createClient: {expected}");
    assert!(
        said.starts_with("10-a.rhai:1:") && said.ends_with(&end),
        "{body}: '{said}' is not '{expected}'"
    );
}

#[tokio::test]
async fn a_fault_without_a_position_gets_that_of_the_hook() {
    for (body, expected) in [
        (
            "",
            "createClient must return true or false, not (): end the hook with `true`",
        ),
        (
            "5",
            "createClient must return true or false, not a value of the type int",
        ),
        (
            "context.client",
            "createClient must return true or false, not a client",
        ),
        (
            "loop { }",
            "Too many operations (scripts.limits.operations)",
        ),
        (
            "createClient(context)",
            "Stack overflow (scripts.limits.callDepth)",
        ),
        (
            "let s = \"aaaaaaaa\"; loop { s += s; }",
            "Length of string too large (scripts.limits.stringBytes)",
        ),
        (
            "let a = [1]; loop { a += a; }",
            "Size of array/BLOB too large (scripts.limits.arrayItems)",
        ),
    ] {
        assert_eq!(
            said(body).await,
            format!("10-a.rhai:1:1: createClient: {expected}"),
            "{body}"
        );
    }
}

#[tokio::test]
async fn the_error_for_an_invalid_thrown_map_gives_the_reason_without_values() {
    let status = "`status` of a thrown map must be a whole number from 400 to 599";
    for body in [
        "status: 200",
        "status: 600",
        "status: \"400\"",
        "status: 400.0",
        "status: ()",
    ] {
        check(&format!("throw #{{ {body}, error: \"x\" }}"), status).await;
    }
    check("throw #{ status: 403 }", "a thrown map needs `error`").await;
    check(
        "throw #{ error: 5 }",
        "`error` of a thrown map must be a string",
    )
    .await;
    check(
        "throw #{ status: 1 }",
        &format!("a thrown map needs `error`; {status}"),
    )
    .await;
    check(
        "throw #{ error: \"x\", note: || 1 }",
        "a thrown map must have a JSON form",
    )
    .await;
    check("throw", "the script threw ()").await;
    check("throw context.client", "the script threw a client").await;
    // Values thrown by host functions are shown.
    let verified =
        "attestation::verify_ear(\"a.b\", #{ keys: [#{ kty: \"EC\" }] }, #{ nonce: \"AAAA\" })";
    let verified = said(verified).await;
    assert!(
        verified.contains("the script threw #{") && verified.contains("\"check\": \"token\""),
        "{verified}"
    );
}

#[tokio::test]
async fn a_fault_that_is_caught_and_rethrown_is_not_an_answer() {
    for body in [
        "try { nothing(); } catch (e) { throw e; }",
        "try { let x = 1 / 0; } catch (e) { e.status = 400; throw e; }",
    ] {
        let said = said(body).await;
        assert!(
            said.contains("nothing") || said.contains("Division by zero"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn invalid_arguments_are_shown_with_the_valid_signatures() {
    let cases = [
        (
            "log::info(context.client); true",
            "log::info takes (text: string), not (a client)",
        ),
        (
            "log::debug(5); true",
            "log::debug takes (text: string), not (int)",
        ),
        (
            "kv::set(\"a\", 1); true",
            "kv::set takes (key: string, value: any, seconds: int), not (string, int)",
        ),
        (
            "http::get(1); true",
            "http::get takes (url: string) or (url: string, headers: map), not (int)",
        ),
        (
            "crypto::sha256(()); true",
            "crypto::sha256 takes (text: string), not (())",
        ),
        (
            "foo(\"a\", context.client)",
            "Function not found: foo (string, a client)",
        ),
        (
            "context.createWebApplicationException(\"400\", #{}); true",
            "context.createWebApplicationException takes (status, entity), not (string, map)",
        ),
    ];
    for (body, expected) in cases {
        check(body, expected).await;
    }
}

#[tokio::test]
async fn a_misspelled_member_of_context_gets_a_suggestion() {
    let near =
        "context has no member called 'registrationRequest'; did you mean 'registerRequest'?";
    check("context.registrationRequest.scope == ()", near).await;
    check("context.registrationRequest = 5; true", near).await;
    check(
        "context.trustLevel = \"open\"; true",
        "context.trustLevel cannot be set",
    )
    .await;
    check(
        "context.getRegistrationRequest()",
        "Function not found: getRegistrationRequest (context); did you mean context.getRegisterRequest?",
    )
    .await;
    let far = said("context.xyzzy").await;
    assert!(
        far.contains("no member called 'xyzzy'; it has client, stored, registerRequest, "),
        "{far}"
    );
}

#[tokio::test]
async fn a_missing_value_is_named_by_its_use() {
    let absent = |next: &str| {
        format!(
            "the value before `{next}` is (), so it is absent; set it first, as in \
             context.client.contacts = [..], or check that it is present"
        )
    };
    for (body, start, next) in [
        (
            "context.client.contacts.pop(); true",
            "Function not found: pop (()): ",
            ".pop",
        ),
        (
            "context.client.scope.split(\" \"); true",
            "Function not found: split ((), string): ",
            ".split",
        ),
        (
            "\"x\" in context.client.contacts",
            "Function not found: contains ((), string): ",
            ".contains` or after `in",
        ),
        (
            "context.dcr.claims.iss == 1",
            "Unknown property 'claims': ",
            ".claims",
        ),
        ("context.client.contacts[0] == 1", "", "["),
    ] {
        check(body, &format!("{start}{}", absent(next))).await;
    }
    check("-context.client.scope", "Function not found: - (())").await;
}
