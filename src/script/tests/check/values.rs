//! Mistakes in values: results of host functions, constants, and client metadata with few values.

use serde_json::json;

use super::*;
use crate::config::SecretSource;

#[test]
fn members_that_a_result_does_not_have_are_found() {
    let mut cases = Vec::new();
    for (body, expected) in [
        (
            "let parts = uri::parse(context.client.client_uri); parts.hostname == \"a.example\"",
            "10-a.rhai:2:58: the result of uri::parse has no member 'hostname'; did you mean 'host'?",
        ),
        (
            "uri::parse(\"https://a.example\").domain == ()",
            "has no member 'domain'; it has scheme, host, port, path, query",
        ),
        (
            "let answer = http::request(#{ url: \"https://a.example\" }); answer.statusCode == 200",
            "the result of http::request has no member 'statusCode'; did you mean 'status'?",
        ),
        (
            "http::get(\"https://a.example\")[\"jsn\"] == ()",
            "did you mean 'json'?",
        ),
        (
            "let token = jwt::decode(context.client.software_statement); token.claim.iss == \"a\"",
            "the result of jwt::decode has no member 'claim'; did you mean 'claims'?",
        ),
        (
            "x509::parse(context.certificate.pem).subjct == ()",
            "the result of x509::parse has no member 'subjct'; did you mean 'subject'?",
        ),
        (
            "host(context.client.client_uri).pth == ()",
            "the result of uri::parse has no member 'pth'; did you mean 'path'?",
        ),
        (
            "http::get(\"https://a.example\").status == \"200\"",
            "`==` compares a whole number with a string, which are never equal; write the number without quotes: 200",
        ),
        (
            "context.httpRequest.headers[\"User-Agent\"] == ()",
            "10-a.rhai:2:29: the names of headers are in lower case; write \"user-agent\"",
        ),
        (
            "http::get(\"https://a.example\").headers.contains(\"ETag\")",
            "write \"etag\"",
        ),
        (
            "\"X-Vendor\" in context.httpRequest.headers",
            "write \"x-vendor\"",
        ),
    ] {
        let more = "\nfn host(text) { uri::parse(text) }";
        cases.push((format!("{}{more}", create(body)), expected));
    }
    find_all(cases);
    find_nothing(
        [
            "let parts = uri::parse(\"https://a.example\"); parts.extra = 1; parts.extra == 1",
            "uri::parse(\"https://a.example\").host.ends_with(\".example\")",
            "let answer = (); try { answer = http::get(\"https://a.example\"); } catch { } answer.anything == ()",
            "jwt::decode(\"a.b.c\").claims.anything == 5",
            "json::parse(\"{}\").anything == 5",
            "context.httpRequest.headers[\"user-agent\"].contains(\"curl\")",
            "let m = #{ \"User-Agent\": 1 }; m[\"User-Agent\"] == 1",
        ]
        .map(create),
    );
}

