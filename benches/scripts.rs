//! Measures the cost of a hook, and whether two threads do twice as much: `cargo bench --bench scripts`.
//!
//! Every ratio compares two measurements of the same run. The floor of a call is passing an empty job to a
//! thread that can block, and back.

#![expect(clippy::print_stdout, reason = "a measurement prints")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use registrar::clock::{ManualClock, Timestamp};
use registrar::config::ScriptSettings;
use registrar::testing::{FakeHost, TestScripts};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// A typical script of an operator.
const USUAL: &str = r#"fn createClient(context) {
    if context.configurationAttributes.deniedVendors.contains(context.client.software_id) { return false; }
    context.client.contacts.push("registry@example.org");
    if context.client.client_name == () { context.client.client_name = "a client"; }
    true
}"#;

/// A hook with so much work that the hand-over is negligible.
const LONG: &str = r"fn createClient(context) {
    let sum = 0;
    for number in 0..5000 { sum += number % 7; }
    context.client.software_version = `${sum}`;
    true
}";

/// An `http` request that is answered at once.
const ASKING: &str =
    r#"fn createClient(context) { http::get("https://a.example/").status == 200 }"#;

const TIME: Duration = Duration::from_secs(2);

fn main() {
    println!("{:<44}{:>10}{:>10}", "", "us", "ratio");
    let floor = per_call(1, |_| {
        let handed = async {
            tokio::task::spawn_blocking(|| ())
                .await
                .expect("an empty job");
        };
        Box::pin(handed)
    });
    line("an empty job, and back", floor, floor);
    for (name, script, many) in [
        ("one hook, one script", USUAL, 1),
        ("one hook, five scripts", USUAL, 5),
        ("one hook with an http request", ASKING, 1),
        ("one long-running hook", LONG, 1),
    ] {
        let (set, _folder) = load(script, many);
        line(name, per_call(1, |_| ask(&set)), floor);
    }
    println!("\n{:<44}{:>10}", "two threads compared with one", "ratio");
    for (name, script) in [
        ("one hook, one script", USUAL),
        ("one long-running hook", LONG),
    ] {
        let (set, _folder) = load(script, 1);
        let (one, two) = (per_call(1, |_| ask(&set)), per_call(2, |_| ask(&set)));
        println!("{name:<44}{:>10.2}", one / two);
    }
}

fn line(name: &str, microseconds: f64, floor: f64) {
    println!(
        "{name:<44}{microseconds:>10.1}{:>10.2}",
        microseconds / floor
    );
}

type Work = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// Returns the microseconds of one run of `work` when `threads` threads do nothing else.
fn per_call(threads: usize, work: impl Fn(usize) -> Work + Sync) -> f64 {
    let drive = |thread: usize| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let begun = Instant::now();
        let mut done = 0_u32;
        runtime.block_on(async {
            while begun.elapsed() < TIME {
                work(thread).await;
                done += 1;
            }
        });
        f64::from(done) / begun.elapsed().as_secs_f64()
    };
    let rate: f64 = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || drive(thread)))
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().expect("it measures"))
            .sum()
    });
    1_000_000.0 / rate
}

fn ask(set: &TestScripts) -> Work {
    let decided = set.create_client(object(client()));
    Box::pin(async move { decided.await.expect("the script accepts the request") })
}

/// Loads `many` copies of a script. The returned folder must outlive them.
fn load(script: &str, many: usize) -> (TestScripts, TempDir) {
    let folder = TempDir::new().expect("a temporary folder");
    for number in 0..many {
        std::fs::write(folder.path().join(format!("{number}.rhai")), script).expect("a script");
    }
    let mut settings = ScriptSettings {
        directory: folder.path().to_owned(),
        ..ScriptSettings::default()
    };
    settings.attributes = object(json!({"deniedVendors": ["acme"]}));
    let clock = Arc::new(ManualClock::new(Timestamp::from_unix(1_767_225_600)));
    let host = FakeHost::new(clock.clone());
    host.answer_json("GET", "https://a.example/", 200, &json!({"ok": true}));
    let scripts = TestScripts::load(&settings, clock, host);
    (scripts.expect("the script loads"), folder)
}

fn client() -> Value {
    json!({
        "redirect_uris": ["https://client.example.org/callback", "https://client.example.org/callback2"],
        "client_name": "My Example", "client_name#fr": "Mon Exemple",
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
        "scope": "openid profile email", "logo_uri": "https://client.example.org/logo.png",
        "contacts": ["ve7jtb@example.org", "mary@example.org"], "software_id": "s",
    })
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(members) = value else {
        return Map::new();
    };
    members
}
