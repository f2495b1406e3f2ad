use serde_json::{Value, json};

use super::{check, create, facts, load, object};
use crate::client::Metadata;
use crate::script::{Hook, HookError};

#[tokio::test]
async fn a_script_can_require_and_check_evidence() {
    let script = r#"
fn createClient(context) {
    let evidence = context.registerRequest.evidence;          // () when the client sent none
    if evidence == () {
        context.createStaleEvidenceWebApplicationException(attestation::new_nonce());
        return false;
    }
    if context.configurationAttributes.deniedVendors.contains(context.client.software_id) {
        context.createWebApplicationException(403, #{ error: "access_denied", error_description: "vendor is blocked" });
        return false;
    }
    context.client.contacts.push("registry@example.org");     // changes are kept
    context.client.scope = "openid profile";
    log::info(`registering ${context.client.client_name}`);
    true
}"#;
    let set = load(&[("20-attestation.rhai", script)], |_| {}).unwrap();
    let Err(HookError::Answered {
        status: 400,
        entity,
        ..
    }) = create(&set, json!({})).await
    else {
        panic!()
    };
    assert_eq!(entity["error"], "stale_evidence");
    assert_eq!(
        entity["error_description"],
        "The provided evidence is not current."
    );
    assert_eq!(entity["nonce"].as_str().unwrap().len(), 43);
    let blocked = create(&set, json!({"evidence": "e", "software_id": "acme"})).await;
    assert!(
        matches!(blocked, Err(HookError::Answered { status: 403, .. })),
        "{blocked:?}"
    );
    let client = json!({"evidence": "e", "software_id": "b", "contacts": ["a@example.org"], "client_name": "N"});
    let decision = create(&set, client).await.unwrap();
    assert_eq!(
        decision.client.texts("contacts").collect::<Vec<_>>(),
        ["a@example.org", "registry@example.org"]
    );
    assert_eq!(decision.client.text("scope"), Some("openid profile"));
    assert_eq!(decision.decided_by[0].name, "20-attestation.rhai");
    let alone = create(&set, json!({"evidence": "e"})).await.unwrap();
    assert_eq!(
        alone.client.texts("contacts").collect::<Vec<_>>(),
        ["registry@example.org"]
    );
}

#[tokio::test]
async fn the_examples_of_janssen_work_in_its_spelling() {
    // Janssen's `attestationClient` talks to the verifier; here a library does.
    let client = "fn attestation(evidence) { #{ isFail: evidence != \"good\" } }\nfn requestNonce() { \"nonce-of-the-verifier\" }";
    let script = r#"
import "lib/attestationClient" as attestationClient;
fn createClient(context) {
    print("Client registration. CreateClient method");
    let registerRequest = context.getRegisterRequest();
    let configurationAttributes = context.getConfigurationAttibutes();
    let client = context.getClient();

    // getting evidence as string or as JWT
    let evidenceAsString = registerRequest.getEvidence();
    let evidenceAsJwt = context.getEvidence();
    if evidenceAsString == () {
        let nonceFromVerifier = attestationClient::requestNonce();
        context.createStaleEvidenceWebApplicationException(nonceFromVerifier);
        return false;
    }
    let attestationResult = attestationClient::attestation(evidenceAsString);
    if attestationResult.isFail {
        print("Attestation result forbids client creation");
        let entity = `{"error": "access_denied", "error_description": "attestation failed"}`;
        context.createWebApplicationException(400, entity);
        return false;
    }
    print("Attestation result is OK");
    true
}"#;
    let set = load(
        &[
            ("lib/attestationClient.rhai", client),
            ("10-a.rhai", script),
        ],
        |_| {},
    )
    .unwrap();
    let Err(HookError::Answered { entity, .. }) = create(&set, json!({})).await else {
        panic!()
    };
    assert_eq!(entity["nonce"], "nonce-of-the-verifier");
    let Err(HookError::Answered { entity, .. }) = create(&set, json!({"evidence": "bad"})).await
    else {
        panic!()
    };
    assert_eq!(entity["error_description"], "attestation failed");
    create(&set, json!({"evidence": "good"})).await.unwrap();
}

#[tokio::test]
async fn members_are_read_and_written_by_their_names() {
    check(
        "context.client.client_name = \"x\"; true",
        json!({}),
        Ok(json!({"client_name": "x"})),
    )
    .await;
    check(
        "context.client.client_name = (); true",
        json!({"client_name": "a", "scope": "b"}),
        Ok(json!({"scope": "b"})),
    )
    .await;
    check(
        "context.client[\"client_name#fr\"] = \"x\"; true",
        json!({}),
        Ok(json!({"client_name#fr": "x"})),
    )
    .await;
    check(
        "context.client.department = #{ id: 7 }; true",
        json!({}),
        Ok(json!({"department": {"id": 7}})),
    )
    .await;
    check(
        "context.client.redirect_uris[0] += \"/b\"; true",
        json!({"redirect_uris": ["a"]}),
        Ok(json!({"redirect_uris": ["a/b"]})),
    )
    .await;
    check(
        "\"scope\" in context.client",
        json!({"scope": "a"}),
        Ok(json!({"scope": "a"})),
    )
    .await;
    let digits = json!({"default_max_age": 9_223_372_036_854_775_809_u64});
    check(
        "context.client.client_name = \"x\"; context.client.remove(\"client_name\"); true",
        digits.clone(),
        Ok(digits),
    )
    .await;
    check(
        "context.client.client_nam = \"x\"; true",
        json!({}),
        Err("did you mean 'client_name'?"),
    )
    .await;
    check(
        "context.client.client_nam == ()",
        json!({}),
        Err("did you mean 'client_name'?"),
    )
    .await;
    check(
        "context.client.client_id = \"x\"; true",
        json!({}),
        Err("set by the server"),
    )
    .await;
    check(
        "context.registerRequest.scope = \"x\"; true",
        json!({}),
        Err("read-only"),
    )
    .await;
    check(
        "context.registerRequest.contacts.push(\"x\"); true",
        json!({"contacts": []}),
        Err("read-only"),
    )
    .await;
    check(
        "context.registerRequest.getContacts().contains(\"x\")",
        json!({"contacts": ["x"]}),
        Ok(json!({"contacts": ["x"]})),
    )
    .await;
}

#[tokio::test]
async fn a_hook_has_one_of_these_results() {
    check("true", json!({}), Ok(json!({}))).await;
    check("false", json!({}), Err("10-a.rhai rejected")).await;
    check("5", json!({}), Err("must return true or false")).await;
    check("", json!({}), Err("must return true or false")).await;
    check("|| true", json!({}), Err("must return true or false")).await;
    check(
        "throw #{ status: 403, error: \"e\", error_description: \"d\" }",
        json!({}),
        Err("403 {\"error\":\"e\",\"error_description\":\"d\"}"),
    )
    .await;
    check(
        "throw #{ error: \"e\" }",
        json!({}),
        Err("400 {\"error\":\"e\"}"),
    )
    .await;
    check(
        "throw #{ status: 200, error: \"e\" }",
        json!({}),
        Err("from 400 to 599"),
    )
    .await;
    check(
        "throw #{ note: \"no code\" }",
        json!({}),
        Err("the script threw"),
    )
    .await;
    check("throw 5", json!({}), Err("the script threw 5")).await;
    check(
        "context.createWebApplicationException(409, #{ error: \"e\" }); true",
        json!({}),
        Err("409 {\"error\":\"e\"}"),
    )
    .await;
    check(
        "context.createWebApplicationException(200, #{}); true",
        json!({}),
        Err("from 400 to 599"),
    )
    .await;
    check(
        "context.createWebApplicationException(400, \"text\"); true",
        json!({}),
        Err("not valid JSON"),
    )
    .await;
    check(
        "context.createWebApplicationException(400, 5); true",
        json!({}),
        Err("must be a map, not a number"),
    )
    .await;
    check("undefined(context)", json!({}), Err("undefined")).await;
}

#[tokio::test]
async fn a_fault_names_the_position_and_the_call_stack() {
    let library = "fn inner(x) {\n    x.no_such_function()\n}";
    let script = "import \"lib/l\" as l;\nfn helper(x) { l::inner(x) }\n\nfn createClient(context) {\n    helper(1)\n}";
    let set = load(&[("lib/l.rhai", library), ("10-a.rhai", script)], |_| {}).unwrap();
    let Err(HookError::Fault(fault)) = create(&set, json!({})).await else {
        panic!()
    };
    assert_eq!(
        (fault.script.as_str(), fault.line, fault.column),
        ("lib/l.rhai", 2, 7),
        "{fault:?}"
    );
    assert!(
        fault.calls.contains("createClient") && fault.calls.contains("helper"),
        "{fault:?}"
    );
}

#[tokio::test]
async fn answers_can_be_changed_by_a_script() {
    let modify = async |body: &str| {
        let set = load(
            &[(
                "10-a.rhai",
                &format!("fn modifyReadResponse(response, context) {{ {body} }}"),
            )],
            |_| {},
        )
        .unwrap();
        let response = object(json!({"client_id": "c", "client_name": "n"}));
        let client = Metadata::new(object(json!({"client_name": "n"})));
        set.modify_response(Hook::ModifyReadResponse, response, facts(json!({})), client)
            .await
            .map(Value::Object)
    };
    assert_eq!(
        modify("response.extra = [1, #{}]; true").await.unwrap(),
        json!({"client_id": "c", "client_name": "n", "extra": [1, {}]})
    );
    assert_eq!(
        modify("response.remove(\"client_name\"); true")
            .await
            .unwrap(),
        json!({"client_id": "c"})
    );
    assert_eq!(
        modify("response.extra = 1; false").await.unwrap(),
        json!({"client_id": "c", "client_name": "n"})
    );
    for body in [
        "response.client_id = \"x\"; true",
        "response.remove(\"client_id\"); true",
        "context.client.scope = \"x\"; true",
        "response.f = || 1; true",
        "let s = \"aaaaaaaa\"; loop { s += s; response.s = s; }",
    ] {
        assert!(
            matches!(modify(body).await, Err(HookError::Fault(_))),
            "{body}"
        );
    }
}
