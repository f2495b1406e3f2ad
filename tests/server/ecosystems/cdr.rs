//! The Consumer Data Right (Australia): a data recipient registers its software at a data holder that
//! runs with `examples/config/cdr.toml`, in the same way as the mock recipient of the Register.

use registrar::testing::Algorithm;
use serde_json::{Value, json};

use super::directory::{Directory, present, unique};
use super::shipped;
use crate::support::{
    Answer, GRANT, Registered, Reply, START, Signer, TestServer, fetches_locally, form,
    registering, with,
};

const REGISTER: &str = "cdr-register";
const KEYSTORE: &str = "https://api.cdr.gov.au/cdr-register/v1/jwks";
const SOFTWARE: &str = "740C368F-ECF9-4D29-A2EA-0514A66B0CDE";
const CALLBACKS: [&str; 2] = [
    "https://recipient.example.com/cb",
    "https://recipient.example.com/other",
];

/// A recipient with its software, and the holder at which it registers.
struct Recipient {
    register: Directory,
    software: Signer,
    holder: TestServer,
}

impl Recipient {
    async fn new() -> Self {
        let register = Directory::new(REGISTER).await;
        let software = Signer::new(SOFTWARE, Algorithm::Ps256);
        register.publish(&software);
        let holder = TestServer::configured(|own| {
            let loaded = shipped::load(&shipped::file("examples/config/cdr.toml"), &[]);
            let mut entries =
                serde_json::to_value(&loaded.live.registration.dcr_ssa_validation_configs).unwrap();
            shipped::settle(own, loaded);
            fetches_locally(own);
            assert_eq!(
                entries[0]["jwksUri"], KEYSTORE,
                "the example must name the keys of the Register"
            );
            entries[0]["jwksUri"] = json!(register.origin.url("/directory.jwks"));
            registering(own, json!({"dcrSsaValidationConfigs": entries}));
        })
        .await;
        Self {
            register,
            software,
            holder,
        }
    }

    /// Signs a statement of the Register with the claims of the Consumer Data Standards.
    fn statement(&self, more: Value) -> String {
        let claims = json!({
            "exp": START + 600, "legal_entity_id": "3B0B0A7B-3E7B-4A2C-9497-E357A71D07C7",
            "legal_entity_name": "Recipient Pty Ltd", "org_id": "3B0B0A7B-3E7B-4A2C-9497-E357A71D07C8",
            "org_name": "Recipient", "client_name": "Budget", "client_description": "A budget",
            "client_uri": "https://recipient.example.com", "redirect_uris": CALLBACKS,
            "logo_uri": "https://recipient.example.com/logo.png",
            "tos_uri": "https://recipient.example.com/tos", "policy_uri": "https://recipient.example.com/policy",
            "jwks_uri": self.register.keys_of(SOFTWARE),
            "revocation_uri": "https://recipient.example.com/revoke",
            "recipient_base_uri": "https://recipient.example.com",
            "software_id": SOFTWARE, "software_roles": "data-recipient-software-product",
            "scope": "openid profile bank:accounts.basic:read bank:transactions:read common:customer.basic:read \
                      cdr:registration",
        });
        self.register.statement(with(claims, more))
    }

    /// Returns the claims of a valid request.
    fn claims(&self, more: Value) -> Value {
        let claims = json!({
            "iss": SOFTWARE, "aud": self.holder.server().url(), "iat": START, "exp": START + 300,
            "jti": jti(), "redirect_uris": [CALLBACKS[0]], "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_signing_alg": "PS256",
            "grant_types": ["client_credentials", "authorization_code", "refresh_token"],
            "response_types": ["code"], "application_type": "web", "id_token_signed_response_alg": "PS256",
            "id_token_encrypted_response_alg": "RSA-OAEP", "id_token_encrypted_response_enc": "A256GCM",
            "authorization_signed_response_alg": "PS256", "request_object_signing_alg": "PS256",
            "software_statement": self.statement(json!({})),
        });
        present(with(claims, more))
    }

    fn signed(&self, claims: Value) -> String {
        self.software.raw(&json!({"typ": "JWT"}), claims)
    }

    async fn post(&self, claims: Value) -> Answer {
        self.holder
            .post_bytes("application/jwt", self.signed(claims))
            .await
    }

    async fn register(&self) -> Registered {
        let answer = self.post(self.claims(json!({}))).await;
        answer.expect_status(201);
        Registered::of(answer.body)
    }

