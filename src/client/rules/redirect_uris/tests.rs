use serde_json::{Value, json};

use crate::client::{
    InitialAccessPolicy, rules::testing::check, rules::testing::check_with,
    rules::testing::check_within,
};
use crate::config::Registration;

/// Checks one redirect URI of a client with the members of `other`.
fn check_uri(settings: &Registration, mut other: Value, uri: &str, expected: Result<(), &str>) {
    other["redirect_uris"] = json!([uri]);
    match expected {
        Ok(()) => check_with(settings, other, Ok(json!({"redirect_uris": [uri]}))),
        Err(words) => check_with(
            settings,
            other,
            Err(&[&format!("redirect_uris[0]: {words}")]),
        ),
    }
}

fn web(uri: &str, expected: Result<(), &str>) {
    check_uri(
        &Registration::default(),
        json!({"application_type": "web"}),
        uri,
        expected,
    );
}

fn native(uri: &str, expected: Result<(), &str>) {
    check_uri(
        &Registration::default(),
        json!({"application_type": "native"}),
        uri,
        expected,
    );
}

#[test]
fn a_web_client_needs_https_redirect_uris() {
    web("https://client.example.org", Ok(()));
    web("https://CLIENT.example.org/CB?x=1&y=%20z", Ok(()));
    web("https://localhost/cb", Ok(()));
    web("http://client.example.org/cb", Err("must be https"));
    web("http://localhost/cb", Err("application_type native"));
    web("com.example.app:/cb", Err("application_type native"));
    web("https://client.example/cb#frag", Err("fragment"));
    web("https://client.example/cb#", Err("fragment"));
    web("/cb", Err("absolute"));
    web("javascript:alert(1)", Err("never allowed"));
}

#[test]
fn a_web_client_of_the_implicit_grant_is_never_on_localhost() {
    let mut settings = Registration::default();
    settings.grant_types_supported.push("implicit".to_owned());
    settings
        .response_types_supported
        .push("id_token".to_owned());
    let implicit = json!({"response_types": ["id_token"]});
    check_uri(
        &settings,
        implicit.clone(),
        "https://localhost/cb",
        Err("localhost"),
    );
    check_uri(
        &settings,
        implicit.clone(),
        "https://localhost./cb",
        Err("localhost"),
    );
    check_uri(
        &settings,
        implicit.clone(),
        "http://client.example/cb",
        Err("must be https"),
    );
    check_uri(&settings, implicit, "https://client.example/cb", Ok(()));
}

#[test]
fn a_native_client_may_use_loopback_and_its_own_scheme() {
    for uri in [
        "http://localhost:8080/cb",
        "http://127.0.0.1/cb",
        "http://[::1]:5000/cb",
        "com.example.app:/cb",
    ] {
        native(uri, Ok(()));
    }
    native("https://app.example.org/cb", Ok(()));
    native("http://client.example.org/cb", Err("localhost, 127.0.0.1"));
    native(
        "http://localhost.evil.example/cb",
        Err("localhost, 127.0.0.1"),
    );
    native("myapp://cb", Err("with a dot"));
    native("data:text/html,x", Err("never allowed"));
}

#[test]
fn the_operator_decides_if_standards_disagree() {
    let settings = Registration {
        native_allow_https: false,
        allow_private_use_uri_schemes_without_dot: true,
        ..Registration::default()
    };
    let client = json!({"application_type": "native"});
    check_uri(
        &settings,
        client.clone(),
        "https://app.example.org/cb",
        Err("nativeAllowHttps"),
    );
    check_uri(&settings, client.clone(), "myapp://cb", Ok(()));
    check_uri(&settings, client, "javascript://a.b/", Err("never allowed"));
}

#[test]
fn the_allow_and_deny_lists_apply() {
    let settings = Registration {
        redirect_uri_allow_list: vec!["*.example.org".to_owned()],
        redirect_uri_deny_list: vec!["https://old.example.org/*".to_owned()],
        ..Registration::default()
    };
    check_uri(&settings, json!({}), "https://a.example.org/cb", Ok(()));
    check_uri(
        &settings,
        json!({}),
        "https://a.example.com/cb",
        Err("redirectUriAllowList"),
    );
    check_uri(
        &settings,
        json!({}),
        "https://OLD.example.org/cb",
        Err("redirectUriDenyList"),
    );
    let logout = json!({
        "redirect_uris": ["https://a.example.org/cb"],
        "post_logout_redirect_uris": ["https://elsewhere.example/", "https://old.example.org/x"],
    });
    check_with(
        &settings,
        logout,
        Err(&["post_logout_redirect_uris[1]: redirectUriDenyList"]),
    );
}

#[test]
fn regular_expressions_must_be_enabled_and_do_not_bypass_the_lists() {
    let sent = || json!({"redirect_uris_regex": ".*"});
    check(
        sent(),
        Err(&["redirect_uris_regex: redirectUrisRegexEnabled"]),
    );
    let on = Registration {
        redirect_uris_regex_enabled: true,
        ..Registration::default()
    };
    check_with(&on, sent(), Ok(sent()));
    let listed = Registration {
        redirect_uri_allow_list: vec!["*.example".to_owned()],
        ..on.clone()
    };
    check_with(
        &listed,
        sent(),
        Err(&["redirect_uris_regex: are restricted"]),
    );
    let policy = |members: Value| serde_json::from_value::<InitialAccessPolicy>(members).unwrap();
    let hosts = policy(json!({"redirect_hosts": ["client.example"]}));
    check_within(
        &hosts,
        &on,
        sent(),
        Err(&["redirect_uris_regex: are restricted"]),
    );
    check_within(&policy(json!({})), &on, sent(), Ok(sent()));
}

