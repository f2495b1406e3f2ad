//! Pages and pictures for people, and the hosts that they may be on (RFC 7591 section 5, OpenID
//! Connect Dynamic Client Registration section 9.1).

use std::borrow::Cow;

use serde_json::Value;

use super::{application::Application, uri, uri::Uri};
use crate::client::{
    MemberKind, rules::Metadata, rules::Rules, rules::Violation, rules::is_faulted, rules::member,
    rules::urls, rules::violation,
};
use crate::config::{InsecurePageUris, PageUriHosts};

/// Leaves out pages and pictures without which the application works, and that cannot be registered.
pub(super) fn leave_out(cx: &Rules<'_>, metadata: &mut Metadata, found: &mut Vec<Violation>) {
    let application = Application::of(metadata, found);
    let mut unusable = Vec::new();
    for (name, value) in metadata.iter() {
        if let Some(member) = member::find(name)
            && let Value::String(text) = value
            && (is_local_picture(cx, application, member.kind, text)
                || is_insecure(cx, application, member.kind, text))
        {
            unusable.push(name.to_owned());
        }
    }
    for name in &unusable {
        metadata.remove(name);
        // A picture in a data: URL is often too long as well.
        found.retain(|violation| violation.member != *name);
    }
}

/// Whether it is a picture of an application that is being developed on its user's machine. A server that displays a
/// picture may fetch it first, and would look for this one on its own host.
fn is_local_picture(
    cx: &Rules<'_>,
    application: Application,
    kind: MemberKind,
    text: &str,
) -> bool {
    kind == MemberKind::Picture && application.may_use_loopback(cx) && is_local(cx, text)
}

/// Whether it is a page or a picture that `insecurePageUris` leaves out.
fn is_insecure(cx: &Rules<'_>, application: Application, kind: MemberKind, text: &str) -> bool {
    let is_shown = matches!(kind, MemberKind::Page | MemberKind::Picture);
    let is_https = || uri::scheme(text).is_some_and(|one| one.eq_ignore_ascii_case("https"));
    cx.settings.insecure_page_uris == InsecurePageUris::Drop
        && is_shown
        && !is_https()
        && urls::shown_fault(cx, application, kind, text).is_some()
}

fn is_local(cx: &Rules<'_>, text: &str) -> bool {
    match uri::parse(text) {
        Ok(uri) if uri.is_web() && uri.is_loopback() => {
            urls::fetched_fault(cx.fetch, text).is_some()
        }
        _ => false,
    }
}

/// `pageUriHosts`: a client must not show the pages of others.
pub(super) fn check(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    let due = match cx.settings.page_uri_hosts {
        PageUriHosts::Any => return,
        PageUriHosts::RedirectHost => "on the host of a redirect URI",
        PageUriHosts::RedirectSite => "on the site of a redirect URI",
    };
    if is_faulted(found, "redirect_uris") {
        return;
    }
    let mut redirects = Vec::new();
    for text in metadata.texts("redirect_uris") {
        redirects.extend(uri::parse(text));
    }
    // Users are never redirected to this client, so they see none of its pages on the way.
    if redirects.is_empty() {
        return;
    }
    let how = cx.settings.page_uri_hosts;
    for (name, value) in metadata.iter() {
        let Some(page) = page(name, value) else {
            continue;
        };
        let mut redirects = redirects.iter();
        let is_vouched = redirects.any(|redirect| vouches(how, redirect, &page));
        if !is_vouched && !is_faulted(found, name) {
            let rule = format!(
                "must be {due} and have the same scheme (pageUriHosts); move it there, or leave it out"
            );
            found.push(violation(name, rule));
        }
    }
}

/// Returns the URI of a page or picture.
fn page(name: &str, value: &Value) -> Option<Uri> {
    match member::find(name)?.kind {
        MemberKind::Page | MemberKind::Picture => uri::parse(value.as_str()?).ok(),
        _ => None,
    }
}

/// Whether the owner of `page` also receives what is sent to `redirect`. A private-use scheme
/// proves no host.
fn vouches(how: PageUriHosts, redirect: &Uri, page: &Uri) -> bool {
    let is_same = match how {
        PageUriHosts::Any => true,
        PageUriHosts::RedirectHost => host(redirect) == host(page),
        PageUriHosts::RedirectSite => site(redirect) == site(page),
    };
    redirect.is_web() && redirect.scheme == page.scheme && is_same
}

