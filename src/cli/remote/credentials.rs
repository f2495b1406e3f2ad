//! The credentials of the caller, and the access token that the server issues for them.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use super::super::Failure;
use super::server;
use crate::base::Secret;
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
pub(super) fn find(file: Option<&Path>, settings: &Settings) -> Result<Credentials, Failure> {
    if let Some(file) = file {
        return read(file).map_err(Failure::Failed);
    }
    match [ID, SECRET].map(|name| std::env::var(name).ok().filter(|value| !value.is_empty())) {
        [Some(client_id), Some(secret)] => {
            return Ok(Credentials {
                client_id,
                secret: Secret::new(secret),
                place: "the environment".into(),
            });
        }
        [Some(_), None] => {
            return Err(Failure::Failed(format!(
                "{ID} is set, but {SECRET} is not; set both"
            )));
        }
        [None, Some(_)] => {
            return Err(Failure::Failed(format!(
                "{SECRET} is set, but {ID} is not; set both"
            )));
        }
        [None, None] => {}
    }
    let written: Option<PathBuf> = administrator::file(settings);
    let usual = written.filter(|file| file.exists());
    let usual = usual.ok_or_else(|| {
        let beside = administrator::file(settings).map(|file| format!(" {} does not exist.", file.display()));
        format!(
            "no credentials found.{} Name a credentials file with --credentials, or set {ID} and {SECRET}",
            beside.unwrap_or_default()
        )
    })?;
    read(&usual).map_err(Failure::Failed)
}

fn read(file: &Path) -> Result<Credentials, String> {
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
pub(super) struct Grant<'a> {
    pub(super) http: &'a Direct,
    pub(super) url: &'a str,
    pub(super) path: &'a str,
}

impl Grant<'_> {
    /// Requests an access token with this scope (RFC 6749 section 4.4).
    pub(super) async fn ask(
        &self,
        credentials: &Credentials,
        scope: &str,
    ) -> Result<Secret, Failure> {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("grant_type", "client_credentials"), ("scope", scope)])
            .finish();
        let request = Request {
            method: "POST".to_owned(),
            url: format!("{}{}", self.url, self.path),
            headers: vec![
                ("authorization".to_owned(), basic(credentials)),
                (
                    "content-type".to_owned(),
                    "application/x-www-form-urlencoded".to_owned(),
                ),
            ],
            body: Some(body.into_bytes()),
            ..Request::default()
        };
        let sent = self.http.send(request).await;
        let answer = sent.map_err(|error| server::unreachable(self.url, &error))?;
        let members: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        match (answer.status, text("access_token"), text("error")) {
            (200, Some(token), _) => Ok(Secret::new(token.to_owned())),
            (_, _, Some(code)) => {
                Err(self.refused(credentials, scope, (code, text("error_description"))))
            }
            (status, ..) => Err(server::no_registrar(
                &format!("{}{}", self.url, self.path),
                status,
            )),
        }
    }

    fn refused(&self, who: &Credentials, scope: &str, said: (&str, Option<&str>)) -> Failure {
        let Credentials {
            client_id, place, ..
        } = who;
        let (code, description) = said;
        Failure::Failed(match code {
            "invalid_client" => format!(
                "{} rejected the credentials of {place} (client {client_id}): the secret is wrong, or the \
                 client does not exist, is disabled or has expired. If the secret of the administrator is \
                 lost, registrar admin reset sets a new one. If there is no administrator, a restart of the \
                 server creates one with new credentials",
                self.url
            ),
            "invalid_scope" => {
                format!(
                    "permission denied: the client {client_id} of {place} lacks the scope {scope}"
                )
            }
            _ => format!(
                "{} issued no access token to the client {client_id} of {place}: {code}: {}",
                self.url,
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
            let told = read(&file).err().unwrap();
            assert!(
                told.contains("client_id and client_secret") && !told.contains("column"),
                "{told}"
            );
        }
        assert!(
            read(&folder.path().join("none"))
                .err()
                .unwrap()
                .contains("cannot be read")
        );
    }
}