    /// Obtains an access token for the management of `client`.
    async fn token(&self, client: &Registered) -> String {
        let assertion = self.signed(json!({
            "iss": client.id, "sub": client.id, "aud": self.holder.server().url(), "jti": jti(),
            "iat": START, "exp": START + 300,
        }));
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let parameters = [
            GRANT,
            ("scope", "cdr:registration"),
            ("client_assertion_type", kind),
            ("client_assertion", &*assertion),
        ];
        let answer = Answer::of(form(self.holder.ask("POST", "/token"), &parameters)).await;
        answer.expect_status(200);
        answer.member("access_token").as_str().unwrap().to_owned()
    }

    async fn put(&self, client: &Registered, token: &str, claims: Value) -> Answer {
        let body = self.signed(with(claims, json!({"client_id": client.id})));
        let request = self.holder.ask("PUT", &client.uri).bearer_auth(token);
        Answer::of(request.header("content-type", "application/jwt").body(body)).await
    }
}

fn jti() -> String {
    format!("37747cd1c10545699f754adf{:08x}", unique())
}

#[tokio::test]
async fn a_recipient_gets_every_claim_of_its_statement_back() {
    let recipient = Recipient::new().await;
    let claims = recipient.claims(json!({}));
    let answer = recipient.post(claims.clone()).await;
    answer.expect_status(201);
    assert_eq!(answer.header("content-type"), "application/json");
    let client = Registered::of(answer.body);
    for name in [
        "legal_entity_id",
        "legal_entity_name",
        "org_id",
        "org_name",
        "client_name",
        "client_description",
        "client_uri",
        "logo_uri",
        "tos_uri",
        "policy_uri",
        "jwks_uri",
        "revocation_uri",
        "recipient_base_uri",
        "software_id",
        "software_roles",
        "scope",
    ] {
        assert!(client.body[name].is_string(), "{name}: {}", client.body);
    }
    for name in [
        "redirect_uris",
        "token_endpoint_auth_method",
        "token_endpoint_auth_signing_alg",
        "grant_types",
        "response_types",
        "application_type",
        "id_token_signed_response_alg",
        "id_token_encrypted_response_alg",
        "id_token_encrypted_response_enc",
        "authorization_signed_response_alg",
        "request_object_signing_alg",
        "software_statement",
    ] {
        assert_eq!(client.body[name], claims[name], "{name}");
    }
    assert!(client.body["client_id_issued_at"].is_u64());
    assert_eq!(client.body.get("client_secret"), None);
    assert_eq!(
        recipient.holder.provenance(&client).await["trust_level"],
        "statement"
    );
}

#[tokio::test]
async fn redirect_uris_are_a_subset_of_the_statement_or_all_by_default() {
    let recipient = Recipient::new().await;
    let answer = recipient
        .post(recipient.claims(json!({"redirect_uris": null})))
        .await;
    answer.expect_status(201);
    assert_eq!(answer.body["redirect_uris"], json!(CALLBACKS));
    let outside =
        recipient.claims(json!({"redirect_uris": ["https://recipient.example.com/third"]}));
    recipient.post(outside).await.expect_bad_redirect();
}

#[tokio::test]
async fn a_recipient_reads_replaces_and_deletes_its_registration() {
    let recipient = Recipient::new().await;
    let client = recipient.register().await;
    let token = recipient.token(&client).await;
    let read = Answer::of(recipient.holder.ask("GET", &client.uri).bearer_auth(&token)).await;
    read.expect_status(200);
    assert_eq!(read.body["org_name"], "Recipient");
    let renamed = recipient.statement(json!({"client_name": "Savings"}));
    let claims = json!({"software_statement": renamed, "redirect_uris": [CALLBACKS[1]]});
    let answer = recipient
        .put(&client, &token, recipient.claims(claims))
        .await;
    answer.expect_status(200);
    assert_eq!(
        (&answer.body["client_name"], &answer.body["client_id"]),
        (&json!("Savings"), &json!(client.id))
    );
    let deleted = Answer::of(
        recipient
            .holder
            .ask("DELETE", &client.uri)
            .bearer_auth(&token),
    )
    .await;
    deleted.expect_status(204);
}

