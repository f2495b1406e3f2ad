//! Certificates of Open Finance Brasil, and how a client names the subject of its certificate.

use serde_json::{Value, json};

use super::{
    Case, METADATA, NOT_THE_CLIENT, ORGANISATION, Party, SOFTWARE, organisation, subject,
    subject_dn,
};
use crate::support::certificates::{Authority, Pair, Subject};
use crate::support::{Answer, with};

#[tokio::test]
async fn a_registration_needs_a_certificate_of_the_ecosystem() {
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
        let answer = party
            .bank
            .post(shown, "application/json", body.clone())
            .await;
        answer.expect_error(401, NOT_THE_CLIENT);
    }
    party.bank.server.expect_empty().await;
}

#[tokio::test]
async fn the_certificate_must_name_the_software_and_its_organisation() {
    let party = Party::new().await;
    let post = async |subject: Subject<'_>| {
        let shown = party.bank.certificate(subject);
        party
            .bank
            .post(
                &shown,
                "application/json",
                party.request(json!({})).to_string(),
            )
            .await
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
    // The form of certificates before organizationIdentifier was introduced.
    unnamed.push(("OU", ORGANISATION));
    post(&unnamed).await.expect_status(201);
}

#[tokio::test]
async fn a_client_names_the_subject_of_its_certificate_in_the_required_form() {
    let party = Party::new().await;
    let named = |more: Value| {
        let method = json!({"token_endpoint_auth_method": "tls_client_auth", "token_endpoint_auth_signing_alg": null});
        with(method, more)
    };
    let dn = subject_dn();
    let by_name = |name: &str| named(json!({"tls_client_auth_subject_dn": name}));
    let cases: [Case; 8] = [
        (named(json!({})), METADATA),
        (
            named(json!({"tls_client_auth_san_dns": "client.example.org"})),
            METADATA,
        ),
        (
            json!({"tls_client_auth_san_dns": "client.example.org"}),
            METADATA,
        ),
        (
            named(
                json!({"tls_client_auth_subject_dn": dn, "tls_client_auth_san_dns": "client.example.org"}),
            ),
            METADATA,
        ),
        (by_name("/C=BR/CN=tpp.example.com.br"), METADATA),
        (by_name("tpp.example.com.br"), METADATA),
        (by_name(&dn.replace("2.5.4.97=#", "2.5.4.97=#ZZ")), METADATA),
        // The correct name, but with an attribute name where the profile requires the object identifier.
        (
            by_name(&dn.replace(
                "2.5.4.5=#130E3433313432363636303030313937",
                "serialNumber=43142666000197",
            )),
            METADATA,
        ),
    ];
    party.expect_refused(cases).await;
    // The name of another certificate, and the correct name in reverse order.
    let reversed: Vec<&str> = dn.split(',').rev().collect();
    for other in [dn.replace("Minha Conta", "Outra"), reversed.join(",")] {
        party
            .post(&party.request(by_name(&other)))
            .await
            .expect_error(403, &["access_denied"]);
    }
    let client = party.register(&party.request(by_name(&dn))).await;
    assert_eq!(
        client.body["tls_client_auth_subject_dn"], dn,
        "the subject is returned as it was sent"
    );
    party.read(&client).await.expect_status(200);
}

#[tokio::test]
async fn a_client_is_managed_with_its_own_token_and_certificate() {
    let party = Party::new().await;
    let client = party.register(&party.request(json!({}))).await;
    let (organisation, other) = (organisation(), "58b2b7f2-0000-4000-8000-000000000000");
    let neighbour = party.bank.certificate(&subject(other, &organisation));
    let forged = Pair::self_signed(&subject(SOFTWARE, &organisation));
    let update = with(party.request(json!({})), json!({"client_id": client.id}));
    for (method, body) in [
        ("GET", &Value::Null),
        ("PUT", &update),
        ("DELETE", &Value::Null),
    ] {
        let send = async |shown: &Pair, token: &str| {
            let request = party
                .bank
                .ask(method, &client.uri, Some(shown))
                .bearer_auth(token);
            Answer::of(if body.is_null() {
                request
            } else {
                request.json(body)
            })
            .await
        };
        party.bank.expect_no_handshake(method, &client.uri).await;
        for shown in [&neighbour, &forged] {
            send(shown, &client.token)
                .await
                .expect_error(401, &["invalid_token"]);
        }
        send(&party.transport, "wrong")
            .await
            .expect_error(401, &["invalid_token"]);
    }
    // A renewed certificate has the same name.
    let renewed = party.bank.certificate(&subject(SOFTWARE, &organisation));
    let read = party
        .bank
        .ask("GET", &client.uri, Some(&renewed))
        .bearer_auth(&client.token);
    Answer::of(read).await.expect_status(200);
}
