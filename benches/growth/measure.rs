//! Measures a server on a filled store over HTTP.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::server::Server;
use super::{Place, fill};

/// The number of concurrent connections.
const CONNECTIONS: u64 = 8;
/// The number of requests of each connection.
const REQUESTS: u64 = 250;

/// The measurements at one size.
pub(crate) struct Measured {
    /// The first start after the store was filled: sled reads its log from its last start.
    pub(crate) first: Duration,
    /// The next start, after SIGTERM.
    pub(crate) startup: Duration,
    /// Memory in bytes after the start; `loaded` is after the requests.
    pub(crate) rss: u64,
    pub(crate) loaded: u64,
    /// The number of file descriptors.
    pub(crate) files: u64,
    pub(crate) disk: u64,
    pub(crate) posts: Times,
    pub(crate) gets: Times,
    pub(crate) pages: Times,
}

/// The time of each request.
pub(crate) struct Times {
    sorted: Vec<Duration>,
    all: Duration,
}

impl Times {
    pub(crate) fn per_second(&self) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a count of requests is far below 2^52"
        )]
        let count = self.sorted.len() as f64;
        count / self.all.as_secs_f64()
    }

    /// Returns the microseconds within which `of_hundred` percent of the requests were answered.
    pub(crate) fn percentile(&self, of_hundred: usize) -> u128 {
        let place = (self.sorted.len() * of_hundred / 100).min(self.sorted.len().saturating_sub(1));
        self.sorted.get(place).map_or(0, Duration::as_micros)
    }
}

/// Sends the request for each number from several connections. Each response must have the status `due`.
async fn times(request: impl Fn(u64) -> RequestBuilder, due: u16) -> Times {
    let (begun, request) = (Instant::now(), &request);
    let connection = |connection: u64| async move {
        let mut times = Vec::new();
        for number in connection * REQUESTS..(connection + 1) * REQUESTS {
            let sent = Instant::now();
            let answer = request(number).send().await.expect("an answer");
            assert_eq!(
                answer.status().as_u16(),
                due,
                "{}",
                answer.text().await.unwrap_or_default()
            );
            answer.bytes().await.expect("a body");
            times.push(sent.elapsed());
        }
        times
    };
    let mut sorted = join_all((0..CONNECTIONS).map(connection)).await.concat();
    sorted.sort_unstable();
    Times {
        sorted,
        all: begun.elapsed(),
    }
}

fn body(number: u64) -> Value {
    json!({
        "redirect_uris": ["https://client.example.org/callback"],
        "client_name": format!("Posted {number}"),
        "software_id": format!("software-{}", number % 1_000),
        "contacts": ["ve7jtb@example.org"],
        "token_endpoint_auth_method": "none",
    })
}

fn post(server: &Server, number: u64) -> RequestBuilder {
    server
        .http
        .post(format!("{}/register", server.url))
        .json(&body(number))
}

/// Measures the server on a store that has the clients below `size`.
pub(crate) async fn all(place: &Place, size: u64) -> Measured {
    let server = place.start();
    let first = server.startup;
    server.stop();
    let server = place.start();
    let begun = server.sample().await.expect("it runs");
    let token = administrator(&server).await;
    // Clients at distant positions.
    let any = |number: u64| fill::id(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % size);
    let gets = times(
        |number| {
            let url = format!("{}/register?client_id={}", server.url, any(number));
            server.http.get(url).bearer_auth(fill::TOKEN)
        },
        200,
    )
    .await;
    let pages = times(
        |number| {
            let url = format!(
                "{}/admin/v1/clients?limit=50&after={}",
                server.url,
                any(number)
            );
            server.http.get(url).bearer_auth(&token)
        },
        200,
    )
    .await;
    let posts = times(|number| post(&server, number), 201).await;
    let after = server.sample().await.expect("it runs");
    Measured {
        first,
        startup: server.startup,
        rss: begun.rss,
        loaded: after.rss,
        files: after.files,
        disk: after.disk,
        posts,
        gets,
        pages,
    }
}

/// Returns how many of the `expired` clients the sweep removes per second, and the times of POST meanwhile.
pub(crate) async fn sweep(place: &Place, expired: u64) -> (f64, Times) {
    let server = place.start();
    let before = server.sample().await.expect("it runs").clients;
    let begun = Instant::now();
    let (mut sorted, mut posted) = (Vec::new(), 0);
    let mut last = Instant::now();
    while server.sample().await.expect("it runs").clients > before + posted - expired {
        for number in 0..20 {
            let sent = Instant::now();
            let answer = post(&server, number).send().await.expect("an answer");
            assert_eq!(answer.status().as_u16(), 201);
            sorted.push(sent.elapsed());
            posted += 1;
        }
        last = Instant::now();
    }
    sorted.sort_unstable();
    // The first sweep starts after one second.
    let took = last
        .duration_since(begun)
        .saturating_sub(Duration::from_secs(1));
    #[expect(clippy::cast_precision_loss, reason = "a count is far below 2^52")]
    let rate = expired as f64 / took.as_secs_f64().max(0.001);
    (
        rate,
        Times {
            sorted,
            all: begun.elapsed(),
        },
    )
}

async fn administrator(server: &Server) -> String {
    let credentials = server.administrator();
    let text = |name: &str| {
        credentials
            .get(name)
            .and_then(Value::as_str)
            .expect("a text member")
    };
    let request = server.http.post(format!("{}/token", server.url));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let request = request.basic_auth(text("client_id"), Some(text("client_secret")));
    let answer = request
        .body("grant_type=client_credentials")
        .send()
        .await
        .expect("an answer");
    let answer: Value = answer.json().await.expect("JSON");
    answer
        .get("access_token")
        .and_then(Value::as_str)
        .expect("a token")
        .to_owned()
}
