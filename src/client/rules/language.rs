//! Members in several languages: `client_name#ja-Jpan-JP` (RFC 7591 section 2.2).
//!
//! Each variant follows the rules of its base member, because [`member::find`] ignores the language
//! tag.

use std::collections::BTreeMap;

use oxilangtag::LanguageTag;

use crate::client::{
    rules::Metadata, rules::Rules, rules::Violation, rules::member, rules::violation,
};

/// Checks that language tags are valid in BCP 47, that none is repeated in any case, and that there
/// are not too many.
pub(super) fn check(cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
    let mut tags_of: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for (name, _) in metadata.iter() {
        // Few names have a tag, and a search for one character takes longer than a look at each.
        if name.bytes().any(|byte| byte == b'#')
            && let Some((base, tag)) = name.split_once('#')
            && member::find(name).is_some()
        {
            tags_of.entry(base).or_default().push((name, tag));
        }
    }
    for (base, tagged) in tags_of {
        if tagged.len() > cx.limits.language_tags {
            let limit = cx.limits.language_tags;
            found.push(violation(
                base,
                format!(
                    "is present in {} languages; at most {limit} are allowed",
                    tagged.len()
                ),
            ));
        } else {
            check_tags(&tagged, found);
        }
    }
}

fn check_tags(tagged: &[(&str, &str)], found: &mut Vec<Violation>) {
    for (index, (name, tag)) in tagged.iter().enumerate() {
        if LanguageTag::parse(*tag).is_err() {
            found.push(violation(
                name,
                "the text after # must be a BCP 47 language tag, such as ja-Jpan-JP",
            ));
        }
        // RFC 7591 section 2.2: language tags are compared case-insensitively.
        if tagged
            .iter()
            .take(index)
            .any(|(_, earlier)| earlier.eq_ignore_ascii_case(tag))
        {
            found.push(violation(
                name,
                "repeats a language; the case of a tag does not matter",
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use crate::client::rules::testing::{check, check_changed};
    use crate::config::Registration;

    #[test]
    fn a_localised_member_is_kept_unchanged() {
        let names = json!({"client_name": "Client", "client_name#ja-Jpan-JP": "\u{30af}\u{30e9}", "client_name#fr": "C"});
        check(names.clone(), Ok(names));
    }

    #[test]
    fn a_language_tag_must_be_valid_by_bcp_47() {
        for bad in [
            "client_name#",
            "client_name#not a tag",
            "client_name#toolongtag",
            "client_name#en#fr",
        ] {
            check(json!({bad: "x"}), Err(&[&format!("{bad}: BCP 47")]));
        }
        check(
            json!({"client_name#en": "x", "client_name#EN": "y"}),
            Err(&["client_name#EN: repeats a language"]),
        );
        check(
            json!({"client_name#en": "x", "client_uri#EN": "https://a.example/"}),
            Ok(json!({})),
        );
    }

    #[test]
    fn only_human_readable_members_may_have_languages() {
        check(
            json!({"grant_types#en": ["x"]}),
            Ok(json!({"grant_types#en": null})),
        );
        check_changed(
            &Registration::default(),
            json!({"grant_types#en": ["x"], "redirect_uris": ["https://a.example/cb"]}),
            Err(&["grant_types#en: unknown"]),
        );
    }

    #[test]
    fn the_number_of_languages_is_limited() {
        let names: Map<String, Value> = (0..65)
            .map(|index| (format!("client_name#en-x-{index}"), json!("x")))
            .collect();
        check(
            Value::Object(names),
            Err(&["client_name: is present in 65 languages; at most 64"]),
        );
    }
}
