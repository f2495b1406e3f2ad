use std::sync::Arc;

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::*;
use crate::client::{Metadata, TrustLevel};
use crate::clock::{ManualClock, Timestamp};
use crate::config::{ScriptLimits, ScriptSettings};

fn object(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

fn load(files: &[(&str, &str)], change: impl FnOnce(&mut ScriptSettings)) -> Result<Arc<ScriptSet>, String> {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let attributes = object(json!({"deniedVendors": ["acme"], "serial": u64::MAX}));
    let mut settings =
        ScriptSettings { directory: folder.path().to_owned(), attributes, ..ScriptSettings::default() };
    // A debug build is slow; the tests of the deadline set their own.
    settings.limits.deadline_ms = 20_000;
    change(&mut settings);
    let clock = Arc::new(ManualClock::new(Timestamp::from_unix(1_767_225_600)));
    ScriptSet::load(&settings, clock).map(Arc::new).map_err(|errors| errors.to_string())
}

fn facts(request: Value) -> Arc<Facts> {
    Arc::new(Facts {
        register_request: object(request),
        software_statement: Some(
            json!({"header": {"alg": "ES256"}, "claims": {"iss": "https://iss.example.org"}}),
        ),
        dcr: None,
        evidence: None,
        attestation: None,
        certificate: None,
        initial_access_token: None,
        http_request: HttpRequest {
            method: "POST".into(),
            path: "/register".into(),
            headers: vec![("x-a".into(), "1".into()), ("x-a".into(), "2".into())],
            ip_address: Some("192.0.2.1".parse().unwrap()),
        },
        trust_level: TrustLevel::Open,
        custom_attributes: vec!["department".into()],
    })
}

async fn create(set: &Arc<ScriptSet>, client: Value) -> Result<Decision, HookError> {
    let facts = facts(client.clone());
    set.decide(Hook::CreateClient, facts, Metadata::new(object(client))).await
}

/// What one `createClient` with this body does to `client`: the client, or how it ended.
async fn check(body: &str, client: Value, expected: Result<Value, &str>) {
    let set = load(&[("10-a.rhai", &format!("fn createClient(context) {{ {body} }}"))], |_| {}).unwrap();
    let found = create(&set, client).await;
    match (found, expected) {
        (Ok(decision), Ok(client)) => {
            assert_eq!(Value::Object(decision.client.into_object()), client, "{body}")
        }
        (Err(error), Err(part)) => {
            let text = match error {
                HookError::Answered { status, entity, .. } => format!("{status} {}", Value::Object(entity)),
                error => error.to_string(),
            };
            assert!(text.contains(part), "{body}: '{text}' does not say '{part}'");
        }
        (found, expected) => panic!("{body}: {found:?} is not {expected:?}"),
    }
}

#[tokio::test]
async fn the_example_of_the_design_works() {
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
    let Err(HookError::Answered { status: 400, entity, .. }) = create(&set, json!({})).await else {
        panic!()
    };
    assert_eq!(entity["error"], "stale_evidence");
    assert_eq!(entity["error_description"], "The provided evidence is not current.");
    assert_eq!(entity["nonce"].as_str().unwrap().len(), 43);
    let blocked = create(&set, json!({"evidence": "e", "software_id": "acme"})).await;
    assert!(matches!(blocked, Err(HookError::Answered { status: 403, .. })), "{blocked:?}");
    let client =
        json!({"evidence": "e", "software_id": "b", "contacts": ["a@example.org"], "client_name": "N"});
    let decision = create(&set, client).await.unwrap();
    assert_eq!(
        decision.client.texts("contacts").collect::<Vec<_>>(),
        ["a@example.org", "registry@example.org"]
    );
    assert_eq!(decision.client.text("scope"), Some("openid profile"));
    assert_eq!(decision.decided_by[0].name, "20-attestation.rhai");
}

#[tokio::test]
async fn the_examples_of_the_seed_work_in_its_spelling() {
    // The seed's `attestationClient` is whatever talks to the verifier; here a library does.
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
    let set = load(&[("lib/attestationClient.rhai", client), ("10-a.rhai", script)], |_| {}).unwrap();
    let Err(HookError::Answered { entity, .. }) = create(&set, json!({})).await else { panic!() };
    assert_eq!(entity["nonce"], "nonce-of-the-verifier");
    let Err(HookError::Answered { entity, .. }) = create(&set, json!({"evidence": "bad"})).await else {
        panic!()
    };
    assert_eq!(entity["error_description"], "attestation failed");
    create(&set, json!({"evidence": "good"})).await.unwrap();
}

#[tokio::test]
async fn members_are_read_and_written_by_their_names() {
    check("context.client.client_name = \"x\"; true", json!({}), Ok(json!({"client_name": "x"}))).await;
    check(
        "context.client.client_name = (); true",
        json!({"client_name": "a", "scope": "b"}),
        Ok(json!({"scope": "b"})),
    )
    .await;
    check("context.client[\"client_name#fr\"] = \"x\"; true", json!({}), Ok(json!({"client_name#fr": "x"})))
        .await;
    check("context.client.department = #{ id: 7 }; true", json!({}), Ok(json!({"department": {"id": 7}})))
        .await;
    check(
        "context.client.redirect_uris[0] += \"/b\"; true",
        json!({"redirect_uris": ["a"]}),
        Ok(json!({"redirect_uris": ["a/b"]})),
    )
    .await;
    check("\"scope\" in context.client", json!({"scope": "a"}), Ok(json!({"scope": "a"}))).await;
    let digits = json!({"default_max_age": 9_223_372_036_854_775_809_u64});
    check(
        "context.client.client_name = \"x\"; context.client.remove(\"client_name\"); true",
        digits.clone(),
        Ok(digits),
    )
    .await;
    check("context.client.client_nam = \"x\"; true", json!({}), Err("did you mean 'client_name'?")).await;
    check("context.client.client_nam == ()", json!({}), Err("did you mean 'client_name'?")).await;
    check("context.client.client_id = \"x\"; true", json!({}), Err("set by the server")).await;
    check("context.registerRequest.scope = \"x\"; true", json!({}), Err("read-only")).await;
    check("context.registerRequest.contacts.push(\"x\"); true", json!({"contacts": []}), Err("read-only"))
        .await;
    check(
        "context.registerRequest.getContacts().contains(\"x\")",
        json!({"contacts": ["x"]}),
        Ok(json!({"contacts": ["x"]})),
    )
    .await;
}

#[tokio::test]
async fn a_hook_ends_in_one_of_these_ways() {
    check("true", json!({}), Ok(json!({}))).await;
    check("false", json!({}), Err("10-a.rhai refused")).await;
    check("5", json!({}), Err("must return true or false")).await;
    check("", json!({}), Err("must return true or false")).await;
    check("|| true", json!({}), Err("must return true or false")).await;
    check(
        "throw #{ status: 403, error: \"e\", error_description: \"d\" }",
        json!({}),
        Err("403 {\"error\":\"e\",\"error_description\":\"d\"}"),
    )
    .await;
    check("throw #{ error: \"e\" }", json!({}), Err("400 {\"error\":\"e\"}")).await;
    check("throw #{ status: 200, error: \"e\" }", json!({}), Err("it threw")).await;
    check("throw #{ note: \"no code\" }", json!({}), Err("it threw")).await;
    check("throw 5", json!({}), Err("it threw 5")).await;
    check(
        "context.createWebApplicationException(409, #{ error: \"e\" }); true",
        json!({}),
        Err("409 {\"error\":\"e\"}"),
    )
    .await;
    check("context.createWebApplicationException(200, #{}); true", json!({}), Err("from 400 to 599")).await;
    check(
        "context.createWebApplicationException(400, \"text\"); true",
        json!({}),
        Err("not acceptable JSON"),
    )
    .await;
    check("context.createWebApplicationException(400, 5); true", json!({}), Err("is a map, not a number"))
        .await;
    check("undefined(context)", json!({}), Err("undefined")).await;
}

#[tokio::test]
async fn a_fault_names_the_place_and_who_called_whom() {
    let library = "fn inner(x) {\n    x.no_such_function()\n}";
    let script = "import \"lib/l\" as l;\nfn helper(x) { l::inner(x) }\n\nfn createClient(context) {\n    helper(1)\n}";
    let set = load(&[("lib/l.rhai", library), ("10-a.rhai", script)], |_| {}).unwrap();
    let Err(HookError::Fault(fault)) = create(&set, json!({})).await else { panic!() };
    assert_eq!((fault.script.as_str(), fault.line, fault.column), ("lib/l.rhai", 2, 7), "{fault:?}");
    assert!(fault.calls.contains("createClient") && fault.calls.contains("helper"), "{fault:?}");
}

#[tokio::test]
async fn hostile_scripts_fault_and_nothing_else_happens() {
    let limits = |settings: &mut ScriptSettings| {
        settings.limits = ScriptLimits { deadline_ms: 2_000, ..ScriptLimits::default() }
    };
    let bodies = [
        ("loop { }", "operations"),
        ("createClient(context)", "overflow"),
        ("let s = \"aaaaaaaa\"; loop { s += s; }", "too large"),
        ("let a = [1]; loop { a += a; }", "too large"),
        ("let m = #{}; let i = 0; loop { m[\"k\" + i] = i; i += 1; }", "too "),
        ("let a = []; a.pad(1000000000, 0); true", "too large"),
        ("let s = \"\"; s.pad(1000000000, 'a'); true", "too large"),
        ("sleep(1); true", "can not sleep"),
        ("sleep(0.5); true", "can not sleep"),
        ("import \"../x\" as x; true", "../x"),
        ("import \"/etc/passwd\" as x; true", "/etc/passwd"),
        ("import \"lib/none\" as x; true", "lib/none"),
        (
            "context.createWebApplicationException(400, \"{\\\"a\\\":\" + \"[\".to_string() + \"\"); true",
            "JSON",
        ),
    ];
    for (body, part) in bodies {
        let set = load(&[("10-a.rhai", &format!("fn createClient(context) {{ {body} }}"))], limits).unwrap();
        let Err(HookError::Fault(fault)) = create(&set, json!({})).await else { panic!("{body}") };
        assert!(fault.message.to_lowercase().contains(&part.to_lowercase()), "{body}: {}", fault.message);
    }
}

#[tokio::test]
async fn a_deadline_ends_what_the_count_of_operations_would_not() {
    let set = load(&[("10-a.rhai", "fn createClient(context) { loop { } }")], |settings| {
        settings.limits = ScriptLimits { operations: u64::MAX, deadline_ms: 50, ..ScriptLimits::default() };
    })
    .unwrap();
    let started = std::time::Instant::now();
    let Err(HookError::Fault(fault)) = create(&set, json!({})).await else { panic!() };
    assert!(fault.message.contains("deadlineMs"), "{fault:?}");
    assert!(started.elapsed().as_secs() < 10);
}

#[tokio::test]
async fn scripts_take_turns_and_who_waits_too_long_is_told() {
    let set = load(&[("10-a.rhai", "fn createClient(context) { loop { } }")], |settings| {
        settings.limits =
            ScriptLimits { operations: u64::MAX, deadline_ms: 300, concurrent: 1, ..ScriptLimits::default() };
    })
    .unwrap();
    let (one, other) = tokio::join!(create(&set, json!({})), create(&set, json!({})));
    let busy = [&one, &other].into_iter().filter(|outcome| matches!(outcome, Err(HookError::Busy))).count();
    assert_eq!(busy, 1, "{one:?} {other:?}");
}

#[test]
fn what_can_not_be_loaded_is_named_with_its_place() {
    let check = |files: &[(&str, &str)], expected: &str| {
        let errors = load(files, |_| {}).unwrap_err();
        assert!(errors.contains(expected), "{errors}\ndoes not say\n{expected}");
    };
    check(&[("10-a.rhai", "fn createClient(context) {\n    let x = ;\n}")], "10-a.rhai:2:13: ");
    check(
        &[("10-a.rhai", "fn createClient(context) {\n    let x = ;\n}")],
        "\n        let x = ;\n                ^",
    );
    check(
        &[("10-a.rhai", "\nfn createClient(a, b) { true }")],
        "10-a.rhai:2:1: the hook is createClient(context)",
    );
    check(&[("10-a.rhai", "import \"../x\" as x;")], "10-a.rhai:1:8: '../x' can not be imported");
    check(&[("10-a.rhai", "import \"/etc/passwd\" as x;")], "can not be imported");
    check(&[("10-a.rhai", "fn createClient(context) { eval(\"1\") }")], "10-a.rhai:1:");
    check(&[("10-a.rhai", "fn createClient(context) { unknown_variable }")], "10-a.rhai:1:");
    check(&[("10-a.rhai", "throw \"at the top\"")], "at the top");
    check(&[("10-a.rhai", "loop {}")], "operations");
    check(
        &[("10-a.rhai", "import \"lib/a\" as a;"), ("lib/a.rhai", "import \"lib/a\" as b;")],
        "imports itself",
    );
    check(&[("10-a.rhai", "fn f( {"), ("20-b.rhai", "fn g( {")], "20-b.rhai:1:");
    assert!(
        load(&[], |settings| settings.directory = "does/not/exist".into())
            .unwrap_err()
            .contains("no such folder")
    );
}

#[test]
fn a_slip_in_the_name_of_a_hook_is_a_warning() {
    let set = load(&[("10-a.rhai", "fn createCleint(context) { true }\nfn helper() { 1 }")], |_| {}).unwrap();
    assert_eq!(
        set.scripts()[0].warnings,
        ["the function createCleint is not called; is the hook createClient meant?"]
    );
    assert!(!set.has(Hook::CreateClient));
}

#[tokio::test]
async fn the_top_level_runs_once_and_its_constants_stay() {
    let script = "const LIMIT = 3;\nlet token = crypto::random_token(16);\nexport token as token;\nfn createClient(context) { context.client.client_name = `${global::LIMIT}`; true }";
    let set =
        load(&[("10-a.rhai", script), ("tests/ignored.rhai", "this does not compile")], |_| {}).unwrap();
    assert_eq!(create(&set, json!({})).await.unwrap().client.text("client_name"), Some("3"));
}

#[tokio::test]
async fn answers_are_changed_where_the_script_wants_it() {
    let modify = async |body: &str| {
        let set =
            load(&[("10-a.rhai", &format!("fn modifyReadResponse(response, context) {{ {body} }}"))], |_| {})
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
    assert_eq!(modify("response.remove(\"client_name\"); true").await.unwrap(), json!({"client_id": "c"}));
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
        assert!(matches!(modify(body).await, Err(HookError::Fault(_))), "{body}");
    }
}

#[tokio::test]
async fn the_host_modules_do_what_they_say() {
    let truths = [
        r#"crypto::sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad""#,
        r#"crypto::hmac_sha256("key", "abc") == "9c196e32dc0175f86f4b1cb89289d6619de6bee699e4c378e68309ed97a1a6ab""#,
        r#"crypto::random_token(32).len() == 43 && crypto::equals("a", "a") && !crypto::equals("a", "b")"#,
        r#"base64::encode("hi?>") == "aGk/Pg==" && base64::decode("aGk/Pg==") == "hi?>" && base64::decode("aGk/Pg") == "hi?>""#,
        r#"base64::encode_url("hi?>") == "aGk_Pg" && base64::decode_url("aGk_Pg") == "hi?>""#,
        r#"json::parse("{\"a\":[1,null]}").a[0] == 1 && json::stringify(#{ a: [1, ()] }) == "{\"a\":[1,null]}""#,
        r#"time::now() == 1767225600 && time::format(1767225600) == "2026-01-01T00:00:00Z""#,
        r#"time::parse("2026-01-01T01:00:00+01:00") == time::now()"#,
        r#"uri::parse("https://a.example:8443/b?c=d").host == "a.example" && uri::parse("https://a.example/").port == 443"#,
        r#"net::in_cidr("10.1.2.3", "10.0.0.0/8") && !net::in_cidr("192.0.2.1", "10.0.0.0/8")"#,
        r#"context.httpRequest.headers["x-a"] == "1, 2" && context.getIpAddress() == "192.0.2.1""#,
        r#"context.softwareStatement.claims.iss == "https://iss.example.org" && context.trustLevel == "open""#,
        r#"context.configurationAttributes.deniedVendors == ["acme"] && context.dcr == ()"#,
        r#"try { json::parse("{"); return false; } catch { return true; }"#,
        r#"try { crypto::random_token(1); return false; } catch { return true; }"#,
        r#"try { base64::decode("/w=="); return false; } catch { return true; }"#,
        r#"try { net::in_cidr("x", "10.0.0.0/8"); return false; } catch { return true; }"#,
        r#"try { time::parse("yesterday"); return false; } catch { return true; }"#,
        r#"try { uri::parse("/relative"); return false; } catch { return true; }"#,
    ];
    for truth in truths {
        check(truth, json!({}), Ok(json!({}))).await;
    }
}

#[test]
fn what_is_shipped_loads() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let set = load(&[], |settings| settings.directory = directory).unwrap();
    assert!(set.has(Hook::CreateClient));
}
