//! How the upstream metadata is combined with ours.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::base::absent;
use crate::service::MetadataDocument;

/// Returns the upstream members, without absent ones and without those that this server replaces: the
/// registration endpoint, also behind a client certificate (RFC 8705 section 5), and the signed form (RFC
/// 8414 section 2.1), which repeats the unmodified document.
pub(super) fn without_ours(theirs: &MetadataDocument) -> MetadataDocument {
    let mut members = absent::present(theirs.clone());
    members.values_mut().for_each(absent::prune);
    for name in ["registration_endpoint", "signed_metadata"] {
        members.remove(name);
    }
    if let Some(Value::Object(aliases)) = members.get_mut("mtls_endpoint_aliases") {
        aliases.remove("registration_endpoint");
    }
    members
}

/// Returns the values that both servers support, since clients register here and are used there. If the
/// upstream server has no such list, or the two lists have nothing in common, returns what can be registered.
pub(super) fn shared(
    theirs: Option<&MetadataDocument>,
    name: &str,
    ours: Vec<String>,
) -> Vec<String> {
    let list = theirs.and_then(|theirs| theirs.get(name));
    let Some(Value::Array(values)) = list else {
        return ours;
    };
    let mut known: Vec<BTreeSet<&str>> = Vec::new();
    for value in values {
        if let Some(value) = value.as_str() {
            known.push(words(name, value));
        }
    }
    let mut both = ours.clone();
    both.retain(|own| known.contains(&words(name, own)));
    if both.is_empty() { ours } else { both }
}

/// Returns the part of a value of the list `name` that is compared: the words of a response type have no
/// order (RFC 6749 section 3.1.1).
fn words<'a>(name: &str, value: &'a str) -> BTreeSet<&'a str> {
    if name == "response_types_supported" {
        value.split(' ').collect()
    } else {
        BTreeSet::from([value])
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(name: &str, theirs: &[&str], ours: &[&str], expected: &[&str]) {
        let theirs = json!({ name: theirs });
        let ours = ours.iter().map(|&one| one.to_owned()).collect();
        assert_eq!(shared(theirs.as_object(), name, ours), expected, "{theirs}");
    }

    #[test]
    fn response_types_are_compared_as_sets_of_words_and_others_as_text() {
        let types = "response_types_supported";
        check(
            types,
            &["token id_token", "code"],
            &["code", "id_token token"],
            &["code", "id_token token"],
        );
        check(
            types,
            &["code id_token", "code"],
            &["code token", "id_token", "code"],
            &["code"],
        );
        check("acr_values_supported", &["b a", "c"], &["a b", "c"], &["c"]);
    }

    #[test]
    fn absent_upstream_metadata_stays_absent() {
        let theirs = json!({
            "issuer": "https://as.example", "jwks_uri": null, "op_tos_uri": "",
            "mtls_endpoint_aliases": {"token_endpoint": null, "registration_endpoint": "https://as.example/r"},
            "registration_endpoint": "https://as.example/register", "scopes_supported": [],
        });
        let expected = json!({"issuer": "https://as.example", "mtls_endpoint_aliases": {}, "scopes_supported": []});
        assert_eq!(
            Value::Object(without_ours(theirs.as_object().unwrap())),
            expected
        );
    }

    #[test]
    fn our_values_are_published_if_none_is_shared() {
        check(
            "grant_types_supported",
            &["implicit"],
            &["client_credentials"],
            &["client_credentials"],
        );
        check(
            "grant_types_supported",
            &[],
            &["client_credentials"],
            &["client_credentials"],
        );
        assert_eq!(
            shared(None, "grant_types_supported", vec!["implicit".to_owned()]),
            ["implicit"]
        );
    }
}
