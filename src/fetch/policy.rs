//! Which URLs may be fetched, judged by the URL alone.
//!
//! A host that is an address is never resolved, so it is checked here, in the form that the connection will
//! use: the WHATWG URL Standard reads `0x7f.1` and `2130706433` as 127.0.0.1.

use url::{Host, Url};

use crate::base::address;
use crate::config::FetchSettings;
use crate::fetch::Refusal;

/// The maximum length of a URL, in bytes.
const URL_BYTES: usize = 8 * 1024;

/// The first port that is not reserved for another protocol.
const FIRST_FREE_PORT: u16 = 1024;

/// The rules of `[fetch]` for URLs.
#[derive(Clone)]
pub(super) struct UrlPolicy {
    settings: FetchSettings,
}

impl UrlPolicy {
    pub(super) const fn new(settings: FetchSettings) -> Self {
        Self { settings }
    }

    /// Parses and checks `text`.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub(super) fn admit(&self, text: &str) -> Result<Url, Refusal> {
        let url = read(text)?;
        let standard_port = match url.scheme() {
            "https" => 443,
            "http" if self.settings.allow_http => 80,
            _ => return Err(Refusal::Scheme),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::UserInformation);
        }
        if url.fragment().is_some() {
            return Err(Refusal::Fragment);
        }
        let port = url.port().unwrap_or(standard_port);
        if self
            .settings
            .lists(url.host_str().unwrap_or_default(), port)
        {
            return Ok(url);
        }
        if !self.settings.allowed_hosts.is_empty() {
            return Err(Refusal::NotListed);
        }
        if port != standard_port && port < FIRST_FREE_PORT {
            return Err(Refusal::Port);
        }
        if is_special(&url) && !self.settings.allow_private_addresses {
            return Err(Refusal::NotPublic);
        }
        Ok(url)
    }
}

/// Parses a URL. Anything that a lenient parser would repair is rejected, since another parser may repair it
/// differently.
fn read(text: &str) -> Result<Url, Refusal> {
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if !is_plain || text.len() > URL_BYTES {
        return Err(Refusal::Url);
    }
    Url::parse(text).map_err(|_| Refusal::Url)
}

fn is_special(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => address::is_special_name(name),
        Some(Host::Ipv4(address)) => address::is_special(address.into()),
        Some(Host::Ipv6(address)) => address::is_special(address.into()),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(settings: &FetchSettings, url: &str, expected: Result<&str, Refusal>) {
        let policy = UrlPolicy::new(settings.clone());
        let host = policy
            .admit(url)
            .map(|url| url.host_str().unwrap().to_owned());
        assert_eq!(host, expected.map(str::to_owned), "{url}");
    }

    fn listing(entries: &[&str]) -> FetchSettings {
        let allowed_hosts = entries.iter().map(|entry| entry.parse().unwrap()).collect();
        FetchSettings {
            allowed_hosts,
            ..FetchSettings::default()
        }
    }

    #[test]
    fn public_hosts_are_fetched_over_https() {
        let settings = FetchSettings::default();
        for (url, host) in [
            ("https://a.example/jwks?x=y", "a.example"),
            ("HTTPS://A.Example.:8443/", "a.example."),
            ("https://8.8.8.8/", "8.8.8.8"),
            ("https://[2606:4700::1111]:443/", "[2606:4700::1111]"),
        ] {
            check(&settings, url, Ok(host));
        }
        for url in [
            "http://a.example/",
            "ftp://a.example/",
            "file:///etc/passwd",
            "data:,x",
            "ws://a.example",
        ] {
            check(&settings, url, Err(Refusal::Scheme));
        }
        check(
            &FetchSettings {
                allow_http: true,
                ..settings
            },
            "http://a.example/",
            Ok("a.example"),
        );
    }

    #[test]
    fn special_addresses_are_rejected_in_every_form() {
        for host in [
            "127.0.0.1",
            "127.1",
            "127.0.0.1.",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "017700000001",
            "0177.0x0.1",
            "0",
            "169.254.169.254",
            "2852039166",
            "0xa9.0xfe.0xa9.0xfe",
            "10.0.0.1",
            "100.64.0.1",
            "255.255.255.255",
            "%31%32%37.0.0.1",
            "[::]",
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::127.0.0.1]",
            "[64:ff9b::a00:1]",
            "[2002:7f00:1::]",
            "[2001:0:1::1]",
            "[fe80::1]",
            "[fd00::1]",
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "metadata.google.internal",
            "printer.local",
            "intranet",
        ] {
            check(
                &FetchSettings::default(),
                &format!("https://{host}/"),
                Err(Refusal::NotPublic),
            );
            check(
                &FetchSettings::default(),
                &format!("https://{host}:8443/"),
                Err(Refusal::NotPublic),
            );
        }
        let development = FetchSettings {
            allow_private_addresses: true,
            ..FetchSettings::default()
        };
        check(&development, "https://2130706433/", Ok("127.0.0.1"));
        check(&development, "https://localhost:8443/", Ok("localhost"));
    }

    #[test]
    fn ambiguous_uris_are_rejected() {
        for (url, refusal) in [
            ("https://u@a.example/", Refusal::UserInformation),
            ("https://:p@a.example/", Refusal::UserInformation),
            ("https://a.example@127.0.0.1/", Refusal::UserInformation),
            ("https://a.example/#f", Refusal::Fragment),
            ("https://a.example/#", Refusal::Fragment),
            ("https://a.example\\@b.example/", Refusal::Url),
            ("https://a.exa\tmple/", Refusal::Url),
            (" https://a.example/", Refusal::Url),
            ("https://a.example/\r\nHost: b.example", Refusal::Url),
            ("https://b\u{fc}cher.example/", Refusal::Url),
            ("https://\u{ff11}27.0.0.1/", Refusal::Url),
            ("https://", Refusal::Url),
            ("/jwks", Refusal::Url),
            ("https://a.example:0x50/", Refusal::Url),
            ("https://a.example:25/", Refusal::Port),
            ("https://a.example:80/", Refusal::Port),
        ] {
            check(&FetchSettings::default(), url, Err(refusal));
        }
        let long = format!("https://a.example/{}", "x".repeat(URL_BYTES));
        check(&FetchSettings::default(), &long, Err(Refusal::Url));
    }

    #[test]
    fn a_list_of_hosts_is_exhaustive() {
        let settings = listing(&[
            "keys.example.org",
            "10.0.0.5:8443",
            "*.bank.example",
            "localhost",
        ]);
        check(
            &settings,
            "https://keys.example.org/x",
            Ok("keys.example.org"),
        );
        check(&settings, "https://10.0.0.5:8443/", Ok("10.0.0.5"));
        check(
            &settings,
            "https://a.bank.example:25/",
            Ok("a.bank.example"),
        );
        check(&settings, "https://localhost/", Ok("localhost"));
        for url in [
            "https://a.example/",
            "https://10.0.0.5/",
            "https://10.0.0.6:8443/",
            "https://bank.example/",
        ] {
            check(&settings, url, Err(Refusal::NotListed));
        }
        check(&settings, "http://keys.example.org/", Err(Refusal::Scheme));
    }
}
