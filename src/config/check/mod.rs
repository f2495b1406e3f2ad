//! Checks for options that exclude each other, and for values that their type alone does not reject.

mod exposure;
mod registration;
mod urls;

use std::collections::HashSet;

use serde_json::Value;
use url::Url;

use crate::base::scope;
use crate::config::{
    FetchSettings, Live, Settings, Verdict, admin, documents, exports, paths, store, tls, upstream,
    upstream_registration, webhooks,
};

/// Checks the whole configuration.
pub(super) fn check(settings: &Settings, live: &Live) -> Verdict {
    let mut verdict = Verdict::default();
    check_settings(settings, live, &mut verdict);
    registration::check(&live.registration, &mut verdict);
    scopes(live, &mut verdict);
    webhooks::check(&live.webhooks, &mut verdict);
    exports::check(&live.exports, &mut verdict);
    verdict
}

/// Checks the options that need a restart, also against those that do not.
fn check_settings(settings: &Settings, live: &Live, verdict: &mut Verdict) {
    server(settings, verdict);
    paths::check(&settings.server.paths, verdict);
    upstream::check(settings, verdict);
    admin::check(&settings.admin, live, verdict);
    admin::check_listener(&settings.admin, &settings.server, verdict);
    exposure::check(settings, live, verdict);
    urls::check(settings, live, verdict);
    documents::check(settings, live, verdict);
    upstream_registration::check(settings, live, verdict);
    tls::check(&settings.server, live, verdict);
    log_level(&settings.telemetry.level, verdict);
    traces(settings, verdict);
    positive(settings, verdict);
    document_uri(settings, verdict);
    store::check(&settings.store, verdict);
    fetch(&settings.fetch, verdict);
    scripts(settings, verdict);
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
        verdict.refuse(
            key,
            "must be an https URL, such as https://register.example.org",
        );
    } else if url.query().is_some() || url.fragment().is_some() {
        verdict.refuse(
            key,
            "must not have a query or a fragment (RFC 8414 section 2)",
        );
    } else if issuer.ends_with("//") {
        verdict.refuse(key, "must not end with more than one slash");
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
    let limits = serde_json::to_value(&settings.limits);
    let of_scripts = serde_json::to_value(&settings.scripts.limits);
    for (group, limits) in [("limits", limits), ("scripts.limits", of_scripts)] {
        let Ok(Value::Object(limits)) = limits else {
            continue;
        };
        for (key, value) in limits {
            if value == 0 {
                verdict.refuse(&format!("{group}.{key}"), "must be 1 or more");
            }
        }
    }
}

/// Maximum of `limits.documentUriBytes`, which is that of identifiers that are URLs.
const DOCUMENT_URI_BYTES: usize = 512;

fn document_uri(settings: &Settings, verdict: &mut Verdict) {
    if settings.limits.document_uri_bytes > DOCUMENT_URI_BYTES {
        let reason = format!("must not exceed {DOCUMENT_URI_BYTES}");
        verdict.refuse("limits.documentUriBytes", reason);
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
    for (key, is_zero) in counts {
        if is_zero {
            verdict.refuse(&format!("fetch.{key}"), "must be 1 or more");
        }
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
    if settings.scripts.removal_quiet_ms > 3_600_000 {
        let reason = "must not exceed 3600000 (one hour)";
        verdict.refuse("scripts.removalQuietMs", reason);
    }
    let pauses = &settings.scripts.retry_pauses_ms;
    if pauses.len() > 8 || pauses.iter().any(|pause| *pause > 3_600_000) {
        verdict.refuse(
            "scripts.retryPausesMs",
            "must have at most 8 items, each at most 3600000 (one hour)",
        );
    }
}

fn scopes(live: &Live, verdict: &mut Verdict) {
    let mut ids = HashSet::new();
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
        if !ids.insert(defined.id.as_str()) {
            let reason = format!("'{}' is a duplicate; each id must be unique", defined.id);
            verdict.refuse(&key, reason);
        }
    }
}

const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace", "off"];

/// Checks `telemetry.level`. Without this check, a misspelt level would be interpreted as the name of a part
/// of the program, and only that part would be logged.
fn log_level(level: &str, verdict: &mut Verdict) {
    let key = "telemetry.level";
    let mut is_empty = true;
    for word in level.split(',').map(str::trim) {
        is_empty &= word.is_empty();
        if let Some(word) = misspelt_level(word) {
            let reason = format!(
                "'{word}' is not a log level; use {}; to set the level of one part of the program, write \
                 info,registrar::script=debug",
                choice_of_levels()
            );
            return verdict.refuse(key, reason);
        }
    }
    if is_empty {
        verdict.refuse(key, format!("is empty; use {}", choice_of_levels()));
    }
}

/// Returns the part of `word` that should be a level but is not. For spans in brackets, the logging library
/// itself reports what is wrong.
fn misspelt_level(word: &str) -> Option<&str> {
    if word.is_empty() || word.contains('[') {
        return None;
    }
    let level = match word.split_once('=') {
        Some((_, level)) => level,
        None => word,
    };
    (!is_level(level)).then_some(level)
}

/// Whether `text` is a level. The logging library also accepts numbers.
fn is_level(text: &str) -> bool {
    LEVELS.iter().any(|level| level.eq_ignore_ascii_case(text))
        || matches!(text.parse(), Ok(0_u8..=5))
}

fn choice_of_levels() -> String {
    let (last, others) = LEVELS.split_last().unwrap_or((&"", &[]));
    format!("{} or {last}", others.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(level: &str) -> Vec<(String, String)> {
        let mut verdict = Verdict::default();
        log_level(level, &mut verdict);
        verdict.errors
    }

    #[test]
    fn a_word_alone_is_a_level() {
        for good in [
            "info",
            "WARN",
            "off",
            "3",
            "info, registrar::script=debug",
            "info,",
            "[register]=debug",
        ] {
            assert!(said(good).is_empty(), "{good}");
        }
        for (bad, named) in [
            (
                "warning",
                "'warning' is not a log level; use error, warn, info, debug, trace or off",
            ),
            ("loud", "'loud' is not a log level"),
            ("info,registrar", "'registrar' is not a log level"),
            ("registrar::script=verbose", "'verbose' is not a log level"),
            ("", "is empty"),
        ] {
            let said = said(bad);
            assert_eq!(said.len(), 1, "{bad}");
            assert!(
                said[0].0 == "telemetry.level" && said[0].1.contains(named),
                "{bad}: {said:?}"
            );
        }
    }
}
