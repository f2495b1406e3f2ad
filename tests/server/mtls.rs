//! `dcrAuthorizationWithMTLS`: a registration requires a certificate, and the management of the client
//! requires the same one.

use registrar::config::ClientCertificates::{Optional, Required};
use serde_json::{Value, json};

use crate::support::certificates::{Authority, CLIENT, CLIENT_DN, Files, Pair, Subject};
use crate::support::{Answer, Registered, TestServer, minimal, with};

struct Bank {
    files: Files,
    server: TestServer,
}

impl Bank {
    async fn new(scripts: &[(&str, &str)]) -> Self {
        let files = Files::new();
        let server = TestServer::scripted(scripts, |configuration| {
            files.switch_on(configuration, Optional);
            configuration.live.registration.dcr_authorization_with_mtls = true;
        })
        .await;
        Self { files, server }
    }

    fn ours(&self, subject: Subject<'_>) -> Pair {
        self.files.authority.client(subject)
    }

    async fn ask(
        &self,
        method: &str,
        client: &Registered,
        shown: Option<&Pair>,
        body: &Value,
    ) -> Answer {
        let request = self
            .files
            .client(shown)
            .request(method.parse().unwrap(), &client.uri);
        let request = request.bearer_auth(&client.token);
        Answer::of(if body.is_null() {
            request
        } else {
            request.json(body)
        })
        .await
    }

    async fn post(&self, shown: Option<&Pair>, body: &Value) -> Answer {
        let url = self.server.url("/register");
        Answer::of(self.files.client(shown).post(url).json(body)).await
    }

    async fn register(&self, shown: &Pair, body: &Value) -> Registered {
        let answer = self.post(Some(shown), body).await;
        answer.expect_status(201);
        Registered::of(answer.body)
    }

    async fn read(&self, client: &Registered, shown: Option<&Pair>) -> Answer {
        self.ask("GET", client, shown, &Value::Null).await
    }
}

/// Returns a client that registers the subject `dn`.
fn named(dn: &str) -> Value {
    with(
        minimal(),
        json!({"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": dn}),
    )
}

#[tokio::test]
async fn a_registration_needs_a_trusted_certificate() {
    let bank = Bank::new(&[]).await;
    let stranger = Authority::new().client(CLIENT);
    let expired = bank.files.authority.expired_client(CLIENT);
    for shown in [
        None,
        Some(&stranger),
        Some(&expired),
        Some(&Pair::self_signed(CLIENT)),
    ] {
        let answer = bank.post(shown, &named(CLIENT_DN)).await;
        answer.expect_error(401, &["invalid_client"]);
        assert!(
            answer
                .header("www-authenticate")
                .starts_with("TLS-Client-Certificate")
        );
    }
    let client = bank.register(&bank.ours(CLIENT), &named(CLIENT_DN)).await;
    let provenance = bank.server.provenance(&client).await;
    assert_eq!(provenance["trust_level"], "mtls");
    assert_eq!(provenance["certificate"]["subject"], CLIENT_DN);
}

#[tokio::test]
async fn the_handshake_fails_without_a_required_certificate() {
    let files = Files::new();
    let server = TestServer::configured(|configuration| {
        files.switch_on(configuration, Required);
        configuration.live.registration.dcr_authorization_with_mtls = true;
    })
    .await;
    assert!(
        files
            .client(None)
            .post(server.url("/register"))
            .json(&minimal())
            .send()
            .await
            .is_err()
    );
}

#[tokio::test]
async fn the_subject_must_be_that_of_the_certificate() {
    let bank = Bank::new(&[]).await;
    let ours = bank.ours(CLIENT);
    for dn in [
        CLIENT_DN,
        "cn=client one, o=EXAMPLE\\2c INC., c=de",
        "2.5.4.3=#0c0a436c69656e74204f6e65,2.5.4.10=#0c0d4578616d706c652c20496e632e,2.5.4.6=#13024445",
    ] {
        let client = bank.register(&ours, &named(dn)).await;
        assert_eq!(
            client.body["tls_client_auth_subject_dn"], dn,
            "the subject is returned as it was sent"
        );
        bank.read(&client, Some(&ours)).await.expect_status(200);
    }
    for dn in [
        "CN=Client Two,O=Example\\, Inc.,C=DE",
        "C=DE,O=Example\\, Inc.,CN=Client One",
        "CN=Client One",
    ] {
        let answer = bank.post(Some(&ours), &named(dn)).await;
        answer.expect_error(403, &["access_denied"]);
        let description = answer.member("error_description").as_str().unwrap();
        assert!(
            description.contains("tls_client_auth_subject_dn")
                && description.contains("CN=Client One")
        );
    }
    let by_name = |name: &str| {
        let method = json!({"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": name});
        with(minimal(), method)
    };
    bank.register(&ours, &by_name("client.example.org")).await;
    bank.post(Some(&ours), &by_name("other.example.org"))
        .await
        .expect_error(403, &["access_denied"]);
}

