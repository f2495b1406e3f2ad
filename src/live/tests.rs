//! Operations on the shipped configuration, and the resulting patches.

use std::path::Path;

use serde_json::{Value, json};

use crate::config::{Configuration, Origin, Patch, Sources, load};
use crate::live::*;
use crate::store::Author;

const MASK: &str = "********";

fn sources(patch: Value) -> Sources {
    let file = Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/registrar.toml"));
    Sources {
        file,
        patch: patch.into(),
        ..Sources::default()
    }
}

/// Returns the patch to store after `operations` on a configuration with `patch`.
fn stored(patch: Value, operations: &Value) -> Result<Value, String> {
    let sources = sources(patch);
    let current = load(&sources).map_err(|errors| errors.to_string())?;
    let operations =
        Operations::parse(operations.to_string().as_bytes()).map_err(|error| error.to_string())?;
    let wanted =
        revise(&current, &sources.patch, &operations).map_err(|error| error.to_string())?;
    let next = load(&Sources {
        patch: wanted.clone(),
        ..sources
    })
    .map_err(|errors| errors.to_string())?;
    Ok(Value::Object(settle(&wanted, &next).0))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a table reads better without borrows"
)]
fn check(operations: Value, expected: Value) {
    assert_eq!(stored(json!({}), &operations), Ok(expected), "{operations}");
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a table reads better without borrows"
)]
fn refused(operations: Value, part: &str) {
    let error = stored(json!({}), &operations).expect_err("it is rejected");
    assert!(error.contains(part), "{operations}: {error}");
}

fn set(path: &str, value: impl Into<Value>) -> Value {
    json!([{"op": "replace", "path": path, "value": value.into()}])
}

#[test]
fn an_option_is_named_by_a_pointer_or_alone() {
    let off = json!({"registration.dynamicRegistrationEnabled": false});
    for path in [
        "/registration/dynamicRegistrationEnabled",
        "registration/dynamicRegistrationEnabled",
        "/dynamicRegistrationEnabled",
        "dynamicRegistrationEnabled",
    ] {
        check(set(path, false), off.clone());
    }
    let operations =
        json!([{"op": "add", "path": "trustedSsaIssuers/https:~1~1a.example.org", "value": {}}]);
    let issuer = json!({"https://a.example.org": {"automaticallyGrantedScopes": []}});
    check(
        operations,
        json!({"registration.trustedSsaIssuers": issuer}),
    );
}

#[test]
fn a_text_means_a_boolean_or_a_number_in_the_flat_form_only() {
    check(
        set("dynamicRegistrationEnabled", "false"),
        json!({"registration.dynamicRegistrationEnabled": false}),
    );
    check(
        set("/clientExpiryGrace", "60"),
        json!({"registration.clientExpiryGrace": 60}),
    );
    check(
        set("maximumClientLifetime", "60"),
        json!({"registration.maximumClientLifetime": 60}),
    );
    check(
        set("softwareStatementTyp", "60"),
        json!({"registration.softwareStatementTyp": "60"}),
    );
    check(
        set("softwareStatementTyp", "true"),
        json!({"registration.softwareStatementTyp": "true"}),
    );
    refused(
        set("/registration/dynamicRegistrationEnabled", "false"),
        "must be true or false; the default is true",
    );
    refused(
        set("dynamicRegistrationEnabled", "yes"),
        "must be true or false; the default is true",
    );
    refused(
        set("clientExpiryGrace", "-1"),
        "patch: registration.clientExpiryGrace: must be a whole number from 0",
    );
}

#[test]
fn every_operation_of_the_standard_is_supported() {
    check(
        json!([
            {"op": "test", "path": "/scopes/0/id", "value": "openid"},
            {"op": "add", "path": "/registration/subjectTypesSupported/-", "value": "other"},
            {"op": "move", "from": "/registration/subjectTypesSupported/0", "path": "/registration/subjectTypesSupported/2"},
            {"op": "copy", "from": "/registration/subjectTypesSupported/2", "path": "/registration/acrValuesSupported/0"},
            {"op": "remove", "path": "/registration/subjectTypesSupported/0"},
        ]),
        json!({
            "registration.subjectTypesSupported": ["other", "public"],
            "registration.acrValuesSupported": ["public"],
        }),
    );
    let scope = stored(json!({}), &set("/scopes/1/default", true)).unwrap();
    assert_eq!(scope["scopes"][1]["default"], true);
    assert_eq!(scope["scopes"].as_array().unwrap().len(), 6);
    check(json!([]), json!({}));
}

