//! `[[webhooks]]`: other systems that receive the events of clients.

use std::collections::HashSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::config::Verdict;

/// Maximum number of webhooks.
const MOST: usize = 32;
/// Maximum length of the name of a webhook, in bytes.
const NAME_BYTES: usize = 64;

/// An entry of `[[webhooks]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Webhook {
    /// Identifies the webhook in the store, in the log and in commands.
    pub name: String,
    /// The URL that receives the events.
    pub url: String,
    /// The file with the secrets that sign them: one per line, each as `whsec_` and base64.
    pub secret_file: PathBuf,
    /// The types of events that it receives, or `client.*`.
    #[serde(default = "all_events")]
    pub events: Vec<String>,
    /// The clients whose events it receives.
    #[serde(default)]
    pub clients: WebhookClients,
    /// What an event contains in addition. `None`: nothing.
    #[serde(default)]
    pub include: Option<Included>,
}

fn all_events() -> Vec<String> {
    vec!["client.*".to_owned()]
}

/// `include` of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Included {
    /// The metadata of the client when the event is sent, without its secret.
    Client,
}

/// `clients` of a webhook: conditions that a client must meet, all of them. They are the parameters of the list of
/// clients in the admin API.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct WebhookClients {
    /// The beginning of `client_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// A part of `client_name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_name: Option<String>,
    /// `software_id`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software_id: Option<String>,
    /// The trust level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_level: Option<String>,
    /// Issued at this moment or later, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_from: Option<u64>,
    /// Issued before this moment, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_before: Option<u64>,
    /// Expires before this moment, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_before: Option<u64>,
}

impl WebhookClients {
    /// Returns the value of the parameter that the list of clients calls `name`.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let seconds = |moment: Option<u64>| moment.map(|moment| moment.to_string());
        match name {
            "client_id" => self.client_id.clone(),
            "client_name" => self.client_name.clone(),
            "software_id" => self.software_id.clone(),
            "trust_level" => self.trust_level.clone(),
            "issued_from" => seconds(self.issued_from),
            "issued_before" => seconds(self.issued_before),
            "expires_before" => seconds(self.expires_before),
            _ => None,
        }
    }
}

/// Checks the names, and what the type of a URL does not reject.
pub(super) fn check(webhooks: &[Webhook], verdict: &mut Verdict) {
    if webhooks.len() > MOST {
        verdict.refuse("webhooks", format!("must have at most {MOST} entries"));
    }
    let mut names = HashSet::new();
    for (at, webhook) in webhooks.iter().enumerate() {
        let key = |option: &str| format!("webhooks[{at}].{option}");
        let name = &webhook.name;
        if !is_name(name) {
            verdict.refuse(&key("name"), not_a_name());
        } else if !names.insert(name.as_str()) {
            let reason = format!("'{name}' is a duplicate; each name must be unique");
            verdict.refuse(&key("name"), reason);
        }
        if webhook.events.is_empty() {
            let reason = "is empty; name the types of events, or remove it to receive all";
            verdict.refuse(&key("events"), reason);
        }
        let has_credentials = Url::parse(&webhook.url)
            .is_ok_and(|url| !url.username().is_empty() || url.password().is_some());
        if has_credentials {
            let reason = "must not contain a user name or a password; the receiver verifies the signature instead";
            verdict.refuse(&key("url"), reason);
        }
    }
}

/// Whether `text` can be the name of a webhook, or of a target of `[[exports]]`.
pub(super) fn is_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=NAME_BYTES).contains(&text.len()) && text.bytes().all(is_plain)
}

/// Returns what a name must be.
pub(super) fn not_a_name() -> String {
    format!("must have 1 to {NAME_BYTES} characters: a to z, 0 to 9 and -")
}
