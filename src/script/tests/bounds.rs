//! Functions of Rhai that would exceed a limit in one call.

use rhai::{Array, Dynamic, Engine, ImmutableString, Scope};
use serde_json::json;

use super::{check, load, world};
use crate::script::run::engine::SharedModules;

/// Returns an engine as for scripts, limited to strings of 1000 bytes and arrays of 100 items.
fn engine() -> Engine {
    let world = world(&[], |settings| {
        (settings.limits.string_bytes, settings.limits.array_items) = (1_000, 100);
    });
    SharedModules::new(world.unwrap().set.runtime()).engine(|| None)
}

#[test]
fn a_text_that_would_be_too_long_is_not_created_first() {
    let (engine, text) = (engine(), "a".repeat(600));
    for call in [
        "s.replace(\"a\", t)",
        "s.replace(\"\", t)",
        "s.replace('a', t)",
        "s.replace(\"a\", 'ü')",
        "s.replace('a', 'ü')",
        "s.pad(601, t + 'ü'); s.pad(1000, \"ü\")",
        "s.pad(9223372036854775807, t)",
    ] {
        let mut scope = Scope::new();
        scope.push("s", text.clone()).push("t", text.clone());
        let error = engine
            .run_with_scope(&mut scope, call)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("Length of string too large"),
            "{call}: {error}"
        );
        let left = scope.get_value::<ImmutableString>("s").unwrap();
        assert!(left.len() <= 601, "{call}: {}", left.len());
    }
}

#[test]
fn an_array_that_would_be_too_large_is_not_created_first() {
    let engine = engine();
    for call in [
        // The length makes the total number of items a 65-bit number whose lower 64 bits are 0.
        "let x = []; x.pad(63, 0); a.pad(288230376151711745, x)",
        "let x = []; x.pad(99, 0); a.pad(3, x)",
        "let s = \"\"; s.pad(501, 'a'); a.pad(3, s)",
        "a.pad(9223372036854775807, 0)",
    ] {
        let mut scope = Scope::new();
        scope.push("a", vec![Dynamic::UNIT]);
        let error = engine
            .run_with_scope(&mut scope, call)
            .unwrap_err()
            .to_string();
        assert!(error.contains("too large"), "{call}: {error}");
        assert_eq!(scope.get_value::<Array>("a").unwrap().len(), 1, "{call}");
    }
}

#[tokio::test]
async fn padding_with_an_empty_text_ends() {
    check(
        "let s = \"a\"; s.pad(5, \"\"); true",
        json!({}),
        Err("padded with an empty string"),
    )
    .await;
}

#[tokio::test]
async fn a_script_cannot_multiply_captured_values() {
    let doubles = "fn createClient(context) { let f = |x| x; loop { f = f.curry(f); } }";
    let error = load(&[("10-a.rhai", doubles)], |_| {})
        .map(drop)
        .unwrap_err();
    assert!(error.contains("10-a.rhai:1:56"), "{error}");
    check(
        "let y = 2; let f = |x| x + y; f.call(1) == 3",
        json!({}),
        Ok(json!({})),
    )
    .await;
}

#[tokio::test]
async fn operations_within_the_limits_behave_as_in_rhai() {
    let truths = [
        r#"let s = "hello, hello!"; s.replace("hello", "hey"); s == "hey, hey!""#,
        r#"let s = "hello, hello!"; s.replace("hello", '*'); s == "*, *!""#,
        r#"let s = "hello"; s.replace('l', "(^)"); s == "he(^)(^)o""#,
        r#"let s = "hello"; s.replace('l', 'ü'); s == "heüüo""#,
        r#"let s = "ab"; s.replace("", "-"); s == "-a-b-""#,
        r#"let s = ""; s.replace("", "-"); s == """#,
        r#"let s = "ab"; s.replace("x", "-"); s == "ab""#,
        r#"let s = "ab"; s.pad(6, "xyz"); s == "abxyzx""#,
        r#"let s = "ab"; s.pad(2, ""); s.pad(-1, "x"); s == "ab""#,
        r#"let s = "ab"; s.pad(4, 'x'); s == "abxx""#,
        r#"let a = [1]; a.pad(3, "x"); a.pad(2, 0); a.pad(-1, 0); a == [1, "x", "x"]"#,
        "let a = []; a.pad(5, [0]); a == [[0], [0], [0], [0], [0]]",
        r#""a,b,,c".split(",") == ["a", "b", "", "c"] && "abc".split(",") == ["abc"]"#,
        r#""a,b,c".split(',') == ["a", "b", "c"] && "".split(',') == [""]"#,
        r#""ab".split("") == ["", "a", "b", ""] && "".split("") == [""]"#,
        r#""a,b,c".split(",", 2) == ["a", "b,c"] && "a,b,c".split(',', 0) == ["a,b,c"]"#,
        r#""a,b,c".split_rev(",") == ["c", "b", "a"] && "a,b,c".split_rev(',') == ["c", "b", "a"]"#,
        r#""a,b,c".split_rev(",", 2) == ["c", "a,b"] && "a,b,c".split_rev(',', 2) == ["c", "a,b"]"#,
        r#"" a  b ".split() == ["a", "b"] && "  ".split() == [] && "".split() == [""]"#,
        r#""hello".split(2) == ["he", "llo"]"#,
        r#""aü".to_chars() == ['a', 'ü'] && "".to_chars() == []"#,
        r#"let all = []; for c in "grün".chars() { all.push(c); } all == ['g', 'r', 'ü', 'n']"#,
        r#"let all = ""; let s = "grün"; for c in s.chars { all += c; } all == "grün""#,
        r#"let all = ""; for c in "grün".chars(2) { all += c; } all == "ün""#,
        r#"let all = ""; for c in "grün".chars(-3, 2) { all += c; } all == "rü""#,
        r#"let all = ""; for c in "grün".chars(1..3) { all += c; } all == "rü""#,
        r#"let all = ""; for c in "grün".chars(1..=3) { all += c; } all == "rün""#,
        r#"let all = ""; for c in "grün".chars(4) { all += c; } for c in "grün".chars(0, -1) { all += c; } all == """#,
    ];
    for truth in truths {
        check(truth, json!({}), Ok(json!({}))).await;
    }
}

#[tokio::test]
async fn characters_share_their_text() {
    check(
        "type_of(\"abc\".chars()) == \"Characters\"",
        json!({}),
        Ok(json!({})),
    )
    .await;
}

#[tokio::test]
async fn a_text_is_not_split_into_more_parts_than_an_array_may_have() {
    for call in [
        "s.split(\"a\")",
        "s.split('a', 5000)",
        "s.split_rev(\"\")",
        "s.to_chars()",
    ] {
        let body = format!("let s = \"\"; s.pad(5000, 'a'); {call}; true");
        check(&body, json!({}), Err("array/BLOB too large")).await;
    }
}
