//! Checks of the URLs in `[registration]` and `[discovery]`. Each must be valid, and the server must be
//! allowed to fetch the URLs that it fetches.

use url::Url;

use crate::config::verdict::Verdict;
use crate::config::{FetchSettings, Live, Registration, Settings, UPSTREAM};

pub(super) fn check(settings: &Settings, live: &Live, verdict: &mut Verdict) {
    for (key, url) in fetched(&live.registration) {
        match fault(&settings.fetch, url) {
            Some(UrlFault::Unreadable) => {
                verdict.refuse(
                    &key,
                    "must be an https URL, such as https://directory.example.org/jwks",
                );
            }
            Some(UrlFault::Http) => {
                verdict.refuse(&key, "must be https; to allow http, set fetch.allowHttp");
            }
            Some(UrlFault::NotListed) => {
                verdict.warn(
                    &key,
                    "cannot be fetched: this host is not in fetch.allowedHosts",
                );
            }
            None => {}
        }
    }
    for (name, value) in &settings.discovery {
        let is_readable = value.as_str().is_some_and(|text| read(text).is_some());
        if name != UPSTREAM && is_url(name) && !is_readable {
            let reason = "is not an http or https URL, so clients cannot use it";
            verdict.warn(&format!("discovery.{name}"), reason);
        }
    }
}

/// Returns every URL of `registration` that the server fetches, with its key.
fn fetched<'a>(registration: &'a Registration) -> Vec<(String, &'a str)> {
    let mut all = Vec::new();
    let mut add = |key: String, url: &'a Option<String>| {
        if let Some(url) = url {
            all.push((format!("registration.{key}"), url.as_str()));
        }
    };
    let jwks_uri = &registration.dcr_signature_validation_jwks_uri;
    add("dcrSignatureValidationJwksUri".to_owned(), jwks_uri);
    for (at, entry) in registration.dcr_ssa_validation_configs.iter().enumerate() {
        let key = format!("dcrSsaValidationConfigs[{at}]");
        add(format!("{key}.jwksUri"), &entry.jwks_uri);
        let endpoint = &entry.configuration_endpoint;
        add(format!("{key}.configurationEndpoint"), endpoint);
    }
    for (at, entry) in registration.trusted_client_attesters.iter().enumerate() {
        let key = format!("trustedClientAttesters[{at}].jwksUri");
        add(key, &entry.jwks_uri);
    }
    all
}

enum UrlFault {
    Unreadable,
    Http,
    NotListed,
}

fn fault(fetch: &FetchSettings, text: &str) -> Option<UrlFault> {
    let Some(url) = read(text) else {
        return Some(UrlFault::Unreadable);
    };
    if url.scheme() == "http" && !fetch.allow_http {
        return Some(UrlFault::Http);
    }
    let host = url.host_str().unwrap_or_default();
    let is_listed = url
        .port_or_known_default()
        .is_some_and(|port| fetch.lists(host, port));
    (!fetch.allowed_hosts.is_empty() && !is_listed).then_some(UrlFault::NotListed)
}

fn read(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}

/// Whether the member with this name is a URL (RFC 8414 section 2).
fn is_url(name: &str) -> bool {
    name.ends_with("_endpoint") || name.ends_with("_uri")
}