#[test]
fn values_equal_to_the_file_are_not_stored() {
    let patch = json!({"registration.clientExpiryGrace": 7, "registration.dynamicRegistrationEnabled": false});
    let left = json!({"registration.dynamicRegistrationEnabled": false});
    let grace = "/registration/clientExpiryGrace";
    assert_eq!(stored(patch.clone(), &set(grace, 0)), Ok(left.clone()));
    assert_eq!(
        stored(patch.clone(), &json!([{"op": "remove", "path": grace}])),
        Ok(left)
    );
    assert_eq!(stored(patch.clone(), &set(grace, 7)), Ok(patch.clone()));
    assert_eq!(
        stored(patch, &json!([{"op": "remove", "path": "/registration"}])),
        Ok(json!({}))
    );
    check(set("softwareStatementValidationType", "SCRIPT"), json!({}));
}

#[test]
fn the_error_for_an_invalid_patch_says_what_is_valid() {
    refused(
        json!({"op": "add"}),
        "the body is an object; send a JSON array of operations",
    );
    refused(
        json!([5]),
        "operation 1: must be an object with op, path and value",
    );
    refused(
        json!([{"op": "remove", "path": 5}]),
        "operation 1: path: must be a text",
    );
    refused(
        json!([{"op": "remove", "path": "/scopes/~2"}]),
        "operation 1: /scopes/~2: a ~ must be followed by 0 or 1",
    );
    refused(
        json!([{"op": "put", "path": "/scopes"}]),
        "operation 1: op: must be one of `add`, `remove`",
    );
    refused(
        json!([{"op": "add", "path": "/scopes"}]),
        "missing field `value`",
    );
    refused(
        json!([{"op": "copy", "path": "/scopes/0"}]),
        "missing field `from`",
    );
    refused(
        json!([{"op": "remove", "path": "/scopes/9"}]),
        "operation 1: /scopes/9: not found",
    );
    refused(
        set("/registration/grantTypeSupported", 1),
        "did you mean `grantTypesSupported`?",
    );
    refused(
        set("dynamicRegistrationEnable", true),
        "did you mean /registration/dynamicRegistrationEnabled?",
    );
    refused(
        set("/server/listen", "127.0.0.1:1"),
        "[server] cannot be patched: it needs a restart; change it in the file",
    );
    refused(
        set("/settings/server/listen", "127.0.0.1:1"),
        "[server] cannot be patched",
    );
    for path in ["/server.listen", "/registration.clientExpiryGrace", "/"] {
        refused(set(path, "x"), "unknown key");
    }
    refused(set("/revision", "x"), "is generated by the server");
    refused(
        set("", json!({"registration": 5})),
        "registration: must be an object",
    );
    refused(
        set("", json!({"settings": {}})),
        "settings: cannot be patched",
    );
    refused(
        set("/registration", json!({"grantTypeSupported": []})),
        "did you mean `grantTypesSupported`?",
    );
    refused(
        set("/scopes", json!([{"id": "a b"}])),
        "patch: scopes[0].id: must be visible ASCII",
    );
    refused(
        set("/scopes", json!([{"id": "a"}, {"name": "b"}])),
        "patch: scopes[1]: unknown field `name`",
    );
    refused(
        json!([set("/scopes", 1)[0], {"op": "test", "path": "/scopes", "value": 2}]),
        "operation 2: test failed: /scopes has a different value",
    );
}

#[test]
fn patched_values_are_limited() {
    let operations: Vec<Value> = vec![set("/scopes", 1)[0].clone(); 101];
    refused(operations.into(), "more than 100 operations");
    // Each operation copies the document into itself. Without a limit, its size would grow by 2 to the
    // power of 99.
    let double =
        json!({"op": "copy", "from": "/registration", "path": "/registration/trustedSsaIssuers/x"});
    refused(vec![double; 99].into(), "nested deeper than 32 levels");
    let list = json!({"op": "copy", "from": "/scopes", "path": "/scopes/-"});
    refused(vec![list; 99].into(), "larger than 1048576 bytes");
}

fn with_secrets() -> Value {
    json!({
        "registration.dcrSignatureValidationSharedSecret": "secret-1",
        "registration.dcrSsaValidationConfigs": [
            {"id": "a", "type": "SSA", "sharedSecret": "secret-a"},
            {"id": "b", "type": "DCR", "sharedSecret": "secret-b"},
        ],
    })
}

