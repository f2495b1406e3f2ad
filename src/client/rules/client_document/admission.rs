//! Whether this server accepts documents from a URL, by the lists of its operator.

use crate::base::ClientUrl;
use crate::client::{
    rules::Registration, rules::redirect_pattern::RedirectPattern,
    rules::redirect_pattern::is_denied, rules::uri,
};
use crate::config::ClientDocuments;

/// What the lists of the operator say about the URL of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UrlAdmission {
    /// No URL is a client on this server.
    Off,
    /// `clientDocumentDenyList` contains it, or `clientDocumentAllowList` does not.
    Denied,
    /// `clientDocumentAllowList` contains it.
    Listed,
    /// Any URL is accepted.
    Unlisted,
}

/// Returns whether documents from `url` are accepted.
pub(crate) fn admission(settings: &Registration, url: &ClientUrl) -> UrlAdmission {
    let is_listed = is_one_of(url, &settings.client_document_allow_list);
    match settings.client_documents {
        ClientDocuments::Off => UrlAdmission::Off,
        _ if is_on_deny_list(settings, url) => UrlAdmission::Denied,
        _ if is_listed => UrlAdmission::Listed,
        ClientDocuments::Listed => UrlAdmission::Denied,
        ClientDocuments::Any => UrlAdmission::Unlisted,
    }
}

/// Whether documents from `url` need no approval if only new ones need it.
pub(crate) fn is_approved(settings: &Registration, url: &ClientUrl) -> bool {
    is_one_of(url, &settings.client_document_approved)
}

/// Whether a pattern matches `url`. A pattern that cannot be parsed matches nothing.
fn is_one_of(url: &ClientUrl, patterns: &[String]) -> bool {
    let Ok(uri) = uri::parse(url.as_str()) else {
        return false;
    };
    let matches = |text: &String| RedirectPattern::parse(text).is_ok_and(|one| one.matches(&uri));
    patterns.iter().any(matches)
}

/// Whether a pattern denies `url`. A pattern that cannot be parsed denies every URL.
fn is_on_deny_list(settings: &Registration, url: &ClientUrl) -> bool {
    match uri::parse(url.as_str()) {
        Ok(uri) => is_denied(&uri, &settings.client_document_deny_list),
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ClientUrlForm;

    fn url(text: &str) -> ClientUrl {
        let form = ClientUrlForm {
            maximum_bytes: 512,
            may_have_query: true,
        };
        ClientUrl::parse(text, form).unwrap()
    }

    fn settings(documents: ClientDocuments, allow: &[&str], deny: &[&str]) -> Registration {
        let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Registration {
            client_documents: documents,
            client_document_allow_list: list(allow),
            client_document_deny_list: list(deny),
            client_document_approved: list(allow),
            ..Registration::default()
        }
    }

    #[test]
    fn the_lists_decide_about_a_url() {
        let allow = [
            "https://chatgpt.com/oauth/*",
            "https://zed.dev/oauth/client-metadata.json",
            "*.corp.example",
        ];
        let deny = ["https://chatgpt.com/oauth/codex/*"];
        let off = settings(ClientDocuments::Off, &allow, &deny);
        let listed = settings(ClientDocuments::Listed, &allow, &deny);
        let any = settings(ClientDocuments::Any, &allow, &deny);
        for (text, of_listed, of_any) in [
            (
                "https://chatgpt.com/oauth/abc123/client.json",
                UrlAdmission::Listed,
                UrlAdmission::Listed,
            ),
            (
                "https://chatgpt.com/oauth/client.json",
                UrlAdmission::Listed,
                UrlAdmission::Listed,
            ),
            (
                "https://chatgpt.com/oauth/codex/client.json",
                UrlAdmission::Denied,
                UrlAdmission::Denied,
            ),
            (
                "https://zed.dev/oauth/client-metadata.json",
                UrlAdmission::Listed,
                UrlAdmission::Listed,
            ),
            (
                "https://zed.dev/oauth/other.json",
                UrlAdmission::Denied,
                UrlAdmission::Unlisted,
            ),
            (
                "https://tools.corp.example:8443/c",
                UrlAdmission::Listed,
                UrlAdmission::Listed,
            ),
            (
                "https://corp.example.evil.example/c",
                UrlAdmission::Denied,
                UrlAdmission::Unlisted,
            ),
        ] {
            let url = url(text);
            assert_eq!(admission(&off, &url), UrlAdmission::Off, "{text}");
            assert_eq!(admission(&listed, &url), of_listed, "{text}");
            assert_eq!(admission(&any, &url), of_any, "{text}");
        }
        assert!(is_approved(
            &any,
            &url("https://zed.dev/oauth/client-metadata.json")
        ));
        assert!(!is_approved(&any, &url("https://zed.dev/oauth/other.json")));
    }

    #[test]
    fn a_pattern_that_cannot_be_parsed_admits_nothing_and_denies_everything() {
        let bad = ["https://a.example*"];
        let url = url("https://a.example/c");
        let allowed = settings(ClientDocuments::Listed, &bad, &[]);
        assert_eq!(admission(&allowed, &url), UrlAdmission::Denied);
        assert!(!is_approved(&allowed, &url));
        let denied = settings(ClientDocuments::Any, &[], &bad);
        assert_eq!(admission(&denied, &url), UrlAdmission::Denied);
    }
}
