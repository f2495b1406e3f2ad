//! Checks for options that exclude each other, and for values that their type alone does not reject.

mod bounds;
mod exposure;
mod issuers;
mod level;
mod supported;
mod urls;

use serde_json::Value;
use url::Url;

use super::verdict::Verdict;
use super::{
    FetchSettings, Live, Registration, Settings, admin, paths, store, tls, udap, upstream,
};
use crate::base::model::scope;

/// Checks the whole configuration.
pub(super) fn check(settings: &Settings, live: &Live) -> Verdict {
    let mut verdict = Verdict::default();
    server(settings, &mut verdict);
    paths::check(&settings.server.paths, &mut verdict);
    upstream::check(settings, &mut verdict);
    admin::check(&settings.admin, live, &mut verdict);
    admin::check_listener(&settings.admin, &settings.server, &mut verdict);
    exposure::check(settings, live, &mut verdict);
    urls::check(settings, live, &mut verdict);
    tls::check(&settings.server, live, &mut verdict);
    level::check(&settings.telemetry.level, &mut verdict);
    traces(settings, &mut verdict);
    positive(settings, &mut verdict);
    store::check(&settings.store, &mut verdict);
    fetch(&settings.fetch, &mut verdict);
    scripts(settings, &mut verdict);
    registration(live, &mut verdict);
    verdict
}

/// Checks the live part.
fn registration(live: &Live, verdict: &mut Verdict) {
    supported::check(&live.registration, verdict);
    times(&live.registration, verdict);
    bounds::check(&live.registration, verdict);
    issuers::check(&live.registration, verdict);
    udap::check(&live.registration, verdict);
    scopes(live, verdict);
}

fn server(settings: &Settings, verdict: &mut Verdict) {
    let Some(issuer) = &settings.server.issuer else {
        return;
    };
    let key = "server.issuer";
    let url = match Url::parse(issuer) {
        Ok(url) => url,
        Err(error) => return verdict.refuse(key, format!("is not a valid URL: {error}")),
    };
    if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
        let reason = "must be an https URL, such as https://register.example.org";
        verdict.refuse(key, reason);
    } else if url.query().is_some() || url.fragment().is_some() {
        let reason = "must not have a query or a fragment (RFC 8414 section 2)";
        verdict.refuse(key, reason);
    } else if issuer.ends_with('/') {
        verdict.refuse(key, "must not end with a slash");
    } else if url.scheme() == "http" {
        let reason = "should be https: clients must reach the server over TLS (RFC 7591 section 3)";
        verdict.warn(key, reason);
    }
}

fn traces(settings: &Settings, verdict: &mut Verdict) {
    let Some(receiver) = &settings.telemetry.otlp else {
        return;
    };
    if !cfg!(feature = "otlp") {
        let reason = "cannot be used: this binary was built without traces; remove the option, or build with \
                      the cargo feature otlp";
        verdict.refuse("telemetry.otlp", reason);
    }
    let is_url = Url::parse(receiver).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if !is_url {
        verdict.refuse(
            "telemetry.otlp",
            "must be the URL of an OTLP receiver, such as http://127.0.0.1:4318",
        );
    }
}

/// Rejects limits and times of 0, with which no request could succeed.
fn positive(settings: &Settings, verdict: &mut Verdict) {
    let groups = [
        ("limits", serde_json::to_value(&settings.limits)),
        (
            "scripts.limits",
            serde_json::to_value(&settings.scripts.limits),
        ),
    ];
    for (group, values) in groups {
        let values = values.unwrap_or_default();
        for (key, value) in values.as_object().into_iter().flatten() {
            if value == &Value::from(0) {
                verdict.refuse(&format!("{group}.{key}"), "must be 1 or more");
            }
        }
    }
}

