//! `registrar store backup`, `verify` and `restore`.
//!
//! A backup of many clients while others register, with its time, its size, and the response times before, meanwhile
//! and afterwards:
//!
//! ```text
//! REGISTRAR_CLIENTS=1000000 REGISTRAR_BINARY=target/release/registrar \
//!     cargo test --test binary store_backup::as_many_clients_as_asked_for -- --ignored --nocapture
//! ```

#![expect(clippy::indexing_slicing, reason = "tests report problems by failing")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::acknowledged::{Client, Found, number};
use crate::crash::work;
use crate::process::{Registrar, command};
use crate::remote::Ran;

/// The key in RFC 7517 appendix A.2.
fn identity() -> Value {
    json!({
        "kty": "EC", "crv": "P-256", "kid": "1",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
        "d": "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE",
    })
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path")
}

/// Runs `registrar store` without a server.
fn store(arguments: &[&str]) -> Ran {
    let output = command(&[&["store"], arguments].concat()).output();
    Ran::of(&output.expect("the binary runs"))
}

/// Writes a backup of the store of `registrar` to `file`.
pub(crate) fn back_up(registrar: &Registrar, file: &Path, more: &[&str]) -> Ran {
    registrar.cli(&[&["store", "backup", text(file)], more].concat())
}

/// The same, while other work goes on.
async fn back_up_beside(registrar: &Registrar, file: &Path) -> Ran {
    let mut command = registrar.asked(&["store", "backup", text(file)]);
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    Ran::of(&output.expect("it ends").expect("the binary runs"))
}

/// Restores the backup `file`, with the key and the credentials of the administrator in the folder `data` of the
/// store that it is of, and starts a server on it.
pub(crate) fn restored(data: &Path, file: &Path) -> Registrar {
    let folder = TempDir::new().expect("a folder");
    let (target, key) = (folder.path().join("data"), data.join("registrar.key"));
    let arguments = [
        "restore",
        text(file),
        "--data",
        text(&target),
        "--key",
        text(&key),
    ];
    store(&arguments).fine();
    let credentials = "admin-credentials.json";
    fs::copy(data.join(credentials), target.join(credentials)).expect("it is copied");
    started(folder)
}

fn started(folder: TempDir) -> Registrar {
    fs::write(folder.path().join("registrar.toml"), "").expect("a configuration");
    match Registrar::try_start_in(folder, Duration::from_mins(1)) {
        Ok(registrar) => {
            let log = registrar.log();
            // The store has nothing to complain about.
            assert!(
                !log.contains("ERROR") && !log.contains("registrar::store"),
                "{log}"
            );
            registrar
        }
        Err(refusal) => panic!("it did not start: {}", refusal.log),
    }
}

/// Registers `count` clients, updates every other one and deletes every fifth one.
async fn clients(registrar: &Registrar, count: usize) -> Vec<Client> {
    let (url, http) = (registrar.url(""), reqwest::Client::new());
    let mut clients = Vec::new();
    for at in 0..count {
        let client = Client::register(&url, &http, &format!("early {at}")).await;
        let mut client = client.expect("an answer");
        if at % 2 == 0 {
            client.update(&url, &http).await.expect("an answer");
        }
        if at % 5 == 0 {
            client.delete(&url, &http).await.expect("an answer");
        }
        clients.push(client);
    }
    clients
}

/// Returns an export after the last request whose caller has gone.
fn settled(registrar: &Registrar) -> String {
    let export = || registrar.cli(&["clients", "export"]).fine();
    let (mut last, mut next) = (export(), export());
    while last != next {
        last = std::mem::replace(&mut next, export());
    }
    next
}

