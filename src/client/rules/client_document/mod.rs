//! Client ID Metadata Documents: what only they must comply with, and how they become a request that the rules
//! for every client check (draft-ietf-oauth-client-id-metadata-document).
//!
//! A document is written once for all servers. So a list of what its client supports is narrowed to what this
//! server supports, and unknown members are ignored. It is public, so nothing in it can be or need a secret.

pub(crate) mod admission;
pub(crate) mod advice;
pub(crate) mod change;
mod method;
pub(crate) mod redirects;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use super::{application, grants, lists, report, violation};
use crate::base::{ClientUrl, ClientUrlForm, Violation};
use crate::client::{Metadata, Rules, SetBy, member};
use crate::config::UnsupportedListValues;

/// Members that a document must not have: credentials of one client at one server.
const CREDENTIALS: &[&str] = &[
    "client_secret",
    "client_secret_expires_at",
    "registration_access_token",
    "registration_client_uri",
];

impl Rules<'_> {
    /// Parses a Client Identifier URL. A host with a special name or an IP address is only accepted if the
    /// operator lists it.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub(crate) fn client_url(&self, text: &str) -> Result<ClientUrl, String> {
        let form = ClientUrlForm {
            maximum_bytes: self.limits.document_uri_bytes,
            may_have_query: self.settings.client_document_queries,
        };
        let url = ClientUrl::parse(text, form)?;
        let is_listed =
            self.fetch.allow_private_addresses || self.fetch.lists(url.host(), url.port());
        if url.has_special_host() && !is_listed {
            return Err("must have the name of a host on the public internet".to_owned());
        }
        Ok(url)
    }

    /// Returns the request that the document at `url` is, for the steps of a registration. Members with a wrong
    /// type are left for the rules of every client.
    ///
    /// # Errors
    /// Every rule for documents that it breaks.
    pub(crate) fn read_document(
        &self,
        url: &ClientUrl,
        document: Map<String, Value>,
    ) -> Result<Map<String, Value>, Vec<Violation>> {
        let (request, found) = self.examine_document(url, document);
        if found.is_empty() {
            Ok(request)
        } else {
            Err(found)
        }
    }

    /// Returns the request as [`Self::read_document`] does, with every rule for documents that is broken.
    pub(crate) fn examine_document(
        &self,
        url: &ClientUrl,
        document: Map<String, Value>,
    ) -> (Map<String, Value>, Vec<Violation>) {
        let mut metadata = Metadata::new(document);
        let mut found = Vec::new();
        check_identity(url, &metadata, &mut found);
        for name in CREDENTIALS {
            if metadata.has(name) {
                let rule = "must not be in a client document, because everyone can read it";
                found.push(violation(name, rule));
            }
        }
        leave_out_unheard(&mut metadata);
        method::choose(self, &mut metadata, &mut found);
        method::refuse_secrets(self, &mut metadata, &mut found);
        lists::screen(self, UnsupportedListValues::Drop, &mut metadata, &mut found);
        check_required(self, &metadata, &mut found);
        redirects::check(self, url, &metadata, &mut found);
        metadata.set_default("application_type", application_type(&metadata));
        (metadata.into_object(), found)
    }
}

/// Checks that the document names its own URL (section 4).
fn check_identity(url: &ClientUrl, metadata: &Metadata, found: &mut Vec<Violation>) {
    let rule = match metadata.get("client_id") {
        Some(Value::String(id)) if id == url.as_str() => return,
        Some(Value::String(id)) => format!(
            "must be exactly the URL of the document, {url}, not {}",
            report::shown(id)
        ),
        Some(_) => format!("must be a string with the URL of the document, {url}"),
        None => format!("is missing; it must be the URL of the document, {url}"),
    };
    found.push(violation("client_id", rule));
}

/// Removes the members that have no meaning in a document: those that a server or its operator sets, those that
/// are meant for one request, and the lifetime of a registration.
fn leave_out_unheard(metadata: &mut Metadata) {
    let mut unheard = Vec::new();
    for (name, _) in metadata.iter() {
        let is_unheard = match member::find(name).map(|member| member.set_by) {
            Some(SetBy::Server | SetBy::Operator) => true,
            // The lists of what a client supports are members for one request too.
            Some(SetBy::Request) => !name.ends_with("_supported"),
            Some(SetBy::Client | SetBy::Privileged) => name == "lifetime",
            None => false,
        };
        if is_unheard {
            unheard.push(name.to_owned());
        }
    }
    for name in &unheard {
        metadata.remove(name);
    }
}

/// Checks `clientDocumentRequired`.
fn check_required(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    for name in &cx.settings.client_document_required {
        let is_needed = name != "redirect_uris" || uses_redirects(metadata);
        if is_needed && !metadata.has(name) && !report::is_faulted(found, name) {
            let rule = "is missing; this server requires it in every client document";
            found.push(violation(name, rule));
        }
    }
}

/// Whether a grant of the client sends a browser to it.
fn uses_redirects(metadata: &Metadata) -> bool {
    let mut grants = metadata.texts("grant_types");
    !metadata.has("grant_types") || grants.any(|grant| grants::REDIRECTING.contains(&grant))
}

/// Returns the type of application of a document that states none. Authorization servers ignore the port of
/// loopback redirect URIs only for native clients (RFC 8252 section 7.3), so one such URI is enough.
fn application_type(metadata: &Metadata) -> &'static str {
    let is_native = metadata
        .texts("redirect_uris")
        .any(application::is_of_native);
    if is_native { "native" } else { "web" }
}
