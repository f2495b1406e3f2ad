//! `chars`: iterates over the characters of a string.
//!
//! Rhai's own iterator holds a copy of the characters, four bytes each. The copy is cloned with the
//! iterator and counts towards no limit, and an array may hold thousands of iterators. This iterator
//! shares the string instead.

use std::ops::{Range, RangeInclusive};

use rhai::{ImmutableString, Module};

/// A limited number of characters of a string, from a position on.
#[derive(Clone)]
struct Characters {
    text: ImmutableString,
    /// The byte offset of the next character.
    at: usize,
    left: usize,
}

impl Characters {
    /// Returns at most `most` characters from the index `from` on; a negative index counts from the end.
    fn new(text: ImmutableString, from: i64, most: i64) -> Self {
        let number = usize::try_from(from.unsigned_abs()).unwrap_or(usize::MAX);
        let number = if from < 0 {
            text.chars().count().saturating_sub(number)
        } else {
            number
        };
        let at = text
            .char_indices()
            .nth(number)
            .map_or(text.len(), |(at, _)| at);
        Self {
            text,
            at,
            left: usize::try_from(most.max(0)).unwrap_or(usize::MAX),
        }
    }

    fn all(text: ImmutableString) -> Self {
        Self::new(text, 0, i64::MAX)
    }
}

impl Iterator for Characters {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        self.left = self.left.checked_sub(1)?;
        let next = self.text.get(self.at..)?.chars().next()?;
        self.at += next.len_utf8();
        Some(next)
    }
}

pub(super) fn register(module: &mut Module) {
    module.set_custom_type::<Characters>("Characters");
    module.set_iterator::<Characters>();
    module.set_getter_fn("chars", |text: &mut ImmutableString| {
        Ok(Characters::all(text.clone()))
    });
    module.set_native_fn("chars", |text: ImmutableString| Ok(Characters::all(text)));
    module.set_native_fn("chars", |text: ImmutableString, from: i64| {
        Ok(Characters::new(text, from, i64::MAX))
    });
    module.set_native_fn("chars", |text: ImmutableString, from: i64, most: i64| {
        Ok(Characters::new(text, from, most))
    });
    module.set_native_fn("chars", |text: ImmutableString, numbers: Range<i64>| {
        let from = numbers.start.max(0);
        Ok(Characters::new(
            text,
            from,
            numbers.end.saturating_sub(from),
        ))
    });
    module.set_native_fn(
        "chars",
        |text: ImmutableString, numbers: RangeInclusive<i64>| {
            let from = (*numbers.start()).max(0);
            Ok(Characters::new(
                text,
                from,
                numbers.end().saturating_sub(from).saturating_add(1),
            ))
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copying_characters_does_not_copy_the_text() {
        let characters = Characters::all("grün".into());
        let copy = characters.clone();
        assert!(copy.text.ptr_eq(&characters.text));
        assert_eq!(copy.collect::<String>(), "grün");
    }
}
