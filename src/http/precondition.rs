//! Entity tags (RFC 9110 section 8.8.3), `If-Match` (section 13.1.1), which prevents lost updates, and
//! `If-None-Match` (section 13.1.2), which saves the transfer of what the caller knows.

use std::fmt::Display;

use hyper::header::{HeaderMap, IF_MATCH, IF_NONE_MATCH};

/// Returns the entity tag of a revision.
pub(crate) fn entity_tag(revision: impl Display) -> String {
    format!("\"{revision}\"")
}

/// Returns the revisions that `If-Match` names, or none if any revision matches: `If-Match` is missing, or
/// contains `*`. A weak tag names no revision.
pub(crate) fn expected_revisions(headers: &HeaderMap) -> Option<Vec<&str>> {
    if !headers.contains_key(IF_MATCH) {
        return None;
    }
    let mut revisions = Vec::new();
    for value in headers.get_all(IF_MATCH) {
        for tag in value.to_str().unwrap_or_default().split(',').map(str::trim) {
            if tag == "*" {
                return None;
            }
            let inner = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            revisions.extend(inner);
        }
    }
    Some(revisions)
}

/// Whether `If-Match` permits a change of the resource whose current revision is `present`.
pub(crate) fn permits_change(headers: &HeaderMap, present: u64) -> bool {
    match expected_revisions(headers) {
        None => true,
        Some(revisions) => revisions.contains(&present.to_string().as_str()),
    }
}

/// Whether `If-None-Match` names the entity tag `tag` of a resource, or any. The comparison is weak: a proxy that
/// compresses a response makes its tag weak.
pub(crate) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    for value in headers.get_all(IF_NONE_MATCH) {
        for named in value.to_str().unwrap_or_default().split(',').map(str::trim) {
            if named == "*" || named.strip_prefix("W/").unwrap_or(named) == tag {
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn check(sent: &[&'static str], expected: bool) {
        let mut headers = HeaderMap::new();
        for value in sent {
            headers.append(IF_MATCH, HeaderValue::from_static(value));
        }
        assert_eq!(permits_change(&headers, 2), expected, "{sent:?}");
    }

    #[test]
    fn one_of_the_tags_must_be_the_current_one() {
        check(&[], true);
        check(&["*"], true);
        check(&["\"1\", \"2\""], true);
        check(&["\"1\"", "\"2\""], true);
        check(&["\"1\""], false);
        check(&["W/\"2\""], false);
        check(&["2"], false);
        check(&[""], false);
    }

    #[test]
    fn a_caller_knows_what_its_tags_name() {
        for (sent, expected) in [
            ("\"2\"", true),
            ("W/\"2\"", true),
            ("\"1\", \"2\"", true),
            ("*", true),
            ("\"1\"", false),
            ("2", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.append(IF_NONE_MATCH, HeaderValue::from_static(sent));
            assert_eq!(is_known(&headers, "\"2\""), expected, "{sent}");
        }
        assert!(!is_known(&HeaderMap::new(), "\"2\""));
    }
}
