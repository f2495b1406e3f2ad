//! The relying-party library `openidconnect`: it parses our metadata document, registers a client, and
//! parses our answers to GET and PUT.

use openidconnect::core::{
    CoreApplicationType, CoreClientAuthMethod, CoreClientRegistrationRequest,
    CoreClientRegistrationResponse, CoreGrantType, CoreProviderMetadata, CoreResponseType,
};
use openidconnect::registration::EmptyAdditionalClientMetadata;
use openidconnect::{
    ClientName, HttpRequest, HttpResponse, LanguageTag, LocalizedClaim, RedirectUrl,
    RegistrationUrl, ResponseTypes,
};
use serde_json::json;

use crate::support::{Answer, Registered, TestServer};

async fn send(request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
    let response = reqwest::Client::new().execute(request.try_into()?).await?;
    let mut answer = HttpResponse::new(Vec::new());
    *answer.status_mut() = response.status();
    *answer.headers_mut() = response.headers().clone();
    *answer.body_mut() = response.bytes().await?.to_vec();
    Ok(answer)
}

fn request() -> CoreClientRegistrationRequest {
    let callback = RedirectUrl::new("https://client.example.org/callback".to_owned()).unwrap();
    let mut names = LocalizedClaim::new();
    names.insert(None, ClientName::new("Crate".to_owned()));
    names.insert(
        Some(LanguageTag::new("fr".to_owned())),
        ClientName::new("Caisse".to_owned()),
    );
    CoreClientRegistrationRequest::new(vec![callback], EmptyAdditionalClientMetadata {})
        .set_application_type(Some(CoreApplicationType::Web))
        .set_client_name(Some(names))
        .set_token_endpoint_auth_method(Some(CoreClientAuthMethod::ClientSecretBasic))
        .set_grant_types(Some(vec![
            CoreGrantType::AuthorizationCode,
            CoreGrantType::RefreshToken,
        ]))
        .set_response_types(Some(vec![ResponseTypes::new(vec![CoreResponseType::Code])]))
}

#[tokio::test]
async fn it_registers_reads_updates_and_deletes() {
    let server = TestServer::configured(|configuration| {
        let members = json!({
            "authorization_endpoint": "https://as.example.org/authorize",
            "jwks_uri": "https://as.example.org/jwks",
        });
        configuration.settings.discovery = members.as_object().unwrap().clone();
    })
    .await;
    let document = Answer::of(server.ask("GET", "/.well-known/openid-configuration")).await;
    let metadata: CoreProviderMetadata =
        serde_json::from_value(document.body).expect("it parses our document");
    let endpoint: &RegistrationUrl = metadata
        .registration_endpoint()
        .expect("we register clients");

    let registered = request()
        .register_async(endpoint, &send)
        .await
        .expect("it registers");
    assert_eq!(
        registered
            .client_name()
            .unwrap()
            .get(None)
            .unwrap()
            .as_str(),
        "Crate"
    );
    let secret = registered
        .client_secret()
        .expect("a secret")
        .secret()
        .clone();
    let client = Registered {
        id: registered.client_id().as_str().to_owned(),
        uri: registered
            .registration_client_uri()
            .expect("a URI")
            .as_str()
            .to_owned(),
        token: registered
            .registration_access_token()
            .expect("a token")
            .secret()
            .clone(),
        body: serde_json::to_value(&registered).expect("JSON"),
    };

    let read = server.read(&client).await;
    read.expect_status(200);
    let read: CoreClientRegistrationResponse =
        serde_json::from_value(read.body).expect("it parses our answer to GET");
    assert_eq!(read.client_secret().unwrap().secret(), &secret);

    let update = Registered {
        body: server.read(&client).await.body,
        ..client.clone()
    }
    .update(json!({"client_name": "New"}));
    let updated = server.update(&client, &update).await;
    updated.expect_status(200);
    let updated: CoreClientRegistrationResponse =
        serde_json::from_value(updated.body).expect("it parses our answer to PUT");
    assert_eq!(
        updated.client_name().unwrap().get(None).unwrap().as_str(),
        "New"
    );

    server.delete(&client).await.expect_status(204);
    server
        .read(&client)
        .await
        .expect_error(401, &["invalid_token"]);
}

#[tokio::test]
async fn it_parses_our_errors() {
    let server = TestServer::new().await;
    let endpoint = RegistrationUrl::new(server.url("/register")).unwrap();
    let fragment = RedirectUrl::new("https://client.example.org/callback#x".to_owned()).unwrap();
    let refused = request()
        .set_redirect_uris(vec![fragment])
        .register_async(&endpoint, &send)
        .await;
    let error = format!("{:?}", refused.expect_err("a fragment is refused"));
    assert!(
        error.contains("InvalidRedirectUri") || error.contains("invalid_redirect_uri"),
        "{error}"
    );
}
