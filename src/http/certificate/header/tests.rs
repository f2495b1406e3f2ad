use hyper::header::{HeaderName, HeaderValue};

use super::*;
use crate::config::{
    CertificateHeader::ClientCert, CertificateHeader::XClientCert,
    CertificateHeader::XForwardedClientCert,
};
use crate::x509::{testing::PLAIN, testing::Pair, testing::make};

/// Reads `headers` and compares the certificate: the first of `pairs`, none, or a part of the fault.
fn check(headers: &[(&'static str, String)], expected: Result<Option<&Pair>, &str>) {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, HeaderValue::from_str(value).unwrap());
    }
    let found = read(&map, &[ClientCert, XForwardedClientCert, XClientCert]);
    match (found, expected) {
        (Ok(found), Ok(expected)) => assert_eq!(
            found.map(|found| found.certificate.sha256()),
            expected.map(|pair| pair.certificate().sha256()),
            "{headers:?}"
        ),
        (Err(fault), Err(part)) => assert!(fault.contains(part), "{fault}"),
        (found, expected) => panic!("{headers:?}: {:?} {}", found, expected.is_ok()),
    }
}

/// The certificate as `$ssl_client_escaped_cert` of nginx.
fn escaped(pem: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    pem.bytes().map(byte).collect()
}

fn byte_sequence_of(pair: &Pair) -> String {
    format!(":{}:", STANDARD.encode(pair.der()))
}

#[test]
fn every_form_of_proxies_is_parsed() {
    let pair = make(PLAIN, None);
    let x_client_cert = |value: String| check(&[("x-clientcert", value)], Ok(Some(&pair)));
    x_client_cert(escaped(&pair.pem()));
    x_client_cert(pair.pem().replace('\n', " "));
    x_client_cert(pair.pem().replace('\n', "\t"));
    x_client_cert(pair.pem().replace('\n', ""));
    x_client_cert(STANDARD.encode(pair.der()));
    check(&[("client-cert", byte_sequence_of(&pair))], Ok(Some(&pair)));
    let cert = escaped(&pair.pem());
    let xfcc = |value: String| check(&[("x-forwarded-client-cert", value)], Ok(Some(&pair)));
    xfcc(format!("Cert=\"{cert}\""));
    xfcc(format!(
        "Hash=00;Cert=\"{cert}\";Subject=\"CN=a,O=\\\"b;c\\\"\";URI=spiffe://x"
    ));
    xfcc(format!("cert={cert}"));
    for none in ["", "-", "(null)"] {
        check(&[("x-clientcert", none.to_owned())], Ok(None));
        check(&[("client-cert", none.to_owned())], Ok(None));
    }
    check(
        &[(
            "x-forwarded-client-cert",
            "Hash=00;Subject=\"CN=a\"".to_owned(),
        )],
        Ok(None),
    );
    check(&[], Ok(None));
}

#[test]
fn only_the_nearest_hop_is_trusted() {
    let (near, far) = (make(PLAIN, None), make(PLAIN, None));
    let element = |pair: &Pair| format!("By=x;Cert=\"{}\"", escaped(&pair.pem()));
    let list = format!("{},{}", element(&far), element(&near));
    check(&[("x-forwarded-client-cert", list)], Ok(Some(&near)));
    let lines = [
        ("x-forwarded-client-cert", element(&far)),
        ("x-forwarded-client-cert", element(&near)),
    ];
    check(&lines, Ok(Some(&near)));
    check(
        &[(
            "x-forwarded-client-cert",
            format!("{},Hash=00", element(&far)),
        )],
        Ok(None),
    );
}

#[test]
fn an_unclosed_quote_hides_no_elements() {
    let (real, claimed) = (make(PLAIN, None), make(PLAIN, None));
    let element = |pair: &Pair| format!("By=x;Cert=\"{}\"", escaped(&pair.pem()));
    for open in ["\"", "\"\\", "\"\\\""] {
        let list = format!("{};X={open},{}", element(&claimed), element(&real));
        check(
            &[("x-forwarded-client-cert", list)],
            Err("none of the supported forms"),
        );
    }
}

#[test]
fn ambiguous_headers_are_ignored() {
    let (one, other) = (make(PLAIN, None), make(PLAIN, None));
    let base64 = STANDARD.encode(one.der());
    check(
        &[
            ("x-clientcert", base64.clone()),
            ("x-clientcert", base64.clone()),
        ],
        Err("twice"),
    );
    let two = [
        ("x-clientcert", base64.clone()),
        ("client-cert", byte_sequence_of(&other)),
    ];
    check(&two, Err("several headers"));
    check(
        &[("x-clientcert", base64), ("client-cert", String::new())],
        Ok(Some(&one)),
    );
}

#[test]
fn anything_but_a_certificate_is_rejected() {
    let pair = make(PLAIN, None);
    let base64 = STANDARD.encode(pair.der());
    let bad = |name: &'static str, value: String| {
        let headers =
            HeaderMap::from_iter([(HeaderName::from_static(name), value.parse().unwrap())]);
        let fault = read(&headers, &[ClientCert, XForwardedClientCert, XClientCert]).unwrap_err();
        let known = [MALFORMED, "it is not an X.509 certificate"];
        assert!(known.contains(&fault), "{name}: {fault}");
    };
    bad("x-clientcert", "nonsense".to_owned());
    bad("x-clientcert", "%zz".to_owned());
    bad("x-clientcert", "100%".to_owned());
    bad("x-clientcert", base64[..base64.len() - 4].to_owned());
    bad("x-clientcert", "-----BEGIN CERTIFICATE-----QUJD".to_owned());
    bad("client-cert", base64.clone());
    bad("client-cert", format!(":{base64}"));
    bad("client-cert", "::".to_owned());
    bad("x-forwarded-client-cert", "Cert=\"nonsense\"".to_owned());
    check(
        &[("x-clientcert", "A".repeat(MAXIMUM_BYTES + 1))],
        Err("too long"),
    );
    check(
        &[("x-forwarded-client-cert", "A".repeat(MAXIMUM_BYTES + 1))],
        Err("too long"),
    );
}

#[test]
fn intermediate_certificates_are_included() {
    let (leaf, between) = (make(PLAIN, None), make(PLAIN, None));
    let mut headers = HeaderMap::new();
    headers.insert("client-cert", byte_sequence_of(&leaf).parse().unwrap());
    headers.insert(
        "client-cert-chain",
        format!(
            "{}, {}",
            byte_sequence_of(&between),
            byte_sequence_of(&leaf)
        )
        .parse()
        .unwrap(),
    );
    assert_eq!(
        read(&headers, &[ClientCert]).unwrap().unwrap().chain.len(),
        2
    );
    let chain = escaped(&format!("{}{}", leaf.pem(), between.pem()));
    let value = format!("Cert=\"{}\";Chain=\"{chain}\"", escaped(&leaf.pem()));
    headers.insert("x-forwarded-client-cert", value.parse().unwrap());
    assert_eq!(
        read(&headers, &[XForwardedClientCert])
            .unwrap()
            .unwrap()
            .chain
            .len(),
        2
    );
    assert!(
        read(&headers, &[XClientCert]).unwrap().is_none(),
        "only what is enabled is read"
    );
}

proptest::proptest! {
    #[test]
    fn no_header_causes_a_panic(value in "[ -~]{0,80}") {
        let mut headers = HeaderMap::new();
        for name in ["x-clientcert", "client-cert", "client-cert-chain", "x-forwarded-client-cert"] {
            headers.insert(name, value.parse().unwrap());
            let _ = read(&headers, &[ClientCert, XForwardedClientCert, XClientCert]);
        }
    }
}
