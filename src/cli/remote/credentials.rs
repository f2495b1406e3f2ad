//! The credentials of the caller, and the access token that the server issues for them.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use super::server;
use crate::base::Secret;
use crate::cli::CommandFailure;
use crate::config::Settings;
use crate::fetch::{Direct, Request};
use crate::token::administrator;

const ID: &str = "REGISTRAR_CLIENT_ID";
const SECRET: &str = "REGISTRAR_CLIENT_SECRET";

/// A client identifier and its secret.
pub(super) struct Credentials {
    client_id: String,
    secret: Secret,
    /// Where the credentials were found, for messages.
    place: String,
}

/// The content of a credentials file.
#[derive(Deserialize)]
struct Written {
    client_id: String,
    client_secret: String,
}

/// Returns the credentials of `file`, or else those of the environment, or else those that the first start
/// wrote.
pub(super) fn find(
    file: Option<&Path>,
    settings: &Settings,
) -> Result<Credentials, CommandFailure> {
    if let Some(file) = file {
        return Ok(read_file(file)?);
    }
    if let Some(credentials) = of_environment()? {
        return Ok(credentials);
    }
    let missing = match administrator::file(settings) {
        Some(file) if file.exists() => return Ok(read_file(&file)?),
        Some(file) => format!(" {} does not exist.", file.display()),
        None => String::new(),
    };
    Err(CommandFailure::Failed(format!(
        "no credentials found.{missing} Name a credentials file with --credentials, or set {ID} and {SECRET}"
    )))
}

/// Returns the credentials of the environment, if it has any.
fn of_environment() -> Result<Option<Credentials>, String> {
    match (variable(ID), variable(SECRET)) {
        (Some(client_id), Some(secret)) => Ok(Some(Credentials {
            client_id,
            secret: Secret::new(secret),
            place: "the environment".to_owned(),
        })),
        (Some(_), None) => Err(format!("{ID} is set, but {SECRET} is not; set both")),
        (None, Some(_)) => Err(format!("{SECRET} is set, but {ID} is not; set both")),
        (None, None) => Ok(None),
    }
}

/// Returns the value of an environment variable, if it is not empty.
fn variable(name: &str) -> Option<String> {
    let value = std::env::var(name).ok()?;
    (!value.is_empty()).then_some(value)
}

fn read_file(file: &Path) -> Result<Credentials, String> {
    let place = file.display().to_string();
    let text = std::fs::read(file).map_err(|error| format!("{place} cannot be read: {error}"))?;
    let written: Written = serde_json::from_slice(&text)
        // The message of serde could contain a secret.
        .map_err(|_| format!("{place} is not a JSON file with client_id and client_secret"))?;
    let secret = Secret::new(written.client_secret);
    Ok(Credentials {
        client_id: written.client_id,
        secret,
        place,
    })
}

/// The token endpoint.
pub(super) struct TokenEndpoint<'a> {
    http: &'a Direct,
    /// The URL of the server.
    server: &'a str,
    /// The URL of the endpoint.
    url: String,
}

impl<'a> TokenEndpoint<'a> {
    pub(super) fn new(http: &'a Direct, server: &'a str, settings: &Settings) -> Self {
        let url = format!("{server}{}", settings.server.paths.token);
        Self { http, server, url }
    }

    /// Requests an access token with this scope (RFC 6749 section 4.4). Empty: with every scope of the client.
    pub(super) async fn request_token(
        &self,
        credentials: &Credentials,
        scope: &str,
    ) -> Result<Secret, CommandFailure> {
        let answer = match self.http.send(self.request(credentials, scope)).await {
            Ok(answer) => answer,
            Err(error) => return Err(server::unreachable(self.server, &error)),
        };
        let members: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        if answer.status == 200
            && let Some(token) = text("access_token")
        {
            return Ok(Secret::new(token.to_owned()));
        }
        match text("error") {
            Some(code) => Err(self.refused(credentials, scope, (code, text("error_description")))),
            None => Err(server::no_registrar(&self.url, answer.status)),
        }
    }

    fn request(&self, credentials: &Credentials, scope: &str) -> Request {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if !scope.is_empty() {
            form.append_pair("scope", scope);
        }
        let body = form.finish();
        Request {
            method: "POST".to_owned(),
            url: self.url.clone(),
            headers: vec![
                ("authorization".to_owned(), basic(credentials)),
                (
                    "content-type".to_owned(),
                    "application/x-www-form-urlencoded".to_owned(),
                ),
            ],
            body: Some(body.into_bytes()),
            ..Request::default()
        }
    }

    fn refused(
        &self,
        who: &Credentials,
        scope: &str,
        said: (&str, Option<&str>),
    ) -> CommandFailure {
        let Credentials {
            client_id, place, ..
        } = who;
        let (code, description) = said;
        CommandFailure::Failed(match code {
            "invalid_client" => format!(
                "{} rejected the credentials of {place} (client {client_id}): the secret is wrong, or the \
                 client does not exist, is disabled or has expired. If the secret of the administrator is \
                 lost, registrar admin reset sets a new one. If there is no administrator, a restart of the \
                 server creates one with new credentials",
                self.server
            ),
            "invalid_scope" => {
                format!(
                    "permission denied: the client {client_id} of {place} lacks the scope {scope}"
                )
            }
            _ => format!(
                "{} issued no access token to the client {client_id} of {place}: {code}: {}",
                self.server,
                description.unwrap_or_default()
            ),
        })
    }
}

/// Returns the value of the Authorization header. Both parts are form-encoded (RFC 6749 section 2.3.1).
fn basic(credentials: &Credentials) -> String {
    let part =
        |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!(
        "{}:{}",
        part(&credentials.client_id),
        part(credentials.secret.expose())
    );
    format!("Basic {}", STANDARD.encode(pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_are_form_encoded() {
        let secret = Secret::new("a:b c".to_owned());
        let credentials = Credentials {
            client_id: "x+y".to_owned(),
            secret,
            place: String::new(),
        };
        let sent = basic(&credentials);
        let decoded = STANDARD
            .decode(sent.strip_prefix("Basic ").unwrap())
            .unwrap();
        assert_eq!(decoded, b"x%2By:a%3Ab+c");
    }

    #[test]
    fn the_error_for_a_file_does_not_show_its_content() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("c.json");
        for text in [
            "secret",
            r#"{"client_id": "secret"}"#,
            r#"{"client_id": 1, "client_secret": "secret"}"#,
        ] {
            std::fs::write(&file, text).unwrap();
            let told = read_file(&file).err().unwrap();
            assert!(
                told.contains("client_id and client_secret") && !told.contains("column"),
                "{told}"
            );
        }
        assert!(
            read_file(&folder.path().join("none"))
                .err()
                .unwrap()
                .contains("cannot be read")
        );
    }
}
