use openssl::asn1::{Asn1Object, Asn1Type};
use openssl::x509::X509NameBuilder;

use super::{text::DnError, *};

/// Returns a subject as OpenSSL builds it, from the least specific part to the most specific.
fn subject(entries: &[(&str, &str)]) -> Dn {
    let mut name = X509NameBuilder::new().unwrap();
    for (field, value) in entries {
        name.append_entry_by_text(field, value).unwrap();
    }
    Dn::from_der(&name.build().to_der().unwrap()).unwrap()
}

fn client() -> Dn {
    subject(&[("C", "DE"), ("O", "Example, Inc."), ("CN", "Client One")])
}

/// Returns the subject of a certificate of Open Finance Brasil.
fn brazil() -> Dn {
    let mut name = X509NameBuilder::new().unwrap();
    for (field, value) in [
        ("C", "BR"),
        ("ST", "SP"),
        ("L", "SAO PAULO"),
        ("O", "Banco Exemplo S.A."),
        ("OU", "497e1ffe-b2a2-4a4d-8ef0-70633fd11b59"),
        ("businessCategory", "Private Organization"),
        ("jurisdictionC", "BR"),
        ("serialNumber", "43142666000197"),
        ("UID", "58b2b7f2-1a2b-4c3d-9e8f-001122334455"),
    ] {
        name.append_entry_by_text(field, value).unwrap();
    }
    name.append_entry_by_text_with_type("2.5.4.97", "OFBBR-497e1ffe", Asn1Type::UTF8STRING)
        .unwrap();
    name.append_entry_by_text("CN", "web.conftpp.example.org")
        .unwrap();
    Dn::from_der(&name.build().to_der().unwrap()).unwrap()
}

/// `OFBBR-497e1ffe` as a `UTF8String`, in hex.
const ORGANIZATION: &str = "0c0e4f464242522d3439376531666665";

