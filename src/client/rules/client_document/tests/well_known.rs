//! The documents of well-known clients.

use serde_json::{Value, json};

use super::{check, check_real, settings};
use crate::config::{ClientDocumentRedirectUris, Registration};

/// Reads the document of a client, which the tests of a whole server use too.
fn real(name: &str) -> Value {
    let folder = "tests/fixtures/client_documents";
    let path = format!("{}/{folder}/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn claude_has_loopback_uris_without_a_port_and_a_hosted_one() {
    let code = real("claude_code");
    check_real(
        &settings(),
        &code,
        Ok(json!({
            "application_type": "native",
            "redirect_uris": ["http://localhost/callback", "http://127.0.0.1/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
            "client_id": null,
        })),
    );
    let hosted = real("claude");
    check_real(&settings(), &hosted, Ok(json!({"application_type": "web"})));
}

#[test]
fn visual_studio_code_is_native_with_an_https_uri_on_its_own_host() {
    let document = real("visual_studio_code");
    let device = "urn:ietf:params:oauth:grant-type:device_code";
    check_real(
        &settings(),
        &document,
        Ok(json!({
            "application_type": "native",
            "redirect_uris": ["http://127.0.0.1:33418/", "https://vscode.dev/redirect"],
            "grant_types": ["authorization_code", "refresh_token", device],
        })),
    );
    let few = Registration {
        grant_types_supported: vec!["authorization_code".to_owned()],
        ..settings()
    };
    check_real(
        &few,
        &document,
        Ok(json!({"grant_types": ["authorization_code"]})),
    );
    let bare = json!({"grant_types": ["authorization_code", "device_code"]});
    check(bare, Ok(json!({"grant_types": ["authorization_code"]})));
}

#[test]
fn chatgpt_offers_two_methods_and_gets_the_one_that_the_server_has() {
    for name in ["chatgpt_connector", "chatgpt"] {
        let document = real(name);
        check_real(
            &settings(),
            &document,
            Ok(json!({
                "application_type": "web",
                "token_endpoint_auth_method": "private_key_jwt",
                "token_endpoint_auth_methods_supported": null,
                "jwks_uri": "https://chatgpt.com/oauth/jwks.json",
            })),
        );
        let only_public = Registration {
            token_endpoint_auth_methods_supported: vec!["none".to_owned()],
            ..settings()
        };
        check_real(
            &only_public,
            &document,
            Ok(json!({"token_endpoint_auth_method": "none"})),
        );
    }
}

#[test]
fn local_agents_are_native_and_public() {
    let codex = real("codex");
    let opencode = real("opencode");
    let zed = real("zed");
    for document in [codex, opencode, zed] {
        check_real(
            &settings(),
            &document,
            Ok(json!({
                "application_type": "native",
                "token_endpoint_auth_method": "none",
                "grant_types": ["authorization_code", "refresh_token"],
                "response_types": ["code"],
            })),
        );
    }
}

#[test]
fn hosted_agents_have_uris_on_several_domains_and_members_of_their_own() {
    let grok = real("grok");
    check_real(
        &settings(),
        &grok,
        Ok(json!({
            "application_type": "web",
            "redirect_uris": ["https://grok.com/mcp/callback", "https://x.ai/mcp/callback"],
            "grant_types": ["authorization_code"],
            "response_types": ["code"],
        })),
    );
    let same_host = Registration {
        client_document_redirect_uris: ClientDocumentRedirectUris::SameHost,
        ..settings()
    };
    check_real(
        &same_host,
        &grok,
        Err(&["redirect_uris[1]: the host of the document, grok.com"]),
    );
    let lovable = real("lovable");
    check_real(
        &settings(),
        &lovable,
        Ok(json!({"code_challenge_methods_used": null})),
    );
}