#[test]
fn a_masked_secret_is_kept_and_a_mask_is_never_stored() {
    let single = "/registration/dcrSignatureValidationSharedSecret";
    let entries = "/registration/dcrSsaValidationConfigs";
    let after = |operations: Value| stored(with_secrets(), &operations);
    assert_eq!(
        after(set(single, MASK)).unwrap()["registration.dcrSignatureValidationSharedSecret"],
        "secret-1"
    );
    assert_eq!(
        after(set(single, "new")).unwrap()["registration.dcrSignatureValidationSharedSecret"],
        "new"
    );
    // As a form would send it: the list in another order, and one entry with a new display name.
    let list = json!([
        {"id": "b", "type": "DCR", "sharedSecret": MASK, "displayName": "B"},
        {"id": "a", "type": "SSA", "shared_secret": MASK},
    ]);
    let kept = after(set(entries, list)).unwrap();
    assert_eq!(
        kept["registration.dcrSsaValidationConfigs"][0]["sharedSecret"],
        "secret-b"
    );
    assert_eq!(
        kept["registration.dcrSsaValidationConfigs"][1]["sharedSecret"],
        "secret-a"
    );
    let moved = after(json!([{"op": "remove", "path": format!("{entries}/0")}])).unwrap();
    assert_eq!(
        moved["registration.dcrSsaValidationConfigs"][0]["sharedSecret"],
        "secret-b"
    );

    let copied =
        json!([{"op": "copy", "from": single, "path": "/registration/softwareStatementTyp"}]);
    for operations in [
        copied,
        set("/registration/softwareStatementTyp", MASK),
        set(
            entries,
            json!([{"id": "c", "type": "SSA", "sharedSecret": MASK}]),
        ),
        set(&format!("{entries}/0/id"), "c"),
    ] {
        let error = after(operations.clone()).expect_err("this mask has no secret");
        assert!(
            error.contains("this mask does not stand for a stored secret"),
            "{operations}: {error}"
        );
    }
    let guess = json!([{"op": "test", "path": single, "value": "secret-1"}]);
    assert!(
        after(guess).unwrap_err().contains("has a different value"),
        "a secret cannot be guessed"
    );
    assert!(
        stored(json!({}), &set(single, MASK))
            .unwrap_err()
            .contains("does not stand for a stored secret")
    );
}

#[test]
fn a_higher_layer_keeps_precedence() {
    let patch = Patch::from(
        json!({"registration.defaultSubjectType": "public", "registration.clientExpiryGrace": 3}),
    );
    let environment = vec![(
        "REGISTRAR_REGISTRATION__CLIENT_EXPIRY_GRACE".to_owned(),
        "9".to_owned(),
    )];
    let sources = Sources {
        patch,
        environment,
        ..sources(json!({}))
    };
    let current = load(&sources).unwrap();
    let make = |operations: Value| {
        let operations = Operations::parse(operations.to_string().as_bytes()).unwrap();
        revise(&current, &sources.patch, &operations)
    };
    for operations in [
        set("clientExpiryGrace", 1),
        json!([{"op": "remove", "path": "clientExpiryGrace"}]),
    ] {
        let error = make(operations).unwrap_err();
        assert!(matches!(
            error,
            PatchError::Fixed {
                origin: Origin::Environment,
                ..
            }
        ));
        assert!(
            error.to_string().contains(
                "registration.clientExpiryGrace: is overridden by an environment variable"
            )
        );
    }
    let next = make(set("nativeAllowHttps", false)).unwrap();
    let read = load(&Sources {
        patch: next.clone(),
        ..sources.clone()
    })
    .unwrap();
    let kept = settle(&next, &read);
    assert_eq!(
        kept.0["registration.clientExpiryGrace"], 3,
        "it is kept until the variable is removed"
    );
}

#[test]
fn the_document_shows_everything_but_secrets() {
    let Configuration {
        settings,
        live,
        origins,
        ..
    } = load(&sources(with_secrets())).unwrap();
    let document = Document::new(&settings, &live, &origins, "r-1".to_owned());
    let text = Value::Object(document.members.clone()).to_string();
    assert!(!text.contains("secret-"), "{text}");
    assert_eq!(
        document.members["registration"]["dcrSignatureValidationSharedSecret"],
        MASK
    );
    assert_eq!(
        document.members["registration"]["maximumClientLifetime"],
        Value::Null
    );
    assert_eq!(document.members["scopes"][0]["id"], "openid");
    assert_eq!(
        document.members["settings"]["server"]["paths"]["token"],
        "/token"
    );
    assert_eq!(
        document.members["origins"]["registration.dcrSignatureValidationSharedSecret"],
        "patch"
    );
    assert_eq!(
        document.members["origins"]["registration.maximumClientLifetime"],
        "default"
    );
    assert_eq!(document.members["origins"]["limits.bodyBytes"], "file");
    assert_eq!(document.members["revision"], "r-1");
}

#[tokio::test]
async fn a_queue_is_limited_and_its_end_is_reported() {
    let (changes, mut arriving) = queue();
    let ask = || changes.patch(Operations::parse(b"[]").unwrap(), None, Author::default());
    let mut waiting: Vec<_> = (0..16).map(|_| Box::pin(ask())).collect();
    for asked in &mut waiting {
        assert!(futures_util::poll!(asked).is_pending());
    }
    assert!(matches!(ask().await, Err(PatchError::Busy)));
    arriving
        .recv()
        .await
        .unwrap()
        .answer(Err(PatchError::Conflict));
    assert!(matches!(waiting.remove(0).await, Err(PatchError::Conflict)));
    drop(arriving);
    assert!(matches!(waiting.remove(0).await, Err(PatchError::Ended)));
    assert!(matches!(
        Changes::none()
            .patch(Operations::parse(b"[]").unwrap(), None, Author::default())
            .await,
        Err(PatchError::Ended)
    ));
}
