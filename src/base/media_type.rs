//! Media types (RFC 9110 section 8.3.1).

/// A media type as a message states it, such as `application/json; charset=utf-8`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MediaType<'a> {
    /// The type and the subtype, in lower case.
    pub(crate) essence: String,
    parameters: &'a str,
}

impl<'a> MediaType<'a> {
    /// Reads `text`, which need not be a media type.
    pub(crate) fn parse(text: &'a str) -> Self {
        let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
        Self {
            essence: essence.trim().to_ascii_lowercase(),
            parameters,
        }
    }

    /// Whether each charset that it states is one of `names`. A media type without a charset states none.
    pub(crate) fn has_charset_of(&self, names: &[&str]) -> bool {
        for parameter in self.parameters.split(';') {
            let Some((name, value)) = parameter.trim().split_once('=') else {
                continue;
            };
            let charset = value.trim_matches('"');
            let is_known = names.iter().any(|own| charset.eq_ignore_ascii_case(own));
            if name.eq_ignore_ascii_case("charset") && !is_known {
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_has_an_essence_and_a_charset() {
        let utf8 = |text: &str| MediaType::parse(text).has_charset_of(&["utf-8"]);
        assert_eq!(MediaType::parse(" Text/Plain ;a=b").essence, "text/plain");
        assert_eq!(MediaType::parse("").essence, "");
        for text in [
            "a/b",
            "a/b;",
            "a/b; charset=UTF-8",
            "a/b;x=y; Charset=\"utf-8\"",
        ] {
            assert!(utf8(text), "{text}");
        }
        assert!(!utf8("a/b; charset=latin1"));
        assert!(!utf8("a/b; charset=utf-8; charset=latin1"));
    }
}
