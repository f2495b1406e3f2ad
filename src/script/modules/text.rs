//! `text::nfkc(text)`, `skeleton`, `matches` ...: comparing and checking what people read.

use std::sync::Arc;

use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory};
use icu_properties::{CodePointMapData, CodePointSetData};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use regex::Regex;
use rhai::{Array, Dynamic, ImmutableString};
use unicode_normalization::UnicodeNormalization;
use unicode_security::{MixedScript, confusable_detection::skeleton};

use crate::script::{
    HostResult, failure, modules::Functions, modules::HostFunction, modules::function,
    modules::patterns, modules::patterns::Extent, modules::patterns::Patterns,
};

/// The characters that are encoded: all but the unreserved ones (RFC 3986 section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The functions, for the manual and for editors.
pub(super) const FUNCTIONS: &[HostFunction] = &[
    function(
        "text",
        "percent_encode(text: string) -> string",
        "Encodes a text as one part of a URL, such as a segment of its path or a value in its query: all \
         characters but letters, digits and `-._~` (RFC 3986 section 2.1).",
        "text::percent_encode(\"a/b ü\") == \"a%2Fb%20%C3%BC\"",
    ),
    function(
        "text",
        "percent_decode(text: string) -> string",
        "Decodes such a text. Fails when a `%` is not followed by two hex digits, or the result is not UTF-8.",
        "text::percent_decode(\"a%2Fb\") == \"a/b\"",
    ),
    function(
        "text",
        "nfkc(text: string) -> string",
        "Returns the text in normalisation form KC (UAX 15), in which different spellings of the same \
         characters are alike: full-width letters, ligatures, letters with separate accents.",
        "text::nfkc(\"ＰａｙＰａｌ\") == \"PayPal\"",
    ),
    function(
        "text",
        "case_fold(text: string) -> string",
        "Returns the text for comparisons that ignore case, in all languages (Unicode full case folding).",
        "text::case_fold(\"STRASSE\") == text::case_fold(\"Straße\")",
    ),
    function(
        "text",
        "skeleton(text: string) -> string",
        "Returns the skeleton of UTS 39: two texts that look alike have the same one. Use it to compare two \
         texts, and never show it. Normalise the text before, and fold the case after: `I` looks like `l`, \
         and `i` does not.",
        "text::skeleton(\"раypal\") == text::skeleton(\"paypal\")",
    ),
    function(
        "text",
        "is_printable(text: string) -> bool",
        "Returns whether every character of the text is visible or a space. Control characters, characters \
         that change the direction of the text, joiners, fillers, and characters that Unicode does not \
         assign are not. So a text with an emoji that consists of several characters is not printable.",
        "text::is_printable(\"Notes\") && !text::is_printable(\"No\\u202etes\")",
    ),
    function(
        "text",
        "is_single_script(text: string) -> bool",
        "Returns whether all letters of the text belong to one script (UTS 39 section 5.1). Japanese, Korean \
         and Chinese writing count as one script each.",
        "text::is_single_script(\"Notes 7\") && !text::is_single_script(\"раypal\")",
    ),
    function(
        "text",
        "matches(text: string, pattern: string) -> bool",
        "Returns whether the regular expression matches the whole text; `find` searches for a part. The \
         syntax is that of the Rust crate `regex`, without look-around and backreferences, so the time grows \
         only with the length of the text. Written between backticks, a pattern needs no double backslashes. \
         A pattern has at most 1024 bytes and a text at most 16384, or 256 if the compiled pattern is large, \
         as with ``[\\p{L}\\p{M}]{3,60}``. Fails when the pattern is invalid.",
        "text::matches(\"client-7\", `client-\\d+`) && !text::matches(\"my client-7\", `client-\\d+`)",
    ),
    function(
        "text",
        "find(text: string, pattern: string) -> any",
        "Returns the first part of the text that the pattern matches, or `()`. The same limits apply.",
        "text::find(\"order 66\", `\\d+`) == \"66\" && text::find(\"none\", `\\d+`) == ()",
    ),
    function(
        "text",
        "captures(text: string, pattern: string) -> any",
        "Returns that part and what each group of the pattern matched, as an array, or `()`. A group that \
         matched nothing is `()`. The same limits apply.",
        "text::captures(\"v1.2\", `v(\\d+)(?:\\.(\\d+))?`) == [\"v1.2\", \"1\", \"2\"]",
    ),
    function(
        "text",
        "replace(text: string, pattern: string, with: string) -> string",
        "Returns the text with each match replaced by `with`, which is inserted as it is. The same limits \
         apply.",
        "text::replace(\"a  b\", ` +`, \" \") == \"a b\"",
    ),
];

