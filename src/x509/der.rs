//! The subset of DER (X.690) that distinguished names need.

const UTF8_STRING: u8 = 0x0c;
const NUMERIC_STRING: u8 = 0x12;
const PRINTABLE_STRING: u8 = 0x13;
const T61_STRING: u8 = 0x14;
const IA5_STRING: u8 = 0x16;
const VISIBLE_STRING: u8 = 0x1a;
const UNIVERSAL_STRING: u8 = 0x1c;
const BMP_STRING: u8 = 0x1e;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// One element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
    /// The complete element, including tag and length.
    pub(super) whole: &'a [u8],
}

/// Returns the first element of `bytes`, and the bytes after it.
pub(super) fn element(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    // Names contain no tags of several bytes.
    if tag & 0x1f == 0x1f {
        return None;
    }
    let (length, rest) = length(rest)?;
    let (content, after) = rest.split_at_checked(length)?;
    let whole = bytes.get(..bytes.len().checked_sub(after.len())?)?;
    Some((
        Element {
            tag,
            content,
            whole,
        },
        after,
    ))
}

/// Reads a definite length of at most three bytes.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        return Some((usize::from(first), rest));
    }
    let count = usize::from(first & 0x7f);
    if !(1..=3).contains(&count) {
        return None;
    }
    let (digits, rest) = rest.split_at_checked(count)?;
    let mut length = 0;
    for digit in digits {
        length = length << 8 | usize::from(*digit);
    }
    Some((length, rest))
}

/// Returns the elements in `content`, if it consists of nothing else.
pub(super) fn elements(mut content: &[u8]) -> Option<Vec<Element<'_>>> {
    let mut found = Vec::new();
    while !content.is_empty() {
        let (one, rest) = element(content)?;
        found.push(one);
        content = rest;
    }
    Some(found)
}

/// Returns the text of a string, or `None` if it has another type or invalid bytes.
pub(super) fn text(element: &Element<'_>) -> Option<String> {
    let content = element.content;
    match element.tag {
        UTF8_STRING => String::from_utf8(content.to_vec()).ok(),
        NUMERIC_STRING | PRINTABLE_STRING | IA5_STRING | VISIBLE_STRING => {
            content.is_ascii().then(|| latin_1(content))
        }
        // In practice, a T61String in a certificate contains Latin-1.
        T61_STRING => Some(latin_1(content)),
        BMP_STRING => wide(content, 2),
        UNIVERSAL_STRING => wide(content, 4),
        _ => None,
    }
}

fn latin_1(content: &[u8]) -> String {
    content.iter().map(|byte| char::from(*byte)).collect()
}

fn wide(content: &[u8], size: usize) -> Option<String> {
    if !content.len().is_multiple_of(size) {
        return None;
    }
    let mut text = String::new();
    for unit in content.chunks(size) {
        let mut code = 0_u32;
        for byte in unit {
            code = code << 8 | u32::from(*byte);
        }
        text.push(char::from_u32(code)?);
    }
    Some(text)
}

/// Returns the dotted form of an object identifier.
pub(super) fn identifier(content: &[u8]) -> Option<String> {
    let mut arcs: Vec<u64> = Vec::new();
    let mut arc = 0_u64;
    for byte in content {
        arc = arc.checked_mul(128)?.checked_add(u64::from(byte & 0x7f))?;
        if byte & 0x80 == 0 {
            arcs.push(std::mem::take(&mut arc));
        }
    }
    if content.last()? & 0x80 != 0 {
        return None;
    }
    let (first, rest) = arcs.split_first()?;
    let root = (*first / 40).min(2);
    let mut text = format!("{root}.{}", first - root * 40);
    for arc in rest {
        text.push('.');
        text.push_str(&arc.to_string());
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_must_have_all_its_bytes() {
        let (one, rest) = element(&[0x0c, 2, b'h', b'i', 9]).unwrap();
        assert_eq!((text(&one).as_deref(), rest), (Some("hi"), &[9][..]));
        assert_eq!(one.whole.len(), 4);
        for broken in [
            &[][..],
            &[0x0c],
            &[0x0c, 2, b'h'],
            &[0x0c, 0x80],
            &[0x1f, 0],
            &[0x0c, 0x84, 0, 0, 0, 0],
        ] {
            assert_eq!(element(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn strings_of_each_type_are_decoded() {
        let check = |bytes: &[u8], expected: Option<&str>| {
            assert_eq!(
                text(&element(bytes).unwrap().0).as_deref(),
                expected,
                "{bytes:?}"
            );
        };
        check(&[0x13, 1, b'A'], Some("A"));
        check(&[0x13, 1, 0xe9], None);
        check(&[0x14, 1, 0xe9], Some("\u{e9}"));
        check(&[0x1e, 2, 0x20, 0xac], Some("\u{20ac}"));
        check(&[0x1e, 3, 0x20, 0xac, 0], None);
        check(&[0x1c, 4, 0, 1, 0xf6, 0], Some("\u{1f600}"));
        check(&[0x0c, 1, 0xff], None);
        check(&[0x02, 1, 1], None);
    }

    #[test]
    fn identifiers_have_their_dotted_form() {
        let check = |bytes: &[u8], expected: Option<&str>| {
            assert_eq!(identifier(bytes).as_deref(), expected, "{bytes:?}");
        };
        check(&[0x55, 4, 97], Some("2.5.4.97"));
        check(
            &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1],
            Some("1.2.840.113549.1.9.1"),
        );
        check(&[0x88, 0x37], Some("2.999"));
        check(&[0x55, 0x84], None);
        check(&[], None);
        check(&[0xff; 12], None);
    }
}
