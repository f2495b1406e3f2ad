//! Checks of the URLs in `[registration]` and `[discovery]`. Each must be valid, and the server must be
//! allowed to fetch the URLs that it fetches.

use url::Url;

use crate::config::verdict::Verdict;
use crate::config::{FetchSettings, Live, Registration, Settings, UPSTREAM};

pub(super) fn check(settings: &Settings, live: &Live, verdict: &mut Verdict) {
    for (key, url) in fetched(&live.registration) {
        match fault(&settings.fetch, url) {
            Some(Fault::Unreadable) => {
                verdict.refuse(
                    &key,
                    "must be an https URL, such as https://directory.example.org/jwks",
                );
            }
            Some(Fault::Http) => {
                verdict.refuse(&key, "must be https; to allow http, set fetch.allowHttp");
            }
            Some(Fault::NotListed) => {
                verdict.warn(
                    &key,
                    "cannot be fetched: this host is not in fetch.allowedHosts",
                );
            }
            None => {}
        }
    }
    for (name, value) in settings
        .discovery
        .iter()
        .filter(|(name, _)| *name != UPSTREAM && is_url(name))
    {
        if value.as_str().is_none_or(|text| read(text).is_none()) {
            let key = format!("discovery.{name}");
            verdict.warn(
                &key,
                "is not an http or https URL, so clients cannot use it",
            );
        }
    }
}

/// Returns every URL of `registration` that the server fetches, with its key.
fn fetched(registration: &Registration) -> Vec<(String, &str)> {
    let key = |name: &str| format!("registration.{name}");
    let jwks_uri = registration.dcr_signature_validation_jwks_uri.as_deref();
    let mut all: Vec<_> = jwks_uri
        .map(|url| (key("dcrSignatureValidationJwksUri"), url))
        .into_iter()
        .collect();
    for (at, entry) in registration.dcr_ssa_validation_configs.iter().enumerate() {
        let urls = [
            ("jwksUri", &entry.jwks_uri),
            ("configurationEndpoint", &entry.configuration_endpoint),
        ];
        let named = urls
            .into_iter()
            .filter_map(|(name, url)| Some((name, url.as_deref()?)));
        all.extend(
            named.map(|(name, url)| (key(&format!("dcrSsaValidationConfigs[{at}].{name}")), url)),
        );
    }
    for (at, entry) in registration.trusted_client_attesters.iter().enumerate() {
        let url = entry.jwks_uri.as_deref();
        all.extend(url.map(|url| (key(&format!("trustedClientAttesters[{at}].jwksUri")), url)));
    }
    all
}

enum Fault {
    Unreadable,
    Http,
    NotListed,
}

fn fault(fetch: &FetchSettings, text: &str) -> Option<Fault> {
    let Some(url) = read(text) else {
        return Some(Fault::Unreadable);
    };
    if url.scheme() == "http" && !fetch.allow_http {
        return Some(Fault::Http);
    }
    let host = url.host_str().unwrap_or_default();
    let is_listed = url
        .port_or_known_default()
        .is_some_and(|port| fetch.lists(host, port));
    (!fetch.allowed_hosts.is_empty() && !is_listed).then_some(Fault::NotListed)
}

fn read(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}

/// Whether the member with this name is a URL (RFC 8414 section 2).
fn is_url(name: &str) -> bool {
    name.ends_with("_endpoint") || name.ends_with("_uri")
}