#[test]
fn constants_that_a_function_never_accepts_are_found() {
    let mut cases = Vec::new();
    for (body, expected) in [
        (
            "http::request(#{ url: \"https://a.example\", timeout: 500 }).status == 200",
            "http::request takes no member 'timeout'; did you mean 'timeoutMs'? It takes method, url, headers, body, \
             timeoutMs, afterMs",
        ),
        (
            "http::request(#{ url: \"https://a.example\", retries: 5 }).status == 200",
            "takes no member 'retries'; it takes method, url",
        ),
        (
            "http::request(#{ url: \"https://a.example\", method: \"FETCH\" }).status == 200",
            "http::request always fails here: the method must be one of GET, POST, PUT, PATCH, DELETE, HEAD",
        ),
        (
            "http::get(\"a.example/x\").status == 200",
            "http::get always fails here: not an absolute URI",
        ),
        (
            "jwt::verify(\"a.b.c\", #{ keys: [] }, #{ aud: \"x\" }).claims.iss == \"a\"",
            "jwt::verify takes no member 'aud'; it takes algorithms, issuer, audience, maxAge",
        ),
        (
            "time::now() > time::parse(\"2026-01-31\")",
            "10-a.rhai:2:27: time::parse always fails here: not an RFC 3339 time",
        ),
        (
            "net::in_cidr(context.httpRequest.ipAddress, \"10.0.0.0/33\")",
            "net::in_cidr always fails here: '10.0.0.0/33' is not a network such as 10.0.0.0/8",
        ),
        (
            "text::matches(context.trustLevel, \"[a-z\")",
            "text::matches always fails here: invalid pattern: unclosed character class",
        ),
        (
            "secrets::get(\"kye\") == \"\"",
            "[scripts.secrets] has no secret 'kye'; did you mean 'key'?",
        ),
        (
            "jwt::sign(#{ iss: \"a\" }, \"kye\") == \"\"",
            "did you mean 'key'?",
        ),
        (
            "context.client.client_id in context.configurationAttributes.deniedVendor",
            "Warning 10-a.rhai:2:61: [scripts.attributes] does not set `deniedVendor`; did you mean `deniedVendors`?",
        ),
    ] {
        cases.push((create(body), expected));
    }
    find_all(cases);
    find_nothing(
        [
            "http::request(#{ url: context.client.jwks_uri, method: \"patch\", body: #{ timeout: 5 } }).status == 200",
            "http::post(\"https://a.example\", #{ timeout: 5 }, #{ \"X-Timeout\": \"5\" }).status == 200",
            "try { time::parse(\"now\") > 5 } catch { false }",
            "time::parse(\"2026-01-31T00:00:00Z\") > 5 && net::in_cidr(\"::1\", \"::/0\")",
            "text::matches(\"a\", `\\d+`) || text::find(\"a\", \"b\") == ()",
            "(context.configurationAttributes.deniedVendor ?? []).is_empty()",
            "jwt::verify(\"a.b.c\", #{ keys: [], extra: 5 }, #{ issuer: \"a\" }).claims.iss == \"a\"",
            "clients::count(#{ software_id: \"a\" }) < 5",
            "context.configurationAttributes.deniedVendor == () || secrets::get(\"another\") == \"\"",
            "context.configurationAttributes.anything == ()",
        ]
        .map(create),
    );
}

#[test]
fn an_unset_secret_is_unknown_when_no_secrets_are_known() {
    let script = create("secrets::get(\"verfier\") == \"\"");
    for (secret, is_found) in [(None, false), (Some("verifier"), true)] {
        let set = load(&[("10-a.rhai", &script)], |settings| {
            settings.secrets.clear();
            let source = SecretSource::File("Cargo.toml".into());
            settings
                .secrets
                .extend(secret.map(|name| (name.to_owned(), source)));
        });
        let set = set.unwrap();
        assert_eq!(!set.findings().is_empty(), is_found, "{secret:?}");
    }
}

