//! The OpenID Provider at which people sign in to the console (`[admin.login]`): the authorization code flow with PKCE
//! (OpenID Connect Core section 3.1, RFC 7636).
//!
//! The host of the issuer is reached whatever `[fetch]` allows, since the operator has named it. Endpoints that the
//! provider has elsewhere are reached by the rules of `[fetch]`.

mod metadata;
mod person;

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use crate::base::{Clock, Secret, json, printable, texts_equal};
use crate::config::{FetchSettings, LoginSettings};
use crate::fetch::{self, BuildError, FetchError, Fetcher, RemoteDocuments, Request, Response};
use crate::jose::{Claims, Compact, Expectations, Verified};
use crate::service::{upstream::only_from, webhooks::read_private};
use crate::trust::{Keys, Source, TrustError, Verifier};

use metadata::{ProviderMetadata, SecretPlace};
pub(crate) use person::Person;

/// Maximum size of the file with the secret, in bytes.
const SECRET_BYTES: u64 = 4_096;
/// Seconds after which an ID token is too old for the sign-in that asked for it.
const AGE: u64 = 600;
/// Maximum length of a code, in bytes.
const CODE: usize = 4_096;
/// Maximum number of characters of a text of the provider that is passed on.
const TEXT: usize = 200;

/// Why a person is not signed in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LoginFault {
    /// The provider cannot be asked, or this server lacks what it needs to ask.
    #[error("{0}")]
    Unavailable(String),
    /// The provider does not say who it is, or what it says cannot be believed.
    #[error("{0}")]
    Refused(String),
}

/// A sign-in that has begun in a browser.
pub(crate) struct SignInAttempt {
    /// Comes back with the answer of the provider.
    pub(crate) state: String,
    /// Is in the ID token.
    pub(crate) nonce: Secret,
    /// Proves that the code belongs to this sign-in.
    pub(crate) verifier: Secret,
    /// The page of the console to which the provider sends the browser.
    pub(crate) redirect_uri: String,
}

/// The answer of the provider that the browser brings.
pub(crate) struct Brought<'a> {
    pub(crate) code: Option<&'a str>,
    pub(crate) iss: Option<&'a str>,
    pub(crate) error: Option<&'a str>,
    pub(crate) error_description: Option<&'a str>,
}

/// What sends requests to one set of hosts.
struct Requester {
    fetcher: Arc<Fetcher>,
    verifier: Arc<Verifier>,
}

/// The provider that `[admin.login]` names.
pub(crate) struct LoginProvider {
    /// Its issuer identifier.
    pub(crate) issuer: String,
    /// Its host, as people know it.
    pub(crate) host: String,
    settings: LoginSettings,
    client_id: String,
    documents: RemoteDocuments<ProviderMetadata>,
    /// To the host of the issuer.
    own: Requester,
    /// To every other host.
    other: Requester,
}

impl LoginProvider {
    /// The provider that the settings name, if they name one. Other hosts than its own are reached by `fetcher` and
    /// `verifier`.
    ///
    /// # Errors
    /// When no fetcher can be created for it.
    pub(crate) fn new(
        settings: &LoginSettings,
        limits: &FetchSettings,
        clock: &Arc<dyn Clock>,
        (fetcher, verifier): (&Arc<Fetcher>, &Arc<Verifier>),
    ) -> Result<Option<Self>, BuildError> {
        let (Some(issuer), Some(client_id)) = (&settings.issuer, &settings.client_id) else {
            return Ok(None);
        };
        let (_, _, limits) = only_from(issuer, limits);
        let own = Arc::new(Fetcher::new(&limits)?);
        let other = Requester {
            fetcher: Arc::clone(fetcher),
            verifier: Arc::clone(verifier),
        };
        Ok(Some(Self {
            host: host(issuer),
            issuer: issuer.clone(),
            settings: settings.clone(),
            client_id: client_id.clone(),
            documents: documents(issuer, &own, clock, &limits),
            own: Requester {
                verifier: Arc::new(Verifier::new(&own, clock, &limits)),
                fetcher: own,
            },
            other,
        }))
    }