/// The certificate rules of Open Finance Brasil in an operator's script.
const BRAZIL: &str = r#"
fn createClient(context) {
    let names = context.certificate.attributes;
    if names["UID"] != [context.registerRequest.software_id] {
        throw #{ status: 400, error: "invalid_client_metadata", error_description: "software_id: must be the UID of the certificate" };
    }
    if names["2.5.4.97"] != ["OFBBR-org-1"] {
        throw #{ status: 400, error: "invalid_client_metadata", error_description: "the organization is another one" };
    }
    if context.client.tls_client_auth_san_dns != () {
        throw #{ status: 400, error: "invalid_client_metadata", error_description: "tls_client_auth_san_dns: not here" };
    }
    true
}"#;

const BRAZILIAN: Subject<'static> = &[
    ("C", "BR"),
    ("ST", "SP"),
    ("L", "SAO PAULO"),
    ("O", "Banco Exemplo"),
    ("businessCategory", "Private Organization"),
    ("jurisdictionC", "BR"),
    ("serialNumber", "43142666000197"),
    ("2.5.4.97", "OFBBR-org-1"),
    ("UID", "software-1"),
    ("CN", "web.example.org"),
];

#[tokio::test]
async fn a_script_compares_the_software_and_the_organization() {
    let bank = Bank::new(&[("brazil.rhai", BRAZIL)]).await;
    let dn = "CN=web.example.org,UID=software-1,2.5.4.97=#0C0B4F464242522D6F72672D31,\
              2.5.4.5=#130E3433313432363636303030313937,1.3.6.1.4.1.311.60.2.1.3=#13024252,\
              2.5.4.15=#0C1450726976617465204F7267616E697A6174696F6E,\
              O=Banco Exemplo,L=SAO PAULO,ST=SP,C=BR";
    let request = with(named(dn), json!({"software_id": "software-1"}));
    let ours = bank.ours(BRAZILIAN);
    bank.register(&ours, &request).await;
    let other = with(request.clone(), json!({"software_id": "software-2"}));
    bank.post(Some(&ours), &other)
        .await
        .expect_bad_metadata("UID");
    let mut elsewhere = BRAZILIAN.to_vec();
    elsewhere[7].1 = "OFBBR-org-2";
    let mut request = request;
    request["tls_client_auth_subject_dn"] = json!(dn.replace("D6F72672D31", "D6F72672D32"));
    bank.post(Some(&bank.ours(&elsewhere)), &request)
        .await
        .expect_bad_metadata("organization");
}

#[tokio::test]
async fn a_malformed_name_is_rejected() {
    let bank = Bank::new(&[("brazil.rhai", BRAZIL)]).await;
    let ours = bank.ours(BRAZILIAN);
    for dn in [
        "/C=BR/CN=web.example.org",
        "web.example.org",
        "CN=web.example.org;UID=software-1",
        "unknownName=x,CN=web.example.org",
        "2.5.4.97=#zz,CN=web.example.org",
        "CN=\"web\",C=BR",
    ] {
        bank.post(Some(&ours), &named(dn))
            .await
            .expect_bad_metadata("RFC 4514");
    }
    let by_name = json!({
        "token_endpoint_auth_method": "tls_client_auth",
        "tls_client_auth_san_dns": "client.example.org",
        "software_id": "software-1",
    });
    bank.post(Some(&ours), &with(minimal(), by_name))
        .await
        .expect_bad_metadata("tls_client_auth_san_dns");
}

