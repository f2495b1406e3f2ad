//! Open Finance Brasil Dynamic Client Registration 1.0: K155 to K164, and K146, K147 and K149 as this
//! ecosystem means them.

use registrar::jose::Algorithm;
use serde_json::{Value, json};

use super::directory::{Bank, Directory, present, unique};
use crate::support::certificates::{Authority, Pair, Subject};
use crate::support::{Answer, Registered, Reply, START, Signer, with};

const KEYSTORE: &str = "https://keystore.directory.openbankingbrasil.org.br/openbanking.jwks";
const ISSUER: &str = "Open Banking Brasil prod SSA issuer";
const SOFTWARE: &str = "58b2b7f2-5b6a-4c2e-9f0a-d3a1c7b0e001";
const ORGANISATION: &str = "497e1ffe-b2a2-4a4e-8ef0-70633fd11b59";
const REDIRECT: &str = "https://tpp.example.com.br/cb";
const OTHER_REDIRECT: &str = "https://tpp.example.com.br/other";

const METADATA: &[&str] = &["invalid_client_metadata"];
const REDIRECTS: &[&str] = &["invalid_redirect_uri", "invalid_client_metadata"];
const STATEMENT: &[&str] = &["invalid_software_statement"];
const UNAPPROVED: &[&str] = &["unapproved_software_statement"];
const NOT_THE_CLIENT: &[&str] = &["invalid_client"];

/// What is on top of a good request, and the codes with which that is refused.
type Case = (Value, &'static [&'static str]);

/// The subject of a transport certificate: from its least specific part to its most specific one.
fn subject<'a>(software: &'a str, organisation: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("C", "BR"),
        ("ST", "SP"),
        ("O", "Minha Conta SA"),
        ("serialNumber", "43142666000197"),
        ("2.5.4.97", organisation),
        ("UID", software),
        ("CN", "tpp.example.com.br"),
    ]
}

/// `organizationIdentifier` of the organisation.
fn organisation() -> String {
    format!("OFBBR-{ORGANISATION}")
}