fn host(uri: &Uri) -> &str {
    let host = uri.host.as_deref().unwrap_or_default();
    host.strip_suffix('.').unwrap_or(host)
}

/// Returns the registered domain by the Public Suffix List, or the host itself if it has none.
pub(super) fn site(uri: &Uri) -> Cow<'_, str> {
    let host = host(uri);
    match uri.address {
        Some(_) => host.into(),
        None => psl::domain_str(host).unwrap_or(host).into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::client::rules::testing::{check, check_with, with};
    use crate::config::InsecurePageUris;
    use crate::config::PageUriHosts::{self, RedirectHost, RedirectSite};
    use crate::config::Registration;

    const PAGES: [&str; 9] = [
        "client_uri",
        "logo_uri",
        "tos_uri",
        "policy_uri",
        "client_uri#fr",
        "logo_uri#ja",
        "organization_uri",
        "homepage_uri",
        "information_uri",
    ];

    /// Checks a page of a client that has these redirect URIs.
    fn on(how: PageUriHosts, redirect_uris: &Value, page: &str, expected: Result<(), &str>) {
        let settings = Registration {
            page_uri_hosts: how,
            ..Registration::default()
        };
        for member in PAGES
            .into_iter()
            .filter(|name| page.starts_with("https") || !name.starts_with("logo"))
        {
            let client = json!({"redirect_uris": redirect_uris, member: page});
            match expected {
                Ok(()) => check_with(&settings, client, Ok(json!({member: page}))),
                Err(words) => check_with(&settings, client, Err(&[&format!("{member}: {words}")])),
            }
        }
    }

    #[test]
    fn a_page_must_be_on_the_host_of_a_redirect_uri() {
        let redirects = json!(["https://app.example.org/cb", "https://b.example/cb"]);
        for page in [
            "https://app.example.org/",
            "https://APP.example.org.:8443/x",
            "https://b.example/",
        ] {
            on(RedirectHost, &redirects, page, Ok(()));
        }
        for page in [
            "https://www.example.org/",
            "https://example.org/",
            "https://app.example.org.evil.example/",
        ] {
            on(
                RedirectHost,
                &redirects,
                page,
                Err("must be on the host of a redirect URI"),
            );
        }
    }

    #[test]
    fn a_page_must_be_on_the_site_of_a_redirect_uri() {
        let redirects = json!([
            "https://app.example.co.uk/cb",
            "https://me.github.io/cb",
            "https://93.184.216.34/"
        ]);
        for page in [
            "https://www.example.co.uk/",
            "https://example.co.uk/",
            "https://me.github.io/x",
        ] {
            on(RedirectSite, &redirects, page, Ok(()));
        }
        for page in [
            "https://other.co.uk/",
            "https://you.github.io/",
            "https://93.184.216.35/",
            "https://co.uk/",
        ] {
            on(
                RedirectSite,
                &redirects,
                page,
                Err("must be on the site of a redirect URI"),
            );
        }
    }

    #[test]
    fn a_loopback_redirect_uri_proves_no_host() {
        let redirects = json!(["http://localhost:8080/cb", "com.example.app:/cb"]);
        for how in [RedirectHost, RedirectSite] {
            on(
                how,
                &redirects,
                "https://app.example.com/",
                Err("leave it out"),
            );
            on(
                how,
                &redirects,
                "https://localhost.example/",
                Err("leave it out"),
            );
            on(how, &redirects, "http://localhost:5173/", Ok(()));
            let machine = json!({"redirect_uris": null, "grant_types": ["client_credentials"],
                                 "client_uri": "https://a.example"});
            let settings = Registration {
                page_uri_hosts: how,
                ..Registration::default()
            };
            check_with(
                &settings,
                machine,
                Ok(json!({"client_uri": "https://a.example"})),
            );
        }
        on(
            PageUriHosts::Any,
            &redirects,
            "https://app.example.com/",
            Ok(()),
        );
    }

    #[test]
    fn an_application_in_development_may_have_pages_on_loopback() {
        let local = || json!({"redirect_uris": ["http://localhost:5173/oauth/callback"]});
        let pages = [
            "client_uri",
            "tos_uri#fr",
            "policy_uri",
            "initiate_login_uri",
            "frontchannel_logout_uri",
        ];
        for page in [
            "http://localhost:5173",
            "http://127.0.0.1:1/x",
            "HTTP://[::1]/",
        ] {
            for member in pages {
                check(
                    with(local(), &json!({member: page})),
                    Ok(json!({member: page})),
                );
                check(
                    json!({member: page}),
                    Err(&[&format!("{member}: loopback URIs of clients")]),
                );
                let settings = Registration {
                    web_allow_loopback: true,
                    ..Registration::default()
                };
                let web = json!({member: page, "application_type": "web"});
                check_with(&settings, web, Ok(json!({member: page})));
            }
            // A server calls these URLs, and would call itself.
            for member in [
                "jwks_uri",
                "backchannel_logout_uri",
                "sector_identifier_uri",
            ] {
                check(
                    with(local(), &json!({member: page})),
                    Err(&[&format!("{member}: must be https")]),
                );
            }
        }
        for page in [
            "http://client.example/",
            "http://localhost.evil.example/",
            "http://127.0.0.2/",
        ] {
            check(
                with(local(), &json!({"client_uri": page})),
                Err(&["client_uri: must be https"]),
            );
        }
    }

    #[test]
    fn a_logo_on_loopback_is_left_out() {
        for member in ["logo_uri", "logo_uri#fr"] {
            for picture in [
                "http://localhost:5173/logo.png",
                "https://localhost/x",
                "http://[::1]/",
            ] {
                let local = json!({"redirect_uris": ["http://localhost:5173/cb"], member: picture});
                check(
                    local,
                    Ok(json!({member: null, "application_type": "native"})),
                );
                let rule = if picture.starts_with("https") {
                    "public internet"
                } else {
                    "must be https"
                };
                check(
                    json!({member: picture}),
                    Err(&[&format!("{member}: {rule}")]),
                );
            }
            let other =
                json!({"redirect_uris": ["http://localhost/cb"], member: "https://10.0.0.1/x"});
            check(other, Err(&[&format!("{member}: public internet")]));
        }
    }

    fn with_insecure(pages: InsecurePageUris) -> Registration {
        Registration {
            insecure_page_uris: pages,
            ..Registration::default()
        }
    }

    #[test]
    fn pages_and_pictures_that_are_not_https_can_be_left_out() {
        let drop = with_insecure(InsecurePageUris::Drop);
        let data = format!("data:image/png;base64,{}", "A".repeat(4_000));
        for insecure in [
            "http://client.example/x",
            &data,
            "client.example",
            "ftp://a.example/x",
        ] {
            for member in PAGES {
                let client = json!({member: insecure});
                check_with(&drop, client, Ok(json!({member: null})));
            }
            check(json!({"policy_uri": insecure}), Err(&["policy_uri: "]));
        }
        let kept = json!({"client_uri": "https://client.example/", "logo_uri": "https://client.example/x.png"});
        check_with(&drop, kept.clone(), Ok(kept));
        // It is https, and wrong.
        let wrong = json!({"client_uri": "https://a b/"});
        check_with(&drop, wrong, Err(&["client_uri: without spaces"]));
        let local =
            json!({"redirect_uris": ["http://localhost/cb"], "client_uri": "http://localhost/"});
        check_with(&drop, local.clone(), Ok(local));
    }

    #[test]
    fn http_can_be_allowed_for_pages_and_pictures() {
        let allow = with_insecure(InsecurePageUris::Allow);
        let pages = json!({"client_uri": "http://intranet.example/", "logo_uri": "http://intranet.example/x.png"});
        check_with(&allow, pages.clone(), Ok(pages));
        for (client, rule) in [
            (
                json!({"logo_uri": "http://127.0.0.1/x.png"}),
                "logo_uri: on the public internet",
            ),
            (
                json!({"logo_uri": "data:image/png,x"}),
                "logo_uri: never allowed",
            ),
            (
                json!({"initiate_login_uri": "http://intranet.example/"}),
                "initiate_login_uri: https",
            ),
            (
                json!({"redirect_uris": ["http://intranet.example/"]}),
                "redirect_uris[0]: https",
            ),
        ] {
            check_with(&allow, client, Err(&[rule]));
        }
    }
}
