//! `replace`, `pad`, `split`, `split_rev`, `to_chars` and `chars` of strings.

use std::ops::{Range, RangeInclusive};

use rhai::{Array, Dynamic, ImmutableString, Module, NativeCallContext};

use crate::script::{
    HostResult, bounds::add_changing, bounds::exceeds, bounds::too_large, failure,
};

/// Rhai's names, in its errors, for the limits of strings and arrays.
const LONG_TEXT: &str = "Length of string";
const LARGE_ARRAY: &str = "Size of array/BLOB";

pub(super) fn register(module: &mut Module) {
    register_replace(module);
    register_split(module);
    register_chars(module);
    add_changing(
        module,
        "pad",
        |cx: NativeCallContext,
         text: &mut ImmutableString,
         length: i64,
         padding: ImmutableString| {
            pad(cx.engine().max_string_size(), text, length, &padding)
        },
    );
}

/// A parameter that can be a string or a character.
trait StringOrChar: Clone + Send + Sync + 'static {
    /// Returns the text; a character is encoded in `buffer`.
    fn text<'a>(&'a self, buffer: &'a mut [u8; 4]) -> &'a str;
}

impl StringOrChar for ImmutableString {
    fn text<'a>(&'a self, _: &'a mut [u8; 4]) -> &'a str {
        self
    }
}

impl StringOrChar for char {
    fn text<'a>(&'a self, buffer: &'a mut [u8; 4]) -> &'a str {
        self.encode_utf8(buffer)
    }
}

fn register_replace(module: &mut Module) {
    add_replace::<ImmutableString, ImmutableString>(module);
    add_replace::<ImmutableString, char>(module);
    add_replace::<char, ImmutableString>(module);
    add_replace::<char, char>(module);
}

fn add_replace<F: StringOrChar, B: StringOrChar>(module: &mut Module) {
    add_changing(
        module,
        "replace",
        |cx: NativeCallContext, text: &mut ImmutableString, find: F, by: B| {
            let (mut first, mut second) = ([0; 4], [0; 4]);
            let (find, by) = (find.text(&mut first), by.text(&mut second));
            replace(cx.engine().max_string_size(), text, find, by)
        },
    );
}

/// Replaces each `find` by `by`, after checking the size of the result.
fn replace(limit: usize, text: &mut ImmutableString, find: &str, by: &str) -> HostResult<()> {
    // Rhai leaves an empty string unchanged, even when `find` is empty too.
    let found = if text.is_empty() {
        0
    } else {
        text.matches(find).count()
    };
    if found == 0 {
        return Ok(());
    }
    let kept = text.len().saturating_sub(found.saturating_mul(find.len()));
    if exceeds(kept.saturating_add(found.saturating_mul(by.len())), limit) {
        return too_large(LONG_TEXT);
    }
    *text = text.replace(find, by).into();
    Ok(())
}

/// Adds `padding` until there are `length` characters. With an empty `padding`, Rhai would never stop.
fn pad(limit: usize, text: &mut ImmutableString, length: i64, padding: &str) -> HostResult<()> {
    let length = usize::try_from(length.max(0)).unwrap_or(usize::MAX);
    // A character has at least one byte.
    if exceeds(length, limit) {
        return too_large(LONG_TEXT);
    }
    let missing = length.saturating_sub(text.chars().count());
    if missing == 0 {
        return Ok(());
    }
    if padding.is_empty() {
        return Err(failure("a string cannot be padded with an empty string"));
    }
    let padded: String = text
        .chars()
        .chain(padding.chars().cycle().take(missing))
        .collect();
    if exceeds(padded.len(), limit) {
        return too_large(LONG_TEXT);
    }
    *text = padded.into();
    Ok(())
}

/// Splits a string at a separator into at most the given number of parts. The first parameter is the
/// limit of array items.
type Cut = fn(usize, &str, &str, usize) -> HostResult<Array>;