#[tokio::test]
async fn a_statement_or_request_without_a_valid_signature_is_rejected() {
    let recipient = Recipient::new().await;
    let good = || recipient.claims(json!({}));
    // Not signed by the Register.
    let forger = Signer::new(REGISTER, Algorithm::Ps256);
    let statement = forger.token(json!({"software_id": SOFTWARE, "jti": jti()}));
    let answer = recipient
        .post(recipient.claims(json!({"software_statement": statement})))
        .await;
    answer.expect_error(400, &["invalid_software_statement"]);
    // Signed by another issuer.
    let other = Signer::new("https://elsewhere.example", Algorithm::Ps256);
    let statement = other.token(json!({"software_id": SOFTWARE, "jti": jti()}));
    let answer = recipient
        .post(recipient.claims(json!({"software_statement": statement})))
        .await;
    answer.expect_error(
        400,
        &[
            "invalid_software_statement",
            "unapproved_software_statement",
        ],
    );
    // An expired statement, no statement, a statement for another role.
    let statement = recipient.statement(json!({"iat": START - 7_200, "exp": START - 3_600}));
    let answer = recipient
        .post(recipient.claims(json!({"software_statement": statement})))
        .await;
    answer.expect_error(400, &["invalid_software_statement"]);
    let answer = recipient
        .post(recipient.claims(json!({"software_statement": null})))
        .await;
    answer.expect_error(
        400,
        &["invalid_software_statement", "invalid_client_metadata"],
    );
    let statement = recipient.statement(json!({"software_roles": "data-holder"}));
    let answer = recipient
        .post(recipient.claims(json!({"software_statement": statement})))
        .await;
    answer.expect_error(400, &["unapproved_software_statement"]);
    // The request: signed with another key, for other software, not signed.
    let body = Signer::new(SOFTWARE, Algorithm::Ps256).raw(&json!({"typ": "JWT"}), good());
    recipient
        .holder
        .post_bytes("application/jwt", body)
        .await
        .expect_error(400, &["invalid_client_metadata"]);
    let answer = recipient
        .post(recipient.claims(json!({"iss": "another"})))
        .await;
    answer.expect_error(400, &["invalid_client_metadata"]);
    let answer = recipient.holder.post(&good()).await;
    assert!(
        answer.status == 400 || answer.status == 415,
        "{}",
        answer.text
    );
    // Addressed to another holder.
    let answer = recipient
        .post(recipient.claims(json!({"aud": "https://other.holder.example"})))
        .await;
    answer.expect_error(400, &["invalid_client_metadata"]);
    recipient.holder.expect_empty().await;
}

#[tokio::test]
async fn a_recipient_in_another_sector_gets_the_scopes_of_its_statement() {
    let recipient = Recipient::new().await;
    let scope =
        "openid profile energy:accounts.basic:read energy:electricity.usage:read cdr:registration";
    let statement = recipient.statement(json!({"scope": scope}));
    let answer = recipient
        .post(recipient.claims(json!({"software_statement": statement})))
        .await;
    answer.expect_status(201);
    assert_eq!(answer.body["scope"], scope);
}

#[tokio::test]
async fn a_recipient_from_before_jarm_registers_the_hybrid_response_type() {
    let recipient = Recipient::new().await;
    let grants = [
        "client_credentials",
        "authorization_code",
        "refresh_token",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
    ];
    let more = json!({
        "aud": recipient.holder.url("/token"), "response_types": ["code id_token"], "grant_types": grants,
        "authorization_signed_response_alg": null,
    });
    let answer = recipient.post(recipient.claims(more)).await;
    answer.expect_status(201);
    assert_eq!(answer.body["response_types"], json!(["code id_token"]));
    assert_eq!(
        answer.body["grant_types"],
        json!(grants[..3]),
        "an unsupported grant is left out"
    );
}

#[tokio::test]
async fn pairwise_subjects_need_callbacks_in_the_sector_document() {
    let recipient = Recipient::new().await;
    let sector = recipient
        .register
        .origin
        .at("/sector.json", Reply::json(json!(CALLBACKS)));
    let statement = recipient.statement(json!({"sector_identifier_uri": sector}));
    let claims =
        recipient.claims(json!({"software_statement": statement, "redirect_uris": CALLBACKS}));
    let answer = recipient.post(claims).await;
    answer.expect_status(201);
    assert_eq!(
        (
            &answer.body["sector_identifier_uri"],
            &answer.body["subject_type"]
        ),
        (&json!(sector), &json!("pairwise"))
    );
}