    /// Checks that the metadata of the provider is available, for a diagnosis.
    ///
    /// # Errors
    /// Why it is not.
    pub(crate) async fn check(&self) -> Result<(), LoginFault> {
        self.metadata().await.map(drop)
    }

    async fn metadata(&self) -> Result<Arc<ProviderMetadata>, LoginFault> {
        let base = self.issuer.trim_end_matches('/');
        let document = format!("{base}/.well-known/openid-configuration");
        let found = self.documents.get(&document).await;
        found.map_err(|error| {
            let (issuer, host) = (&self.issuer, &self.host);
            tracing::warn!(issuer, %error, "the metadata of the provider of admin.login is not available");
            LoginFault::Unavailable(format!("the metadata of {host} is not available: {error}"))
        })
    }

    fn way(&self, url: &str) -> &Requester {
        let origin = |text: &str| Url::parse(text).ok().map(|url| url.origin());
        if origin(url) == origin(&self.issuer) {
            &self.own
        } else {
            &self.other
        }
    }

    /// Returns the page of the provider to which the browser is sent.
    ///
    /// # Errors
    /// When the metadata of the provider is not available.
    pub(crate) async fn page(
        &self,
        attempt: &SignInAttempt,
        challenge: &str,
    ) -> Result<Url, LoginFault> {
        let metadata = self.metadata().await?;
        let mut url = metadata.authorization_endpoint.clone();
        let scope = metadata.scope(&self.settings.scopes_from.claim);
        url.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &self.client_id),
            ("redirect_uri", &attempt.redirect_uri),
            ("scope", &scope),
            ("state", &attempt.state),
            ("nonce", attempt.nonce.expose()),
            ("code_challenge", challenge),
            ("code_challenge_method", "S256"),
        ]);
        Ok(url)
    }

    /// Returns the person whom the provider has signed in.
    ///
    /// # Errors
    /// Why nobody is signed in.
    pub(crate) async fn person(
        &self,
        attempt: &SignInAttempt,
        brought: &Brought<'_>,
    ) -> Result<Person, LoginFault> {
        let metadata = self.metadata().await?;
        let code = self.code(&metadata, brought)?;
        let answer = self.redeem(&metadata, attempt, code).await?;
        let id_token = text(&answer, "id_token");
        let id_token = id_token.ok_or_else(|| refused("its answer to the code has no ID token"))?;
        let mut claims = self.claims(&metadata, attempt, id_token).await?;
        let claim = &self.settings.scopes_from.claim;
        if person::claim_of(&claims, claim).is_none() {
            self.complete(&metadata, &answer, &mut claims).await?;
        }
        Person::of(&claims, claim).map_err(LoginFault::Refused)
    }

    /// Returns the code of an answer that comes from this provider.
    fn code<'a>(
        &self,
        metadata: &ProviderMetadata,
        brought: &Brought<'a>,
    ) -> Result<&'a str, LoginFault> {
        // RFC 9207 section 2.4: an answer of another server is not used, whatever is in it.
        match brought.iss {
            None if !metadata.names_itself => {}
            Some(iss) if iss == self.issuer => {}
            None => return Err(refused("its answer does not name it (`iss`)")),
            Some(_) => return Err(refused("the answer names another issuer (`iss`)")),
        }
        if let Some(error) = brought.error {
            let description = brought.error_description.unwrap_or_default();
            return Err(refused(&told(error, description)));
        }
        let code = brought.code.filter(|code| code.len() <= CODE);
        code.ok_or_else(|| refused("its answer has no code"))
    }

    /// Exchanges the code for tokens (RFC 6749 section 4.1.3).
    async fn redeem(
        &self,
        metadata: &ProviderMetadata,
        attempt: &SignInAttempt,
        code: &str,
    ) -> Result<Map<String, Value>, LoginFault> {
        let response = self
            .send(
                &metadata.token_endpoint,
                self.token_request(metadata, attempt, code)?,
            )
            .await?;
        let answer = json::parse_object(&response.body).unwrap_or_default();
        if response.status == 200 {
            return Ok(answer);
        }
        let error = text(&answer, "error").unwrap_or("no error code");
        let description = text(&answer, "error_description").unwrap_or_default();
        let (status, told) = (response.status, told(error, description));
        tracing::warn!(status, error = %told, "the provider of admin.login rejected a code");
        Err(refused(&format!(
            "it rejects the code: {told} (status {status})"
        )))
    }

    fn token_request(
        &self,
        metadata: &ProviderMetadata,
        attempt: &SignInAttempt,
        code: &str,
    ) -> Result<Request, LoginFault> {
        let mut form = Serializer::new(String::new());
        form.extend_pairs([
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &attempt.redirect_uri),
            ("code_verifier", attempt.verifier.expose()),
        ]);
        let mut headers = vec![("accept".to_owned(), fetch::JSON.to_owned())];
        let media_type = "application/x-www-form-urlencoded";
        headers.push(("content-type".to_owned(), media_type.to_owned()));
        let authorization = self.authenticate(metadata.secret_place, &mut form)?;
        headers.extend(authorization.map(|value| ("authorization".to_owned(), value)));
        Ok(Request {
            method: "POST".to_owned(),
            headers,
            body: Some(form.finish().into_bytes()),
            ..Request::default()
        })
    }

    /// Adds to `form` what authenticates this server (RFC 6749 section 2.3.1), or returns it for the header.
    fn authenticate(
        &self,
        place: SecretPlace,
        form: &mut Serializer<'_, String>,
    ) -> Result<Option<String>, LoginFault> {
        let secret = self.settings.client_secret_file.as_deref();
        let secret = secret.map(read_secret).transpose()?;
        match (secret, place) {
            (Some(secret), SecretPlace::Header) => Ok(Some(basic(&self.client_id, &secret))),
            (Some(secret), SecretPlace::Form) => {
                form.append_pair("client_id", &self.client_id);
                form.append_pair("client_secret", secret.expose());
                Ok(None)
            }
            (None, _) => {
                form.append_pair("client_id", &self.client_id);
                Ok(None)
            }
        }
    }

    async fn send(&self, url: &str, request: Request) -> Result<Response, LoginFault> {
        let request = Request {
            url: url.to_owned(),
            ..request
        };
        let sent = self.way(url).fetcher.send(request).await;
        sent.map_err(|error| self.unreachable(&error))
    }

    fn unreachable(&self, error: &FetchError) -> LoginFault {
        LoginFault::Unavailable(format!("the request to {} failed: {error}", self.host))
    }

    /// Verifies an ID token (OpenID Connect Core section 3.1.3.7).
    async fn claims(
        &self,
        metadata: &ProviderMetadata,
        attempt: &SignInAttempt,
        id_token: &str,
    ) -> Result<Map<String, Value>, LoginFault> {
        let token = Compact::parse(id_token).map_err(|error| wrong(&error))?;
        let found = self.verified(metadata, &token).await;
        let (_, claims) = found?.into_inner().into_parts();
        check_nonce(&claims, &attempt.nonce)?;
        check_party(&claims, &self.client_id)?;
        Ok(claims)
    }

    async fn verified(
        &self,
        metadata: &ProviderMetadata,
        token: &Compact,
    ) -> Result<Verified<Claims>, LoginFault> {
        let audiences = [self.client_id.clone()];
        let expected = Expectations {
            algorithms: &metadata.algorithms,
            audiences: &audiences,
            issuer: Some(&self.issuer),
            required: &["iss", "sub", "aud", "exp", "iat", "nonce"],
            max_age: Some(AGE),
            ..Expectations::default()
        };
        let source = Source::of(Keys::At(metadata.jwks_uri.clone()));
        let Requester { verifier, .. } = self.way(&metadata.jwks_uri);
        let outcome = verifier.verify(token, &source, &expected).await;
        outcome.map_err(|error| match error {
            TrustError::Fetch(error) => self.unreachable(&error),
            error => wrong(&error),
        })
    }

    /// Adds what only the `UserInfo` endpoint tells (OpenID Connect Core section 5.3). The ID token takes precedence.
    async fn complete(
        &self,
        metadata: &ProviderMetadata,
        answer: &Map<String, Value>,
        claims: &mut Map<String, Value>,
    ) -> Result<(), LoginFault> {
        let token = text(answer, "access_token").filter(|token| token.len() <= CODE);
        let (Some(url), Some(token)) = (&metadata.userinfo_endpoint, token) else {
            return Ok(());
        };
        let headers = vec![
            ("accept".to_owned(), fetch::JSON.to_owned()),
            ("authorization".to_owned(), format!("Bearer {token}")),
        ];
        let request = Request {
            headers,
            ..Request::default()
        };
        let response = self.send(url, request).await?;
        let told = json::parse_object(&response.body).unwrap_or_default();
        // Section 5.3.2: the claims of another subject must not be used.
        if response.status != 200 || told.get("sub") != claims.get("sub") {
            return Err(refused(
                "its UserInfo endpoint does not describe the person",
            ));
        }
        for (name, value) in told {
            claims.entry(name).or_insert(value);
        }
        Ok(())
    }
}

