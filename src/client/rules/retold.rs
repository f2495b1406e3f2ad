//! Members with the same meaning as another member, in another language or another form. The
//! request must not override in this way what a software statement vouches for.

use crate::client::rules::choices;

/// Members that extend or replace another member, each with that member.
const OTHER_WAYS: &[(&str, &str)] = &[
    ("redirect_uris_regex", "redirect_uris"),
    (
        "additional_token_endpoint_auth_methods",
        "token_endpoint_auth_method",
    ),
    ("allow_spontaneous_scopes", "scope"),
    ("spontaneous_scopes", "scope"),
    ("require_par", "require_pushed_authorization_requests"),
    ("require_pushed_authorization_requests", "require_par"),
    ("claims_redirect_uri", "claims_redirect_uris"),
    ("claims_redirect_uris", "claims_redirect_uri"),
];

/// Whether the member `name` repeats the meaning of the member `of`: in another language (RFC 7591
/// section 2.2), in one of the other forms listed here, or as a list from which its value is chosen
/// (OpenID Connect RP Metadata Choices 1.0).
pub(crate) fn retells(name: &str, of: &str) -> bool {
    let is_translated = name != of && base(name) == base(of);
    is_translated
        || OTHER_WAYS.contains(&(name, of))
        || choices::lists().any(|(list, member)| (list, member) == (name, of))
}

/// Returns the name without its language tag.
fn base(name: &str) -> &str {
    name.split_once('#').map_or(name, |(base, _)| base)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::member;

    #[test]
    fn a_member_can_be_expressed_in_other_languages_and_forms() {
        let cases = [
            ("client_name#en", "client_name", true),
            ("client_name", "client_name#en", true),
            ("client_name#fr", "client_name#en", true),
            ("client_name", "client_name", false),
            ("client_name#en", "client_name#en", false),
            ("client_names", "client_name", false),
            ("logo_uri#en", "client_name", false),
            ("redirect_uris_regex", "redirect_uris", true),
            ("redirect_uris", "redirect_uris_regex", false),
            (
                "token_endpoint_auth_methods_supported",
                "token_endpoint_auth_method",
                true,
            ),
            (
                "id_token_signing_alg_values_supported",
                "id_token_signed_response_alg",
                true,
            ),
            (
                "id_token_signing_alg_values_supported",
                "client_name",
                false,
            ),
        ];
        for (name, of, expected) in cases {
            assert_eq!(retells(name, of), expected, "{name} of {of}");
        }
    }

    #[test]
    fn every_other_form_names_existing_members() {
        for name in OTHER_WAYS.iter().flat_map(|(name, of)| [name, of]) {
            assert!(member::find(name).is_some(), "{name}");
        }
    }
}