async fn all_are_there(registrar: &Registrar, clients: &[Client]) {
    let http = reqwest::Client::new();
    for client in clients {
        assert_eq!(client.clone().look(registrar, &http).await, Found::Due);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_backup_while_clients_register_has_everything_that_was_acknowledged_before() {
    let mut registrar = Registrar::start();
    let early = clients(&registrar, 40).await;
    let (file, last) = (
        registrar.folder().join("backup"),
        registrar.folder().join("last"),
    );
    let (answers, url, http) = (
        AtomicUsize::new(0),
        registrar.url(""),
        reqwest::Client::new(),
    );
    let count = || {
        answers.fetch_add(1, Ordering::SeqCst);
    };
    let working = (0..4).map(|worker| work(&url, &http, &count, format!("late {worker}")));
    let working = futures_util::future::join_all(working);
    let backing = async {
        while answers.load(Ordering::SeqCst) < 20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let before = answers.load(Ordering::SeqCst);
        let ran = back_up_beside(&registrar, &file).await;
        assert!(
            ran.err.contains("does not contain registrar.key"),
            "{}",
            ran.err
        );
        assert_eq!(ran.fine(), "");
        let after = answers.load(Ordering::SeqCst);
        assert!(after > before, "clients registered meanwhile");
        while answers.load(Ordering::SeqCst) < after + 20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    // The workers end when nobody answers them.
    tokio::select! {
        () = backing => (),
        _ = working => panic!("the workers ended early"),
    }
    let export = settled(&registrar);
    back_up(&registrar, &last, &[]).fine();
    registrar.kill();

    let data = registrar.folder().join("data");
    all_are_there(&restored(&data, &file), &early).await;
    let same = restored(&data, &last);
    all_are_there(&same, &early).await;
    assert_eq!(same.cli(&["clients", "export"]).fine(), export);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| {
            fs::metadata(path)
                .expect("it is there")
                .permissions()
                .mode()
        };
        assert_eq!(mode(&file) & 0o777, 0o600);
        assert_eq!(mode(&same.folder().join("data")) & 0o777, 0o700);
        assert_eq!(
            mode(&same.folder().join("data/registrar.key")) & 0o777,
            0o600
        );
    }
}

#[tokio::test]
async fn a_backup_is_never_overwritten_and_needs_the_scope() {
    let registrar = Registrar::start();
    let file = registrar.folder().join("backup");
    back_up(&registrar, &file, &[]).fine();
    let before = fs::read(&file).expect("a backup");
    back_up(&registrar, &file, &[]).failed(1, &["already exists"]);
    assert_eq!(fs::read(&file).expect("a backup"), before);
    let one = registrar.cli(&[
        "admin",
        "create",
        "--name",
        "n",
        "--scope",
        "clients.export",
        "--format",
        "json",
    ]);
    let credentials = crate::remote::write_credentials(registrar.folder(), &one.json());
    let (server, other) = (registrar.url(""), registrar.folder().join("other"));
    let arguments = [
        "backup",
        text(&other),
        "--server",
        &server,
        "--credentials",
        &credentials,
    ];
    store(&arguments).failed(1, &["scope"]);
    assert!(!other.exists() && !registrar.folder().join("other.new").exists());
}

#[tokio::test]
async fn a_damaged_backup_is_rejected_and_nothing_is_restored() {
    let registrar = Registrar::start();
    clients(&registrar, 5).await;
    let file = registrar.folder().join("backup");
    back_up(&registrar, &file, &[]).fine();
    let (bytes, data) = (
        fs::read(&file).expect("a backup"),
        registrar.folder().join("new"),
    );
    let said = store(&["verify", text(&file)]).fine();
    assert!(
        said.contains("fine, ") && said.contains("without registrar.key"),
        "{said}"
    );
    let damaged = registrar.folder().join("damaged");
    let step = bytes.len() / 12;
    for at in (0..bytes.len()).step_by(step).chain([bytes.len() - 1]) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        for (contents, words) in [
            (&bytes[..at], ["is truncated", "is not a backup"]),
            (&flipped, ["was altered", "is not a backup"]),
        ] {
            fs::write(&damaged, contents).expect("it is written");
            for arguments in [
                &["verify", text(&damaged)][..],
                &["restore", text(&damaged), "--data", text(&data)],
            ] {
                let ran = store(arguments);
                let is_named = words.iter().any(|word| ran.err.contains(word));
                assert!(
                    is_named || ran.err.contains("is truncated"),
                    "{at}: {}",
                    ran.err
                );
                ran.failed(1, &[text(&damaged)]);
            }
        }
    }
    assert!(!data.exists());
}

#[tokio::test]
async fn an_encrypted_backup_restores_the_key_too() {
    let mut registrar = Registrar::start();
    let clients = clients(&registrar, 5).await;
    let path = |name: &str| registrar.folder().join(name);
    let (public, private, other) = (
        path("public.json"),
        path("private.json"),
        path("other.json"),
    );
    let mut key = identity();
    fs::write(&private, key.to_string()).expect("a key");
    key.as_object_mut().expect("an object").remove("d");
    fs::write(&public, key.to_string()).expect("a key");
    // Another private key: the one of RFC 7515 appendix A.3.
    let another = json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    });
    fs::write(&other, another.to_string()).expect("a key");
    let file = path("backup");
    back_up(&registrar, &file, &["--recipient", text(&private)])
        .failed(1, &[text(&private), "is a private or symmetric key"]);
    let said = back_up(&registrar, &file, &["--recipient", text(&public)]);
    assert!(
        said.err.contains("encrypted; only the private key"),
        "{}",
        said.err
    );
    said.fine();
    registrar.kill();

    let said = store(&["verify", text(&file)]).fine();
    assert!(said.contains("its form and its digest are right"), "{said}");
    let said = store(&["verify", text(&file), "--identity", text(&private)]).fine();
    assert!(
        said.contains("fine, ") && said.contains(", with registrar.key"),
        "{said}"
    );
    let wrong = ["verify", text(&file), "--identity", text(&other)];
    store(&wrong).failed(1, &["other.json does not decrypt it"]);
    let wrong = ["verify", text(&file), "--identity", text(&public)];
    store(&wrong).failed(1, &["public.json is not the private key"]);

    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    let arguments = ["restore", text(&file), "--data", text(&data)];
    store(&arguments).failed(1, &["is encrypted", "--identity"]);
    let with = [&arguments[..], &["--identity", text(&private)]].concat();
    assert!(store(&with).fine().contains("restored"));
    store(&with).failed(1, &["is not empty"]);
    all_are_there(&started(folder), &clients).await;
}

