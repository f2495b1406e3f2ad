//! Values that would reach the log in a different form.

use serde_json::json;

use super::{World, create, facts, hooked, logged::lines_in, world};
use crate::config::{ScriptSettings, SecretSource};
use crate::script::{Hook, HookError};

/// A secret that is written differently within a structure.
const PEM: &str = "-----BEGIN \"KEY\"-----\nMIGH\\AgEA\n-----END \"KEY\"-----";

/// Returns a world whose `createClient` has this body and may use `PEM`.
fn keyed(body: &str) -> World {
    let change = |settings: &mut ScriptSettings| {
        let file = settings.directory.join("pem.txt");
        std::fs::write(&file, PEM).unwrap();
        settings
            .secrets
            .insert("pem".to_owned(), SecretSource::File(file));
    };
    world(
        &[(
            "10-a.rhai",
            &format!("fn createClient(context) {{ {body} }}"),
        )],
        change,
    )
    .unwrap()
}

#[test]
fn no_line_shows_a_secret_inside_a_structure() {
    let world = keyed(
        "let key = secrets::get(\"pem\");
        let map = #{ k: key };
        print(key);
        print(map);
        print([key]);
        log::info(json::stringify(map));
        log::info(map.to_json());
        print(#{ body: json::stringify(map) });
        true",
    );
    let lines = lines_in(
        world,
        Hook::CreateClient,
        facts(json!({})),
        (json!({}), None),
    );
    let due = [
        "[pem]",
        "#{\"k\": \"[pem]\"}",
        "[\"[pem]\"]",
        "{\"k\":\"[pem]\"}",
        "{\"k\":\"[pem]\"}",
        "#{\"body\": \"{\\\"k\\\":\\\"[pem]\\\"}\"}",
    ];
    assert_eq!(lines, due);
}

#[tokio::test]
async fn no_fault_shows_a_secret_inside_a_thrown_value() {
    for (thrown, shown) in [
        (
            "#{ k: secrets::get(\"pem\") }",
            "the script threw #{\"k\": \"[pem]\"}",
        ),
        ("json::stringify(secrets::get(\"pem\"))", "\"[pem]\""),
    ] {
        let world = keyed(&format!("throw {thrown}"));
        let Err(HookError::Fault(fault)) = create(&world.set, json!({})).await else {
            panic!("{thrown}")
        };
        assert_eq!(fault.message, shown);
    }
}

#[test]
fn no_line_shows_evidence_or_a_credential_inside_a_structure() {
    let body = "print(context.registerRequest.to_map());
        log::info(json::stringify(context.registerRequest.to_map()));
        print(context.client.to_map());";
    let asked = facts(json!({"evidence": "{\"eat_nonce\":\n\"0123456789\"}"}));
    let client = json!({"client_secret": "a \"secret\""});
    let lines = lines_in(
        hooked(Hook::ClientCreated, body),
        Hook::ClientCreated,
        asked,
        (client, None),
    );
    let due = [
        "#{\"evidence\": \"[evidence]\"}",
        "{\"evidence\":\"[evidence]\"}",
        "#{\"client_secret\": \"[client_secret]\"}",
    ];
    assert_eq!(lines, due);
}

#[test]
fn loading_errors_show_no_secret() {
    let text = "\nthrow #{ k: secrets::get(\"key\") };";
    let error = world(&[("10-a.rhai", text)], |_| {}).map(drop).unwrap_err();
    assert!(
        error.contains("the script threw #{\"k\": \"[key]\"}") && !error.contains("key-of-the"),
        "{error}"
    );
}