#[test]
fn values_that_metadata_never_has_are_found() {
    let mut cases = Vec::new();
    for (body, expected) in [
        (
            "context.client.application_type == \"mobile\"",
            "10-a.rhai:2:36: `application_type` is never \"mobile\"; the values are \"web\", \"native\"",
        ),
        (
            "\"None\" != context.client.token_endpoint_auth_method",
            "`token_endpoint_auth_method` is never \"None\"; did you mean \"none\"?",
        ),
        (
            "let kind = context.client.subject_type; kind == \"Pairwise\"",
            "did you mean \"pairwise\"?",
        ),
        (
            "context.client.application_type = \"mobile\"; true",
            "`application_type` cannot be \"mobile\"; the values are \"web\", \"native\"",
        ),
        (
            "context.client.token_endpoint_auth_method = \"client_secret_base\"; true",
            "did you mean \"client_secret_basic\"?",
        ),
        (
            "context.client.grant_types.contains(\"authorization-code\")",
            "`grant_types` never contains \"authorization-code\"; did you mean \"authorization_code\"?",
        ),
        (
            "\"client_credential\" in context.client.grant_types",
            "did you mean \"client_credentials\"?",
        ),
        (
            "context.client.client_name == \"\"",
            "Warning 10-a.rhai:2:31: `client_name` is () when the client has none, and not an empty text",
        ),
        (
            "type_of(context.client) == \"String\"",
            "type_of never returns \"String\"; it returns \"string\"",
        ),
        ("type_of(5) == \"int\"", "it returns \"i64\""),
        (
            "context.client.client_name.contains(\"x\")",
            "Warning 10-a.rhai:2:28: `client_name` is () when the client has none, and () has no method `contains`; ask \
             first",
        ),
    ] {
        cases.push((create(body), expected));
    }
    find_all(cases);
    find_nothing(
        [
            "context.client.application_type == \"native\" && context.client.subject_type != \"public\"",
            "context.client.token_endpoint_auth_method == \"spiffe_jwt\"",
            "context.client.client_name == () || context.client.client_name == \"\"",
            "(context.client.client_name ?? \"\") == \"\"",
            "context.registerRequest.application_type == \"mobile\"",
            "context.client.contacts.push(\"a@example.org\"); true",
            "let name = context.client.client_name; name != () && name.contains(\"x\")",
            "is_named(context.client.client_name) && context.client.client_name.contains(\"x\")",
            "context.client.redirect_uris.len() > 0 && context.client.scope.contains(\"openid\")",
            "has(context, \"client_name\") && context.client.client_name.contains(\"x\")",
            "type_of(5) == \"i64\" && type_of([]) == \"array\" && type_of(context.client) != \"Members\"",
        ]
        .map(|body| {
            let more = "\nfn is_named(name) { name != () }\nfn has(context, name) { context.client[name] != () }";
            format!("{}{more}", create(body))
        }),
    );
    finds_nothing(
        "fn adaptRequest(request, context) { if request.application_type == \"mobile\" { request.application_type = \"native\"; } true }",
    );
}

#[test]
fn type_of_returns_what_the_check_expects() {
    let engine = rhai::Engine::new();
    for (value, name) in [
        ("\"a\"", "string"),
        ("5", "i64"),
        ("1.5", "f64"),
        ("true", "bool"),
        ("#{}", "map"),
        ("[]", "array"),
        ("()", "()"),
        ("|x| x", "Fn"),
    ] {
        let found: String = engine.eval(&format!("type_of({value})")).unwrap();
        assert_eq!(found, name);
    }
}

#[test]
fn members_of_a_thrown_map_with_another_name_are_found() {
    let mut cases = Vec::new();
    for (body, expected) in [
        (
            "throw #{ error: \"x\", error_descripton: \"y\" };",
            "a thrown map has no member `error_descripton` with a meaning; did you mean `error_description`?",
        ),
        (
            "throw #{ error: \"x\", errorDescription: \"y\" };",
            "did you mean `error_description`?",
        ),
        (
            "throw #{ error: \"x\", message: \"y\" };",
            "did you mean `error_description`?",
        ),
        (
            "throw #{ eror: \"x\", error_description: \"y\" };",
            "Error 10-a.rhai:2:1: a thrown map needs `error`",
        ),
        (
            "throw #{ error: \"x\", code: 403 };",
            "did you mean `status`?",
        ),
        (
            "throw #{ error: \"x\", retryAfter: 60, status: 503 };",
            "did you mean `retry_after`?",
        ),
        (
            "throw #{ error: \"x\", status: 503, retry_after: \"60\" };",
            "`retry_after` of a thrown map must be a whole number, not a string",
        ),
        (
            "throw #{ error: \"x\", error_description: 5 };",
            "`error_description` of a thrown map must be a string, not a whole number",
        ),
    ] {
        cases.push((create(body), expected));
    }
    find_all(cases);
    find_nothing(
        [
            "throw #{ error: \"x\", errors: [1], error_uri: \"https://a.example\" };",
            "throw #{ error: \"x\", error_description: \"y\", message: \"z\", code: \"E5\" };",
            "throw #{ status: 429, error: \"x\", retry_after: kv::get(\"n\") };",
            "throw #{ check: \"nonce\", message: \"z\" };",
        ]
        .map(create),
    );
}

#[test]
fn attributes_of_other_names_are_optional() {
    let script = create("context.configurationAttributes.vendors == 5");
    let set = load(&[("10-a.rhai", &script)], |settings| {
        settings.attributes.insert("limit".to_owned(), json!(5));
    });
    assert!(set.unwrap().findings().is_empty());
}
