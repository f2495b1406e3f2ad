//! Closures that refer to themselves are freed.

use std::sync::Arc;

use serde_json::json;

use super::{facts, load, object};
use crate::client::Metadata;
use crate::script::{Hook, ScriptSet};

/// Returns the number of references to the facts of a call after it has ended.
async fn held(set: &Arc<ScriptSet>) -> usize {
    let facts = facts(json!({}));
    let client = Metadata::new(object(json!({"client_name": "a"})));
    set.decide(Hook::CreateClient, Arc::clone(&facts), client)
        .await
        .unwrap();
    Arc::strong_count(&facts)
}

#[tokio::test]
async fn reference_cycles_are_freed_after_the_call() {
    for body in [
        "let m = #{ c: context }; m.f = || m;",
        "let a = [context]; let f = || a; a = [context, f];",
        "let c = context; let f = (); f = || [c, f];",
        "let a = #{ c: context }; let b = #{}; a.f = || b; b.f = || a;",
        "let m = #{ c: context }; let put = |x| { m.x = x; }; put.call(|| m); m.x = || m;",
        "for i in 0..9 { let m = #{ c: context }; m.f = || m; if i > 6 { break; } }",
        "let m = #{ c: context }; try { m.f = || m; throw 1; } catch { }",
    ] {
        let script = format!("fn createClient(context) {{ {body} true }}");
        let set = load(&[("10-a.rhai", &script)], |_| {}).unwrap();
        assert_eq!(held(&set).await, 1, "{body}");
    }
}

#[tokio::test]
async fn closures_of_libraries_are_freed_too() {
    let script = "import \"lib/x\" as x; fn createClient(context) { x::hold(context); true }";
    let library = "fn hold(c) { let m = #{ c: c }; m.f = || m; }";
    let set = load(&[("10-a.rhai", script), ("lib/x.rhai", library)], |_| {}).unwrap();
    assert_eq!(held(&set).await, 1);
}

#[tokio::test]
async fn top_level_values_are_kept_and_ordinary_closures_work() {
    let script = "
        let word = \"kept\";
        const SAY = || word;
        fn createClient(context) {
            let prefix = \"a\";
            let count = 0;
            for x in [1, 2, 3] { let add = |y| { count += y; }; add.call(x); }
            let names = [\"b\", \"c\"].map(|name| prefix + name);
            if count != 6 || names != [\"ab\", \"ac\"] { throw `${count} ${names}`; }
            if global::SAY.call() != \"kept\" { throw \"the top level lost its value\"; }
            true
        }";
    let set = load(&[("10-a.rhai", script)], |_| {}).unwrap();
    for _ in 0..3 {
        assert_eq!(held(&set).await, 1);
    }
}
