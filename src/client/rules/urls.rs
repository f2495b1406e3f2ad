//! URLs that are not for redirection: pages for people, endpoints that a server calls, and logout.

use super::{application::Application, uri::Uri};
use crate::base::address;
use crate::client::{
    MemberKind, rules::FetchSettings, rules::Metadata, rules::Rules, rules::Violation,
    rules::is_faulted, rules::is_item_faulted, rules::items, rules::member, rules::redirect_uris,
    rules::report_fault, rules::report_item_fault, rules::sound_text, rules::uri,
};
use crate::config::InsecurePageUris;

/// Checks that every URL is `https`, and that every URL that a server calls is on the public
/// internet.
pub(super) fn check(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    let application = Application::of(metadata, found);
    for (name, value) in metadata.iter() {
        let (Some(member), Some(text)) = (member::find(name), value.as_str()) else {
            continue;
        };
        if is_faulted(found, name) {
            continue;
        }
        let fault = match member.kind {
            MemberKind::Page | MemberKind::Picture => {
                shown_fault(cx, application, member.kind, text)
            }
            MemberKind::Link => page_fault(cx, application, text),
            MemberKind::Url => endpoint_fault(cx.fetch, text),
            _ => None,
        };
        report_fault(name, fault, found);
    }
    check_logout(cx, application, metadata, found);
    check_lists(cx, metadata, found);
}

const OUT_OF_REACH: &str = "must name a host on the public internet";

/// Returns what is wrong with a URL, if anything.
type UrlCheck = fn(&Rules<'_>, &str) -> Option<String>;

/// Checks a page or a picture for people. `insecurePageUris` can allow `http` for them.
pub(super) fn shown_fault(
    cx: &Rules<'_>,
    application: Application,
    kind: MemberKind,
    text: &str,
) -> Option<String> {
    let is_picture = kind == MemberKind::Picture;
    if cx.settings.insecure_page_uris == InsecurePageUris::Allow
        && let Ok(uri) = uri::parse(text)
        && uri.scheme == "http"
    {
        let is_out_of_reach = is_picture && is_out_of_reach(cx.fetch, &uri);
        return is_out_of_reach.then(|| OUT_OF_REACH.to_owned());
    }
    if is_picture {
        fetched_fault(cx.fetch, text)
    } else {
        page_fault(cx, application, text)
    }
}

/// Checks a page that a browser goes to. The pages of an application in development are on its
/// developer's machine, and a native application may keep them there.
fn page_fault(cx: &Rules<'_>, application: Application, text: &str) -> Option<String> {
    match uri::parse(text) {
        Err(rule) => Some(rule),
        Ok(uri) if uri.scheme == "https" => None,
        Ok(uri) if uri.is_loopback_http() && application.may_use_loopback(cx) => None,
        Ok(_) => Some(
            "must be https; http is allowed only for loopback URIs of clients with application_type native"
                .to_owned(),
        ),
    }
}

/// Checks a document that a server fetches. It must not be in the server's own network.
pub(super) fn fetched_fault(fetch: &FetchSettings, text: &str) -> Option<String> {
    match uri::parse(text) {
        Err(rule) => Some(rule),
        Ok(uri) if uri.scheme != "https" => Some("must be https".to_owned()),
        Ok(uri) if is_out_of_reach(fetch, &uri) => Some(OUT_OF_REACH.to_owned()),
        Ok(_) => None,
    }
}

/// Checks an endpoint that a server calls. It must not lure the server to its own network.
pub(super) fn endpoint_fault(fetch: &FetchSettings, text: &str) -> Option<String> {
    match uri::parse(text) {
        Err(rule) => Some(rule),
        Ok(uri) if uri.scheme != "https" && !(fetch.allow_http && uri.scheme == "http") => {
            Some("must be https".to_owned())
        }
        Ok(uri) if uri.fragment.is_some() => Some("must not have a fragment (#..)".to_owned()),
        Ok(uri) if is_out_of_reach(fetch, &uri) => Some(OUT_OF_REACH.to_owned()),
        Ok(_) => None,
    }
}

/// Whether the host is a private or special address. Names are checked after DNS resolution, by the
/// server that fetches.
fn is_out_of_reach(fetch: &FetchSettings, uri: &Uri) -> bool {
    let host = uri.host.as_deref().unwrap_or_default();
    let is_special = match uri.address {
        Some(address) => address::is_special(address),
        None => address::is_special_name(host),
    };
    let is_listed = uri.port.is_some_and(|port| fetch.lists(host, port));
    is_special && !fetch.allow_private_addresses && !is_listed
}

/// Checks OpenID Connect Front-Channel Logout section 2 and Back-Channel Logout section 2.2. The
/// first URL is loaded by a browser, and the second is called by a server.
fn check_logout(
    cx: &Rules<'_>,
    application: Application,
    metadata: &Metadata,
    found: &mut Vec<Violation>,
) {
    let (front, back) = ("frontchannel_logout_uri", "backchannel_logout_uri");
    if let Some(text) = sound_text(metadata, back, found) {
        report_fault(back, endpoint_fault(cx.fetch, text), found);
    }
    if let Some(text) = sound_text(metadata, front, found) {
        let fault = match uri::parse(text) {
            Ok(uri) if uri.fragment.is_some() => Some("must not have a fragment (#..)".to_owned()),
            _ => page_fault(cx, application, text),
        };
        report_fault(front, fault, found);
    }
}

fn check_lists(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    let lists: [(&str, UrlCheck); 2] = [
        ("request_uris", request_fault),
        ("authorized_origins", origin_fault),
    ];
    for (member, fault) in lists {
        for (index, text) in items(metadata, member) {
            if !is_item_faulted(found, member, index) {
                report_item_fault(member, index, fault(cx, text), found);
            }
        }
    }
    let offer = "credential_offer_endpoint";
    if let Some(text) = metadata.text(offer) {
        report_fault(offer, uri::parse(text).err(), found);
    }
}

/// OpenID Connect Core section 6.2: a server fetches a request URI. Its fragment is a hash of the
/// document there.
fn request_fault(cx: &Rules<'_>, text: &str) -> Option<String> {
    if let Some(rule) = fetched_fault(cx.fetch, text) {
        return Some(rule);
    }
    let uri = uri::parse(text).ok()?;
    redirect_uris::pattern_fault(cx, &uri).map(str::to_owned)
}

fn origin_fault(_: &Rules<'_>, text: &str) -> Option<String> {
    match uri::parse(text) {
        Err(rule) => Some(rule),
        Ok(uri) if !uri.is_web() || !uri.is_origin => {
            Some("must be an origin, such as https://app.example.org".to_owned())
        }
        Ok(_) => None,
    }
}
