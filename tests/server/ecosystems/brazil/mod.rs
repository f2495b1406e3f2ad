//! Open Finance Brasil Dynamic Client Registration 1.0.

mod certificates;
mod rules;

use registrar::testing::Algorithm;
use serde_json::{Value, json};

use super::directory::{Bank, Directory, present};
use crate::support::certificates::Pair;
use crate::support::{Answer, Registered, Signer, with};

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

/// Changes of a valid request, and the error codes of which it must get one.
type Case = (Value, &'static [&'static str]);

/// Returns the subject of a transport certificate, from its least specific to its most specific part.
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

/// Returns the `organizationIdentifier` of the organisation.
fn organisation() -> String {
    format!("OFBBR-{ORGANISATION}")
}

/// Returns the name in [`subject`] in the form that the profile requires: an attribute without a name
/// in the profile is an object identifier with its value in hex.
fn subject_dn() -> String {
    let hex = |tag: u8, text: &str| {
        let bytes = [&[tag, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
        bytes
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect::<Vec<_>>()
            .concat()
    };
    let (organisation, number) = (hex(0x0C, &organisation()), hex(0x13, "43142666000197"));
    format!(
        "CN=tpp.example.com.br,UID={SOFTWARE},2.5.4.97=#{organisation},2.5.4.5=#{number},\
         O=Minha Conta SA,ST=SP,C=BR"
    )
}

/// A third party with its software, and the bank at which it registers.
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

    /// Signs a fresh statement about the software.
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

    /// Returns the URL of the keys of the software.
    fn jwks_uri(&self) -> String {
        self.bank.directory.keys_of(SOFTWARE)
    }

    /// Returns a valid request with a fresh statement.
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
        self.bank
            .post(&self.transport, "application/json", request.to_string())
            .await
    }

    async fn register(&self, request: &Value) -> Registered {
        let answer = self.post(request).await;
        answer.expect_status(201);
        Registered::of(answer.body)
    }

    async fn put(&self, client: &Registered, request: Value) -> Answer {
        let body = with(request, json!({"client_id": client.id}));
        let request = self
            .bank
            .ask("PUT", &client.uri, Some(&self.transport))
            .bearer_auth(&client.token);
        Answer::of(request.json(&body)).await
    }

    async fn read(&self, client: &Registered) -> Answer {
        let request = self.bank.ask("GET", &client.uri, Some(&self.transport));
        Answer::of(request.bearer_auth(&client.token)).await
    }

    /// Asserts that a valid request with the changes of each of `cases` is rejected and nothing is stored.
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
async fn software_registers_reads_replaces_and_deletes_itself() {
    let party = Party::new().await;
    let request = party.request(json!({"client_name": "Not this one", "jwks_uri": null}));
    let client = party.register(&request).await;
    assert_eq!(
        client.body["client_name"], "Minha Conta",
        "the statement takes precedence"
    );
    assert_eq!(client.body["jwks_uri"], party.jwks_uri());
    assert_eq!(client.body["tos_uri"], "https://tpp.example.com.br/tos");
    assert_eq!(client.body.get("logo_uri"), None);
    assert_eq!(
        client.body["software_statement"], request["software_statement"],
        "the statement is returned byte for byte"
    );
    assert_eq!(
        (&client.body["scope"], &client.body["org_id"]),
        (&json!("openid accounts"), &json!(ORGANISATION))
    );
    assert_eq!(
        party.bank.server.provenance(&client).await["trust_level"],
        "statement"
    );
    party.read(&client).await.expect_status(200);

    let answer = party
        .put(
            &client,
            party.request(json!({"redirect_uris": [OTHER_REDIRECT]})),
        )
        .await;
    answer.expect_status(200);
    assert_eq!(answer.body["redirect_uris"], json!([OTHER_REDIRECT]));
    assert_eq!(
        answer.body["registration_access_token"],
        json!(client.token)
    );
    assert_eq!(answer.body["registration_client_uri"], json!(client.uri));

    let delete = party
        .bank
        .ask("DELETE", &client.uri, Some(&party.transport))
        .bearer_auth(&client.token);
    Answer::of(delete).await.expect_status(204);
    party
        .read(&client)
        .await
        .expect_error(401, &["invalid_token"]);
    party.register(&party.request(json!({}))).await;
}

#[tokio::test]
async fn the_order_of_grants_and_scopes_does_not_matter() {
    let party = Party::new().await;
    let asked = json!({
        "grant_types": ["refresh_token", "client_credentials", "authorization_code"],
        "scope": "resources payments accounts openid",
    });
    let client = party.register(&party.request(asked)).await;
    assert_eq!(
        client.body["scope"], "resources accounts openid",
        "the scope payments belongs to an inactive role"
    );
    let mut granted: Vec<&str> = client.body["grant_types"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one.as_str().unwrap())
        .collect();
    granted.sort_unstable();
    assert_eq!(
        granted,
        ["authorization_code", "client_credentials", "refresh_token"]
    );
}

#[tokio::test]
async fn omitted_scopes_are_all_scopes_of_the_active_roles() {
    let party = Party::new().await;
    let client = party.register(&party.request(json!({"scope": null}))).await;
    let granted: Vec<&str> = client.body["scope"].as_str().unwrap().split(' ').collect();
    assert_eq!(granted.len(), 16, "{granted:?}");
    assert!(
        granted.contains(&"accounts") && !granted.contains(&"payments"),
        "{granted:?}"
    );
    party
        .put(&client, party.request(json!({"scope": "payments"})))
        .await
        .expect_error(400, METADATA);
}
