use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::{check, create, facts, hooked, world};
use crate::client::Metadata;
use crate::script::{Hook, HookError, host::HttpAnswer};

/// Returns a `createClient` that returns `true` when `expression` fails with a message that contains `part`.
fn fails(expression: &str, part: &str) -> String {
    format!(
        "try {{ {expression}; return false; }} catch (error) {{ return `${{error}}`.contains(\"{part}\"); }}"
    )
}

#[tokio::test]
async fn failures_of_external_functions_can_be_caught() {
    let failures = [
        (
            "http::get(\"https://elsewhere.example.org/\")",
            "no fake response is defined",
        ),
        (
            "http::get(\"https://api.example.org/status\", #{ Host: \"a\" })",
            "framing",
        ),
        (
            "http::get(\"https://api.example.org/status\", #{ \"a b\": \"a\" })",
            "RFC 9110",
        ),
        (
            "http::get(\"https://api.example.org/status\", #{ a: \"\\r\\nb: c\" })",
            "visible ASCII",
        ),
        (
            "http::get(\"https://api.example.org/status\", #{ a: 1 })",
            "visible ASCII",
        ),
        (
            "http::get(\"https://api.example.org/status\", 5)",
            "must be a map",
        ),
        ("let s = \"\"; s.pad(2049, 'a'); http::get(s)", "2048 bytes"),
        (
            "let s = \"\"; s.pad(9000, 'a'); http::get(\"https://a.example\", #{ a: s })",
            "8192 bytes",
        ),
        (
            "http::request(#{ method: \"TRACE\", url: \"https://a.example\" })",
            "the method must be one of GET",
        ),
        (
            "http::request(#{ uri: \"https://a.example\" })",
            "no member 'uri'; did you mean 'url'? It has method, url, headers, body, timeoutMs, afterMs",
        ),
        ("http::request(#{ method: \"GET\" })", "missing field `url`"),
        ("jwt::decode(\"a.b\")", "three parts"),
        ("jwt::decode(\"!.e30.\")", "not base64url"),
        (
            "jwt::decode(\"W10.e30.\")",
            "header of the JWT is not a JSON object",
        ),
        ("jwt::verify(\"a.b.c\", #{}, #{})", "member `keys`"),
        (
            "jwt::verify(\"a.b.c\", #{ keys: [] }, #{ audiences: \"a\" })",
            "unknown field `audiences`",
        ),
        (
            "jwt::verify(\"a.b.c\", #{ keys: [] }, #{ algorithms: [] })",
            "at least one",
        ),
        (
            "jwt::verify(jwt::sign(#{}, \"key\"), #{ keys: [] }, #{ algorithms: [\"HS256\"] })",
            "no matching key",
        ),
        (
            "let keys = #{ keys: [#{ kty: \"oct\", k: base64::encode_url(secrets::get(\"key\")) }] };
                jwt::verify(jwt::sign(#{}, \"key\"), keys, #{})",
            "is signed with HS256; the allowed algorithms are",
        ),
        ("jwt::sign(#{}, \"kay\")", "did you mean 'key'?"),
        ("jwt::sign([], \"key\")", "the claims must be a map"),
        ("secrets::get(\"another\")", "[scripts.secrets] defines key"),
        ("kv::get(\"\")", "1 to 256 bytes"),
        ("kv::set(\"a\", || 1, 60)", "no JSON form"),
        ("kv::set(\"a\", 1, 0)", "lifetime must be 1 to"),
        ("kv::set(\"a\", 1, 40000000)", "lifetime must be 1 to"),
        (
            "let s = \"\"; s.pad(20000, 'a'); kv::set(\"a\", s, 60)",
            "16384 bytes",
        ),
        (
            "kv::set(\"a\", \"x\", 60); kv::increment(\"a\", 1, 60)",
            "not an integer",
        ),
        ("clients::count(#{})", "1 to 8 members"),
        ("clients::count(5)", "must be a map"),
        ("x509::parse(\"a\")", "CERTIFICATE"),
        (
            "let s = \"\"; s.pad(20000, 'a'); x509::parse(s)",
            "16384 bytes",
        ),
        (
            "attestation::key_is_in(#{ kty: \"oct\", k: \"a\" }, #{ keys: [] })",
            "EC, OKP or RSA",
        ),
        (
            "attestation::key_is_in(#{ kty: \"EC\", x: \"a\" }, #{ keys: [] })",
            "kty, crv, x, y",
        ),
        (
            "attestation::key_is_in(#{ kty: \"OKP\", crv: \"a\", x: \"a\" }, \"[]\")",
            "member `keys`",
        ),
        (
            "attestation::key_is_in(\"AAAA\", #{ keys: [] })",
            "not a SubjectPublicKeyInfo",
        ),
        ("attestation::key_is_in(5, #{ keys: [] })", "must be a map"),
        ("attestation::verify_ear(\"a\", #{}, #{})", "member `keys`"),
        (
            "attestation::verify_ear(\"a\", #{ keys: [] }, #{ nonse: \"a\" })",
            "unknown field `nonse`",
        ),
        (
            "attestation::verify_ear(\"a\", #{ keys: [] }, 5)",
            "must be a map",
        ),
        ("base64::decode_bytes(\"a\")", "invalid base64"),
        ("base64::encode_bytes(\"a\")", "must be bytes"),
        (
            "http::post(\"https://a.example\", || 1, #{})",
            "no JSON form",
        ),
        ("for i in 0..65 { kv::get(\"a\") }", "storeCalls"),
        (
            "for i in 0..9 { http::get(\"https://api.example.org/status\") }",
            "httpCalls",
        ),
    ];
    for (expression, part) in failures {
        check(&fails(expression, part), json!({}), Ok(json!({}))).await;
    }
}

#[tokio::test]
async fn a_hook_after_the_response_may_make_more_calls() {
    for (count, is_allowed) in [(32, true), (33, false)] {
        let body =
            format!("for i in 0..{count} {{ http::get(\"https://api.example.org/status\") }}");
        let world = hooked(Hook::ClientCreated, &body);
        world
            .host
            .answer_json("GET", "https://api.example.org/status", 200, &json!({}));
        let mut facts = (*facts(json!({}))).clone();
        facts.event = Some(json!({"type": "client.created"}));
        let client = Metadata::default();
        let notified = world
            .set
            .notify(Hook::ClientCreated, Arc::new(facts), &client, None);
        let told = notified.await.map_err(|fault| fault.error.to_string());
        assert_eq!(told.is_ok(), is_allowed, "{count}: {told:?}");
        assert_eq!(world.host.calls().len(), 32);
    }
}

#[tokio::test]
async fn a_request_is_sent_unchanged() {
    let body = "http::post(\"https://a.example/1\", #{ b: [1] }, #{ Authorization: `Bearer ${secrets::get(\"key\")}` });
        http::request(#{ method: \"put\", url: \"https://a.example/2\", headers: #{ \"Content-Type\": \"text/plain\" },
                         body: \"hi\", timeoutMs: 50, afterMs: 20 });
        http::request(#{ method: \"DELETE\", url: \"https://a.example/3\", timeoutMs: 1000000 });
        true";
    let world = hooked(Hook::CreateClient, body);
    for (method, number) in [("POST", 1), ("PUT", 2), ("DELETE", 3)] {
        world.host.answer_json(
            method,
            &format!("https://a.example/{number}"),
            200,
            &json!({}),
        );
    }
    create(&world.set, json!({})).await.unwrap();
    let calls = world.host.calls();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(calls[0].body.as_deref(), Some(&b"{\"b\":[1]}"[..]));
    assert_eq!(
        calls[0].headers,
        [
            pair("authorization", "Bearer key-of-the-tests-0123456789abcdef"),
            pair("content-type", "application/json")
        ]
    );
    assert_eq!(
        (calls[0].timeout.as_millis(), calls[0].answer_bytes),
        (5_000, 65_536)
    );
    assert_eq!(
        (calls[1].method.as_str(), calls[1].body.as_deref()),
        ("PUT", Some(&b"hi"[..]))
    );
    assert_eq!(
        (&calls[1].headers[..], calls[1].timeout.as_millis()),
        (&[pair("content-type", "text/plain")][..], 70)
    );
    assert_eq!(
        (calls[0].after.as_millis(), calls[1].after.as_millis()),
        (0, 20)
    );
    let left = calls[2].timeout.as_millis();
    assert!(
        (9_000..=10_000).contains(&left),
        "at most the rest of httpMs: {left}"
    );
}

#[tokio::test]
async fn an_answer_is_a_text_of_limited_size() {
    let body = "let a = http::get(\"https://a.example/\"); \
        a.status == 418 && a.headers[\"x-a\"] == \"1, 2\" && a.body == \"tea\" && a.json == ()";
    let answer = |body: Vec<u8>| HttpAnswer {
        status: 418,
        headers: vec![("x-a".into(), "1".into()), ("x-a".into(), "2".into())],
        body,
    };
    for (bytes, ends_well) in [
        (b"tea".to_vec(), true),
        (vec![0xff], false),
        (vec![b'a'; 65_537], false),
    ] {
        let world = hooked(Hook::CreateClient, body);
        world
            .host
            .answer("GET", "https://a.example/", answer(bytes));
        assert_eq!(create(&world.set, json!({})).await.is_ok(), ends_well);
    }
}

#[tokio::test]
async fn stored_values_belong_to_one_script_and_expire() {
    let count = "fn createClient(context) { context.client.software_version = `${kv::increment(\"n\", 1, 60)}`; true }";
    let look =
        "fn createClient(context) { if kv::get(\"n\") != () { throw \"not its own\" } true }";
    let world = world(&[("10-a.rhai", count), ("20-b.rhai", look)], |_| {}).unwrap();
    for expected in ["1", "2"] {
        let decision = create(&world.set, json!({})).await.unwrap();
        assert_eq!(decision.client.text("software_version"), Some(expected));
    }
    world.clock.advance(60);
    assert_eq!(
        create(&world.set, json!({}))
            .await
            .unwrap()
            .client
            .text("software_version"),
        Some("1")
    );
}

#[tokio::test]
async fn external_functions_are_available_to_hooks_only() {
    for top in [
        "http::get(\"https://a.example/\");",
        "kv::set(\"a\", 1, 60);",
        "attestation::new_nonce();",
    ] {
        let error = world(&[("10-a.rhai", top)], |_| {}).map(drop).unwrap_err();
        assert!(
            error.contains("10-a.rhai:1:") && error.contains("in hooks only"),
            "{error}"
        );
    }
    let secret = "export const KEY = secrets::get(\"key\");\nfn createClient(context) { true }";
    assert!(world(&[("10-a.rhai", secret)], |_| {}).is_ok());
}

#[tokio::test]
async fn an_uncaught_failure_has_a_position() {
    for body in [
        "\n  let x =\n    json::parse(\"{\"); true",
        "\n\n    http::get(\"https://a.example/\"); true",
    ] {
        let world = hooked(Hook::CreateClient, body);
        let Err(HookError::Fault(fault)) = create(&world.set, json!({})).await else {
            panic!("{body}")
        };
        assert_eq!(
            (fault.script.as_str(), fault.line),
            ("10-a.rhai", 3),
            "{fault:?}"
        );
        assert!(fault.column > 4, "{fault:?}");
    }
    let error = world(&[("10-a.rhai", "\n  json::parse(\"{\");")], |_| {})
        .map(drop)
        .unwrap_err();
    assert!(
        error.starts_with("10-a.rhai:2:9: ") && error.contains("\n      json::parse"),
        "{error}"
    );
}

#[tokio::test]
async fn binary_data_is_sent_unchanged() {
    let evidence: Vec<u8> = (0..20_000_u32)
        .map(|at| u8::try_from(at % 256).unwrap())
        .collect();
    let body =
        "let url = \"https://a.example/\"; let bytes = base64::decode_url_bytes(context.client.software_id);
        http::post(url, bytes, #{ \"Content-Type\": \"application/cbor\" });
        http::request(#{ method: \"POST\", url: url, body: bytes });
        let blob = blob(3, 0xff); http::post(url, blob, #{});
        bytes.len == 20000 && `${bytes}` == \"20000 bytes\" && base64::encode_bytes(blob) == \"////\"";
    let world = hooked(Hook::CreateClient, body);
    world
        .host
        .answer_json("POST", "https://a.example/", 200, &json!({}));
    let text = URL_SAFE_NO_PAD.encode(&evidence);
    create(&world.set, json!({ "software_id": text }))
        .await
        .unwrap();
    let calls = world.host.calls();
    let bodies: Vec<&[u8]> = calls
        .iter()
        .map(|call| call.body.as_deref().unwrap())
        .collect();
    assert_eq!(bodies, [&evidence[..], &evidence[..], &[0xff; 3]]);
    assert_eq!(
        calls[0].headers,
        [("content-type".to_owned(), "application/cbor".to_owned())]
    );
    assert!(calls[1].headers.is_empty(), "the type of bytes is unknown");
}
