//! Names of attributes and their object identifiers.

/// The nine names that every implementation of RFC 4514 knows (section 3).
const RFC_4514: &[(&str, &str)] = &[
    ("CN", "2.5.4.3"),
    ("L", "2.5.4.7"),
    ("ST", "2.5.4.8"),
    ("O", "2.5.4.10"),
    ("OU", "2.5.4.11"),
    ("C", "2.5.4.6"),
    ("STREET", "2.5.4.9"),
    ("DC", "0.9.2342.19200300.100.1.25"),
    ("UID", "0.9.2342.19200300.100.1.1"),
];

/// Other names that are accepted but never written.
const OTHERS: &[(&str, &str)] = &[
    ("commonName", "2.5.4.3"),
    ("localityName", "2.5.4.7"),
    ("stateOrProvinceName", "2.5.4.8"),
    ("S", "2.5.4.8"),
    ("organizationName", "2.5.4.10"),
    ("organizationalUnitName", "2.5.4.11"),
    ("countryName", "2.5.4.6"),
    ("streetAddress", "2.5.4.9"),
    ("domainComponent", "0.9.2342.19200300.100.1.25"),
    ("userId", "0.9.2342.19200300.100.1.1"),
    ("SN", "2.5.4.4"),
    ("surname", "2.5.4.4"),
    ("serialNumber", "2.5.4.5"),
    ("title", "2.5.4.12"),
    ("T", "2.5.4.12"),
    ("description", "2.5.4.13"),
    ("businessCategory", "2.5.4.15"),
    ("postalCode", "2.5.4.17"),
    ("name", "2.5.4.41"),
    ("GN", "2.5.4.42"),
    ("givenName", "2.5.4.42"),
    ("initials", "2.5.4.43"),
    ("generationQualifier", "2.5.4.44"),
    ("dnQualifier", "2.5.4.46"),
    ("pseudonym", "2.5.4.65"),
    ("organizationIdentifier", "2.5.4.97"),
    ("E", "1.2.840.113549.1.9.1"),
    ("emailAddress", "1.2.840.113549.1.9.1"),
    ("unstructuredName", "1.2.840.113549.1.9.2"),
    ("jurisdictionL", "1.3.6.1.4.1.311.60.2.1.1"),
    ("jurisdictionLocalityName", "1.3.6.1.4.1.311.60.2.1.1"),
    ("jurisdictionST", "1.3.6.1.4.1.311.60.2.1.2"),
    (
        "jurisdictionStateOrProvinceName",
        "1.3.6.1.4.1.311.60.2.1.2",
    ),
    ("jurisdictionC", "1.3.6.1.4.1.311.60.2.1.3"),
    ("jurisdictionCountryName", "1.3.6.1.4.1.311.60.2.1.3"),
];

/// Returns the RFC 4514 name of the attribute.
pub(super) fn rfc4514_name(identifier: &str) -> Option<&'static str> {
    let (name, _) = RFC_4514.iter().find(|(_, known)| *known == identifier)?;
    Some(name)
}

/// Returns the dotted identifier of an attribute, given its name or identifier. Case is ignored.
pub(super) fn identifier(name: &str) -> Option<String> {
    if is_dotted(name) {
        return Some(name.to_owned());
    }
    for (known, identifier) in RFC_4514.iter().chain(OTHERS) {
        if known.eq_ignore_ascii_case(name) {
            return Some((*identifier).to_owned());
        }
    }
    None
}

/// `numericoid` of RFC 4512 section 1.4: at least two numbers without leading zeros.
fn is_dotted(name: &str) -> bool {
    let is_number = |arc: &str| {
        let has_no_zero = arc == "0" || !arc.starts_with('0');
        !arc.is_empty() && has_no_zero && arc.bytes().all(|byte| byte.is_ascii_digit())
    };
    name.contains('.') && name.split('.').all(is_number)
}