#[tokio::test]
async fn managing_a_client_requires_its_certificate() {
    let bank = Bank::new(&[]).await;
    let ours = bank.ours(CLIENT);
    let client = bank.register(&ours, &named(CLIENT_DN)).await;
    let same_name = Pair::self_signed(CLIENT);
    let neighbour = bank.ours(&[("CN", "Neighbour")]);
    let update = client.update(json!({"client_name": "Other"}));
    let thief = Registered {
        token: "wrong".to_owned(),
        ..client.clone()
    };
    for (method, body) in [
        ("GET", &Value::Null),
        ("PUT", &update),
        ("DELETE", &Value::Null),
    ] {
        let answer = bank.ask(method, &client, None, body).await;
        answer.expect_error(401, &["invalid_client"]);
        for foreign in [&same_name, &neighbour] {
            let answer = bank.ask(method, &client, Some(foreign), body).await;
            answer.expect_error(401, &["invalid_token"]);
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
        }
        let answer = bank.ask(method, &thief, Some(&ours), body).await;
        answer.expect_error(401, &["invalid_token"]);
    }
    // A renewed certificate of the same name is accepted.
    let renewed = bank.ours(CLIENT);
    bank.read(&client, Some(&renewed)).await.expect_status(200);
    let moved = client.update(json!({"tls_client_auth_subject_dn": "CN=Neighbour"}));
    let answer = bank.ask("PUT", &client, Some(&ours), &moved).await;
    answer.expect_error(403, &["access_denied"]);
    bank.ask("PUT", &client, Some(&renewed), &update)
        .await
        .expect_status(200);
    bank.ask("DELETE", &client, Some(&ours), &Value::Null)
        .await
        .expect_status(204);
}

#[tokio::test]
async fn a_client_without_a_subject_is_recognised_by_its_registration_certificate() {
    let bank = Bank::new(&[]).await;
    let ours = bank.ours(CLIENT);
    let client = bank.register(&ours, &minimal()).await;
    bank.read(&client, Some(&bank.ours(CLIENT)))
        .await
        .expect_status(200);
    for foreign in [bank.ours(&[("CN", "Neighbour")]), Pair::self_signed(CLIENT)] {
        bank.read(&client, Some(&foreign))
            .await
            .expect_error(401, &["invalid_token"]);
    }
}

#[tokio::test]
async fn a_registered_key_is_accepted_whoever_signed_its_certificate() {
    let bank = Bank::new(&[]).await;
    let own = Pair::self_signed(&[("CN", "own")]);
    let request = with(
        minimal(),
        json!({"token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": own.jwks()}),
    );
    bank.post(Some(&own), &request)
        .await
        .expect_error(401, &["invalid_client"]);
    let client = bank.register(&bank.ours(CLIENT), &request).await;
    bank.read(&client, Some(&own)).await.expect_status(200);
    let same_name = Pair::self_signed(&[("CN", "own")]);
    bank.read(&client, Some(&same_name))
        .await
        .expect_error(401, &["invalid_token"]);
    // A self-signed certificate must not count for a subject, which only a CA can confirm.
    let named = json!({"tls_client_auth_subject_dn": "CN=own", "token_endpoint_auth_method": "tls_client_auth"});
    let answer = bank
        .ask("PUT", &client, Some(&own), &client.update(named))
        .await;
    answer.expect_error(401, &["invalid_client"]);
}

#[tokio::test]
async fn a_script_decides_if_the_registered_metadata_does_not() {
    let script = r"
        fn isCertValidForClient(certificate, context) {
            certificate.trusted && certificate.attributes.CN[0] == context.client.software_id
        }
    ";
    let bank = Bank::new(&[("10-certificates.rhai", script)]).await;
    let ours = bank.ours(CLIENT);
    let client = bank
        .register(&ours, &with(minimal(), json!({"software_id": "Neighbour"})))
        .await;
    let successor = bank.ours(&[("CN", "Neighbour")]);
    bank.read(&client, Some(&successor))
        .await
        .expect_status(200);
    bank.read(&client, Some(&bank.ours(&[("CN", "Stranger")])))
        .await
        .expect_error(401, &["invalid_token"]);
    let forged = Pair::self_signed(&[("CN", "Neighbour")]);
    bank.read(&client, Some(&forged))
        .await
        .expect_error(401, &["invalid_token"]);
    // A registered subject alone decides, whatever a script would return.
    let named = bank
        .register(
            &ours,
            &with(named(CLIENT_DN), json!({"software_id": "Neighbour"})),
        )
        .await;
    bank.read(&named, Some(&successor))
        .await
        .expect_error(401, &["invalid_token"]);
}
