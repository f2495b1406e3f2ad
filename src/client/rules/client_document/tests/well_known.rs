//! The documents of well-known clients.

use serde_json::{Value, json};

use super::{check, check_real, settings};
use crate::config::{ClientDocumentRedirectUris, Registration};

#[test]
fn claude_has_loopback_uris_without_a_port_and_a_hosted_one() {
    let code = json!({
        "client_id": "https://claude.ai/oauth/claude-code-client-metadata",
        "client_name": "Claude Code",
        "client_uri": "https://claude.ai",
        "redirect_uris": ["http://localhost/callback", "http://127.0.0.1/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    });
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
    let hosted = json!({
        "client_id": "https://claude.ai/oauth/mcp-oauth-client-metadata",
        "client_name": "Claude",
        "client_uri": "https://claude.ai",
        "redirect_uris": ["https://claude.ai/api/mcp/auth_callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    });
    check_real(&settings(), &hosted, Ok(json!({"application_type": "web"})));
}

#[test]
fn visual_studio_code_is_native_with_an_https_uri_on_its_own_host() {
    let document = json!({
        "client_id": "https://vscode.dev/oauth/client-metadata.json",
        "client_name": "Visual Studio Code",
        "client_uri": "https://code.visualstudio.com",
        "logo_uri": "https://code.visualstudio.com/assets/branding/code-stable.png",
        "application_type": "native",
        "redirect_uris": ["http://127.0.0.1:33418/", "https://vscode.dev/redirect"],
        "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    });
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

fn chatgpt(client_id: &str) -> Value {
    json!({
        "client_id": client_id,
        "client_name": "ChatGPT",
        "client_uri": "https://chatgpt.com",
        "logo_uri": "https://cdn.oaistatic.com/assets/logo.png",
        "redirect_uris": ["https://chatgpt.com/connector_platform_oauth_redirect"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
        "token_endpoint_auth_signing_alg": "RS256",
        "jwks_uri": "https://chatgpt.com/oauth/jwks.json",
    })
}

#[test]
fn chatgpt_offers_two_methods_and_gets_the_one_that_the_server_has() {
    for client_id in [
        "https://chatgpt.com/oauth/aip_64c1/client.json",
        "https://chatgpt.com/oauth/client.json",
    ] {
        let document = chatgpt(client_id);
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
    let codex = json!({
        "client_id": "https://chatgpt.com/oauth/codex/client.json",
        "client_name": "Codex",
        "redirect_uris": ["http://127.0.0.1/callback", "http://localhost/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    });
    let opencode = json!({
        "client_id": "https://opencode.ai/oauth/opencode/client.json",
        "client_name": "OpenCode",
        "client_uri": "https://opencode.ai",
        "application_type": "native",
        "redirect_uris": ["http://127.0.0.1:19876/mcp/oauth/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "token_endpoint_auth_methods_supported": ["none"],
    });
    let zed = json!({
        "client_id": "https://zed.dev/oauth/client-metadata.json",
        "client_name": "Zed",
        "client_uri": "https://zed.dev",
        "redirect_uris": ["http://127.0.0.1/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
    });
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
    let grok = json!({
        "client_id": "https://grok.com/oauth/mcp-client.json",
        "client_name": "Grok",
        "redirect_uris": ["https://grok.com/mcp/callback", "https://x.ai/mcp/callback"],
        "token_endpoint_auth_method": "none",
    });
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
    let lovable = json!({
        "client_id": "https://lovable.dev/oauth/client.json",
        "client_name": "Lovable",
        "redirect_uris": ["https://lovable.dev/oauth/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "code_challenge_methods_used": ["S256"],
    });
    check_real(
        &settings(),
        &lovable,
        Ok(json!({"code_challenge_methods_used": null})),
    );
}
