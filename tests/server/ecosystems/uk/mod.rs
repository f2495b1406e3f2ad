//! UK Open Banking Dynamic Client Registration v3.3. DCR-001 ... are the scenarios of its conformance
//! tool.

mod certificates;
mod rules;

use registrar::testing::Algorithm;
use serde_json::{Value, json};

use super::directory::{Bank, Directory, present, unique};
use crate::support::certificates::{Pair, Subject};
use crate::support::{Answer, GRANT, Registered, START, Signer, form, with};

const BANK: &str = "0015800001041REAAY";
const KEYSTORE: &str = "https://keystore.openbanking.org.uk/keystore/openbanking.jwks";
const SOFTWARE: &str = "1ZRiKCgqCLaWpj6PcdfXYm";
const REDIRECT: &str = "https://tpp.example.org/cb";
const OTHER_REDIRECT: &str = "https://tpp.example.org/other";

const TRANSPORT: Subject<'static> = &[
    ("C", "GB"),
    ("O", "OpenBanking"),
    ("OU", "0015800001041RHAAY"),
    ("CN", SOFTWARE),
];
const TRANSPORT_DN: &str = "CN=1ZRiKCgqCLaWpj6PcdfXYm,OU=0015800001041RHAAY,O=OpenBanking,C=GB";

const METADATA: &[&str] = &["invalid_client_metadata"];
const REDIRECTS: &[&str] = &["invalid_redirect_uri"];
const STATEMENT: &[&str] = &["invalid_software_statement"];
const UNAPPROVED: &[&str] = &["unapproved_software_statement"];

/// A third party with its software, and the bank at which it registers.
struct Party {
    bank: Bank,
    software: Signer,
    transport: Pair,
}

impl Party {
    async fn new() -> Self {
        Self::with(Algorithm::Ps256).await
    }

    async fn with(algorithm: Algorithm) -> Self {
        let directory = Directory::new("OpenBanking Ltd").await;
        let software = Signer::new(SOFTWARE, algorithm);
        directory.publish(&software);
        let bank = Bank::new("uk-open-banking", directory, KEYSTORE);
        let bank = Box::pin(bank).await;
        let transport = bank.certificate(TRANSPORT);
        Self {
            bank,
            software,
            transport,
        }
    }

    /// Signs the statement about the software `id`.
    fn statement(&self, id: &str, more: Value) -> String {
        let claims = json!({
            "software_id": id, "software_client_name": "Money Helper", "software_mode": "Live",
            "software_redirect_uris": [REDIRECT, OTHER_REDIRECT], "software_roles": ["AISP"],
            "software_jwks_endpoint": self.bank.directory.keys_of(id),
            "software_logo_uri": "https://tpp.example.org/logo.png", "software_policy_uri": "",
            "org_id": "0015800001041RHAAY", "org_name": "Money Helper Ltd", "org_status": "Active",
        });
        self.bank.directory.statement(with(claims, more))
    }

    /// Returns the claims of a valid request of the software.
    fn claims(&self, more: Value) -> Value {
        let claims = json!({
            "iss": SOFTWARE, "aud": BANK, "iat": START, "exp": START + 3_600, "jti": jti(),
            "software_statement": self.statement(SOFTWARE, json!({})), "software_id": SOFTWARE,
            "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_signing_alg": "PS256", "scope": "openid accounts",
            "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
            "response_types": ["code"], "application_type": "web",
            "id_token_signed_response_alg": "PS256", "request_object_signing_alg": "PS256",
        });
        present(with(claims, more))
    }

    fn signed(&self, claims: Value) -> String {
        self.software.raw(&json!({"typ": "JWT"}), claims)
    }

    async fn post(&self, claims: Value) -> Answer {
        self.bank
            .post(&self.transport, "application/jose", self.signed(claims))
            .await
    }

    async fn register(&self) -> Registered {
        let answer = self.post(self.claims(json!({}))).await;
        answer.expect_status(201);
        Registered::of(answer.body)
    }

    /// Requests a token for `client`, which signs with its key in the directory.
    async fn ask_token(&self, client: &Registered) -> Answer {
        let assertion = self.signed(json!({
            "iss": client.id, "sub": client.id, "aud": self.bank.server.server().url(), "jti": jti(),
            "iat": START, "exp": START + 300,
        }));
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let request = self.bank.ask("POST", "/token", Some(&self.transport));
        let parameters = [
            GRANT,
            ("client_assertion_type", kind),
            ("client_assertion", &*assertion),
        ];
        Answer::of(form(request, &parameters)).await
    }

    async fn token(&self, client: &Registered) -> String {
        let answer = self.ask_token(client).await;
        answer.expect_status(200);
        answer.member("access_token").as_str().unwrap().to_owned()
    }

    async fn manage(&self, method: &str, client: &Registered, token: &str) -> Answer {
        Answer::of(
            self.bank
                .ask(method, &client.uri, Some(&self.transport))
                .bearer_auth(token),
        )
        .await
    }

