//! Two servers that get requests at the same time.

use futures_util::future::join_all;
use registrar::clock::{Clock, SystemClock};
use registrar::testing::{Algorithm, Key};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::database::{Database, note_secrets};
use crate::node::Node;

/// Number of simultaneous requests.
pub(super) const MANY: usize = 20;
/// Number of rounds.
pub(super) const ROUNDS: usize = 4;

/// A script that issues a nonce, consumes one, or counts, depending on the name of the client.
const SCRIPT: &str = r#"
fn createClient(context) {
    let name = context.client.client_name;
    if name == "nonce" { throw #{ status: 400, error: "stale_evidence", nonce: attestation::new_nonce() }; }
    if name == "count" { context.client.client_name = `${kv::increment("count", 1, 3600)}`; }
    if name.starts_with("quota ") && !kv::reserve(name, 7, 3600) {
        throw #{ status: 429, error: "quota", retry_after: 3600 };
    }
    if name.starts_with("nonce ") { return attestation::consume_nonce(name.sub_string(6)); }
    true
}
"#;

/// Two servers with one database.
pub(super) struct Pair {
    pub(super) nodes: [Node; 2],
    folder: TempDir,
    _database: Database,
}

impl Pair {
    /// Starts two servers with these lines in `[registration]`; returns `None` without a database.
    pub(super) async fn start(registration: &str) -> Option<Self> {
        let database = Database::new().await?;
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("10-races.rhai"), SCRIPT).unwrap();
        let scripts = folder.path().display().to_string();
        let credentials = folder
            .path()
            .join("administrator.json")
            .display()
            .to_string();
        let more = format!(
            "[server]\nissuer = \"https://registrar.example.org\"\n[admin]\ncredentialsFile = {credentials:?}\n\
             [scripts]\ndirectory = {scripts:?}\n[scripts.limits]\ndeadlineMs = 20000\n\
             [registration]\nrateLimitRegistrationRequestCount = 0\n\
             rateLimitAuthenticationFailureCount = 0\n{registration}\n"
        );
        let nodes = [
            Node::start_with(&database, &more),
            Node::start_with(&database, &more),
        ];
        Some(Self {
            nodes,
            folder,
            _database: database,
        })
    }

    /// Sends this number of requests at the same time, alternating between the two servers.
    pub(super) async fn at_once(
        &self,
        count: usize,
        request: impl Fn(&Node, usize) -> RequestBuilder,
    ) -> Vec<(StatusCode, Value)> {
        let sent = (0..count).map(|turn| request(&self.nodes[turn % 2], turn).send());
        join_all(join_all(sent).await.into_iter().map(|answer| async {
            let answer = answer.unwrap();
            let (status, body) = (answer.status(), answer.json().await.unwrap_or_default());
            note_secrets(&body);
            (status, body)
        }))
        .await
    }

    pub(super) fn register(node: &Node, body: &Value) -> RequestBuilder {
        node.request(Method::POST, "/register").json(body)
    }

    /// Obtains an access token for the administrator.
    pub(super) async fn administrator(&self) -> String {
        let text = std::fs::read_to_string(self.folder.path().join("administrator.json")).unwrap();
        let administrator: Value = serde_json::from_str(&text).unwrap();
        self.nodes[0].access_token(&administrator).await
    }

    /// Returns the numbers of clients that both servers report.
    pub(super) async fn clients(&self) -> Vec<u64> {
        let token = self.administrator().await;
        let mut counts = Vec::new();
        for node in &self.nodes {
            let metrics = node.get("/metrics").await.text().await.unwrap();
            let series = metrics
                .lines()
                .filter(|line| line.starts_with("registrar_clients{"));
            let count = |line: &str| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
            counts.push(series.map(count).sum());
            let list = node
                .request(Method::GET, "/admin/v1/clients?limit=500")
                .bearer_auth(&token);
            let list: Value = list.send().await.unwrap().json().await.unwrap();
            counts.push(list["clients"].as_array().unwrap().len() as u64);
        }
        counts
    }
}

/// Returns how many `answers` have one of these statuses.
pub(super) fn count(answers: &[(StatusCode, Value)], statuses: &[u16]) -> usize {
    answers
        .iter()
        .filter(|(status, _)| statuses.contains(&status.as_u16()))
        .count()
}

pub(super) fn claims(more: &Value) -> Value {
    let now = SystemClock.now().unix();
    let mut claims = json!({"iat": now, "exp": now + 300});
    claims
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    claims
}

pub(super) fn token(key: &Key, more: &Value) -> String {
    let claims = claims(more);
    let signed = key.sign(&serde_json::Map::new(), claims.as_object().unwrap());
    signed.unwrap()
}

/// Creates a key, and its public form for the configuration.
pub(super) fn key() -> (Key, String) {
    let key = Key::generate(Algorithm::Es256).unwrap();
    let jwks = json!({"keys": [key.public_jwk().unwrap()]}).to_string();
    (key, jwks)
}