#[tokio::test]
async fn a_server_starts_on_no_store_that_lacks_its_key_or_was_not_restored_completely() {
    let registrar = Registrar::start();
    let (file, key) = (
        registrar.folder().join("backup"),
        registrar.folder().join("data/registrar.key"),
    );
    back_up(&registrar, &file, &[]).fine();
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    fs::write(folder.path().join("registrar.toml"), "").expect("a configuration");
    let ran = store(&["restore", text(&file), "--data", text(&data)]);
    assert!(
        ran.err.contains("does not contain registrar.key"),
        "{}",
        ran.err
    );
    ran.fine();
    let refusal = Registrar::try_start_in(folder, Duration::from_mins(1)).err();
    let refusal = refusal.expect("it has no key");
    assert!(
        refusal.log.contains("registrar.key: it is missing"),
        "{}",
        refusal.log
    );
    fs::copy(key, data.join("registrar.key")).expect("it is copied");
    fs::write(data.join("registrar.restoring"), "").expect("a mark");
    let refusal = Registrar::try_start_in(refusal.folder, Duration::from_mins(1)).err();
    let refusal = refusal.expect("it is not complete");
    assert!(refusal.log.contains("was not finished"), "{}", refusal.log);
    fs::remove_file(data.join("registrar.restoring")).expect("it is there");
    assert!(Registrar::try_start_in(refusal.folder, Duration::from_mins(1)).is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "takes minutes: see the head of this file"]
async fn as_many_clients_as_asked_for() {
    let registrar = Registrar::start();
    filled(&registrar, number("REGISTRAR_CLIENTS", 100_000)).await;
    let file = registrar.folder().join("backup");
    let before = under_load(&registrar, async || {
        tokio::time::sleep(Duration::from_secs(10)).await;
    })
    .await;
    let begun = Instant::now();
    let during = under_load(&registrar, async || {
        back_up_beside(&registrar, &file).await.fine();
    })
    .await;
    let (took, size) = (
        begun.elapsed(),
        fs::metadata(&file).expect("a backup").len(),
    );
    let after = under_load(&registrar, async || {
        tokio::time::sleep(Duration::from_secs(10)).await;
    })
    .await;
    println!("backup: {took:?}, {size} bytes");
    for (name, times) in [("before", before), ("during", during), ("after", after)] {
        let at = |share: usize| times[(times.len() - 1) * share / 100];
        println!(
            "POST {name}: {}, p50 {:?}, p99 {:?}",
            times.len(),
            at(50),
            at(99)
        );
    }
    let last = registrar.folder().join("last");
    back_up(&registrar, &last, &[]).fine();
    let export = registrar.folder().join("export");
    registrar
        .cli(&["clients", "export", "--output", text(&export)])
        .fine();
    let begun = Instant::now();
    let same = restored(&registrar.folder().join("data"), &last);
    println!("restored and started: {:?}", begun.elapsed());
    let again = same.folder().join("export");
    same.cli(&["clients", "export", "--output", text(&again)])
        .fine();
    let read = |path: &Path| fs::read(path).expect("an export");
    assert!(read(&export) == read(&again), "the exports are the same");
}

/// Imports `count` clients.
pub(crate) async fn filled(registrar: &Registrar, count: u64) {
    registrar.register(json!({"client_name": "model"})).await;
    let export = registrar.cli(&["clients", "export"]).fine();
    let line = export.lines().next().expect("a client");
    let mut client: Value = serde_json::from_str(line).expect("JSON");
    let path = registrar.folder().join("import");
    let mut file = std::io::BufWriter::new(fs::File::create(&path).expect("a file"));
    for at in 0..count {
        client["client_id"] = format!("m{at:09}").into();
        writeln!(file, "{client}").expect("it is written");
    }
    writeln!(file, "{}", json!({"clients": count})).expect("it is written");
    file.flush().expect("it is written");
    registrar.cli(&["clients", "import", text(&path)]).fine();
}

/// Registers clients over some connections while `work` is done, and returns the response times in order.
async fn under_load(registrar: &Registrar, work: impl AsyncFn()) -> Vec<Duration> {
    let (url, http, is_over) = (
        registrar.url("/register"),
        reqwest::Client::new(),
        AtomicBool::new(false),
    );
    let body = json!({"redirect_uris": ["https://client.example.org/cb"]});
    let register = async || {
        let mut times = Vec::new();
        while !is_over.load(Ordering::SeqCst) {
            let begun = Instant::now();
            let answer = http.post(&url).json(&body).send().await.expect("an answer");
            assert_eq!(answer.status(), 201);
            times.push(begun.elapsed());
        }
        times
    };
    let working = async {
        work().await;
        is_over.store(true, Ordering::SeqCst);
    };
    let registering = futures_util::future::join_all((0..8).map(|_| register()));
    let (times, ()) = futures_util::join!(registering, working);
    let mut all: Vec<Duration> = times.into_iter().flatten().collect();
    all.sort_unstable();
    all
}
