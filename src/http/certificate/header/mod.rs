//! The headers in which proxies forward the certificate of a client.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{HeaderMap, HeaderName};
use percent_encoding::percent_decode_str;

use crate::config::CertificateHeader;
use crate::x509::Certificate;

const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
const CLIENT_CERT_CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");
const X_FORWARDED_CLIENT_CERT: HeaderName = HeaderName::from_static("x-forwarded-client-cert");
const X_CLIENT_CERT: HeaderName = HeaderName::from_static("x-clientcert");

/// The maximum length of such a header, in bytes.
const MAXIMUM_BYTES: usize = 48 * 1024;

/// The maximum number of certificates in a chain.
const MAXIMUM_CHAIN: usize = 10;

/// A certificate with its chain.
#[derive(Debug)]
pub(super) struct ForwardedCertificate {
    pub(super) certificate: Certificate,
    pub(super) chain: Vec<Certificate>,
}

/// The lines around a certificate in PEM.
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Why a header contains no certificate.
type HeaderFault = &'static str;

const MALFORMED: HeaderFault = "it has none of the supported forms";

/// Returns the certificate in one of the `enabled` headers.
///
/// Certificates in two headers are rejected, because at most one of them can come from the proxy.
pub(super) fn read(
    headers: &HeaderMap,
    enabled: &[CertificateHeader],
) -> Result<Option<ForwardedCertificate>, HeaderFault> {
    let mut named = Vec::new();
    for header in enabled {
        named.extend(one(headers, *header)?);
    }
    let last = named.pop();
    if named.is_empty() {
        Ok(last)
    } else {
        Err(
            "several headers contain a certificate; keep only one header in server.certificateHeaders",
        )
    }
}

fn one(
    headers: &HeaderMap,
    header: CertificateHeader,
) -> Result<Option<ForwardedCertificate>, HeaderFault> {
    let presented = match header {
        CertificateHeader::ClientCert => match single(headers, &CLIENT_CERT)? {
            Some(text) => client_cert(text, headers)?,
            None => return Ok(None),
        },
        CertificateHeader::XForwardedClientCert => match forwarded_elements(headers)? {
            Some(text) => return nearest(&text),
            None => return Ok(None),
        },
        CertificateHeader::XClientCert => match single(headers, &X_CLIENT_CERT)? {
            Some(text) => x_client_cert(text)?,
            None => return Ok(None),
        },
    };
    Ok(Some(presented))
}

/// Returns the only value of a header. Proxies send an empty value if there is no certificate.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, HeaderFault> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err("the header occurs twice");
    }
    let text = value.to_str().map_err(|_| MALFORMED)?.trim();
    // Proxies write this for a variable that is not set.
    let is_none = text.is_empty() || text == "-" || text == "(null)";
    if text.len() > MAXIMUM_BYTES {
        Err("the header is too long")
    } else {
        Ok((!is_none).then_some(text))
    }
}

/// RFC 9440 section 2.2: a byte sequence; `Client-Cert-Chain` contains a list of byte sequences.
fn client_cert(text: &str, headers: &HeaderMap) -> Result<ForwardedCertificate, HeaderFault> {
    let mut chain = Vec::new();
    if let Some(list) = single(headers, &CLIENT_CERT_CHAIN)? {
        for text in list.split(',').take(MAXIMUM_CHAIN) {
            chain.push(byte_sequence(text)?);
        }
    }
    Ok(ForwardedCertificate {
        certificate: byte_sequence(text)?,
        chain,
    })
}

/// `:BASE64:` (RFC 9651 section 3.3.5).
fn byte_sequence(text: &str) -> Result<Certificate, HeaderFault> {
    let opened = text.trim().strip_prefix(':').ok_or(MALFORMED)?;
    der_in_base64(opened.strip_suffix(':').ok_or(MALFORMED)?)
}

/// PEM as written by nginx and Apache, percent-encoded or in one line; or DER in base64, as written by
/// `HAProxy`.
fn x_client_cert(text: &str) -> Result<ForwardedCertificate, HeaderFault> {
    let certificate = match certificates(text)?.into_iter().next() {
        Some(certificate) => certificate,
        None => der_in_base64(text)?,
    };
    Ok(ForwardedCertificate {
        certificate,
        chain: Vec::new(),
    })
}

