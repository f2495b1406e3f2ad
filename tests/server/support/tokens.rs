//! Access tokens from the token endpoint, and initial access tokens.

use serde_json::{Value, json};

use super::{Answer, Registered, TestServer, with};

/// Returns a registration for the client credentials grant, without redirect URIs.
pub(crate) fn machine() -> Value {
    json!({"grant_types": ["client_credentials"], "scope": "profile email"})
}

/// The parameters of a token request.
pub(crate) const GRANT: (&str, &str) = ("grant_type", "client_credentials");

impl TestServer {
    /// Posts a form.
    pub(crate) async fn form(&self, path: &str, parameters: &[(&str, &str)]) -> Answer {
        Answer::of(form(self.ask("POST", path), parameters)).await
    }

    /// Posts a form as `client`, with its secret in the header.
    pub(crate) async fn basic(
        &self,
        client: &Registered,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> Answer {
        let secret = client.body["client_secret"]
            .as_str()
            .expect("it has a secret");
        Answer::of(form(
            self.ask("POST", path).basic_auth(&client.id, Some(secret)),
            parameters,
        ))
        .await
    }

    /// Obtains an access token for `client`, which must get one.
    pub(crate) async fn access_token(&self, client: &Registered) -> String {
        let answer = self.basic(client, "/token", &[GRANT]).await;
        answer.expect_status(200);
        answer
            .member("access_token")
            .as_str()
            .expect("a token")
            .to_owned()
    }

    /// Introspects `token` as `client`, to which it was issued. Returns whether it is active.
    pub(crate) async fn is_active(&self, client: &Registered, token: &str) -> bool {
        let answer = self.basic(client, "/introspect", &[("token", token)]).await;
        answer.expect_status(200);
        answer
            .member("active")
            .as_bool()
            .expect("the answer has `active`")
    }

    /// Creates an initial access token.
    pub(crate) async fn initial_access(&self, token: &str, more: Value) -> String {
        let grant = with(json!({"created_at": super::START, "policy": {}}), more);
        let made = self.storage().create_initial_access(token, grant).await;
        made.expect("a valid initial access token is stored")
    }

    /// Sends `POST /register` with a bearer token.
    pub(crate) async fn post_with(&self, token: &str, body: &Value) -> Answer {
        Answer::of(self.ask("POST", "/register").bearer_auth(token).json(body)).await
    }
}

/// Returns `request` with a form as its body.
pub(crate) fn form(
    request: reqwest::RequestBuilder,
    parameters: &[(&str, &str)],
) -> reqwest::RequestBuilder {
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(parameters);
    request
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.finish())
}
