//! The operator's patterns of redirect URIs: `redirectUriAllowList`, `redirectUriDenyList`.

use super::{uri, uri::Uri};

/// One pattern. There are four forms:
///
/// - `https://app.example.org/callback`: exactly this URI;
/// - `https://app.example.org/callbacks/*`: this scheme, host and port, and any path with this
///   prefix. The star is the last character and comes after the first slash of the path;
/// - `*.example.org`: `https` on `example.org` and on every host below it, any port, any path;
/// - `com.example.app:*`: every URI with this scheme.
///
/// Schemes and hosts are compared case-insensitively, paths after percent-decoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RedirectPattern {
    /// `https://app.example.org/callback`, or the same with a star.
    Location {
        /// The text before the star.
        beginning: Box<Beginning>,
        /// Whether there is a star.
        is_prefix: bool,
    },
    /// `*.example.org`
    Domain(String),
    /// `com.example.app:*`
    Scheme(String),
}

/// How a URI must begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Beginning(Uri);

impl RedirectPattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// What is wrong with the pattern.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Some(domain) = text.strip_prefix("*.") {
            let host = uri::parse(&format!("https://{domain}"))?;
            return match host.host {
                Some(name) if host.is_origin && name == domain.to_ascii_lowercase() => {
                    Ok(Self::Domain(name))
                }
                _ => Err("must have only a host after `*.`".to_owned()),
            };
        }
        if let Some(scheme) = text.strip_suffix(":*") {
            let scheme = uri::parse(&format!("{scheme}://host/"))?.scheme;
            return Ok(Self::Scheme(scheme));
        }
        let prefix = text.strip_suffix('*');
        let beginning = uri::parse(prefix.unwrap_or(text))?;
        // Without this, `https://app.example.org*` would allow
        // https://app.example.org.evil.example.
        if prefix.is_some() && !beginning.location.starts_with(b"/") {
            return Err("must have a path before the star, as in https://host/*".to_owned());
        }
        Ok(Self::Location {
            beginning: Box::new(Beginning(beginning)),
            is_prefix: prefix.is_some(),
        })
    }

    /// Whether the pattern matches `uri`.
    pub(super) fn matches(&self, uri: &Uri) -> bool {
        match self {
            Self::Scheme(scheme) => uri.scheme == *scheme,
            Self::Domain(domain) => {
                let below = undotted(uri)
                    .unwrap_or_default()
                    .strip_suffix(domain.as_str());
                uri.scheme == "https"
                    && below.is_some_and(|below| below.is_empty() || below.ends_with('.'))
            }
            Self::Location {
                beginning,
                is_prefix,
            } => {
                let Beginning(start) = &**beginning;
                let same_place = (&uri.scheme, undotted(uri), uri.port)
                    == (&start.scheme, undotted(start), start.port);
                let same_path = uri.location == start.location;
                same_place
                    && (same_path || (*is_prefix && uri.location.starts_with(&start.location)))
            }
        }
    }
}

/// Returns the host without its optional final dot. The name is the same with and without it.
fn undotted(uri: &Uri) -> Option<&str> {
    let host = uri.host.as_deref()?;
    Some(host.strip_suffix('.').unwrap_or(host))
}

/// Whether the list allows `uri`. A pattern that cannot be parsed allows nothing: it is the
/// operator's mistake, and must not allow what it was meant to block.
pub(super) fn is_allowed(uri: &Uri, allow: &[String]) -> bool {
    allow.is_empty() || allow.iter().any(|text| matches(text, uri).unwrap_or(false))
}

/// Whether one of the patterns denies `uri`. A pattern that cannot be parsed denies every URI.
pub(super) fn is_denied(uri: &Uri, deny: &[String]) -> bool {
    deny.iter().any(|text| matches(text, uri).unwrap_or(true))
}

/// Whether the pattern in `text` matches `uri`.
fn matches(text: &str, uri: &Uri) -> Result<bool, String> {
    Ok(RedirectPattern::parse(text)?.matches(uri))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        let pattern = RedirectPattern::parse(pattern).unwrap();
        for text in matching {
            assert!(pattern.matches(&uri::parse(text).unwrap()), "{text}");
        }
        for text in others {
            assert!(!pattern.matches(&uri::parse(text).unwrap()), "{text}");
        }
    }

    #[test]
    fn a_pattern_without_wildcards_matches_one_uri() {
        check(
            "https://a.example/cb",
            &[
                "https://a.example/cb",
                "https://A.example:443/c%62",
                "https://a.example./cb",
            ],
            &[
                "https://a.example/cb2",
                "https://a.example:8443/cb",
                "https://a.example/CB",
                "https://a.example/cb?x",
            ],
        );
    }

    #[test]
    fn a_star_must_end_a_path() {
        check(
            "https://a.example/cb/*",
            &["https://a.example/cb/", "https://a.example/cb/x?y=1"],
            &[
                "https://a.example/cb",
                "https://a.example.evil.example/cb/",
                "http://a.example/cb/x",
            ],
        );
    }

    #[test]
    fn a_domain_pattern_matches_hosts_below_it() {
        check(
            "*.example.org",
            &["https://example.org", "https://a.b.Example.org:8443/x"],
            &[
                "https://badexample.org/",
                "https://example.org.evil.example/",
                "http://example.org/",
            ],
        );
    }

    #[test]
    fn a_scheme_pattern_matches_every_uri_with_the_scheme() {
        check(
            "com.example.app:*",
            &["com.example.app:/cb", "COM.example.app://x/y"],
            &["com.example.app2:/cb"],
        );
    }

    #[test]
    fn an_invalid_pattern_allows_nothing() {
        for bad in [
            "https://a.example*",
            "*",
            "*.",
            "*.a.example/x",
            "https://*.a.example/",
            "a b:*",
            "",
        ] {
            assert!(RedirectPattern::parse(bad).is_err(), "{bad}");
            let uri = uri::parse("https://a.example/").unwrap();
            assert!(!is_allowed(&uri, &[bad.to_owned()]) && is_denied(&uri, &[bad.to_owned()]));
        }
    }
}