/// Checks the limits of outgoing requests and of cached keys.
fn fetch(settings: &FetchSettings, verdict: &mut Verdict) {
    let counts = [
        ("timeoutMs", settings.timeout_ms == 0),
        ("bodyBytes", settings.body_bytes == 0),
        ("concurrent", settings.concurrent == 0),
        ("concurrentPerHost", settings.concurrent_per_host == 0),
        ("keysMinimumSeconds", settings.keys_minimum_seconds == 0),
        ("keysRefetchSeconds", settings.keys_refetch_seconds == 0),
        ("keysCached", settings.keys_cached == 0),
    ];
    for (key, _) in counts.into_iter().filter(|(_, is_zero)| *is_zero) {
        verdict.refuse(&format!("fetch.{key}"), "must be 1 or more");
    }
    if settings.keys_maximum_seconds < settings.keys_minimum_seconds {
        verdict.refuse(
            "fetch.keysMaximumSeconds",
            "must not be less than keysMinimumSeconds",
        );
    }
    if settings.allow_http {
        verdict.warn(
            "fetch.allowHttp",
            "is for development only: an attacker on the network can change what is fetched",
        );
    }
    if settings.allow_private_addresses {
        let reason = "is for development only: clients can make this server send requests to its private \
                      network; list the hosts in fetch.allowedHosts instead";
        verdict.warn("fetch.allowPrivateAddresses", reason);
    }
}

/// Maximum number of scripts that run or wait. Each of them has a thread, and the runtime has 512 threads
/// for all work.
const SCRIPT_THREADS: usize = 400;

fn scripts(settings: &Settings, verdict: &mut Verdict) {
    let limits = &settings.scripts.limits;
    if limits.concurrent.saturating_add(limits.waiting) > SCRIPT_THREADS {
        let reason = format!("plus scripts.limits.concurrent must not exceed {SCRIPT_THREADS}");
        verdict.refuse("scripts.limits.waiting", reason);
    }
    let pauses = &settings.scripts.retry_pauses_ms;
    if pauses.len() > 8 || pauses.iter().any(|pause| *pause > 3_600_000) {
        verdict.refuse(
            "scripts.retryPausesMs",
            "must have at most 8 items, each at most 3600000 (one hour)",
        );
    }
}

/// Rejects times and counts that would not limit anything.
fn times(registration: &Registration, verdict: &mut Verdict) {
    let key = |name: &str| format!("registration.{name}");
    if registration.dynamic_registration_expiration_time < -1 {
        let reason = "must be a number of seconds, or 0 or -1 if clients never expire";
        verdict.refuse(&key("dynamicRegistrationExpirationTime"), reason);
    }
    if registration.maximum_client_lifetime == Some(0) {
        verdict.refuse(
            &key("maximumClientLifetime"),
            "must be 1 or more; leave it unset for no maximum",
        );
    }
    let least = [
        (
            "unusedClientLifetime",
            registration.unused_client_lifetime,
            60,
            "uses are stored with a delay",
        ),
        (
            "inactiveClientLifetime",
            registration.inactive_client_lifetime,
            7_200,
            "last use is recorded only to the hour",
        ),
    ];
    for (name, lifetime, least, why) in least {
        if lifetime.is_some_and(|seconds| seconds < least) {
            let reason =
                format!("must be at least {least}: {why}. Leave it unset to keep unused clients");
            verdict.refuse(&key(name), reason);
        }
    }
}

fn scopes(live: &Live, verdict: &mut Verdict) {
    for (at, defined) in live.scopes.iter().enumerate() {
        let key = format!("scopes[{at}].id");
        if !scope::is_word(&defined.id) {
            verdict.refuse(&key, admin::NOT_A_SCOPE);
        }
        if defined.default && defined.pattern.is_some() {
            let reason =
                "must not be true together with pattern, because a pattern does not name one scope";
            verdict.refuse(&format!("scopes[{at}].default"), reason);
        }
        let mut earlier = live.scopes.iter().take(at);
        if earlier.any(|earlier| earlier.id == defined.id) {
            let reason = format!("'{}' is a duplicate; each id must be unique", defined.id);
            verdict.refuse(&key, reason);
        }
    }
}
