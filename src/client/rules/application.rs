//! The type of application that a client is, and the redirect URIs that this type allows (OpenID
//! Connect Dynamic Client Registration section 2, `application_type`; RFC 8252).

use super::{uri, uri::Uri};
use crate::client::{rules::Metadata, rules::Rules, rules::Violation, rules::report};
use crate::config::DefaultApplicationType;

/// The redirection rules of an `application_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Application {
    /// `web`
    Web {
        /// Whether responses come back in the fragment, where a local page could read them.
        is_implicit: bool,
    },
    /// `native`
    Native,
    /// A value that has already been reported.
    Unknown,
}

impl Application {
    /// Returns the application that `metadata` describes.
    pub(super) fn of(metadata: &Metadata, found: &[Violation]) -> Self {
        match metadata.text("application_type") {
            _ if report::is_faulted(found, "application_type") => Self::Unknown,
            Some("native") => Self::Native,
            Some("web") => Self::Web {
                is_implicit: metadata.has_item("grant_types", "implicit"),
            },
            _ => Self::Unknown,
        }
    }

    /// Whether the application may use plain `http` on the user's machine, where the traffic cannot
    /// be intercepted.
    pub(super) const fn may_use_loopback(self, cx: &Rules<'_>) -> bool {
        match self {
            Self::Native => true,
            Self::Web { .. } => cx.settings.web_allow_loopback,
            Self::Unknown => false,
        }
    }

    /// Returns why such an application cannot be redirected to `uri`, or `None` if it can.
    pub(super) fn fault(self, cx: &Rules<'_>, uri: &Uri) -> Option<&'static str> {
        match self {
            _ if uri.is_loopback_http() && self.may_use_loopback(cx) => None,
            Self::Web { .. } | Self::Native if uri.is_handled_elsewhere() => {
                Some(elsewhere_fault(&uri.scheme))
            }
            Self::Web { is_implicit } => web_fault(cx, uri, is_implicit),
            Self::Native => native_fault(cx, uri),
            Self::Unknown => None,
        }
    }
}

/// Returns why nobody can be redirected to a URI with this scheme, and what to register instead.
fn elsewhere_fault(scheme: &str) -> &'static str {
    match scheme {
        // It was removed from OAuth clients of Google in 2022, and is still in old programs.
        "urn" => {
            "must not be a urn:, to which no browser can be redirected; register http://127.0.0.1/.. or use the \
             device grant instead of urn:ietf:wg:oauth:2.0:oob"
        }
        _ => {
            "must not have a scheme that starts a program of the operating system; use a scheme of your own, such \
             as com.example.app:"
        }
    }
}

