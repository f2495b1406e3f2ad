//! Checks a client document for those who write it: everything that is wrong with it, and what causes trouble at
//! other servers. Nothing is stored. Without a server, the rules alone judge; a server judges by the whole pipeline.

mod fetched;
mod server;

pub(crate) use server::check_on_server;

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::base::{ClientUrl, Violation, json};
use crate::client::rules::client_document::advice::{Advice, advise};
use crate::client::rules::client_document::change::digest;
use crate::client::rules::client_document::redirects::{DocumentRedirects, redirects};
use crate::client::rules::{Privileges, withhold};
use crate::client::{Metadata, Requested, Rules};
use crate::config::{Live, Settings};
use crate::fetch::Fetcher;

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct DocumentReport {
    /// The URL of the document; none if it is unknown.
    pub(crate) client_id: Option<String>,
    /// Whether a server with these settings accepts the document.
    pub(crate) valid: bool,
    /// Why it does not.
    pub(crate) errors: Vec<DocumentFinding>,
    /// What is allowed and still causes trouble.
    pub(crate) warnings: Vec<DocumentFinding>,
    /// The digest of its bytes.
    pub(crate) digest: Option<String>,
    /// The size of the document in bytes.
    pub(crate) bytes: Option<usize>,
    /// What is registered for it; none if it is invalid.
    pub(crate) metadata: Option<Map<String, Value>>,
    /// What a consent page must tell its user.
    pub(crate) redirects: Option<DocumentRedirects>,
    /// The steps of a server that have not judged the document.
    pub(crate) unchecked: &'static [&'static str],
    /// Its bytes, if they could be fetched.
    #[serde(skip)]
    octets: Vec<u8>,
}

/// The steps that judge a document only on a server, in the words of a person.
const SERVER_STEPS: &[&str] = &[
    "lists of URLs",
    "software statement",
    "sector file",
    "scripts",
    "approval",
];

/// The settings of a server that a document is checked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CheckedFor<'a> {
    /// The live settings.
    pub(crate) live: &'a Live,
    /// The others.
    pub(crate) settings: &'a Settings,
}

impl CheckedFor<'_> {
    /// Returns the rules under these settings.
    pub(crate) fn rules(&self) -> Rules<'_> {
        Rules {
            settings: &self.live.registration,
            scopes: &self.live.scopes,
            limits: &self.settings.limits,
            fetch: &self.settings.fetch,
            initial_access: None,
            registered: None,
            is_certified: false,
            document: None,
        }
    }
}

/// One error or warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct DocumentFinding {
    /// The member, with an index if needed. Empty for the document as a whole.
    pub(crate) member: String,
    /// What is wrong.
    pub(crate) text: String,
}

impl From<Violation> for DocumentFinding {
    fn from(violation: Violation) -> Self {
        Self {
            member: violation.member,
            text: violation.rule,
        }
    }
}

impl From<Advice> for DocumentFinding {
    fn from(advice: Advice) -> Self {
        Self {
            member: advice.member,
            text: advice.text,
        }
    }
}

impl DocumentReport {
    fn reject(&mut self, text: impl Into<String>) {
        self.errors.push(DocumentFinding {
            member: String::new(),
            text: text.into(),
        });
    }

    fn warn(&mut self, member: &str, text: impl Into<String>) {
        self.warnings.push(DocumentFinding {
            member: member.to_owned(),
            text: text.into(),
        });
    }

    fn concluded(mut self) -> Self {
        self.valid = self.errors.is_empty();
        if !self.valid {
            self.metadata = None;
        }
        self
    }
}

