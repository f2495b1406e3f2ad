use serde_json::{Value, json};

use super::{ending, facts, hooked, object, world};
use crate::client::Metadata;
use crate::script::{Hook, HookError};

/// Checks the outcome of `hook` with this body: a value, nothing, or an error.
async fn check(hook: Hook, body: &str, expected: Result<Option<Value>, &str>) {
    let world = hooked(hook, body);
    let client = Metadata::new(object(json!({"client_name": "K"})));
    let request = json!({"evidence": "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJkZXZpY2UifQ.c2ln"});
    match (world.set.ask(hook, facts(request), client).await, expected) {
        (Ok(answered), Ok(value)) => {
            let answered = answered.map(|answered| {
                assert_eq!(
                    (answered.by.name.as_str(), answered.by.hash.len()),
                    ("10-a.rhai", 64)
                );
                answered.value
            });
            assert_eq!(answered, value, "{body}");
        }
        (Err(error), Err(part)) => {
            let text = ending(&error);
            assert!(
                text.contains(part),
                "{body}: '{text}' does not contain '{part}'"
            );
        }
        (found, expected) => panic!("{body}: {found:?} is not {expected:?}"),
    }
}

const KEY_HOOKS: [Hook; 2] = [Hook::GetSoftwareStatementJwks, Hook::GetDcrJwks];
const SECRET_HOOKS: [Hook; 2] = [Hook::GetSoftwareStatementHmacSecret, Hook::GetDcrHmacSecret];

