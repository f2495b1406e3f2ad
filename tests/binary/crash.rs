//! Kills the server at random moments under load, restarts it, and checks everything that it
//! acknowledged.
//!
//! `cargo test --test binary` runs five rounds with each database. To choose the number of rounds, the database
//! and the binary:
//!
//! ```text
//! REGISTRAR_ROUNDS=500 REGISTRAR_DATABASE=fjall REGISTRAR_BINARY=target/release/registrar \
//!     cargo test --test binary crash::as_many_rounds_as_asked_for -- --ignored --nocapture
//! ```

#![expect(
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests report problems by failing, and long ones print what they saw"
)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::acknowledged::{Client, Dice, Due, Found, answered_at_last, number};
use crate::process::{Database, Registrar, command};
use crate::store_backup::{back_up, restored};

/// Connections that register, update and delete.
const WORKERS: usize = 6;
/// Most registrations that are acknowledged in a round before the kill.
const MOST: u64 = 40;
/// Most microseconds between the last of them and the kill.
const LONGEST: u64 = 15_000;
/// Clients of earlier rounds that each round checks.
const EARLIER: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9() {
    rounds(5, 7, Database::Sled).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9_in_fjall() {
    rounds(5, 7, Database::Fjall).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: see the head of this file"]
async fn as_many_rounds_as_asked_for() {
    let (many, seed) = (number("REGISTRAR_ROUNDS", 500), number("REGISTRAR_SEED", 1));
    rounds(many, seed, Database::chosen()).await;
}

async fn rounds(many: u64, seed: u64, database: Database) {
    let mut registrar = Registrar::start_with(&database.configuration(""));
    let http = reqwest::Client::new();
    let (mut dice, begun) = (Dice(seed), Instant::now());
    let (mut clients, mut operator) = (Vec::new(), Operator::new(&registrar));
    for round in 1..=many {
        let moment = Moment {
            answers: dice.below(MOST),
            pause: Duration::from_micros(dice.below(LONGEST)),
        };
        let earlier = clients.len();
        clients.extend(storm(&mut registrar, &http, &mut operator, moment, round).await);
        registrar = registrar.start_again();
        let mut looked: Vec<usize> = (earlier..clients.len()).collect();
        assert!(
            !looked.is_empty(),
            "no client was registered in round {round}"
        );
        if earlier > 0 {
            let any = (0..EARLIER)
                .map(|_| usize::try_from(dice.below(earlier as u64)).expect("an index"));
            looked.extend(any);
        }
        for index in looked {
            let found = clients[index].look(&registrar, &http).await;
            assert_eq!(found, Found::Due, "round {round} of seed {seed}");
        }
        operator.look(&registrar, &http).await;
        if round % 50 == 0 {
            println!(
                "{round} rounds, {} clients, {:?}",
                clients.len(),
                begun.elapsed()
            );
        }
    }
    for client in &mut clients {
        assert_eq!(client.look(&registrar, &http).await, Found::Due);
    }
    let backup = registrar.folder().join("backup");
    back_up(&registrar, &backup, &[]).fine();
    registrar.kill();
    let data = registrar.folder().join("data");
    let output = command(&["store", "check", "--data", data.to_str().expect("a path")])
        .output()
        .expect("it runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    let restored = restored(&data, &backup);
    for client in &mut clients {
        assert_eq!(client.look(&restored, &http).await, Found::Due, "restored");
    }
    operator.look(&restored, &http).await;
    let gone = clients
        .iter()
        .filter(|client| client.due == Due::Gone)
        .count();
    println!(
        "{many} rounds in {:?}: {} clients acknowledged, {gone} of them deleted, {} single uses, {} patches; \
         nothing lost",
        begun.elapsed(),
        clients.len(),
        operator.tokens.len(),
        operator.patches,
    );
}

/// When the process is killed.
struct Moment {
    /// The kill follows one more than this number of answered registrations.
    answers: u64,
    pause: Duration,
}

/// Sends all types of requests until the process is killed meanwhile; returns the clients that
/// were acknowledged.
async fn storm(
    registrar: &mut Registrar,
    http: &reqwest::Client,
    operator: &mut Operator,
    moment: Moment,
    round: u64,
) -> Vec<Client> {
    let url = registrar.url("");
    let (answers, enough) = (AtomicU64::new(0), Notify::new());
    let count = || {
        if answers.fetch_add(1, Ordering::Relaxed) == moment.answers {
            enough.notify_one();
        }
    };
    let workers = (0..WORKERS).map(|worker| work(&url, http, &count, format!("{round} {worker}")));
    let kill = async {
        enough.notified().await;
        tokio::time::sleep(moment.pause).await;
        registrar.kill();
    };
    let workers = futures_util::future::join_all(workers);
    let (clients, (), ()) = futures_util::join!(workers, operator.work(&url, http), kill);
    clients.concat()
}

pub(crate) async fn work(
    url: &str,
    http: &reqwest::Client,
    count: &impl Fn(),
    name: String,
) -> Vec<Client> {
    let mut clients: Vec<Client> = Vec::new();
    for number in 0_usize.. {
        let Some(client) = Client::register(url, http, &format!("{name} {number}")).await else {
            break;
        };
        clients.push(client);
        count();
        if clients[number].update(url, http).await.is_none() {
            break;
        }
        // Every third client is deleted some time after its registration.
        if number % 3 == 2 && clients[number - 1].delete(url, http).await.is_none() {
            break;
        }
    }
    clients
}

/// An initial access token for one use, and how often it was used.
struct SingleUse {
    id: String,
    token: String,
    used: u64,
    unknown: bool,
}

/// What the administrator did.
struct Operator {
    credentials: Value,
    /// The number that both values have since the last acknowledged patch.
    value: u64,
    /// The number of a patch that was not answered.
    asked: u64,
    patches: u64,
    tokens: Vec<SingleUse>,
    looked: usize,
}

impl Operator {
    fn new(registrar: &Registrar) -> Self {
        let file = registrar.folder().join("data/admin-credentials.json");
        let credentials = std::fs::read_to_string(file).expect("credentials");
        let credentials = serde_json::from_str(&credentials).expect("JSON");
        Self {
            credentials,
            value: 0,
            asked: 0,
            patches: 0,
            tokens: Vec::new(),
            looked: 0,
        }
    }

    async fn access_token(&self, url: &str, http: &reqwest::Client) -> Option<String> {
        let request = http.post(format!("{url}/token"));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let text = |name: &str| self.credentials[name].as_str().expect("it is there");
        let request = request.basic_auth(text("client_id"), Some(text("client_secret")));
        let (status, answer) =
            answered_at_last(request.body("grant_type=client_credentials")).await?;
        assert_eq!(status, 200, "{answer}");
        Some(answer["access_token"].as_str().expect("a token").to_owned())
    }

    /// Patches the configuration, creates tokens, and uses each of them twice at once, until the server is
    /// killed.
    async fn work(&mut self, url: &str, http: &reqwest::Client) {
        let Some(token) = self.access_token(url, http).await else {
            return;
        };
        while self.work_once(url, http, &token).await.is_some() {}
    }

    async fn work_once(&mut self, url: &str, http: &reqwest::Client, token: &str) -> Option<()> {
        self.asked = self.asked.max(self.value) + 1;
        let set = |name: &str| json!({"op": "add", "path": format!("/registration/{name}"), "value": self.asked});
        let operations = json!([
            set("evidenceNonceLifetime"),
            set("rateLimitRegistrationPeriodInSeconds")
        ]);
        let patch = http
            .patch(format!("{url}/admin/v1/config"))
            .bearer_auth(token);
        let patch = patch
            .header("content-type", "application/json-patch+json")
            .body(operations.to_string());
        let (status, answer) = answered_at_last(patch).await?;
        assert_eq!(status, 200, "{answer}");
        (self.value, self.patches) = (self.asked, self.patches + 1);

        let request = http
            .post(format!("{url}/admin/v1/initial-access-tokens"))
            .bearer_auth(token);
        let (status, made) = answered_at_last(request.json(&json!({"uses": 1}))).await?;
        assert_eq!(status, 201, "{made}");
        let text = |name: &str| made[name].as_str().expect("it is there").to_owned();
        self.tokens.push(SingleUse {
            id: text("id"),
            token: text("token"),
            used: 0,
            unknown: false,
        });
        let single = self.tokens.last_mut().expect("it was put there");
        let (one, other) = futures_util::join!(single.using(url, http), single.using(url, http));
        single.unknown = one.is_none() || other.is_none();
        single.used = [one, other].into_iter().flatten().map(u64::from).sum();
        assert!(single.used <= 1, "the token was used twice");
        (!single.unknown).then_some(())
    }

    /// Checks that the configuration is one of those that are allowed, and that each token was used once.
    async fn look(&mut self, registrar: &Registrar, http: &reqwest::Client) {
        let url = registrar.url("");
        let token = self.access_token(&url, http).await.expect("a token");
        let (_, shown) = answered_at_last(
            http.get(format!("{url}/admin/v1/config"))
                .bearer_auth(&token),
        )
        .await
        .expect("it");
        let values = [
            "evidenceNonceLifetime",
            "rateLimitRegistrationPeriodInSeconds",
        ];
        let [one, other] = values.map(|name| shown["registration"][name].as_u64());
        if self.value > 0 || one == other {
            assert_eq!(one, other, "a patch is applied completely: {shown}");
            let found = one.expect("a number");
            assert!(
                found == self.value || found == self.asked,
                "{found} {} {}",
                self.value,
                self.asked
            );
            self.value = found;
        }
        for single in self.tokens.iter_mut().skip(self.looked) {
            let path = format!("{url}/admin/v1/initial-access-tokens/{}", single.id);
            let (status, shown) = answered_at_last(http.get(path).bearer_auth(&token))
                .await
                .expect("an answer");
            assert_eq!(status, 200, "{shown}");
            let used = shown["used"].as_u64().expect("a number");
            assert!(
                used == single.used || (single.unknown && used <= 1),
                "{used} {}",
                single.used
            );
            // A token that is unused can be used once.
            let last = single.using(&url, http).await;
            assert_eq!(last, Some(used == 0));
            assert_eq!(single.using(&url, http).await, Some(false));
        }
        self.looked = self.tokens.len();
    }
}

impl SingleUse {
    /// Registers with the token. Returns whether that was allowed, or `None` when it was not answered.
    async fn using(&self, url: &str, http: &reqwest::Client) -> Option<bool> {
        let request = http
            .post(format!("{url}/register"))
            .bearer_auth(&self.token);
        let (status, answer) = answered_at_last(request.json(&crate::body("single use"))).await?;
        assert!(status == 201 || status == 401, "{status} {answer}");
        Some(status == 201)
    }
}
