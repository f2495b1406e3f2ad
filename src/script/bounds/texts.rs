//! `replace`, `pad`, `split`, `split_rev` and `to_chars` of strings.

use rhai::{Array, Dynamic, ImmutableString, Module, NativeCallContext};

use super::super::value::{HostResult, failure};
use super::{add_changing, exceeds, too_large};

/// Rhai's names, in its errors, for the limits of strings and arrays.
const LONG_TEXT: &str = "Length of string";
const LARGE_ARRAY: &str = "Size of array/BLOB";

pub(super) fn register(module: &mut Module) {
    register_replace(module);
    register_split(module);
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

fn register_replace(module: &mut Module) {
    add_changing(
        module,
        "replace",
        |cx: NativeCallContext,
         text: &mut ImmutableString,
         find: ImmutableString,
         by: ImmutableString| { replace(cx.engine().max_string_size(), text, &find, &by) },
    );
    add_changing(
        module,
        "replace",
        |cx: NativeCallContext, text: &mut ImmutableString, find: ImmutableString, by: char| {
            replace(
                cx.engine().max_string_size(),
                text,
                &find,
                by.encode_utf8(&mut [0; 4]),
            )
        },
    );
    add_changing(
        module,
        "replace",
        |cx: NativeCallContext, text: &mut ImmutableString, find: char, by: ImmutableString| {
            replace(
                cx.engine().max_string_size(),
                text,
                find.encode_utf8(&mut [0; 4]),
                &by,
            )
        },
    );
    add_changing(
        module,
        "replace",
        |cx: NativeCallContext, text: &mut ImmutableString, find: char, by: char| {
            let (find, by) = (find.to_string(), by.to_string());
            replace(cx.engine().max_string_size(), text, &find, &by)
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
        module.set_native_fn(
            name,
            move |cx: NativeCallContext, text: ImmutableString, at: ImmutableString| {
                cut(cx.engine().max_array_size(), &text, &at, usize::MAX)
            },
        );
        module.set_native_fn(
            name,
            move |cx: NativeCallContext, text: ImmutableString, at: char| {
                cut(
                    cx.engine().max_array_size(),
                    &text,
                    at.encode_utf8(&mut [0; 4]),
                    usize::MAX,
                )
            },
        );
        module.set_native_fn(
            name,
            move |cx: NativeCallContext, text: ImmutableString, at: ImmutableString, parts: i64| {
                cut(cx.engine().max_array_size(), &text, &at, one_or_more(parts))
            },
        );
        module.set_native_fn(
            name,
            move |cx: NativeCallContext, text: ImmutableString, at: char, parts: i64| {
                cut(
                    cx.engine().max_array_size(),
                    &text,
                    at.encode_utf8(&mut [0; 4]),
                    one_or_more(parts),
                )
            },
        );
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_parts_are_created_than_an_array_may_have() {
        assert_eq!(array(3, "a,b,c".split(',')).unwrap().len(), 3);
        let endless = array(3, std::iter::repeat("a"));
        assert!(endless.unwrap_err().to_string().contains("too large"));
    }
}