#[test]
fn a_redirecting_grant_needs_a_redirect_uri() {
    check(
        json!({"redirect_uris": null}),
        Err(&["redirect_uris: authorization_code"]),
    );
    check(
        json!({"redirect_uris": []}),
        Err(&["redirect_uris: authorization_code"]),
    );
    check(
        json!({"redirect_uris": null, "grant_types": ["client_credentials"]}),
        Ok(json!({"redirect_uris": null})),
    );
}

#[test]
fn each_invalid_uri_is_named_and_duplicates_are_rejected() {
    check(
        json!({"redirect_uris": ["https://a.example/", "/cb", 5, "https://a.example/", "http://b.example"]}),
        Err(&[
            "redirect_uris[1]: absolute",
            "redirect_uris[2]: a string",
            "redirect_uris[3]: duplicate",
            "redirect_uris[4]: must be https",
        ]),
    );
}

#[test]
fn other_redirects_have_the_same_rules_and_their_own_error_code() {
    for member in [
        "claims_redirect_uris",
        "claims_redirect_uri",
        "post_logout_redirect_uris",
    ] {
        check(
            json!({member: ["https://a.example/x"]}),
            Ok(json!({member: ["https://a.example/x"]})),
        );
        check(
            json!({member: ["http://a.example/x"]}),
            Err(&[&format!("{member}[0]: must be https")]),
        );
        check(
            json!({"application_type": "native", member: ["com.example.app:/out"]}),
            Ok(json!({member: ["com.example.app:/out"]})),
        );
    }
}

#[test]
fn no_redirect_uri_may_be_a_pattern_for_another_server() {
    let members = [
        "redirect_uris",
        "claims_redirect_uris",
        "post_logout_redirect_uris",
        "request_uris",
    ];
    for path in ["/*", "/cb*", "/*/cb", "/cb/*?x=1"] {
        for member in members {
            let client = json!({member: [format!("https://a.example{path}")]});
            check(client, Err(&[&format!("{member}[0]: register each URI")]));
        }
        native(
            &format!("http://localhost:3000{path}"),
            Err("register each URI"),
        );
        native(&format!("com.example.app:{path}"), Err("register each URI"));
    }
    for host in ["*", "*.example.org", "a.*.example"] {
        web(&format!("https://{host}/cb"), Err("wildcard in its host"));
        native(
            &format!("com.example.app://{host}/cb"),
            Err("wildcard in its host"),
        );
    }
    native("com.example.app:*", Err("register each URI"));
    web("https://a.example/%2A", Ok(()));
    web("https://a.example/cb?x=*", Ok(()));
    let on = Registration {
        redirect_uri_wildcards_enabled: true,
        ..Registration::default()
    };
    check_uri(&on, json!({}), "https://a.example/*", Ok(()));
    check_uri(
        &on,
        json!({}),
        "https://*.example.org/*",
        Err("wildcard in its host"),
    );
}

#[test]
fn a_scheme_of_another_program_is_never_allowed() {
    let settings = Registration {
        allow_private_use_uri_schemes_without_dot: true,
        ..Registration::default()
    };
    let native = || json!({"application_type": "native"});
    for scheme in [
        "ldap",
        "LDAP",
        "search-ms",
        "ms-settings",
        "ms-msdt",
        "ms-word",
        "shell",
        "itms-services",
    ] {
        let uri = format!("{scheme}:x");
        check_uri(
            &settings,
            native(),
            &uri,
            Err("a scheme that starts a program"),
        );
        check_uri(
            &settings,
            json!({"application_type": "web"}),
            &uri,
            Err("a scheme that starts"),
        );
    }
    let oob = "urn:ietf:wg:oauth:2.0:oob";
    check_uri(&settings, native(), oob, Err("must not be a urn:"));
    check_uri(&Registration::default(), native(), oob, Err("device grant"));
    for uri in [
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "claude://callback",
        "homeassistant://auth-callback",
        "exp://127.0.0.1:8081/--/cb",
        "ms-app://s-1-15-2-1/",
        "ms-appx-web://microsoft.aad.brokerplugin/x",
        "msauth.com.example.app://auth",
    ] {
        check_uri(&settings, native(), uri, Ok(()));
    }
}

#[test]
fn an_error_says_what_is_wrong_with_a_uri() {
    native(
        "com.example.my_app:/cb",
        Err("has an underscore in its scheme"),
    );
    native("my_app://cb", Err("has an underscore in its scheme"));
    native("/a_b/c:d", Err("must be an absolute URI"));
    native(
        "chrome-extension://abc/cb",
        Err("identity.getRedirectURL()"),
    );
    for uri in [
        "http://127.0.1.1/cb",
        "http://[0:0:0:0:0:0:0:1]/cb",
        "http://0.0.0.0/cb",
    ] {
        web(uri, Err("(localhost, 127.0.0.1 and [::1])"));
        native(uri, Err("localhost, 127.0.0.1 or [::1]"));
    }
    web("https://b\u{fc}cher.example/cb", Err("A-label"));
    web(
        "https://a.example/b\u{fc}cher",
        Err("U+00FC; remove it, or percent-encode it as %C3%BC"),
    );
    web(
        "https://a.example/my cb",
        Err("without spaces; remove it, or percent-encode it as %20"),
    );
    web(
        "https://a.example/cb\n",
        Err("must be ASCII without control characters; remove U+000A"),
    );
}