#[tokio::test]
async fn keys_may_be_returned_as_a_map_or_as_text() {
    let set = json!({"keys": [{"kty": "EC"}]});
    for hook in KEY_HOOKS {
        check(hook, "#{ keys: [#{ kty: \"EC\" }] }", Ok(Some(set.clone()))).await;
        check(hook, r#"`{"keys":[{"kty":"EC"}]}`"#, Ok(Some(set.clone()))).await;
        check(hook, "()", Ok(None)).await;
        check(hook, "#{ kty: \"EC\" }", Err("must return a JWK Set")).await;
        check(hook, "\"{\"", Err("must return a JWK Set")).await;
        check(hook, "5", Err(hook.name())).await;
        check(hook, "|| 5", Err("not a value of the type Fn")).await;
    }
}

#[tokio::test]
async fn secrets_and_nonces_are_texts() {
    for hook in SECRET_HOOKS {
        check(
            hook,
            "secrets::get(\"key\")",
            Ok(Some("key-of-the-tests-0123456789abcdef".into())),
        )
        .await;
        check(hook, "()", Ok(None)).await;
        check(hook, "\"\"", Err("must return a non-empty string")).await;
        check(hook, "true", Err("not a value of the type bool")).await;
    }
    let hook = Hook::GetEvidenceNonce;
    check(
        hook,
        "\"nonce-of-the-verifier\"",
        Ok(Some("nonce-of-the-verifier".into())),
    )
    .await;
    check(hook, "()", Ok(None)).await;
    check(hook, "\"two words\"", Err("1 to 1024 visible ASCII")).await;
    check(hook, "let s = \"\"; s.pad(1025, 'a'); s", Err("1 to 1024")).await;
    check(hook, "1", Err("getEvidenceNonce")).await;
}

#[tokio::test]
async fn evidence_is_accepted_rejected_or_described() {
    let hook = Hook::VerifyEvidence;
    check(hook, "true", Ok(Some(true.into()))).await;
    check(hook, "#{ model: \"m\" }", Ok(Some(json!({"model": "m"})))).await;
    check(hook, "()", Ok(None)).await;
    check(hook, "false", Err("10-a.rhai rejected")).await;
    check(
        hook,
        "\"yes\"",
        Err("must return true, false, a map, or ()"),
    )
    .await;
    check(
        hook,
        "let s = \"aaaaaaaa\"; for i in 0..12 { s += s; } #{ a: s, b: context.client.to_map() }",
        Ok(Some(
            json!({"a": "a".repeat(32_768), "b": {"client_name": "K"}}),
        )),
    )
    .await;
    check(
        hook,
        "context.createStaleEvidenceWebApplicationException(\"n\"); true",
        Err("400 {\"error\":\"stale_evidence\""),
    )
    .await;
    // As Janssen's scripts read it: as a string, and as a JWT.
    let body = "let text = context.registerRequest.getEvidence(); \
        let token = context.getEvidence(); \
        text.starts_with(\"eyJ\") && token.claims.sub == \"device\" && context.evidence.header.alg == \"ES256\"";
    check(hook, body, Ok(Some(true.into()))).await;
}

#[tokio::test]
async fn evidence_that_is_not_a_jwt_is_text_only() {
    for evidence in ["cose-bytes", "a.b.c", "!.!.!"] {
        let world = hooked(
            Hook::VerifyEvidence,
            "context.evidence == () && context.registerRequest.evidence != ()",
        );
        let facts = facts(json!({"evidence": evidence}));
        let answered = world
            .set
            .ask(Hook::VerifyEvidence, facts, Metadata::default())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(answered.value, true, "{evidence}");
    }
}

#[tokio::test]
async fn a_script_decides_whether_a_certificate_belongs_to_the_client() {
    let hook = Hook::IsCertValidForClient;
    check(
        hook,
        "certificate.subject == \"CN=a\" && context.client.client_name == \"K\"",
        Ok(Some(true.into())),
    )
    .await;
    check(hook, "false", Ok(Some(false.into()))).await;
    check(hook, "()", Ok(None)).await;
    check(hook, "\"true\"", Err("must return true, false, or ()")).await;
}

#[tokio::test]
async fn each_hook_can_set_the_answer_but_cannot_change_the_client() {
    let hooks = KEY_HOOKS.into_iter().chain(SECRET_HOOKS);
    for hook in hooks.chain([
        Hook::GetEvidenceNonce,
        Hook::VerifyEvidence,
        Hook::IsCertValidForClient,
    ]) {
        check(
            hook,
            "throw #{ status: 403, error: \"e\" }",
            Err("403 {\"error\":\"e\"}"),
        )
        .await;
        check(
            hook,
            "context.createWebApplicationException(422, #{ error: \"e\" })",
            Err("422 {"),
        )
        .await;
        check(hook, "context.client.scope = \"a\"; true", Err("read-only")).await;
        check(hook, "throw 5", Err("the script threw 5")).await;
    }
}

#[tokio::test]
async fn the_first_script_with_a_result_decides_and_later_ones_do_not_run() {
    let says = |what: &str| format!("fn getEvidenceNonce(context) {{ {what} }}");
    let files = [
        ("10-a.rhai", says("()")),
        ("20-b.rhai", says("\"second\"")),
        ("30-c.rhai", says("throw \"asked\"")),
        (
            "15-none.rhai",
            "fn createClient(context) { true }".to_owned(),
        ),
    ];
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    let set = world(&files, |_| {}).unwrap().set;
    let answered = set
        .ask(
            Hook::GetEvidenceNonce,
            facts(json!({})),
            Metadata::default(),
        )
        .await
        .unwrap();
    let answered = answered.unwrap();
    assert_eq!(
        (answered.value, answered.by.name.as_str()),
        (json!("second"), "20-b.rhai")
    );
    let nobody = set
        .ask(Hook::VerifyEvidence, facts(json!({})), Metadata::default())
        .await
        .unwrap();
    assert!(nobody.is_none());
}

#[tokio::test]
async fn a_fault_in_each_hook_is_a_fault_that_names_it() {
    for hook in Hook::ALL {
        let world = hooked(hook, "undefined_function(context)");
        let (facts, client) = (facts(json!({})), Metadata::default());
        let outcome = match hook {
            Hook::AdaptRequest => world
                .set
                .adapt(client.clone(), facts, client)
                .await
                .map(drop),
            Hook::CreateClient | Hook::UpdateClient | Hook::DeleteClient => {
                world.set.decide(hook, facts, client).await.map(drop)
            }
            Hook::ModifyPostResponse | Hook::ModifyPutResponse | Hook::ModifyReadResponse => world
                .set
                .modify_response(hook, object(json!({})), facts, client)
                .await
                .map(drop),
            Hook::ClientCreated | Hook::ClientUpdated | Hook::ClientDeleted => {
                world.set.tell_one(0, hook, &facts, &client).await
            }
            _ => world.set.ask(hook, facts, client).await.map(drop),
        };
        let Err(HookError::Fault(fault)) = outcome else {
            panic!("{hook:?}: {outcome:?}")
        };
        assert_eq!(
            (fault.hook.as_str(), fault.script.as_str(), fault.line),
            (hook.name(), "10-a.rhai", 1)
        );
        let counted = world.set.statistics();
        assert_eq!(
            (counted[0].hook, counted[0].calls, counted[0].faults),
            (hook, 1, 1)
        );
    }
}
