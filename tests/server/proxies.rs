//! Client certificates in the headers of a trusted proxy, and the same headers from other senders.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use registrar::config::Configuration;
use serde_json::json;

use crate::support::certificates::{Authority, CLIENT, CLIENT_DN, Files, Pair};
use crate::support::{Answer, TestServer, minimal, with};

const SEEN: &str = r#"
fn modifyPostResponse(response, context) {
    let c = context.certificate;
    response.seen = if c == () { "nothing" } else { c.subject + " " + c.trusted };
    response.headers = context.httpRequest.headers;
    true
}"#;

async fn server(is_trusted: bool, change: impl FnOnce(&mut Configuration)) -> TestServer {
    TestServer::scripted(&[("seen.rhai", SEEN)], |configuration| {
        if is_trusted {
            configuration.settings.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        }
        change(configuration);
    })
    .await
}

/// Returns every header in which a proxy can pass the certificate of `pair`.
fn headers(pair: &Pair) -> Vec<(&'static str, String)> {
    let base64 = STANDARD.encode(pair.der());
    let escaped = pair
        .pem()
        .replace('+', "%2B")
        .replace('\n', "%0A")
        .replace(' ', "%20")
        .replace('=', "%3D");
    vec![
        ("X-ClientCert", base64.clone()),
        ("X-ClientCert", escaped.clone()),
        ("Client-Cert", format!(":{base64}:")),
        (
            "X-Forwarded-Client-Cert",
            format!("By=spiffe://a;Cert=\"{escaped}\""),
        ),
    ]
}

async fn post(server: &TestServer, headers: &[(&str, String)]) -> Answer {
    let mut request = server.ask("POST", "/register").json(&minimal());
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    Answer::of(request).await
}

async fn seen(server: &TestServer, header: (&str, String)) -> String {
    let answer = post(server, &[header]).await;
    answer.expect_status(201);
    answer.member("seen").as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_trusted_proxy_passes_the_certificate_in_every_common_form() {
    let authority = Authority::new();
    let server = server(true, |_| {}).await;
    for header in headers(&authority.client(CLIENT)) {
        assert_eq!(seen(&server, header).await, format!("{CLIENT_DN} true"));
    }
    for header in headers(&authority.expired_client(CLIENT)) {
        assert_eq!(
            seen(&server, header).await,
            format!("{CLIENT_DN} false"),
            "the certificate has expired"
        );
    }
    for header in headers(&Pair::self_signed(CLIENT)) {
        assert_eq!(
            seen(&server, header).await,
            format!("{CLIENT_DN} false"),
            "the certificate is self-signed"
        );
    }
    assert_eq!(
        seen(&server, ("X-ClientCert", "nonsense".to_owned())).await,
        "nothing"
    );
}

#[tokio::test]
async fn configured_cas_are_checked() {
    let files = Files::new();
    let server = server(true, |configuration| {
        configuration.settings.server.tls.client_ca = Some(files.path("ca.pem"));
    })
    .await;
    for header in headers(&files.authority.client(CLIENT)) {
        assert_eq!(seen(&server, header).await, format!("{CLIENT_DN} true"));
    }
    for header in headers(&Authority::new().client(CLIENT)) {
        assert_eq!(seen(&server, header).await, format!("{CLIENT_DN} false"));
    }
}

#[tokio::test]
async fn a_header_from_an_untrusted_sender_is_ignored() {
    let pair = Authority::new().client(CLIENT);
    let mtls = |configuration: &mut Configuration| {
        configuration.live.registration.dcr_authorization_with_mtls = true;
    };
    let (open, closed) = (server(false, |_| {}).await, server(false, mtls).await);
    let mut forged = headers(&pair);
    forged.push(("X-Client-Cert", STANDARD.encode(pair.der())));
    forged.push(("X-SSL-Client-Cert", STANDARD.encode(pair.der())));
    for header in forged {
        let answer = post(&open, std::slice::from_ref(&header)).await;
        assert_eq!(answer.member("seen"), "nothing", "{}", header.0);
        let name = header.0.to_lowercase();
        assert_eq!(
            answer.member("headers").get(&name),
            None,
            "a script sees {name}"
        );
        assert!(answer.member("headers").get("content-type").is_some());
        post(&closed, &[header])
            .await
            .expect_error(401, &["invalid_client"]);
    }
}

#[tokio::test]
async fn the_certificate_of_a_proxy_is_not_that_of_its_client() {
    let files = Files::new();
    let mut server = server(true, |configuration| {
        files.switch_on(
            configuration,
            registrar::config::ClientCertificates::Required,
        );
    })
    .await;
    let proxy = files.authority.client(&[("CN", "proxy")]);
    server.use_client(files.client(Some(&proxy)));
    assert_eq!(post(&server, &[]).await.member("seen"), "nothing");
    for header in headers(&files.authority.client(CLIENT)) {
        assert_eq!(seen(&server, header).await, format!("{CLIENT_DN} true"));
    }
}

#[tokio::test]
async fn duplicate_and_disabled_headers_are_ignored() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (ours, other) = (
        headers(&authority.client(CLIENT)),
        headers(&stranger.client(CLIENT)),
    );
    let all = server(true, |_| {}).await;
    assert_eq!(
        post(&all, &[ours[0].clone(), other[2].clone()])
            .await
            .member("seen"),
        "nothing"
    );
    assert_eq!(
        post(&all, &[ours[0].clone(), ours[0].clone()])
            .await
            .member("seen"),
        "nothing"
    );
    let one = server(true, |configuration| {
        configuration.settings.server.certificate_headers =
            vec![registrar::config::CertificateHeader::ClientCert];
    })
    .await;
    let answer = post(&one, &[ours[0].clone(), ours[2].clone()]).await;
    assert_eq!(answer.member("seen"), &json!(format!("{CLIENT_DN} true")));
    assert_eq!(seen(&one, ours[0].clone()).await, "nothing");
}

#[tokio::test]
async fn a_registration_with_mtls_works_behind_a_proxy() {
    let authority = Authority::new();
    let server = server(true, |configuration| {
        configuration.live.registration.dcr_authorization_with_mtls = true;
    })
    .await;
    let (name, value) = headers(&authority.client(CLIENT)).remove(1);
    let method = json!({"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": CLIENT_DN});
    let request = server
        .ask("POST", "/register")
        .json(&with(minimal(), method));
    let answer = Answer::of(request.header(name, &value)).await;
    answer.expect_status(201);
    let client = crate::support::Registered::of(answer.body);
    server
        .read(&client)
        .await
        .expect_error(401, &["invalid_client"]);
    let read = server
        .ask("GET", &client.uri)
        .bearer_auth(&client.token)
        .header(name, &value);
    Answer::of(read).await.expect_status(200);
}