pub(super) fn module() -> Functions {
    let mut module = Functions::default();
    module.add1("percent_encode", |_, text: ImmutableString| {
        Ok(utf8_percent_encode(&text, RESERVED).to_string())
    });
    module.add1("percent_decode", |_, text: ImmutableString| {
        percent_decode(&text)
    });
    module.add1("nfkc", |_, text: ImmutableString| {
        Ok(text.nfkc().collect::<String>())
    });
    module.add1("case_fold", |_, text: ImmutableString| {
        Ok(caseless::default_case_fold_str(&text))
    });
    module.add1("skeleton", |_, text: ImmutableString| {
        Ok(skeleton(&text).collect::<String>())
    });
    module.add1("is_printable", |_, text: ImmutableString| {
        Ok(text.chars().all(is_printable))
    });
    module.add1("is_single_script", |_, text: ImmutableString| {
        Ok(text.as_str().is_single_script())
    });
    add_patterns(&mut module);
    module
}

/// Adds the functions for regular expressions.
fn add_patterns(module: &mut Functions) {
    type Text = ImmutableString;
    let patterns = Arc::new(Patterns::default());
    let known = Arc::clone(&patterns);
    module.add2("matches", move |_, text: Text, pattern: Text| {
        let regex = compiled(&known, &pattern, Extent::Whole, &text)?;
        Ok(regex.is_match(&text))
    });
    let known = Arc::clone(&patterns);
    module.add2("find", move |_, text: Text, pattern: Text| {
        let regex = compiled(&known, &pattern, Extent::Part, &text)?;
        Ok(shown(regex.find(&text)))
    });
    let known = Arc::clone(&patterns);
    module.add2("captures", move |_, text: Text, pattern: Text| {
        let regex = compiled(&known, &pattern, Extent::Part, &text)?;
        Ok(captures(&regex, &text))
    });
    add_replace(module, patterns);
}

fn add_replace(module: &mut Functions, patterns: Arc<Patterns>) {
    type Text = ImmutableString;
    module.add3(
        "replace",
        move |cx, text: Text, pattern: Text, with: Text| {
            let regex = compiled(&patterns, &pattern, Extent::Part, &text)?;
            replace(&regex, &text, &with, cx.engine().max_string_size())
        },
    );
}

fn compiled(patterns: &Patterns, pattern: &str, extent: Extent, text: &str) -> HostResult<Regex> {
    patterns.find(pattern, extent, text).map_err(failure)
}

/// Returns what is wrong with a pattern, if it is the second argument of the function called `name`.
pub(super) fn pattern_fault(name: &str, pattern: &str) -> Option<String> {
    match name {
        "matches" => patterns::fault(pattern, Extent::Whole),
        "find" | "captures" | "replace" => patterns::fault(pattern, Extent::Part),
        _ => None,
    }
}

fn percent_decode(text: &str) -> HostResult<String> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('%') {
        let digits = after.get(..2).unwrap_or_default();
        if digits.len() != 2 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(failure("`%` must be followed by two hex digits"));
        }
        rest = after;
    }
    match percent_decode_str(text).decode_utf8() {
        Ok(decoded) => Ok(decoded.into_owned()),
        Err(_) => Err(failure("the decoded bytes are not UTF-8")),
    }
}

fn is_printable(letter: char) -> bool {
    let category = CodePointMapData::<GeneralCategory>::new().get(letter);
    let is_assigned = !matches!(
        category,
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
            | GeneralCategory::PrivateUse
            | GeneralCategory::Surrogate
            | GeneralCategory::Unassigned
    );
    is_assigned && !CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(letter)
}

fn shown(found: Option<regex::Match<'_>>) -> Dynamic {
    found.map_or(Dynamic::UNIT, |found| found.as_str().into())
}

fn captures(regex: &Regex, text: &str) -> Dynamic {
    let Some(found) = regex.captures(text) else {
        return Dynamic::UNIT;
    };
    let groups: Array = found.iter().map(shown).collect();
    groups.into()
}

/// Replaces each match, as long as the result has at most `limit` bytes; 0 is no limit.
fn replace(regex: &Regex, text: &str, with: &str, limit: usize) -> HostResult<String> {
    let (mut replaced, mut end) = (String::new(), 0);
    for found in regex.find_iter(text) {
        replaced.push_str(text.get(end..found.start()).unwrap_or_default());
        replaced.push_str(with);
        end = found.end();
        if limit > 0 && replaced.len() > limit {
            return Err(failure(format!(
                "the result must not exceed {limit} bytes (scripts.limits.stringBytes)"
            )));
        }
    }
    replaced.push_str(text.get(end..).unwrap_or_default());
    Ok(replaced)
}
