use super::*;

fn check(text: &str, expected: Result<(), &str>) {
    match (parse(text), expected) {
        (Ok(_), Ok(())) => {}
        (Err(rule), Err(words)) => assert!(
            rule.contains(words),
            "{text}: {rule} does not contain {words}"
        ),
        (result, expected) => panic!("{text}: {result:?} is not {expected:?}"),
    }
}

#[test]
fn absolute_uris_are_parsed() {
    for good in [
        "https://client.example.org",
        "https://CLIENT.example.org:8443/CB?x=1&y=%20z",
        "http://[::1]:5000/cb",
        "com.example.app:/cb",
        "com.example.app://callback/path",
        "https://a.example/..x/x../...",
        "https://xn--bcher-kva.example/cb",
        "https://a.example/?next=https://b.example/../x",
    ] {
        check(good, Ok(()));
    }
}

#[test]
fn a_uri_needs_a_scheme_and_a_host() {
    check("/cb", Err("absolute"));
    check("client.example.org/cb", Err("absolute"));
    check("//client.example.org/cb", Err("absolute"));
    check("1https://a.example", Err("absolute"));
    for no_host in [
        "https://",
        "https:///cb",
        "https:/cb",
        "https:cb",
        "https:?x",
        "http://?x",
    ] {
        check(no_host, Err("must name a host"));
    }
    for any_port in [
        "http://127.0.0.1:0/",
        "http://localhost:0/cb",
        "http://[::1]:0",
    ] {
        check(any_port, Ok(()));
    }
    for port in ["0", "65536", "x", "", "80:80", "-1"] {
        check(&format!("https://a.example:{port}/"), Err("port"));
    }
}

#[test]
fn ambiguous_uris_are_rejected() {
    check("https://u:p@a.example/cb", Err("user name"));
    check("https://a.example\\@evil.example/cb", Err("RFC 3986"));
    check("https://*.example.org/cb", Err("wildcard"));
    check("https://a.example/c b", Err("ASCII"));
    check("https://a.example/\r\nX: y", Err("ASCII"));
    check("https://b\u{fc}cher.example/", Err("A-label"));
    check("https://a.example/cb%0d%0aX", Err("control"));
    check("https://a.example/%zz", Err("hexadecimal"));
    check("https://a.example/%4", Err("hexadecimal"));
    for host in ["2130706433", "0x7f000001", "0177.0.0.1", "127.1"] {
        check(&format!("https://{host}/"), Err("four decimal"));
    }
    for host in ["a..example", "%61.example", "-a.example", "a!b"] {
        check(&format!("https://{host}/"), Err("host"));
    }
    for path in [
        "/a/../b",
        "/./b",
        "/a/%2e%2E/b",
        "/a/%2e./",
        "/..%2fb",
        "/a%5c..",
        "/..",
    ] {
        check(&format!("https://a.example{path}"), Err("segment"));
    }
}

#[test]
fn invalid_uris_are_rejected() {
    for path in ["/[x]", "/a]b", "/?a[]=1", "/#[", "/[::1]"] {
        check(&format!("https://a.example{path}"), Err("%5B and %5D"));
        check(&format!("com.example.app:{path}"), Err("%5B and %5D"));
    }
    for authority in ["[", "[x]", "x]", "[::1]x", "[::1]]"] {
        check(&format!("com.example.app://{authority}/cb"), Err("bracket"));
    }
    check("com.example.app://[::1]/cb", Ok(()));
    check("https://a.example/%5Bx%5D", Ok(()));
    check("https://a.example/#a#b", Err("two #"));
    for text in [
        "https://a.example/a b",
        "com.example.app:/a b",
        "https://a.example/\u{e9}",
    ] {
        check(text, Err("ASCII"));
    }
    for bad in ["\\", "^", "`", "{", "|", "}", "<", ">", "\""] {
        check(&format!("https://a.example/{bad}"), Err("RFC 3986"));
        check(&format!("com.example.app:/{bad}"), Err("RFC 3986"));
    }
    for bad in ["%", "%4", "%g0", "%0g", "%%20"] {
        check(&format!("com.example.app:/{bad}"), Err("hexadecimal"));
    }
}

#[test]
fn schemes_for_code_and_files_are_never_allowed() {
    for uri in [
        "javascript:alert(1)",
        "JavaScript:x",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
    ] {
        check(uri, Err("never allowed"));
    }
}

#[test]
fn a_uri_is_split_into_its_parts() {
    let uri = parse("HTTPS://A.example:443/x%2Dy?z#f").unwrap();
    assert_eq!(
        (uri.scheme.as_str(), uri.host.as_deref(), uri.port),
        ("https", Some("a.example"), Some(443))
    );
    assert_eq!(
        (uri.location.as_slice(), uri.fragment.as_deref()),
        (b"/x-y?z".as_slice(), Some("f"))
    );
    assert!(!uri.is_origin && parse("https://a.example").unwrap().is_origin);
}
