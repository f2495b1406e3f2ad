//! What is allowed in a document and still causes trouble: at other servers, or for the users of its client.

use serde_json::{Map, Value};

use super::CREDENTIALS;
use crate::base::ClientUrl;
use crate::client::{
    Metadata, Rules, SetBy, member, rules::items, rules::methods::METHOD, rules::pages,
    rules::report::shown, rules::uri, rules::uri::Uri,
};

/// From this size on, a document is close to the limit that servers are recommended to have (5 KB).
const LARGE_BYTES: usize = 4_096;

/// The number of unknown members that are named.
const NAMED: usize = 8;

/// A warning about one member of a document. The member is empty for the document as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Advice {
    /// The member, with an index if needed.
    pub(crate) member: String,
    /// What can happen, and what to do.
    pub(crate) text: String,
}

impl Advice {
    pub(crate) fn new(member: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            member: member.into(),
            text: text.into(),
        }
    }
}

/// Returns the warnings about the document at `url`, which has `bytes` bytes.
pub(crate) fn advise(
    cx: &Rules<'_>,
    url: &ClientUrl,
    document: &Map<String, Value>,
    bytes: usize,
) -> Vec<Advice> {
    let metadata = Metadata::new(document.clone());
    let mut found = Vec::new();
    if bytes > LARGE_BYTES {
        let text = format!(
            "the document has {bytes} bytes; many servers accept at most 5120, so make it smaller"
        );
        found.push(Advice::new("", text));
    }
    advise_on_redirects(&metadata, &mut found);
    advise_on_method(&metadata, &mut found);
    advise_on_pages(url, &metadata, &mut found);
    advise_on_unknown(cx, &metadata, &mut found);
    found
}

fn advise_on_redirects(metadata: &Metadata, found: &mut Vec<Advice>) {
    let mut has_loopback = false;
    for (index, text) in items(metadata, "redirect_uris") {
        let Ok(uri) = uri::parse(text) else { continue };
        if !uri.is_loopback_http() {
            continue;
        }
        has_loopback = true;
        let place = format!("redirect_uris[{index}]");
        if has_port(text) {
            let rule = "has a fixed port; if the program listens on any free port, leave the port out, and servers \
                        ignore it (RFC 8252 section 7.3)";
            found.push(Advice::new(place.as_str(), rule));
        }
        if uri.is_localhost() {
            let rule = "has the name localhost, which some servers reject and which need not be the user's device; \
                        use 127.0.0.1 or [::1] (RFC 8252 section 8.3)";
            found.push(Advice::new(place, rule));
        }
    }
    if has_loopback && !metadata.has("application_type") {
        let rule = "is missing beside a loopback redirect URI; some servers then assume web and reject the URI, \
                    so state native";
        found.push(Advice::new("application_type", rule));
    }
}

/// Whether the text of a URI without user information has a port.
fn has_port(text: &str) -> bool {
    let authority = text.split("//").nth(1).unwrap_or_default();
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let after_address = authority.rsplit(']').next().unwrap_or_default();
    after_address.contains(':')
}

fn advise_on_method(metadata: &Metadata, found: &mut Vec<Advice>) {
    if !metadata.has(METHOD) {
        let rule = "is missing; some servers assume client_secret_basic and reject the document, so state none or \
                    private_key_jwt";
        found.push(Advice::new(METHOD, rule));
    }
    let list = "token_endpoint_auth_methods_supported";
    if !metadata.has(list) {
        let rule =
            "is missing; with it, a server chooses among all methods that the client can use";
        found.push(Advice::new(list, rule));
    }
}

fn advise_on_pages(url: &ClientUrl, metadata: &Metadata, found: &mut Vec<Advice>) {
    let Ok(own) = uri::parse(url.as_str()) else {
        return;
    };
    let page = |name: &str| uri::parse(metadata.text(name)?).ok();
    let origin = |uri: &Uri| (uri.scheme.clone(), uri.host.clone(), uri.port);
    if let Some(page) = page("client_uri")
        && origin(&page) != origin(&own)
    {
        let rule = "is on another origin than the document; servers may not show it, because only the host of the \
                    document is verified";
        found.push(Advice::new("client_uri", rule));
    }
    if let Some(page) = page("logo_uri")
        && pages::site(&page) != pages::site(&own)
    {
        let rule = "is on another site than the document; servers may not show it, because only the host of the \
                    document is verified";
        found.push(Advice::new("logo_uri", rule));
    }
}

