//! Suggestions for misspelt names.

/// Returns the name in `known` that `name` is probably a misspelling of.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.replace(['_', '-'], "").to_lowercase();
    let wanted = plain(name);
    let scored = known.into_iter().map(|candidate| {
        (
            strsim::damerau_levenshtein(&wanted, &plain(candidate)),
            candidate,
        )
    });
    let (distance, candidate) = scored.min_by_key(|(distance, _)| *distance)?;
    // Up to a third of the letters can be wrong. Beyond that it is a different word.
    (distance <= name.len() / 3).then_some(candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_misspelling_is_recognised_and_another_word_is_not() {
        let known = ["grantTypesSupported", "listen", "scope"];
        assert_eq!(
            nearest("grantTypeSupported", known),
            Some("grantTypesSupported")
        );
        assert_eq!(
            nearest("grant_types_supported", known),
            Some("grantTypesSupported")
        );
        assert_eq!(nearest("listen_on", known), Some("listen"));
        assert_eq!(nearest("colour", known), None);
    }
}
