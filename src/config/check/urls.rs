//! Checks of the URLs in `[registration]`, `[[webhooks]]` and `[discovery]`. Each must be valid, and the server
//! must be allowed to send requests to the URLs that it fetches or notifies.

use serde_json::Value;
use url::Url;

use crate::config::{FetchSettings, Live, Registration, Settings, UPSTREAM, Verdict};

pub(super) fn check(settings: &Settings, live: &Live, verdict: &mut Verdict) {
    for (key, url) in requested(live) {
        match fault(&settings.fetch, url) {
            Some(UnfetchableUrl::Unreadable) => {
                verdict.refuse(
                    &key,
                    "must be an https URL, such as https://directory.example.org/path",
                );
            }
            Some(UnfetchableUrl::Http) => {
                verdict.refuse(&key, "must be https; to allow http, set fetch.allowHttp");
            }
            Some(UnfetchableUrl::NotListed) => {
                verdict.warn(
                    &key,
                    "cannot be fetched: this host is not in fetch.allowedHosts",
                );
            }
            None => {}
        }
    }
    for (name, value) in &settings.discovery {
        if name != UPSTREAM && is_url(name) && !is_http_url(value) {
            let key = format!("discovery.{name}");
            verdict.warn(
                &key,
                "is not an http or https URL, so clients cannot use it",
            );
        }
    }
}

/// Returns every URL that the server sends requests to, with its key.
fn requested(live: &Live) -> Vec<(String, &str)> {
    let mut urls = fetched(&live.registration);
    for (at, webhook) in live.webhooks.iter().enumerate() {
        urls.push((format!("webhooks[{at}].url"), webhook.url.as_str()));
    }
    urls
}

/// Returns every URL of `registration` that the server fetches, with its key.
fn fetched(registration: &Registration) -> Vec<(String, &str)> {
    let mut urls = vec![(
        "dcrSignatureValidationJwksUri".to_owned(),
        &registration.dcr_signature_validation_jwks_uri,
    )];
    for (at, issuer) in registration.dcr_ssa_validation_configs.iter().enumerate() {
        let key = format!("dcrSsaValidationConfigs[{at}]");
        urls.push((format!("{key}.jwksUri"), &issuer.jwks_uri));
        let document = &issuer.configuration_endpoint;
        urls.push((format!("{key}.configurationEndpoint"), document));
    }
    for (at, attester) in registration.trusted_client_attesters.iter().enumerate() {
        let key = format!("trustedClientAttesters[{at}].jwksUri");
        urls.push((key, &attester.jwks_uri));
    }
    let mut named = Vec::new();
    for (name, url) in urls {
        if let Some(url) = url {
            named.push((format!("registration.{name}"), url.as_str()));
        }
    }
    named
}

/// Why a URL cannot be fetched.
enum UnfetchableUrl {
    Unreadable,
    Http,
    NotListed,
}

fn fault(fetch: &FetchSettings, text: &str) -> Option<UnfetchableUrl> {
    let Some(url) = read(text) else {
        return Some(UnfetchableUrl::Unreadable);
    };
    if url.scheme() == "http" && !fetch.allow_http {
        return Some(UnfetchableUrl::Http);
    }
    if fetch.allowed_hosts.is_empty() {
        return None;
    }
    let host = url.host_str().unwrap_or_default();
    match url.port_or_known_default() {
        Some(port) if fetch.lists(host, port) => None,
        _ => Some(UnfetchableUrl::NotListed),
    }
}

fn is_http_url(value: &Value) -> bool {
    value.as_str().is_some_and(|text| read(text).is_some())
}

fn read(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}

/// Whether the member with this name is a URL (RFC 8414 section 2).
fn is_url(name: &str) -> bool {
    name.ends_with("_endpoint") || name.ends_with("_uri")
}
