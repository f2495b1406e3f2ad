//! Preparation of strings for `caseIgnoreMatch` (RFC 4518).
//!
//! The normal form KC of its step 3 is not applied. Two encodings of one accented letter are
//! therefore different, which rejects more than the RFC does and never less.

/// Returns the text to compare: without invisible characters, in one case, with single spaces.
pub(super) fn prepare(text: &str) -> String {
    let mut prepared = String::with_capacity(text.len());
    let seen = text.chars().filter(|character| !is_unseen(*character));
    for character in seen.flat_map(fold) {
        if !is_space(character) {
            prepared.push(character);
        } else if !prepared.is_empty() && !prepared.ends_with(' ') {
            prepared.push(' ');
        }
    }
    if prepared.ends_with(' ') {
        prepared.pop();
    }
    prepared
}

/// Folds case by way of upper case, so that a sharp s becomes two letters.
fn fold(character: char) -> impl Iterator<Item = char> {
    character.to_uppercase().flat_map(char::to_lowercase)
}

/// Section 2.2: characters that are mapped to a space.
fn is_space(character: char) -> bool {
    character.is_whitespace() && character != '\u{200b}'
}

/// Section 2.2: characters that are mapped to nothing.
fn is_unseen(character: char) -> bool {
    let is_control = character.is_control() && !character.is_whitespace();
    is_control
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{1806}' | '\u{180b}'..='\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{206a}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffc}')
}