/// Checks the document at `url`, which is fetched twice with `pause` between.
pub(crate) async fn check_url(
    rules: &Rules<'_>,
    fetcher: &Fetcher,
    url: &str,
    pause: Duration,
) -> DocumentReport {
    let mut report = DocumentReport {
        client_id: Some(url.to_owned()),
        unchecked: SERVER_STEPS,
        ..DocumentReport::default()
    };
    let url = match rules.client_url(url) {
        Ok(url) => url,
        Err(rule) => {
            report.reject(format!("the URL {rule}"));
            return report.concluded();
        }
    };
    if let Some(octets) = fetched::fetch(rules, fetcher, &url, &mut report).await {
        judge(rules, &url, &octets, &mut report);
        tokio::time::sleep(pause).await;
        fetched::compare(rules, fetcher, &url, &octets, &mut report).await;
        fetched::check_logo(fetcher, &mut report, &octets).await;
        report.octets = octets;
    }
    report.concluded()
}

/// Checks a document that is not published yet. Without `url`, its own `client_id` is its URL.
pub(crate) fn check_octets(rules: &Rules<'_>, url: Option<&str>, octets: &[u8]) -> DocumentReport {
    let mut report = DocumentReport {
        unchecked: SERVER_STEPS,
        ..DocumentReport::default()
    };
    describe(octets, &mut report);
    let Some(text) = url.map(str::to_owned).or_else(|| own_id(octets)) else {
        match json::parse_object(octets) {
            Ok(_) => report.reject("the document has no client_id; it must be the URL at which the document is published"),
            Err(error) => report.reject(unreadable(&error)),
        }
        return report.concluded();
    };
    report.client_id = Some(text.clone());
    let limit = rules.limits.document_bytes;
    if octets.len() > limit {
        report.reject(format!(
            "the document has {} bytes; at most {limit} are allowed",
            octets.len()
        ));
    }
    match rules.client_url(&text) {
        Ok(url) => judge(rules, &url, octets, &mut report),
        Err(rule) => report.reject(format!("the URL {rule}")),
    }
    report.concluded()
}

/// Returns the `client_id` in a document.
fn own_id(octets: &[u8]) -> Option<String> {
    let document = json::parse_object(octets).ok()?;
    document.get("client_id")?.as_str().map(str::to_owned)
}

fn describe(octets: &[u8], report: &mut DocumentReport) {
    report.digest = Some(digest(octets));
    report.bytes = Some(octets.len());
}

fn unreadable(error: &json::JsonError) -> String {
    format!("the document cannot be read: {error}")
}

/// Adds what is wrong with the document, and what would be registered for it.
fn judge(rules: &Rules<'_>, url: &ClientUrl, octets: &[u8], report: &mut DocumentReport) {
    describe(octets, report);
    let document = match json::parse_object(octets) {
        Ok(document) => document,
        Err(error) => return report.reject(unreadable(&error)),
    };
    let warnings = advise(rules, url, &document, octets.len());
    report
        .warnings
        .extend(warnings.into_iter().map(DocumentFinding::from));
    let (request, mut found) = rules.examine_document(url, document);
    match registered(rules, request) {
        Ok(metadata) => {
            report.redirects = Some(redirects(&metadata, url));
            report.metadata = Some(metadata.into_object());
        }
        Err(more) => add_new(more, &mut found),
    }
    report
        .errors
        .extend(found.into_iter().map(DocumentFinding::from));
}

/// Returns the metadata that the rules for every client make from the request.
fn registered(rules: &Rules<'_>, request: Map<String, Value>) -> Result<Metadata, Vec<Violation>> {
    let privileges = Privileges {
        settings: rules.settings,
        policy: None,
        vouched: &|_, _| false,
        registered: None,
    };
    let custom = &rules.settings.dynamic_registration_custom_attributes;
    let requested = Requested::read(withhold(request, &privileges), custom);
    Ok(rules.validate(requested)?.metadata().clone())
}

/// Adds the violations of `more` whose member has none in `found`.
fn add_new(more: Vec<Violation>, found: &mut Vec<Violation>) {
    let base = |violation: &Violation| {
        let (base, _) = violation
            .member
            .split_once('[')
            .unwrap_or((&violation.member, ""));
        base.to_owned()
    };
    let known: Vec<String> = found.iter().map(base).collect();
    for violation in more {
        if !known.contains(&base(&violation)) {
            found.push(violation);
        }
    }
}

#[cfg(test)]
mod tests;
