//! The issuer identifier as a base of URLs.

/// Returns the URL of `path` below `issuer`. An issuer identifier may end with a slash, which is part of the identifier and
/// not of the URLs below it (OpenID Connect Discovery section 4.1).
pub(crate) fn below_issuer(issuer: &str, path: &str) -> String {
    format!("{}{path}", issuer.strip_suffix('/').unwrap_or(issuer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_at_the_end_is_not_repeated() {
        for issuer in ["https://a.example/as", "https://a.example/as/"] {
            assert_eq!(below_issuer(issuer, "/token"), "https://a.example/as/token");
        }
    }
}
