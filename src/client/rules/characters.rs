//! Characters that nobody sees. With a text that looks like another, an application can impersonate another one (RFC
//! 7591 section 5, on impersonation). Such texts also end up in consent pages and logs.

/// Finds a hidden character in a text for programs.
pub(super) fn hidden_character(text: &str) -> Option<String> {
    // Most texts are visible ASCII, which is seen sooner.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return None;
    }
    text.chars().find(|&one| is_hidden(one)).map(fault)
}

/// Finds a hidden character in a text for people, which may have those that its script needs.
pub(super) fn hidden_in_label(text: &str) -> Option<String> {
    hidden_character(text)?;
    let mut before = None;
    let mut characters = text.chars().peekable();
    while let Some(one) = characters.next() {
        if is_hidden(one) && !is_needed(one, before, characters.peek().copied()) {
            return Some(fault(one));
        }
        before = Some(one);
    }
    None
}

fn fault(found: char) -> String {
    let code = u32::from(found);
    format!("has the character U+{code:04X}; remove control, direction and invisible characters")
}

/// Whether people need the hidden character `one` between its neighbours to write their language.
fn is_needed(one: char, before: Option<char>, after: Option<char>) -> bool {
    match one {
        // They change the shape of letters, as in Persian and Hindi, and combine emoji.
        '\u{200c}' | '\u{200d}' => {
            before.is_some_and(is_virama) || (before.is_some_and(joins) && after.is_some_and(joins))
        }
        // They put punctuation, and names in Latin letters, on the right side of a letter.
        '\u{200e}' | '\u{200f}' => {
            before.is_some_and(is_right_to_left) || after.is_some_and(is_right_to_left)
        }
        _ => false,
    }
}

/// Whether a joiner may change how the character looks. In Latin, Greek, Cyrillic, Armenian and Hebrew it never does,
/// and there it could only tell apart two names that look the same.
fn joins(character: char) -> bool {
    character >= '\u{600}' && !matches!(character, '\u{1e00}'..='\u{1fff}') && !is_hidden(character)
}

/// A sign at the end of a syllable, after which a joiner chooses its form (RFC 5892 appendix A.1).
fn is_virama(character: char) -> bool {
    matches!(
        character,
        '\u{94d}'
            | '\u{9cd}'
            | '\u{a4d}'
            | '\u{acd}'
            | '\u{b4d}'
            | '\u{bcd}'
            | '\u{c4d}'
            | '\u{ccd}'
            | '\u{d4d}'
            | '\u{dca}'
    )
}

/// Whether the character belongs to a script that is written from right to left.
fn is_right_to_left(character: char) -> bool {
    matches!(character,
        '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefe}'
        | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
        && character != '\u{61c}'
}

/// Whether a character is a control, default-ignorable in Unicode (UAX 44), or a letter or symbol
/// without a visible form: the fillers of Hangul and the blank of Braille. Variation selectors are
/// allowed, because names in Japanese and Mongolian and emoji need them.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{feff}'
            | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}'
            | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
            | '\u{2800}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e00ff}' | '\u{e01f0}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::client::rules::testing::check;

    #[test]
    fn a_text_must_not_hide_characters() {
        check(
            json!({"client_name": "B\u{e4}nk \u{30af}\u{30e9}"}),
            Ok(json!({"client_name": "B\u{e4}nk \u{30af}\u{30e9}"})),
        );
        for name in [
            "\u{845b}\u{e0100}\u{98fe}",
            "\u{2764}\u{fe0f}",
            "\u{1820}\u{180b}",
        ] {
            check(
                json!({"client_name": name}),
                Ok(json!({"client_name": name})),
            );
        }
        for hidden in [
            "a\nb",
            "a\u{7f}",
            "a\u{202e}b",
            "a\u{200b}b",
            "\u{feff}a",
            "a\u{3164}b",
            "a\u{34f}b",
            "\u{2800}",
            "a\u{115f}",
            "\u{ffa0}",
            "a\u{17b4}",
            "a\u{e0001}",
            "a\u{fff9}b",
            "a\u{1d173}",
            "a\u{e01f0}",
        ] {
            check(
                json!({"client_name": hidden}),
                Err(&["client_name: has the character U+"]),
            );
            check(
                json!({"client_name#de": hidden}),
                Err(&["client_name#de: has the character U+"]),
            );
            check(
                json!({"contacts": [hidden]}),
                Err(&["contacts[0]: has the character U+"]),
            );
        }
    }

    #[test]
    fn a_name_may_have_what_its_script_needs() {
        for name in [
            // Persian, Hindi, Sinhala, Malayalam with a joiner at its end, and emoji.
            "\u{646}\u{631}\u{645}\u{200c}\u{627}\u{641}\u{632}\u{627}\u{631}",
            "\u{936}\u{94d}\u{200d}\u{930}",
            "\u{dc1}\u{dca}\u{200d}\u{dbb}\u{dd3}",
            "\u{d05}\u{d35}\u{d28}\u{d4d}\u{200d} app",
            "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} app",
            "\u{2764}\u{fe0f}\u{200d}\u{1f525}",
            // A mark after the exclamation mark or a Latin name at the end of Hebrew.
            "\u{5e9}\u{5dc}\u{5d5}\u{5dd}\u{200f}!",
            "\u{5d0}\u{5d1}\u{200e} C++",
        ] {
            let named = json!({"client_name": name});
            check(named.clone(), Ok(named));
            let machine = json!({"software_id": name});
            check(machine, Err(&["software_id: has the character U+20"]));
        }
    }

    #[test]
    fn a_name_must_not_have_what_only_deceives() {
        for name in [
            "pay\u{200d}pal",
            "p\u{200c}\u{430}",
            "\u{440}\u{200d}\u{430}",
            "\u{200c}\u{646}",
            "\u{646}\u{200d}",
            "\u{646}\u{200c}\u{200c}\u{627}",
            "\u{646}\u{200c} \u{627}",
            "a\u{200e}b",
            "abc\u{200f}",
            "\u{5d0}\u{202e}\u{5d1}",
            "\u{5d0}\u{2067}\u{5d1}\u{2069}",
            "\u{646}\u{200b}\u{627}",
        ] {
            check(
                json!({"client_name": name}),
                Err(&["client_name: has the character U+20"]),
            );
        }
    }
}