/// Returns all elements of `X-Forwarded-Client-Cert` as one list.
fn forwarded_elements(headers: &HeaderMap) -> Result<Option<String>, HeaderFault> {
    let mut texts = Vec::new();
    for value in headers.get_all(X_FORWARDED_CLIENT_CERT) {
        texts.push(value.to_str().map_err(|_| MALFORMED)?);
    }
    let whole = texts.join(",");
    if whole.len() > MAXIMUM_BYTES {
        Err("the header is too long")
    } else {
        Ok((!whole.is_empty()).then_some(whole))
    }
}

/// Returns the certificate of the last element. Only that one comes from our own peer. Earlier proxies wrote
/// the elements to its left, and the client may have invented the first one. An element with an open quote
/// would swallow what our peer appends.
fn nearest(text: &str) -> Result<Option<ForwardedCertificate>, HeaderFault> {
    let mut quotes = Quotes::default();
    let mut is_open = false;
    for character in text.chars() {
        is_open = quotes.enclose(character);
    }
    if is_open {
        return Err(MALFORMED);
    }
    let element = split(text, ',').pop().unwrap_or_default();
    match member(element, "Cert") {
        Some(certificate) => with_chain(certificate, member(element, "Chain")).map(Some),
        None => Ok(None),
    }
}

fn with_chain(certificate: &str, chain: Option<&str>) -> Result<ForwardedCertificate, HeaderFault> {
    let mut found = certificates(certificate)?.into_iter();
    Ok(ForwardedCertificate {
        certificate: found.next().ok_or(MALFORMED)?,
        chain: match chain {
            Some(chain) => certificates(chain)?,
            None => Vec::new(),
        },
    })
}

/// Returns the value of the member `name` of an element; none if it is missing or empty.
fn member<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    for pair in split(element, ';') {
        let Some((key, value)) = pair.split_once('=') else {
            continue;
        };
        if key.trim().eq_ignore_ascii_case(name) {
            let value = value.trim().trim_matches('"');
            return (!value.is_empty()).then_some(value);
        }
    }
    None
}

/// Returns the parts of `text` between separators that are not within quotes.
fn split(text: &str, separator: char) -> Vec<&str> {
    let mut quotes = Quotes::default();
    text.split(|character| !quotes.enclose(character) && character == separator)
        .collect()
}

/// The state after reading a text: whether it ends within quotes, and whether it ends with a backslash.
#[derive(Default)]
struct Quotes {
    is_open: bool,
    is_escaped: bool,
}

impl Quotes {
    /// Reads one more character. Returns whether the quotes are open after it.
    const fn enclose(&mut self, character: char) -> bool {
        self.is_open ^= character == '"' && !self.is_escaped;
        self.is_escaped = character == '\\' && !self.is_escaped;
        self.is_open
    }
}

/// Returns every PEM certificate in `text`, however its lines were folded.
fn certificates(text: &str) -> Result<Vec<Certificate>, HeaderFault> {
    let is_escape =
        |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    if !text.split('%').skip(1).all(is_escape) {
        return Err(MALFORMED);
    }
    // A plus sign stays as it is, since base64 contains it.
    let Ok(text) = percent_decode_str(text).decode_utf8() else {
        return Err(MALFORMED);
    };
    let mut certificates = Vec::new();
    for block in text.split(BEGIN).skip(1).take(MAXIMUM_CHAIN) {
        let (body, _) = block.split_once(END).ok_or(MALFORMED)?;
        let base64: String = body.split_whitespace().collect();
        certificates.push(der_in_base64(&base64)?);
    }
    Ok(certificates)
}

fn der_in_base64(text: &str) -> Result<Certificate, HeaderFault> {
    der(&STANDARD.decode(text).map_err(|_| MALFORMED)?)
}

fn der(bytes: &[u8]) -> Result<Certificate, HeaderFault> {
    Certificate::from_der(bytes).map_err(|_| "it is not an X.509 certificate")
}

#[cfg(test)]
mod tests;