#[test]
fn a_distinguished_name_must_be_valid_by_rfc_4514() {
    let good = [
        "CN=client",
        "CN=client, O=Example\\, Inc., C=DE",
        "UID=1+OU=x,DC=example,DC=org",
        "2.5.4.97=#0C0A4F464242522D31323334,CN=x",
        "2.5.4.97=OFBBR-1,CN=x",
        "CN=a\\=b",
        "CN=a=b",
        "CN=\\ a\\ ",
        "CN=Lu\\C4\\8Di\\C4\\87",
        "serialNumber=1,jurisdictionC=BR,businessCategory=x",
    ];
    for text in good {
        assert!(parse(text).is_ok(), "{text}: {:?}", parse(text));
    }
    let check = |text: &str, expected: DnError| assert_eq!(parse(text), Err(expected), "{text}");
    for text in ["", "client", "=x", "CN=", "CN=a,"] {
        check(text, DnError::NoAttribute);
    }
    for text in [
        "C N=x",
        "CN =x",
        "nothing=x",
        "OID.2.5.4.97=x",
        "2.05=x",
        "2.=x",
        "CN=a,,O=b",
        "/C=DE/CN",
        "/C=DE/CN=client",
        "CN=a; O=b,x=y",
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
    for text in [
        "CN=a\\", "CN= a", "CN=a ", "CN=\"a\"", "CN=a;O=b", "CN=<a>", "CN=a\\zz", "CN=\\ff",
        "CN=a\0",
    ] {
        check(text, DnError::Escape);
    }
    for text in [
        "2.5.4.97=#0",
        "2.5.4.97=#",
        "2.5.4.97=#0cff41",
        "2.5.4.97=#0c0141ff",
        "CN=#zz",
    ] {
        check(text, DnError::Hex);
    }
    check(&vec!["CN=a"; 65].join(","), DnError::TooLong);
    assert!(parse(&vec!["CN=a"; 64].join(",")).is_ok());
}

#[test]
fn the_subject_of_a_certificate_is_written_by_rfc_4514() {
    assert_eq!(client().to_string(), "CN=Client One,O=Example\\, Inc.,C=DE");
    let odd = subject(&[("O", " #1; \"x\"\u{0} "), ("CN", "#\u{e9}")]);
    assert_eq!(odd.to_string(), "CN=\\#\u{e9},O=\\ #1\\; \\\"x\\\"\\00\\ ");
    assert!(
        parse(&odd.to_string()).unwrap().is_same(&odd),
        "a formatted name can be parsed"
    );
    assert!(
        brazil()
            .to_string()
            .contains(&format!(",2.5.4.97=#{ORGANIZATION},UID=58b2b7f2"))
    );
    assert_eq!(brazil().attributes()["2.5.4.97"], ["OFBBR-497e1ffe"]);
    assert_eq!(
        brazil().attributes()["UID"],
        ["58b2b7f2-1a2b-4c3d-9e8f-001122334455"]
    );
}

#[test]
fn names_are_compared_by_value_and_not_by_text() {
    let check = |registered: &str, expected: bool| {
        assert_eq!(matches(registered, &client()), expected, "{registered}");
    };
    check("CN=Client One,O=Example\\, Inc.,C=DE", true);
    check("cn=client  one, o=EXAMPLE\\2C INC., c=de", true);
    check("CN=\\ Client One\\ ,O=Example\\, Inc.,C=DE", true);
    check(
        "commonName=Client One,2.5.4.10=Example\\, Inc.,countryName=DE",
        true,
    );
    check(
        "CN=#0c0a436c69656e74204f6e65,O=Example\\, Inc.,C=#13024445",
        true,
    );
    check("CN=#130a436c69656e74204f6e65,O=Example\\, Inc.,C=DE", true);
    check("C=DE,O=Example\\, Inc.,CN=Client One", false);
    check("CN=Client One,C=DE,O=Example\\, Inc.", false);
    check("CN=Client One,O=Example\\, Inc.", false);
    check("CN=Client One,O=Example\\, Inc.,C=DE,DC=org", false);
    check("CN=ClientOne,O=Example\\, Inc.,C=DE", false);
    check("CN=Client One+O=Example\\, Inc.,C=DE", false);
    check("CN=Client One,O=Example, Inc.,C=DE", false);
    check("CN=#0500,O=Example\\, Inc.,C=DE", false);
    check("", false);
}

#[test]
fn the_forms_of_the_brazilian_profile_are_one_name() {
    let form = |organization: &str, jurisdiction: &str, category: &str| {
        format!(
            "CN=web.conftpp.example.org,{organization},UID=58b2b7f2-1a2b-4c3d-9e8f-001122334455,\
             2.5.4.5=#130e3433313432363636303030313937,{jurisdiction},{category},\
             OU=497e1ffe-b2a2-4a4d-8ef0-70633fd11b59,O=Banco Exemplo S.A.,L=SAO PAULO,ST=SP,C=BR"
        )
    };
    let check = |registered: &str, expected: bool| {
        assert_eq!(matches(registered, &brazil()), expected, "{registered}");
    };
    let jurisdiction = "1.3.6.1.4.1.311.60.2.1.3=#13024252";
    let category = "2.5.4.15=#0c1450726976617465204f7267616e697a6174696f6e";
    check(
        &form(&format!("2.5.4.97=#{ORGANIZATION}"), jurisdiction, category),
        true,
    );
    check(
        &form(
            &format!("2.5.4.97=#{}", ORGANIZATION.to_uppercase()),
            jurisdiction,
            category,
        ),
        true,
    );
    check(
        &form(
            "organizationIdentifier=OFBBR-497e1ffe",
            "jurisdictionCountryName=BR",
            "businessCategory=Private Organization",
        ),
        true,
    );
    check(
        &form("2.5.4.97=OFBBR-497e1ffe", jurisdiction, category),
        true,
    );
    check(
        &form(
            "2.5.4.97=#0c0e4f464242522d3439376531666666",
            jurisdiction,
            category,
        ),
        false,
    );
    check(&form("OU=OFBBR-497e1ffe", jurisdiction, category), false);
    check(&brazil().to_string(), true);
}

#[test]
fn attributes_of_one_part_have_no_order() {
    let one = parse("UID=1+CN=x,O=y").unwrap();
    assert!(one.is_same(&parse("CN=X+UID=1,O=y").unwrap()));
    assert!(!one.is_same(&parse("CN=X,UID=1,O=y").unwrap()));
    assert!(!one.is_same(&parse("CN=X+UID=1+UID=1,O=y").unwrap()));
    // SET { SEQUENCE { UID "1" }, SEQUENCE { CN "x" } } in a SEQUENCE, which no builder creates.
    let uid = Asn1Object::from_str("0.9.2342.19200300.100.1.1").unwrap();
    let tlv =
        |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()], content].concat();
    let attribute =
        |identifier: &[u8], text: &[u8]| tlv(0x30, &[tlv(6, identifier), tlv(12, text)].concat());
    let both = [
        attribute(uid.as_slice(), b"1"),
        attribute(Asn1Object::from_str("2.5.4.3").unwrap().as_slice(), b"x"),
    ];
    let name = tlv(0x30, &tlv(0x31, &both.concat()));
    assert!(
        Dn::from_der(&name)
            .unwrap()
            .is_same(&parse("CN=X+UID=1").unwrap())
    );
}

#[test]
fn strings_are_prepared_as_rfc_4518_says() {
    let same = |one: &str, other: &str| {
        assert_eq!(prepare::prepare(one), prepare::prepare(other), "{one}");
    };
    same("  Ab \t c ", "aB C");
    same("Stra\u{df}e", "STRASSE");
    same("\u{c9}tat", "\u{e9}TAT");
    same("a\u{ad}\u{200b}b", "ab");
    same("a\u{a0}b", "a b");
    assert_ne!(prepare::prepare("a b"), prepare::prepare("ab"));
    assert_eq!(prepare::prepare(" \u{200b} "), "");
}

#[test]
fn an_empty_name_matches_no_name() {
    let nobody = Dn::from_der(&[0x30, 0]).unwrap();
    assert!(nobody.is_empty() && !nobody.is_same(&nobody));
    for broken in [&[][..], &[0x31, 0], &[0x30, 2, 0x31, 1], &[0x30, 0, 0]] {
        assert_eq!(Dn::from_der(broken), None, "{broken:?}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_causes_a_panic(text in "\\PC{0,60}", bytes in proptest::collection::vec(0_u8.., 0..60)) {
        let _ = parse(&text).map(|name| parse(&name.to_string()).unwrap().is_same(&name));
        let _ = Dn::from_der(&bytes).map(|name| name.to_string());
    }

    #[test]
    fn a_parsed_name_is_written_unchanged(value in ".{1,20}") {
        let name = Dn(vec![vec![Attribute { identifier: "2.5.4.3".to_owned(), value: Value::Text(value) }]]);
        proptest::prop_assert_eq!(parse(&name.to_string()), Ok(name));
    }
}
