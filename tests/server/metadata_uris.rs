//! The URIs of OpenID Connect and of logout.

use serde_json::json;

use crate::metadata::check;
use crate::support::{TestServer, minimal, with};

#[tokio::test]
async fn the_uris_and_numbers_of_openid_connect_are_checked() {
    let server = TestServer::new().await;
    let client = server
        .register(&with(
            minimal(),
            json!({"initiate_login_uri": "https://client.example.org/login"}),
        ))
        .await;
    assert_eq!(
        server.read(&client).await.body["initiate_login_uri"],
        "https://client.example.org/login"
    );
    let with_fragment =
        "https://client.example.org/request#GkurKxf5T0Y-mnPFCHqWOMiZi4VS138cQO_V7PZHAdM";
    let client = server
        .register(&with(minimal(), json!({"request_uris": [with_fragment]})))
        .await;
    assert_eq!(client.body["request_uris"], json!([with_fragment]));
    let accepted = [
        json!({"default_max_age": 0}),
        json!({"require_auth_time": true}),
    ];
    let refused = [
        (
            json!({"initiate_login_uri": "http://client.example.org/login"}),
            "initiate_login_uri",
        ),
        (
            json!({"request_uris": ["http://client.example.org/request"]}),
            "request_uris",
        ),
        (json!({"default_max_age": -1}), "default_max_age"),
        (json!({"default_max_age": "60"}), "default_max_age"),
        (json!({"default_max_age": 1.5}), "default_max_age"),
        (json!({"require_auth_time": "true"}), "require_auth_time"),
    ];
    check(&server, &accepted, &refused).await;
}

#[tokio::test]
async fn logout_uris_are_checked_like_other_uris() {
    let server = TestServer::new().await;
    for member in ["frontchannel_logout_uri", "backchannel_logout_uri"] {
        let accepted = [json!({member: "https://client.example.org/out"})];
        let refused = [(
            json!({member: "http://client.example.org/out", "token_endpoint_auth_method": "none"}),
            member,
        )];
        check(&server, &accepted, &refused).await;
    }
    let accepted = [
        json!({"post_logout_redirect_uris": ["https://client.example.org/out"]}),
        json!({"backchannel_logout_session_required": true}),
    ];
    let refused = [
        (
            json!({"post_logout_redirect_uris": ["http://client.example.org/out"], "token_endpoint_auth_method": "none"}),
            "post_logout_redirect_uris",
        ),
        (
            json!({"backchannel_logout_uri": "https://client.example.org/out#f"}),
            "backchannel_logout_uri",
        ),
        (
            json!({"frontchannel_logout_session_required": "yes"}),
            "frontchannel_logout_session_required",
        ),
        (
            json!({"backchannel_logout_session_required": "yes"}),
            "backchannel_logout_session_required",
        ),
    ];
    check(&server, &accepted, &refused).await;
}