    async fn put(&self, client: &Registered, token: &str, claims: Value) -> Answer {
        let request = self
            .bank
            .ask("PUT", &client.uri, Some(&self.transport))
            .bearer_auth(token);
        let body = self.signed(with(claims, json!({"client_id": client.id})));
        Answer::of(
            request
                .header("content-type", "application/jose")
                .body(body),
        )
        .await
    }
}

/// Returns a new UUID of version 4.
fn jti() -> String {
    format!("25b9bea9-3c10-4b60-9a1b-{:012x}", unique())
}

#[tokio::test]
async fn software_registers_reads_replaces_and_deletes_itself() {
    let party = Party::new().await;
    let claims = party.claims(json!({}));
    let answer = party.post(claims.clone()).await;
    answer.expect_status(201);
    assert_eq!(answer.header("content-type"), "application/json");
    let client = Registered::of(answer.body);
    assert_eq!(client.body["client_name"], "Money Helper");
    assert_eq!(
        client.body["jwks_uri"],
        party.bank.directory.keys_of(SOFTWARE)
    );
    assert_eq!(
        client.body["software_statement"], claims["software_statement"],
        "the statement is returned byte for byte"
    );
    assert_eq!(client.body["redirect_uris"], json!([REDIRECT]));
    assert_eq!(
        client.body["org_id"], "0015800001041RHAAY",
        "claims of the statement are at the top level"
    );
    assert_eq!(client.body["software_roles"], json!(["AISP"]));
    for name in ["iss", "aud", "iat", "exp", "jti"] {
        assert_eq!(client.body.get(name), None, "{name}");
    }
    assert_eq!(
        party.bank.server.provenance(&client).await["trust_level"],
        "statement"
    );

    // DCR-002, 005, 008: management with an access token of the client credentials grant.
    let token = party.token(&client).await;
    let read = party.manage("GET", &client, &token).await;
    read.expect_status(200);
    assert_eq!(read.body["client_id"], json!(client.id));
    let moved = party.claims(json!({"redirect_uris": [OTHER_REDIRECT]}));
    let answer = party.put(&client, &token, moved).await;
    answer.expect_status(200);
    assert_eq!(
        (&answer.body["client_id"], &answer.body["redirect_uris"]),
        (&json!(client.id), &json!([OTHER_REDIRECT]))
    );
    // An update does not revoke tokens.
    party
        .manage("GET", &client, &token)
        .await
        .expect_status(200);

    // DCR-003, 009, 010.
    party
        .manage("DELETE", &client, &token)
        .await
        .expect_status(204);
    party
        .manage("GET", &client, &token)
        .await
        .expect_error(401, &["invalid_token"]);
    party
        .put(&client, &token, party.claims(json!({})))
        .await
        .expect_error(401, &["invalid_token"]);
    party
        .ask_token(&client)
        .await
        .expect_error(401, &["invalid_client"]);
    party.register().await;
}

#[tokio::test]
async fn both_media_types_both_algorithms_and_certificates_are_accepted() {
    for algorithm in [Algorithm::Ps256, Algorithm::Es256] {
        let party = Party::with(algorithm).await;
        for media_type in ["application/jose", "application/jwt"] {
            let token = party.signed(party.claims(json!({})));
            party
                .bank
                .post(&party.transport, media_type, token)
                .await
                .expect_status(201);
        }
    }
    let party = Party::new().await;
    let by_name = json!({
        "token_endpoint_auth_method": "tls_client_auth", "token_endpoint_auth_signing_alg": null,
        "tls_client_auth_subject_dn": TRANSPORT_DN,
    });
    let answer = party.post(party.claims(by_name.clone())).await;
    answer.expect_status(201);
    let client = Registered::of(answer.body);
    let request = party.bank.ask("POST", "/token", Some(&party.transport));
    let granted = Answer::of(form(request, &[GRANT, ("client_id", &client.id)])).await;
    granted.expect_status(200);
    let token = granted.member("access_token").as_str().unwrap();
    party.manage("GET", &client, token).await.expect_status(200);
    // The subject in the certificate of another party is rejected.
    let foreign = with(
        by_name,
        json!({"tls_client_auth_subject_dn": "CN=another,O=OpenBanking,C=GB"}),
    );
    party
        .post(party.claims(foreign))
        .await
        .expect_error(403, &["access_denied"]);
}

#[tokio::test]
async fn omitted_redirect_uris_are_those_of_the_statement() {
    let party = Party::new().await;
    let answer = party
        .post(party.claims(json!({"redirect_uris": null})))
        .await;
    answer.expect_status(201);
    assert_eq!(
        answer.body["redirect_uris"],
        json!([REDIRECT, OTHER_REDIRECT])
    );
}

#[tokio::test]
async fn a_key_that_the_software_adds_to_its_set_is_found() {
    let mut party = Party::new().await;
    party.register().await;
    party.software = Signer::new(SOFTWARE, Algorithm::Ps256);
    party
        .post(party.claims(json!({})))
        .await
        .expect_error(400, METADATA);
    party.bank.directory.publish(&party.software);
    party.bank.server.clock.advance(31);
    party.register().await;
}
