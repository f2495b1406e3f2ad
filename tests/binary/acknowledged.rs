//! Clients and what the server acknowledged about them, so that a restarted server can be held to it.

#![expect(clippy::indexing_slicing, reason = "tests report problems by failing")]

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::process::Registrar;

/// The state that a client must be in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Due {
    /// It exists in this version.
    Version(u64),
    /// It exists in this version or the next one, because the update was not answered.
    Updating(u64),
    /// It exists in this version or is deleted, because the deletion was not answered.
    Deleting(u64),
    /// It is deleted.
    Gone,
}

/// A client whose registration was acknowledged.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) id: String,
    token: String,
    secret: String,
    name: String,
    pub(crate) due: Due,
}

/// The state in which a client was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The state that it must be in.
    Due,
    /// The server answered that it currently cannot tell (503).
    Unavailable,
    /// Something that was acknowledged is lost; says what.
    Lost(String),
}

/// Sends a request; returns `None` when the answer did not arrive completely.
pub(crate) async fn answered(request: RequestBuilder) -> Option<(u16, Value)> {
    let answer = request.send().await.ok()?;
    let status = answer.status().as_u16();
    let text = answer.text().await.ok()?;
    Some((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
}

/// The same, but retries while the server is overloaded (503).
pub(crate) async fn answered_at_last(request: RequestBuilder) -> Option<(u16, Value)> {
    loop {
        let again = request.try_clone().expect("its body can be sent again");
        match answered(again).await? {
            (503, _) => tokio::time::sleep(Duration::from_millis(5)).await,
            answer => return Some(answer),
        }
    }
}

impl Client {
    /// Registers a client; returns `None` when that was not answered.
    pub(crate) async fn register(url: &str, http: &reqwest::Client, name: &str) -> Option<Self> {
        let request = http.post(format!("{url}/register")).json(&body(name, 1));
        let (status, client) = answered_at_last(request).await?;
        assert_eq!(status, 201, "{client}");
        Self::acknowledged(&client, name)
    }

    /// Returns the client in the answer to a registration in version 1.
    pub(crate) fn acknowledged(client: &Value, name: &str) -> Option<Self> {
        let text = |member: &str| {
            client
                .get(member)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        Some(Self {
            id: text("client_id")?,
            token: text("registration_access_token")?,
            secret: text("client_secret")?,
            name: name.to_owned(),
            due: Due::Version(1),
        })
    }

    fn ask(&self, url: &str, http: &reqwest::Client, method: Method) -> RequestBuilder {
        http.request(method, format!("{url}/register?client_id={}", self.id))
            .bearer_auth(&self.token)
    }

    /// Updates it to the next version; returns `None` when that was not answered.
    pub(crate) async fn update(&mut self, url: &str, http: &reqwest::Client) -> Option<()> {
        let Due::Version(version) = self.due else {
            return Some(());
        };
        let mut body = body(&self.name, version + 1);
        body["client_id"] = self.id.as_str().into();
        self.due = Due::Updating(version);
        let (status, answer) =
            answered_at_last(self.ask(url, http, Method::PUT).json(&body)).await?;
        assert_eq!(status, 200, "{answer}");
        self.due = Due::Version(version + 1);
        Some(())
    }

    /// Deletes it; returns `None` when that was not answered.
    pub(crate) async fn delete(&mut self, url: &str, http: &reqwest::Client) -> Option<()> {
        let Due::Version(version) = self.due else {
            return Some(());
        };
        self.due = Due::Deleting(version);
        let (status, answer) = answered_at_last(self.ask(url, http, Method::DELETE)).await?;
        assert_eq!(status, 204, "{answer}");
        self.due = Due::Gone;
        Some(())
    }

    /// Checks that the client is in the state that it must be in. The state found is the one it must be in
    /// from now on.
    pub(crate) async fn look(&mut self, registrar: &Registrar, http: &reqwest::Client) -> Found {
        let request = self.ask(&registrar.url(""), http, Method::GET);
        let Some((status, read)) = answered(request).await else {
            return Found::Lost(format!("{}: no answer", self.id));
        };
        let lost = |what: &str| {
            Found::Lost(format!(
                "{} {:?}: {status} {what} {read}",
                self.id, self.due
            ))
        };
        let is_version = |version: u64| {
            let body = body(&self.name, version);
            ["client_name", "client_uri", "contacts"]
                .iter()
                .all(|member| read[member] == body[member])
                && read["client_secret"] == self.secret.as_str()
        };
        let versions = match self.due {
            Due::Version(version) | Due::Deleting(version) => version..version + 1,
            Due::Updating(version) => version..version + 2,
            Due::Gone => 0..0,
        };
        match status {
            503 => Found::Unavailable,
            200 => match versions.into_iter().find(|version| is_version(*version)) {
                Some(version) => {
                    self.due = Due::Version(version);
                    Found::Due
                }
                None => lost("is not as it was acknowledged"),
            },
            401 if matches!(self.due, Due::Gone | Due::Deleting(_)) => {
                self.due = Due::Gone;
                Found::Due
            }
            _ => lost("is not there"),
        }
    }
}

/// A registration in one version. Three members carry the version, so a mixture of two is detected.
fn body(name: &str, version: u64) -> Value {
    json!({
        "redirect_uris": ["https://client.example.org/cb"],
        "client_name": format!("{name} v{version}"),
        "client_uri": format!("https://client.example.org/{version}"),
        "contacts": [format!("v{version}@example.org")],
        "software_id": format!("software-{}", name.len() % 5),
    })
}

/// Pseudorandom numbers: the same seed gives the same numbers (splitmix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// Returns a number below `bound`.
    pub(crate) const fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % bound
    }
}

/// Reads a number from the environment, for the long run of a test.
pub(crate) fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}