fn advise_on_unknown(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Advice>) {
    let custom = &cx.settings.dynamic_registration_custom_attributes;
    let mut unknown = Vec::new();
    let mut unheard = Vec::new();
    for (name, _) in metadata.iter() {
        match member::find(name).map(|member| member.set_by) {
            None if !custom.iter().any(|one| one == name) => unknown.push(shown(name)),
            // Credentials are errors.
            Some(SetBy::Operator | SetBy::Server)
                if name != "client_id" && !CREDENTIALS.contains(&name) =>
            {
                unheard.push(shown(name));
            }
            _ => {}
        }
    }
    found.extend(named(&unknown, "unknown members, which servers ignore"));
    found.extend(named(
        &unheard,
        "members that only a server or its operator sets, which are ignored",
    ));
}

/// Returns the warning that the document has these members, if there are any.
fn named(names: &[String], rule: &str) -> Option<Advice> {
    let shown = names.get(..NAMED).unwrap_or(names);
    let first = shown.join(", ");
    let more = if names.len() > NAMED {
        " and others"
    } else {
        ""
    };
    (!names.is_empty()).then(|| Advice::new("", format!("the document has {rule}: {first}{more}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::client::rules::client_document::tests::with_rules;
    use crate::config::Registration;

    /// Checks the warnings about a document with these members, each as `member: words`.
    fn check(members: Value, bytes: usize, expected: &[&str]) {
        let mut document = json!({
            "client_id": "https://app.example.org/oauth/client.json",
            "token_endpoint_auth_method": "none",
            "token_endpoint_auth_methods_supported": ["none"],
        });
        let members: Map<String, Value> = serde_json::from_value(members).unwrap();
        document.as_object_mut().unwrap().extend(members);
        let found = with_rules(&Registration::default(), |rules| {
            let url = rules
                .client_url(document["client_id"].as_str().unwrap())
                .unwrap();
            advise(rules, &url, document.as_object().unwrap(), bytes)
        });
        let texts: Vec<String> = found
            .iter()
            .map(|one| format!("{}: {}", one.member, one.text))
            .collect();
        assert_eq!(texts.len(), expected.len(), "{texts:#?}");
        for (text, expected) in texts.iter().zip(expected) {
            let (member, words) = expected.split_once(": ").unwrap();
            assert!(
                text.starts_with(&format!("{member}: ")) && text.contains(words),
                "{text} is not {expected}"
            );
        }
    }

    #[test]
    fn loopback_redirects_have_pitfalls() {
        check(
            json!({"redirect_uris": [
                "http://localhost/cb", "http://127.0.0.1:33418/", "http://[::1]/cb", "http://[::1]:1/cb",
                "https://app.example.org:8443/cb",
            ]}),
            100,
            &[
                "redirect_uris[0]: localhost",
                "redirect_uris[1]: fixed port",
                "redirect_uris[3]: fixed port",
                "application_type: is missing beside a loopback",
            ],
        );
        check(
            json!({"redirect_uris": ["http://[::1]/a:b"], "application_type": "native"}),
            100,
            &[],
        );
    }

    #[test]
    fn a_method_is_stated_with_its_alternatives() {
        check(
            json!({"token_endpoint_auth_method": null, "token_endpoint_auth_methods_supported": []}),
            100,
            &["token_endpoint_auth_method: is missing"],
        );
        check(
            json!({"token_endpoint_auth_methods_supported": null}),
            100,
            &["token_endpoint_auth_methods_supported: is missing"],
        );
    }

    #[test]
    fn pages_belong_to_the_host_of_the_document() {
        let own = json!({
            "client_uri": "https://app.example.org/about", "logo_uri": "https://cdn.example.org/logo.png",
        });
        check(own, 100, &[]);
        let foreign = json!({"client_uri": "https://example.org/", "logo_uri": "https://cdn.example.com/logo.png"});
        check(
            foreign,
            100,
            &["client_uri: another origin", "logo_uri: another site"],
        );
    }

    #[test]
    fn large_documents_and_unknown_members_are_reported() {
        check(
            json!({"code_challenge_methods_used": ["S256"], "x": 1, "disabled": true, "client_name#de": "App"}),
            4_097,
            &[
                ": the document has 4097 bytes",
                ": the document has unknown members, which servers ignore: code_challenge_methods_used, x",
                ": only a server or its operator sets, which are ignored: disabled",
            ],
        );
    }
}