/// Returns the cache for the metadata of `issuer`.
fn documents(
    issuer: &str,
    fetcher: &Arc<Fetcher>,
    clock: &Arc<dyn Clock>,
    limits: &FetchSettings,
) -> RemoteDocuments<ProviderMetadata> {
    let (named, fetcher, clock) = (issuer.to_owned(), Arc::clone(fetcher), Arc::clone(clock));
    let parse = move |document: &Value| ProviderMetadata::parse(document, &named);
    RemoteDocuments::new(fetcher, clock, limits, fetch::JSON, parse)
}

fn refused(reason: &str) -> LoginFault {
    LoginFault::Refused(reason.to_owned())
}

fn wrong(reason: &dyn std::fmt::Display) -> LoginFault {
    refused(&format!("its ID token {reason}"))
}

/// An ID token that was issued for another sign-in may be stolen.
fn check_nonce(claims: &Map<String, Value>, nonce: &Secret) -> Result<(), LoginFault> {
    if texts_equal(text(claims, "nonce").unwrap_or_default(), nonce.expose()) {
        return Ok(());
    }
    Err(wrong(&"belongs to another sign-in (`nonce`)"))
}

/// An ID token for several audiences names the one that it was issued to.
fn check_party(claims: &Map<String, Value>, client_id: &str) -> Result<(), LoginFault> {
    let has_others = matches!(claims.get("aud"), Some(Value::Array(all)) if all.len() > 1);
    match claims.get("azp") {
        None if !has_others => Ok(()),
        Some(Value::String(azp)) if azp == client_id => Ok(()),
        None | Some(_) => Err(wrong(&"was issued to another client (`azp`)")),
    }
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// Returns an error of the provider as a text that can be shown.
fn told(error: &str, description: &str) -> String {
    let cut = |text: &str| printable(&text.chars().take(TEXT).collect::<String>());
    match description {
        "" => cut(error),
        description => format!("{}: {}", cut(error), cut(description)),
    }
}

/// RFC 6749 section 2.3.1: both parts are encoded like values of a form.
fn basic(client_id: &str, secret: &Secret) -> String {
    let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(client_id), encode(secret.expose()));
    format!("Basic {}", STANDARD.encode(pair))
}

/// The file is read for each sign-in, so that a new secret needs no restart.
fn read_secret(file: &Path) -> Result<Secret, LoginFault> {
    let failed = |reason: String| {
        tracing::error!(file = %file.display(), reason, "admin.login.clientSecretFile cannot be used");
        LoginFault::Unavailable(
            "this server cannot read its secret; its log has the reason".to_owned(),
        )
    };
    let text = read_private(file, SECRET_BYTES).map_err(failed)?;
    match text.trim() {
        "" => Err(failed("the file is empty".to_owned())),
        secret => Ok(Secret::new(secret.to_owned())),
    }
}

/// Returns the host of a URL, with its port if that is not the usual one.
fn host(url: &str) -> String {
    let parsed = Url::parse(url).ok();
    let host = parsed.as_ref().and_then(|url| {
        let host = url.host_str()?;
        Some(match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        })
    });
    host.unwrap_or_else(|| url.to_owned())
}