/// The name in [`subject`], in the form that the profile asks for: what is not named there is an
/// object identifier with its value in hex.
fn subject_dn() -> String {
    let hex = |tag: u8, text: &str| {
        let bytes = [&[tag, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
        bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>()
    };
    let (organisation, number) = (hex(0x0C, &organisation()), hex(0x13, "43142666000197"));
    format!(
        "CN=tpp.example.com.br,UID={SOFTWARE},2.5.4.97=#{organisation},2.5.4.5=#{number},\
         O=Minha Conta SA,ST=SP,C=BR"
    )
}

/// A third party with its software, and the bank where it registers.
struct Party {
    bank: Bank,
    transport: Pair,
}

impl Party {
    async fn new() -> Self {
        let directory = Directory::new(ISSUER).await;
        directory.publish(&Signer::new(SOFTWARE, Algorithm::Ps256));
        let bank = Bank::new("brazil-open-finance", directory, KEYSTORE).await;
        let transport = bank.certificate(&subject(SOFTWARE, &organisation()));
        Self { bank, transport }
    }

    /// A fresh statement about the software.
    fn statement(&self, more: Value) -> String {
        self.bank.directory.statement(self.statement_claims(more))
    }

    fn statement_claims(&self, more: Value) -> Value {
        let claims = json!({
            "software_id": SOFTWARE, "software_client_name": "Minha Conta", "software_mode": "Live",
            "software_jwks_uri": self.jwks_uri(), "software_redirect_uris": [REDIRECT, OTHER_REDIRECT],
            "software_tos_uri": "https://tpp.example.com.br/tos", "software_logo_uri": "",
            "software_statement_roles": [
                {"role": "DADOS", "authorisation_domain": "Open Banking", "status": "Active"},
                {"role": "PAGTO", "authorisation_domain": "Open Banking", "status": "Inactive"},
            ],
            "org_id": ORGANISATION, "org_name": "Minha Conta SA", "org_status": "Active",
        });
        with(claims, more)
    }

    /// Where the keys of the software are.
    fn jwks_uri(&self) -> String {
        self.bank.directory.keys_of(SOFTWARE)
    }

    /// A good request with a fresh statement.
    fn request(&self, more: Value) -> Value {
        let request = json!({
            "software_statement": self.statement(json!({})), "redirect_uris": [REDIRECT],
            "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "PS256",
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
            "id_token_signed_response_alg": "PS256", "request_object_signing_alg": "PS256",
            "scope": "openid accounts", "jwks_uri": self.jwks_uri(),
        });
        present(with(request, more))
    }

    async fn post(&self, request: &Value) -> Answer {
        self.bank.post(&self.transport, "application/json", request.to_string()).await
    }

    async fn register(&self, request: &Value) -> Registered {
        let answer = self.post(request).await;
        answer.expect_status(201);
        Registered::of(answer.body)
    }

    async fn put(&self, client: &Registered, request: Value) -> Answer {
        let body = with(request, json!({"client_id": client.id}));
        let request = self.bank.ask("PUT", &client.uri, Some(&self.transport)).bearer_auth(&client.token);
        Answer::of(request.json(&body)).await
    }

    async fn read(&self, client: &Registered) -> Answer {
        let request = self.bank.ask("GET", &client.uri, Some(&self.transport));
        Answer::of(request.bearer_auth(&client.token)).await
    }

    /// Each of `cases` on top of a good request is refused, and nothing is stored.
    async fn expect_refused(&self, cases: impl IntoIterator<Item = Case>) {
        for (more, codes) in cases {
            let answer = self.post(&self.request(more.clone())).await;
            assert_eq!(answer.status, 400, "{more}: {}", answer.text);
            answer.expect_error(400, codes);
        }
        self.bank.server.expect_empty().await;
    }
}

#[tokio::test]
async fn k162_k164_software_registers_reads_replaces_and_deletes_itself() {
    let party = Party::new().await;
    let request = party.request(json!({"client_name": "Not this one", "jwks_uri": null}));
    let client = party.register(&request).await;
    assert_eq!(client.body["client_name"], "Minha Conta", "the statement wins");
    assert_eq!(client.body["jwks_uri"], party.jwks_uri());
    assert_eq!(client.body["tos_uri"], "https://tpp.example.com.br/tos");
    assert_eq!(client.body.get("logo_uri"), None);
    assert_eq!(client.body["software_statement"], request["software_statement"], "byte for byte");
    assert_eq!(
        (&client.body["scope"], &client.body["org_id"]),
        (&json!("openid accounts"), &json!(ORGANISATION))
    );
    assert_eq!(party.bank.server.provenance(&client).await["trust_level"], "statement");
    party.read(&client).await.expect_status(200);

    let answer = party.put(&client, party.request(json!({"redirect_uris": [OTHER_REDIRECT]}))).await;
    answer.expect_status(200);
    assert_eq!(answer.body["redirect_uris"], json!([OTHER_REDIRECT]));
    assert_eq!(answer.body["registration_access_token"], json!(client.token));
    assert_eq!(answer.body["registration_client_uri"], json!(client.uri));

    let delete = party.bank.ask("DELETE", &client.uri, Some(&party.transport)).bearer_auth(&client.token);
    Answer::of(delete).await.expect_status(204);
    party.read(&client).await.expect_error(401, &["invalid_token"]);
    party.register(&party.request(json!({}))).await;
}

#[tokio::test]
async fn k155_nobody_registers_without_a_certificate_of_the_ecosystem() {
    let party = Party::new().await;
    party.bank.expect_no_handshake("POST", "/register").await;
    let (organisation, body) = (organisation(), party.request(json!({})).to_string());
    let subject: Subject<'_> = &subject(SOFTWARE, &organisation);
    let strangers = [
        Authority::new().client(subject),
        party.bank.files.authority.expired_client(subject),
        Pair::self_signed(subject),
    ];
    for shown in &strangers {
        let answer = party.bank.post(shown, "application/json", body.clone()).await;
        answer.expect_error(401, NOT_THE_CLIENT);
    }
    party.bank.server.expect_empty().await;
}

#[tokio::test]
async fn k156_k157_keys_and_redirect_uris_are_those_of_the_statement() {
    let party = Party::new().await;
    let keys = Signer::new(SOFTWARE, Algorithm::Ps256).jwks();
    let cases: [Case; 7] = [
        (json!({"jwks": keys}), METADATA),
        (json!({"jwks": keys, "jwks_uri": null}), METADATA),
        (json!({"jwks_uri": party.bank.directory.origin.url("/elsewhere.jwks")}), METADATA),
        (json!({"redirect_uris": null}), REDIRECTS),
        (json!({"redirect_uris": []}), REDIRECTS),
        (json!({"redirect_uris": ["https://elsewhere.example/cb"]}), REDIRECTS),
        (json!({"redirect_uris": [REDIRECT, "https://elsewhere.example/cb"]}), REDIRECTS),
    ];
    party.expect_refused(cases).await;
}

#[tokio::test]
async fn k146_k158_a_statement_is_needed_fresh_and_of_the_directory() {
    let party = Party::new().await;
    // Its key is in the set of the directory, and still not for statements.
    let weak = Signer::new(ISSUER, Algorithm::Rs256);
    let keys = json!({"keys": [party.bank.directory.signer.jwk(), weak.jwk()]});
    party.bank.directory.origin.set("/directory.jwks", Reply::json(keys));
    let own = json!({"iss": ISSUER, "iat": START, "jti": unique().to_string()});
    let by = |signer: &Signer| json!({"software_statement": signer.raw(&json!({}), with(own.clone(), party.statement_claims(json!({}))))});
    let of = |more: Value| json!({"software_statement": party.statement(more)});
    let cases: [Case; 15] = [
        (json!({"software_statement": null}), STATEMENT),
        (json!({"software_statement": "a.b.c"}), STATEMENT),
        (by(&weak), STATEMENT),
        (by(&Signer::new(ISSUER, Algorithm::Ps256)), STATEMENT),
        (of(json!({"iat": START - 360})), STATEMENT),
        (of(json!({"iat": START - 301})), STATEMENT),
        (of(json!({"iat": START + 61})), STATEMENT),
        (of(json!({"iat": null})), STATEMENT),
        (of(json!({"iss": "Open Banking Brasil sandbox SSA issuer"})), UNAPPROVED),
        (of(json!({"iss": null})), STATEMENT),
        (of(json!({"org_id": null})), STATEMENT),
        (of(json!({"software_jwks_uri": null})), STATEMENT),
        (of(json!({"software_redirect_uris": null})), STATEMENT),
        (of(json!({"org_status": "Withdrawn"})), UNAPPROVED),
        (of(json!({"org_status": null})), UNAPPROVED),
    ];
    party.expect_refused(cases).await;
    party.register(&party.request(of(json!({"iat": START - 299})))).await;
}

#[tokio::test]
async fn k159_the_order_of_grants_and_scopes_does_not_matter() {
    let party = Party::new().await;
    let asked = json!({
        "grant_types": ["refresh_token", "client_credentials", "authorization_code"],
        "scope": "resources payments accounts openid",
    });
    let client = party.register(&party.request(asked)).await;
    assert_eq!(
        client.body["scope"], "resources accounts openid",
        "payments are of a role that is not active"
    );
    let mut granted: Vec<&str> =
        client.body["grant_types"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    granted.sort_unstable();
    assert_eq!(granted, ["authorization_code", "client_credentials", "refresh_token"]);
}

#[tokio::test]
async fn scopes_that_are_left_out_are_all_of_the_active_roles() {
    let party = Party::new().await;
    let client = party.register(&party.request(json!({"scope": null}))).await;
    let granted: Vec<&str> = client.body["scope"].as_str().unwrap().split(' ').collect();
    assert_eq!(granted.len(), 16, "{granted:?}");
    assert!(granted.contains(&"accounts") && !granted.contains(&"payments"), "{granted:?}");
    party.put(&client, party.request(json!({"scope": "payments"}))).await.expect_error(400, METADATA);
}

#[tokio::test]
async fn k160_the_certificate_is_of_the_software_and_of_its_organisation() {
    let party = Party::new().await;
    let post = async |subject: Subject<'_>| {
        let shown = party.bank.certificate(subject);
        party.bank.post(&shown, "application/json", party.request(json!({})).to_string()).await
    };
    let organisation = organisation();
    let mut unnamed = subject(SOFTWARE, &organisation);
    unnamed.retain(|(name, _)| *name != "2.5.4.97");
    let foreign = [
        subject("58b2b7f2-0000-4000-8000-000000000000", &organisation),
        subject(SOFTWARE, "OFBBR-00000000-0000-4000-8000-000000000000"),
        subject(SOFTWARE, ORGANISATION),
        unnamed.clone(),
        vec![("C", "BR"), ("CN", SOFTWARE)],
    ];
    for subject in foreign {
        post(&subject).await.expect_error(401, NOT_THE_CLIENT);
    }
    party.bank.server.expect_empty().await;
    // As certificates were before organizationIdentifier.
    unnamed.push(("OU", ORGANISATION));
    post(&unnamed).await.expect_status(201);
}

#[tokio::test]
async fn k161_a_client_names_the_subject_of_its_certificate_and_in_one_form() {
    let party = Party::new().await;
    let named = |more: Value| {
        let method =
            json!({"token_endpoint_auth_method": "tls_client_auth", "token_endpoint_auth_signing_alg": null});
        with(method, more)
    };
    let dn = subject_dn();
    let by_name = |name: &str| named(json!({"tls_client_auth_subject_dn": name}));
    let cases: [Case; 8] = [
        (named(json!({})), METADATA),
        (named(json!({"tls_client_auth_san_dns": "client.example.org"})), METADATA),
        (json!({"tls_client_auth_san_dns": "client.example.org"}), METADATA),
        (
            named(json!({"tls_client_auth_subject_dn": dn, "tls_client_auth_san_dns": "client.example.org"})),
            METADATA,
        ),
        (by_name("/C=BR/CN=tpp.example.com.br"), METADATA),
        (by_name("tpp.example.com.br"), METADATA),
        (by_name(&dn.replace("2.5.4.97=#", "2.5.4.97=#ZZ")), METADATA),
        // The right name, but not in the form of this profile: a name where the identifier is due.
        (
            by_name(&dn.replace("2.5.4.5=#130E3433313432363636303030313937", "serialNumber=43142666000197")),
            METADATA,
        ),
    ];
    party.expect_refused(cases).await;
    // The name of another certificate, and the right one the wrong way round.
    let parts: Vec<&str> = dn.split(',').rev().collect();
    for other in [dn.replace("Minha Conta", "Outra"), parts.join(",")] {
        party.post(&party.request(by_name(&other))).await.expect_error(403, &["access_denied"]);
    }
    let client = party.register(&party.request(by_name(&dn))).await;
    assert_eq!(client.body["tls_client_auth_subject_dn"], dn, "as it was sent");
    party.read(&client).await.expect_status(200);
}

#[tokio::test]
async fn k149_a_statement_and_its_software_register_one_client() {
    let party = Party::new().await;
    let request = party.request(json!({}));
    let client = party.register(&request).await;
    party
        .post(&request)
        .await
        .expect_error(400, &["invalid_client_metadata", "unapproved_software_statement"]);
    let again = party.post(&party.request(json!({}))).await;
    again.expect_error(400, METADATA);
    assert!(again.text.contains("has a client already"), "{}", again.text);
    // Ten at a time with one statement make one client.
    let delete = party.bank.ask("DELETE", &client.uri, Some(&party.transport)).bearer_auth(&client.token);
    Answer::of(delete).await.expect_status(204);
    let raced = party.request(json!({}));
    let answers = futures_util::future::join_all((0..10).map(|_| party.post(&raced))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 400).count(), 9);
}

#[tokio::test]
async fn algorithms_and_methods_are_those_of_the_profile() {
    let party = Party::new().await;
    let cases: [Case; 8] = [
        (json!({"token_endpoint_auth_method": null}), METADATA),
        (
            json!({"token_endpoint_auth_method": "client_secret_basic", "token_endpoint_auth_signing_alg": null}),
            METADATA,
        ),
        (json!({"token_endpoint_auth_method": "none", "token_endpoint_auth_signing_alg": null}), METADATA),
        (json!({"token_endpoint_auth_signing_alg": "RS256"}), METADATA),
        (json!({"request_object_signing_alg": "RS256"}), METADATA),
        (json!({"id_token_signed_response_alg": "RS256"}), METADATA),
        (
            json!({"request_object_encryption_alg": "RSA-OAEP-256", "request_object_encryption_enc": "A256GCM"}),
            METADATA,
        ),
        (
            json!({"request_object_encryption_alg": "RSA-OAEP", "request_object_encryption_enc": "A128GCM"}),
            METADATA,
        ),
    ];
    party.expect_refused(cases).await;
}

#[tokio::test]
async fn k163_an_update_keeps_to_the_rules_of_a_registration() {
    let party = Party::new().await;
    let client = party.register(&party.request(json!({}))).await;
    let cases: [Case; 8] = [
        (json!({"software_statement": null}), STATEMENT),
        (json!({"software_statement": "a.b.c"}), STATEMENT),
        (json!({"software_statement": party.statement(json!({"iat": START - 360}))}), STATEMENT),
        (json!({"software_statement": party.statement(json!({"org_status": "Withdrawn"}))}), UNAPPROVED),
        (json!({"jwks_uri": party.bank.directory.origin.url("/elsewhere.jwks")}), METADATA),
        (json!({"jwks": Signer::new(SOFTWARE, Algorithm::Ps256).jwks()}), METADATA),
        (json!({"redirect_uris": ["https://elsewhere.example/cb"]}), REDIRECTS),
        (json!({"token_endpoint_auth_method": null}), METADATA),
    ];
    for (more, codes) in cases {
        let answer = party.put(&client, party.request(more.clone())).await;
        assert_eq!(answer.status, 400, "{more}: {}", answer.text);
        answer.expect_error(400, codes);
    }
    // The software of another statement is another client's.
    let other = json!({"software_id": "58b2b7f2-0000-4000-8000-000000000000"});
    let other = party.request(json!({"software_statement": party.statement(other)}));
    party.put(&client, other).await.expect_error(401, NOT_THE_CLIENT);
    assert_eq!(party.read(&client).await.body["redirect_uris"], json!([REDIRECT]), "it is as it was");
}

#[tokio::test]
async fn k164_a_client_is_managed_with_its_own_token_and_certificate() {
    let party = Party::new().await;
    let client = party.register(&party.request(json!({}))).await;
    let (organisation, other) = (organisation(), "58b2b7f2-0000-4000-8000-000000000000");
    let neighbour = party.bank.certificate(&subject(other, &organisation));
    let forged = Pair::self_signed(&subject(SOFTWARE, &organisation));
    let update = with(party.request(json!({})), json!({"client_id": client.id}));
    for (method, body) in [("GET", &Value::Null), ("PUT", &update), ("DELETE", &Value::Null)] {
        let send = async |shown: &Pair, token: &str| {
            let request = party.bank.ask(method, &client.uri, Some(shown)).bearer_auth(token);
            Answer::of(if body.is_null() { request } else { request.json(body) }).await
        };
        party.bank.expect_no_handshake(method, &client.uri).await;
        for shown in [&neighbour, &forged] {
            send(shown, &client.token).await.expect_error(401, &["invalid_token"]);
        }
        send(&party.transport, "wrong").await.expect_error(401, &["invalid_token"]);
    }
    // A certificate that was renewed has the same name.
    let renewed = party.bank.certificate(&subject(SOFTWARE, &organisation));
    let read = party.bank.ask("GET", &client.uri, Some(&renewed)).bearer_auth(&client.token);
    Answer::of(read).await.expect_status(200);
}