fn register_split(module: &mut Module) {
    let cuts: [(&str, Cut); 2] = [("split", split), ("split_rev", split_rev)];
    for (name, cut) in cuts {
        add_split::<ImmutableString>(module, name, cut);
        add_split::<char>(module, name, cut);
    }
    module.set_native_fn("split", |cx: NativeCallContext, text: ImmutableString| {
        let limit = cx.engine().max_array_size();
        if text.is_empty() {
            Ok(vec![text.into()])
        } else {
            array(limit, text.split_whitespace())
        }
    });
    module.set_native_fn(
        "to_chars",
        |cx: NativeCallContext, text: ImmutableString| {
            array(cx.engine().max_array_size(), text.chars())
        },
    );
}

/// Adds `cut` with a separator of the type `P`, without and with a number of parts.
fn add_split<P: StringOrChar>(module: &mut Module, name: &str, cut: Cut) {
    module.set_native_fn(
        name,
        move |cx: NativeCallContext, text: ImmutableString, at: P| {
            let limit = cx.engine().max_array_size();
            cut(limit, &text, at.text(&mut [0; 4]), usize::MAX)
        },
    );
    module.set_native_fn(
        name,
        move |cx: NativeCallContext, text: ImmutableString, at: P, parts: i64| {
            let limit = cx.engine().max_array_size();
            cut(limit, &text, at.text(&mut [0; 4]), one_or_more(parts))
        },
    );
}

fn split(limit: usize, text: &str, at: &str, parts: usize) -> HostResult<Array> {
    // Rhai treats an empty string as one part, even when the separator is empty.
    if text.is_empty() {
        Ok(vec![text.into()])
    } else {
        array(limit, text.splitn(parts, at))
    }
}

fn split_rev(limit: usize, text: &str, at: &str, parts: usize) -> HostResult<Array> {
    if text.is_empty() {
        Ok(vec![text.into()])
    } else {
        array(limit, text.rsplitn(parts, at))
    }
}

fn one_or_more(parts: i64) -> usize {
    usize::try_from(parts.max(1)).unwrap_or(usize::MAX)
}

/// Collects `items`, which may be endless, into an array.
fn array(limit: usize, items: impl Iterator<Item: Into<Dynamic>>) -> HostResult<Array> {
    let mut array = Array::new();
    for item in items {
        if exceeds(array.len() + 1, limit) {
            return too_large(LARGE_ARRAY);
        }
        array.push(item.into());
    }
    Ok(array)
}

/// `chars`: iterates over a limited number of characters of a string, from a position on.
///
/// Rhai's own iterator holds a copy of the characters, four bytes each. The copy is cloned with the
/// iterator and counts towards no limit, and an array may hold thousands of iterators. This iterator
/// shares the string instead.
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
        let mut number = usize::try_from(from.unsigned_abs()).unwrap_or(usize::MAX);
        if from < 0 {
            number = text.chars().count().saturating_sub(number);
        }
        let at = match text.char_indices().nth(number) {
            Some((at, _)) => at,
            None => text.len(),
        };
        Self {
            text,
            at,
            left: usize::try_from(most.max(0)).unwrap_or(usize::MAX),
        }
    }

    fn all(text: ImmutableString) -> Self {
        Self::new(text, 0, i64::MAX)
    }

    /// Returns the characters whose indexes are in `numbers`.
    fn within(text: ImmutableString, numbers: &Range<i64>) -> Self {
        let from = numbers.start.max(0);
        Self::new(text, from, numbers.end.saturating_sub(from))
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

fn register_chars(module: &mut Module) {
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
        Ok(Characters::within(text, &numbers))
    });
    module.set_native_fn(
        "chars",
        |text: ImmutableString, numbers: RangeInclusive<i64>| {
            let end = numbers.end().saturating_add(1);
            Ok(Characters::within(text, &(*numbers.start()..end)))
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_parts_are_created_than_an_array_may_have() {
        assert_eq!(array(3, "a,b,c".split(',')).unwrap().len(), 3);
        let endless = array(3, std::iter::repeat("a"));
        assert!(endless.unwrap_err().to_string().contains("too large"));
    }

    #[test]
    fn copying_characters_does_not_copy_the_text() {
        let characters = Characters::all("grün".into());
        let copy = characters.clone();
        assert!(copy.text.ptr_eq(&characters.text));
        assert_eq!(copy.collect::<String>(), "grün");
    }
}