fn web_fault(cx: &Rules<'_>, uri: &Uri, is_implicit: bool) -> Option<&'static str> {
    match uri.scheme.as_str() {
        // OpenID Connect Dynamic Client Registration section 2, application_type.
        "https" if is_implicit && uri.is_localhost() && !cx.settings.web_allow_loopback => {
            Some("must not be on localhost, because a web client uses the implicit grant")
        }
        "https" => None,
        // RFC 9700 section 2.6.
        "http" if cx.settings.web_allow_loopback => {
            Some("must be https; http is allowed only for localhost, 127.0.0.1 and [::1]")
        }
        "http" => Some(
            "must be https; http is allowed only for loopback URIs (localhost, 127.0.0.1 and [::1]) of clients with \
             application_type native (webAllowLoopback is disabled on this server)",
        ),
        _ => Some(
            "must be https; other schemes are allowed only for clients with application_type native",
        ),
    }
}

fn native_fault(cx: &Rules<'_>, uri: &Uri) -> Option<&'static str> {
    match uri.scheme.as_str() {
        "http" => Some("must be on localhost, 127.0.0.1 or [::1] if the scheme is http"),
        // RFC 8252 section 7.2 allows claimed https URIs, and OpenID Connect forbids them. The
        // operator chooses.
        "https" if cx.settings.native_allow_https => None,
        "https" => Some(
            "must be http on loopback or a private-use scheme; nativeAllowHttps is disabled on this server",
        ),
        // RFC 8252 section 7.1: a scheme is a domain name of the application's publisher in reverse
        // order.
        scheme if scheme.contains('.') || cx.settings.allow_private_use_uri_schemes_without_dot => {
            None
        }
        "chrome-extension" | "moz-extension" | "safari-web-extension" => Some(
            "must not have the scheme of a browser extension (allowPrivateUseUriSchemesWithoutDot is disabled on this \
             server); register the https URL that identity.getRedirectURL() of the browser returns",
        ),
        _ => Some(
            "must have a private-use scheme with a dot, such as com.example.app:/callback; \
             allowPrivateUseUriSchemesWithoutDot is disabled on this server",
        ),
    }
}

/// Returns the `application_type` of a client that sends none.
pub(super) fn default_type(cx: &Rules<'_>, metadata: &Metadata) -> &'static str {
    let is_native = match cx.settings.default_application_type {
        DefaultApplicationType::Web => false,
        DefaultApplicationType::Native => true,
        DefaultApplicationType::ByRedirectUris => metadata.texts("redirect_uris").any(is_of_native),
    };
    if is_native { "native" } else { "web" }
}

/// Whether only a native application can receive a response at `text`.
pub(super) fn is_of_native(text: &str) -> bool {
    // Most are https and need no further parsing.
    let is_https = uri::scheme(text).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
    !is_https && uri::parse(text).is_ok_and(|uri| uri.is_loopback_http() || !uri.is_web())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::client::rules::testing::{check, check_with};
    use crate::config::DefaultApplicationType;
    use crate::config::Registration;

    /// Checks the type of a client with these redirect URIs that sends no `application_type`.
    fn is(redirect_uris: &[&str], expected: &str) {
        let settings = Registration {
            allow_private_use_uri_schemes_without_dot: true,
            ..Registration::default()
        };
        let client = json!({"redirect_uris": redirect_uris});
        let expected = json!({"redirect_uris": redirect_uris, "application_type": expected});
        check_with(&settings, client, Ok(expected));
    }

    #[test]
    fn one_uri_that_only_a_native_application_can_receive_makes_a_client_native() {
        let web = ["https://client.example/cb", "https://other.example/cb"];
        is(&web, "web");
        is(&["HTTPS://Client.example/cb"], "web");
        is(&["https://localhost/cb"], "web");
        for native in [
            "http://localhost:33418/callback",
            "http://localhost",
            "HTTP://LocalHost/cb",
            "http://127.0.0.1/cb",
            "http://[::1]:5000/cb",
            "com.example.app:/cb",
            "Com.Example.App://cb",
            "cursor://anysphere.cursor-mcp/oauth/callback",
        ] {
            is(&[native], "native");
            is(&[web[0], native], "native");
            is(&[native, web[0], web[1]], "native");
        }
    }

    #[test]
    fn without_such_a_uri_a_client_is_web() {
        let credentials = json!({"redirect_uris": null, "grant_types": ["client_credentials"]});
        check(credentials, Ok(json!({"application_type": "web"})));
        let remote = json!({"redirect_uris": ["http://client.example/cb"]});
        check(remote, Err(&["redirect_uris[0]: must be https"]));
        for unreadable in ["localhost/cb", "javascript:alert(1)", "http://local host/"] {
            let client = json!({"redirect_uris": ["http://client.example/", unreadable]});
            let second = if unreadable.starts_with("java") {
                "never allowed"
            } else {
                "must be"
            };
            check(
                client,
                Err(&[
                    "redirect_uris[0]: must be https",
                    &format!("redirect_uris[1]: {second}"),
                ]),
            );
        }
    }

    #[test]
    fn an_explicit_type_counts_and_the_operator_chooses_the_default() {
        let said = json!({"redirect_uris": ["http://localhost/cb"], "application_type": "web"});
        check(said, Err(&["redirect_uris[0]: webAllowLoopback"]));
        let default = |usual| Registration {
            default_application_type: usual,
            ..Registration::default()
        };
        let local = || json!({"redirect_uris": ["http://localhost/cb"]});
        check_with(
            &default(DefaultApplicationType::Web),
            local(),
            Err(&["redirect_uris[0]: application_type native"]),
        );
        let native = default(DefaultApplicationType::Native);
        check_with(
            &native,
            json!({}),
            Ok(json!({"application_type": "native"})),
        );
    }

    #[test]
    fn a_web_client_may_use_loopback_if_the_operator_allows_it() {
        let mut settings = Registration {
            web_allow_loopback: true,
            ..Registration::default()
        };
        settings.grant_types_supported.push("implicit".to_owned());
        settings
            .response_types_supported
            .push("id_token".to_owned());
        let client = |uri: &str, more: Value| {
            let web = json!({"application_type": "web", "redirect_uris": [uri]});
            crate::client::rules::testing::with(web, &more)
        };
        for uri in [
            "http://localhost:3001/redirect",
            "http://127.0.0.1/cb",
            "http://[::1]/cb",
        ] {
            check_with(
                &settings,
                client(uri, json!({})),
                Ok(json!({"application_type": "web"})),
            );
            let implicit = json!({"response_types": ["id_token"]});
            check_with(
                &settings,
                client(uri, implicit),
                Ok(json!({"grant_types": ["implicit"]})),
            );
        }
        for uri in [
            "http://client.example/cb",
            "http://localhost.evil.example/cb",
            "http://127.0.0.2/cb",
        ] {
            check_with(
                &settings,
                client(uri, json!({})),
                Err(&["redirect_uris[0]: only for localhost"]),
            );
        }
        check_with(
            &settings,
            client("com.example.app:/cb", json!({})),
            Err(&["redirect_uris[0]: application_type native"]),
        );
    }
}
