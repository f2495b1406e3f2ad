//! `If-Match` (RFC 9110 section 13.1.1), which prevents lost updates.

use hyper::header::{HeaderMap, IF_MATCH};

/// Whether the resource with the entity tag `present` may be changed: `If-Match` is missing, or contains `*`
/// or that tag. A weak tag never matches.
pub fn holds(headers: &HeaderMap, present: &str) -> bool {
    if !headers.contains_key(IF_MATCH) {
        return true;
    }
    let lists = headers
        .get_all(IF_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok());
    lists
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || tag == present)
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
        assert_eq!(holds(&headers, "\"2\""), expected, "{sent:?}");
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
}
