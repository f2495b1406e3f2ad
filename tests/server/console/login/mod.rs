//! Sign-in at an OpenID Provider, which is in this process and signs with real keys.

mod ends;
mod refusals;
mod sign_in;

use std::collections::BTreeMap;
use std::path::Path;

use registrar::config::{Configuration, ConsoleUse, LoginSettings, ScopesFrom};
use registrar::testing::Algorithm;
use reqwest::header::{COOKIE, SET_COOKIE};
use serde_json::{Value, json};
use url::Url;

use super::{Browser, plain_client};
use crate::support::{Answer, Origin, Reply, START, Signer, TestServer, with};

/// The secret of the server at the provider, with characters that a form encodes.
const SECRET: &str = "a secret of the server that is long enough for every HMAC, 100 %: yes";

/// An OpenID Provider.
struct Provider {
    origin: Origin,
    signer: Signer,
}

impl Provider {
    async fn new() -> Self {
        let origin = Origin::new().await;
        let signer = Signer::new(&origin.url(""), Algorithm::Es256);
        let provider = Self { origin, signer };
        provider.has(json!({}));
        provider
            .origin
            .set("/jwks", Reply::json(provider.signer.jwks()));
        provider
    }

    /// Sets the metadata, with these members on top.
    fn has(&self, more: Value) {
        let metadata = json!({
            "issuer": self.signer.iss,
            "authorization_endpoint": self.origin.url("/authorize?tenant=a"),
            "token_endpoint": self.origin.url("/token"),
            "jwks_uri": self.origin.url("/jwks"),
            "userinfo_endpoint": self.origin.url("/userinfo"),
            "id_token_signing_alg_values_supported": ["ES256", "HS256", "none"],
        });
        let reply = Reply::json(with(metadata, more));
        self.origin.set("/.well-known/openid-configuration", reply);
    }

    /// Returns the claims of a good ID token for a sign-in that has begun.
    fn claims(&self, begun: &Begun) -> Value {
        json!({
            "iss": self.signer.iss, "sub": "ada-1", "aud": "registrar", "iat": START, "exp": START + 300,
            "nonce": begun.parameters["nonce"], "name": "Ada Lovelace", "groups": ["staff", "help-desk"],
        })
    }

    /// Answers the next code with this ID token.
    fn issues(&self, id_token: &str) {
        let tokens =
            json!({"id_token": id_token, "access_token": "opaque", "token_type": "Bearer"});
        self.origin.set("/token", Reply::json(tokens));
    }

    /// Answers the next code with a token of these claims.
    fn tells(&self, claims: Value) {
        self.issues(&self.signer.raw(&json!({}), claims));
    }

    /// Returns the parameters of the last request for tokens.
    fn redeemed(&self) -> BTreeMap<String, String> {
        let last = self.origin.received("/token").pop().expect("a code");
        url::form_urlencoded::parse(last.body())
            .into_owned()
            .collect()
    }
}

/// A server whose console trusts `provider`.
async fn server_of(provider: &Provider) -> TestServer {
    server_with(provider, |_| {}).await
}

async fn server_with(provider: &Provider, change: impl FnOnce(&mut Configuration)) -> TestServer {
    let issuer = provider.signer.iss.clone();
    let mut server = TestServer::configured(|configuration| {
        let folder = configuration.settings.scripts.directory.parent().unwrap();
        let file = folder.join("login-secret");
        write_secret(&file, SECRET);
        let values = json!({
            "help-desk": ["clients.read", "audit.read"],
            "auditors": ["audit.read", "scripts.read"],
            "registrar-admins": ["*"],
        });
        configuration.settings.admin.console = ConsoleUse::Auto;
        configuration.settings.admin.login = LoginSettings {
            issuer: Some(issuer),
            client_id: Some("registrar".to_owned()),
            client_secret_file: Some(file),
            scopes_from: ScopesFrom {
                values: serde_json::from_value(values).unwrap(),
                ..ScopesFrom::default()
            },
        };
        configuration
            .live
            .registration
            .rate_limit_authentication_failure_count = Some(0);
        change(configuration);
    })
    .await;
    server.use_client(plain_client());
    server
}

fn write_secret(file: &Path, secret: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(file, format!("{secret}\n")).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// A sign-in that has begun: what the provider was asked.
struct Begun {
    page: Url,
    parameters: BTreeMap<String, String>,
}

/// A browser with any number of cookies.
struct Visitor<'a> {
    server: &'a TestServer,
    cookies: BTreeMap<String, String>,
}

impl<'a> Visitor<'a> {
    fn new(server: &'a TestServer) -> Self {
        let cookies = BTreeMap::new();
        Self { server, cookies }
    }

    async fn get(&mut self, page: &str) -> Answer {
        let request = self.server.ask("GET", &format!("/console/{page}"));
        self.send(request).await
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Answer {
        let pairs = self.cookies.iter();
        let pairs: Vec<String> = pairs
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let answer = Answer::of(request.header(COOKIE, pairs.join("; "))).await;
        for cookie in answer.headers.get_all(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let (pair, attributes) = cookie.split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    async fn begin(&mut self) -> Begun {
        let answer = self.get("login").await;
        answer.expect_status(303);
        let page = Url::parse(answer.header("location")).unwrap();
        let parameters = page.query_pairs().into_owned().collect();
        Begun { page, parameters }
    }

    /// Comes back from the provider with these parameters.
    async fn come_back(&mut self, parameters: &[(&str, &str)]) -> Answer {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(parameters)
            .finish();
        self.get(&format!("callback?{query}")).await
    }

    async fn come_back_to(&mut self, begun: &Begun) -> Answer {
        let state = begun.parameters["state"].as_str();
        self.come_back(&[("code", "c"), ("state", state)]).await
    }

    /// Signs in with these claims on top of the good ones.
    async fn sign_in(&mut self, provider: &Provider, more: Value) -> Answer {
        let begun = self.begin().await;
        provider.tells(with(provider.claims(&begun), more));
        self.come_back_to(&begun).await
    }

    fn is_signed_in(&self) -> bool {
        self.cookies.contains_key("registrar")
    }

    /// Returns the same browser with its session only.
    fn browser(&self) -> Browser<'a> {
        let mut browser = Browser::new(self.server);
        browser.cookie = format!("registrar={}", self.cookies["registrar"]);
        browser
    }
}

/// Checks that nobody is signed in, and that the page says why.
#[track_caller]
fn expect_refused(visitor: &Visitor<'_>, answer: &Answer, expected: &str) {
    answer.expect_status(403);
    assert!(
        answer.text.contains(expected),
        "{expected}: {}",
        answer.text
    );
    assert!(!visitor.is_signed_in(), "{expected}");
}
