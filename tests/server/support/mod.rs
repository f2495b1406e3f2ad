//! A real server on port 0 with a real sled store in a temporary folder, and helpers to call it.

mod answer;
pub(crate) mod certificates;
mod leaks;
mod origin;
mod signer;
mod tokens;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use registrar::clock::{Clock, ManualClock, Timestamp};
use registrar::config::{Configuration, Live, Sources};
use registrar::server::{self, Server, Start};
use registrar::testing::{self, FakeHost, FakeNames, Inside, Storage};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) use answer::{Answer, Registered};
pub(crate) use origin::{Canary, Origin, Reply, development, development_with, fetches_locally};
pub(crate) use signer::Signer;
pub(crate) use tokens::{GRANT, form, machine};

/// The time at which every test begins: 2026-01-01T00:00:00Z.
pub(crate) const START: u64 = 1_767_225_600;

/// How long something may take that usually takes far less: the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Polls until `ask` returns true, for at most [`PATIENCE`].
pub(crate) async fn until(mut ask: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !ask().await {
        assert!(
            Instant::now() < end,
            "it did not happen within {PATIENCE:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The smallest usual registration request.
pub(crate) fn minimal() -> Value {
    json!({"redirect_uris": ["https://client.example.org/cb"], "client_name": "K"})
}

/// Returns `base` with the members of `more` on top.
#[expect(
    clippy::needless_pass_by_value,
    reason = "a table reads better without borrows"
)]
pub(crate) fn with(mut base: Value, more: Value) -> Value {
    let members = base.as_object_mut().expect("a request is an object");
    members.extend(more.as_object().expect("members are an object").clone());
    base
}

/// What a server has instead of the usual parts.
#[derive(Default)]
struct Other {
    host: Option<Arc<FakeHost>>,
    names: Option<Arc<FakeNames>>,
    clock: Option<Arc<dyn Clock>>,
}

/// A server with its clock and its folder.
pub(crate) struct TestServer {
    server: Option<Server>,
    pub(crate) clock: Arc<ManualClock>,
    /// Before the folder, which it searches when it is dropped.
    _leaks: leaks::Watch,
    pub(crate) folder: TempDir,
    http: reqwest::Client,
    base: String,
}

impl TestServer {
    /// Starts a server with the shipped configuration and no scripts.
    pub(crate) async fn new() -> Self {
        Self::configured(|_| {}).await
    }

    /// Starts a server with a configuration that `change` has changed.
    pub(crate) async fn configured(change: impl FnOnce(&mut Configuration)) -> Self {
        Self::scripted(&[], change).await
    }

    /// Starts a server with these members on top of the shipped `[registration]`.
    pub(crate) async fn registering(members: Value) -> Self {
        Self::configured(|configuration| registering(configuration, members)).await
    }

    /// Starts a server with these scripts: file names below `scripts/` and their texts.
    pub(crate) async fn scripted(
        scripts: &[(&str, &str)],
        change: impl FnOnce(&mut Configuration),
    ) -> Self {
        // In a box: the configuration makes this future large.
        Box::pin(Self::begin(scripts, change, Other::default())).await
    }

    /// A server that reads another clock.
    pub(crate) async fn at(clock: Arc<dyn Clock>) -> Self {
        let other = Other {
            clock: Some(clock),
            ..Other::default()
        };
        Self::begin(&[], |_| {}, other).await
    }

    /// The same, with names of other servers that resolve to what `names` says.
    pub(crate) async fn naming(
        names: &Arc<FakeNames>,
        scripts: &[(&str, &str)],
        change: impl FnOnce(&mut Configuration),
    ) -> Self {
        let other = Other {
            names: Some(Arc::clone(names)),
            ..Other::default()
        };
        Box::pin(Self::begin(scripts, change, other)).await
    }

    /// The same, with a fake host for its scripts.
    pub(crate) async fn hosted(
        scripts: &[(&str, &str)],
        change: impl FnOnce(&mut Configuration),
    ) -> (Self, Arc<FakeHost>) {
        let host = Arc::new(FakeHost::new(Arc::new(ManualClock::new(
            Timestamp::from_unix(START),
        ))));
        let other = Other {
            host: Some(host.clone()),
            ..Other::default()
        };
        (Self::begin(scripts, change, other).await, host)
    }

    async fn begin(
        scripts: &[(&str, &str)],
        change: impl FnOnce(&mut Configuration),
        other: Other,
    ) -> Self {
        leaks::Watch::begin();
        let folder = TempDir::new().expect("a temporary folder");
        let directory = folder.path().join("scripts");
        std::fs::create_dir(&directory).expect("a folder for scripts");
        for (name, text) in scripts {
            write_script(&directory, name, text);
        }
        let mut configuration = shipped();
        configuration.settings.server.listen = "127.0.0.1:0".parse().expect("an address");
        configuration.settings.store.url =
            format!("sled:{}", folder.path().join("data").display()).into();
        configuration.settings.scripts.directory = directory;
        configuration.settings.scripts.removal_quiet_ms = 50;
        // Tests register faster than the default quota for one address allows.
        configuration
            .live
            .registration
            .rate_limit_registration_request_count = Some(0);
        change(&mut configuration);
        let clock = Arc::new(ManualClock::new(Timestamp::from_unix(START)));
        let sources = Sources::default();
        let scheme = if configuration.settings.server.tls.certificate.is_some() {
            "https"
        } else {
            "http"
        };
        let start = Start {
            configuration,
            sources,
            clock: other.clock.unwrap_or_else(|| clock.clone()),
        };
        let server = match (other.host, other.names) {
            (Some(host), _) => Box::pin(testing::start_with_host(start, host)).await,
            (None, Some(names)) => Box::pin(testing::start_with_names(start, names)).await,
            (None, None) => Box::pin(server::start(start)).await,
        };
        let server = server.expect("it starts");
        let base = format!("{scheme}://{}", server.address());
        let leaks = leaks::Watch::of(server.address().port(), &folder.path().join("data"));
        Self {
            server: Some(server),
            clock,
            _leaks: leaks,
            folder,
            http: reqwest::Client::new(),
            base,
        }
    }

    /// Returns the time of its clock in seconds.
    pub(crate) fn now(&self) -> u64 {
        self.clock.now().unix()
    }

    /// Fails the test at its end if `secret` is in the log, in the metrics or in the store.
    pub(crate) fn must_not_leak(&self, secret: &str) {
        leaks::noted(self.server().address().port(), secret);
    }

    /// Checks that `text`, which is nowhere else in the tests, is in no line of the log and in no metric.
    #[track_caller]
    pub(crate) fn expect_untold(text: &str) {
        let told = leaks::told(text);
        assert!(told.is_empty(), "{}", told.join("\n"));
    }

    /// Sends later requests with `client`.
    pub(crate) fn use_client(&mut self, client: reqwest::Client) {
        self.http = client;
    }

    /// Adds a script as an operator would.
    pub(crate) fn write_script(&self, name: &str, text: &str) {
        write_script(&self.folder.path().join("scripts"), name, text);
    }

    /// Returns the URL of `path`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Prepares a request.
    pub(crate) fn ask(&self, method: &str, url: &str) -> reqwest::RequestBuilder {
        let url = if url.starts_with('/') {
            self.url(url)
        } else {
            url.to_owned()
        };
        self.http.request(method.parse().expect("a method"), url)
    }

    /// Sends `POST /register` with a JSON body.
    pub(crate) async fn post(&self, body: &Value) -> Answer {
        self.post_bytes("application/json", body.to_string()).await
    }

    /// Sends `POST /register` with any body.
    pub(crate) async fn post_bytes(
        &self,
        content_type: &str,
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let request = self
            .ask("POST", "/register")
            .header("content-type", content_type)
            .body(body);
        Answer::of(request).await
    }

    /// Registers `body`, which must be accepted.
    pub(crate) async fn register(&self, body: &Value) -> Registered {
        let answer = self.post(body).await;
        answer.expect_status(201);
        Registered::of(answer.body)
    }

    /// Reads `client` with its own token.
    pub(crate) async fn read(&self, client: &Registered) -> Answer {
        Answer::of(self.ask("GET", &client.uri).bearer_auth(&client.token)).await
    }

    /// Sends a `PUT` of `body` with the client's token.
    pub(crate) async fn update(&self, client: &Registered, body: &Value) -> Answer {
        Answer::of(
            self.ask("PUT", &client.uri)
                .bearer_auth(&client.token)
                .json(body),
        )
        .await
    }

    /// Sends a `DELETE` with the client's token.
    pub(crate) async fn delete(&self, client: &Registered) -> Answer {
        Answer::of(self.ask("DELETE", &client.uri).bearer_auth(&client.token)).await
    }

    /// Stops the server as SIGTERM does.
    pub(crate) async fn stop(mut self) {
        self.server
            .take()
            .expect("it runs until the test ends")
            .stop()
            .await;
    }

    /// The same, and returns the folder, which is removed when it is dropped.
    pub(crate) async fn stop_and_keep(mut self) -> TempDir {
        self.server
            .take()
            .expect("it runs until the test ends")
            .stop()
            .await;
        self.folder
    }

    /// Returns the provenance of the stored client.
    pub(crate) async fn provenance(&self, client: &Registered) -> Value {
        self.stored(&client.id).await["provenance"].take()
    }

    /// Returns the stored client with this identifier.
    pub(crate) async fn stored(&self, id: &str) -> Value {
        let found = self.storage().client(id).await.expect("the store reads");
        found.expect("the client is there")
    }

    /// Asserts that the store contains only the administrator that the first start created.
    pub(crate) async fn expect_empty(&self) {
        let count = self
            .storage()
            .count_clients()
            .await
            .expect("the store reads");
        assert_eq!(
            count,
            u64::from(self.server().administrator().is_some()),
            "nothing of a rejected request is stored"
        );
    }

    /// Returns the inside of the server.
    pub(crate) fn inside(&self) -> Inside {
        testing::inside(self.server())
    }

    /// Returns what the server stores.
    pub(crate) fn storage(&self) -> Storage {
        self.inside().storage()
    }

    /// Returns the server itself.
    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().expect("it runs until the test ends")
    }
}

/// Puts these members on top of `[registration]`.
pub(crate) fn registering(configuration: &mut Configuration, members: Value) {
    let mut live = serde_json::to_value(&configuration.live).expect("a configuration is JSON");
    live["registration"] = with(live["registration"].take(), members);
    configuration.live = serde_json::from_value::<Live>(live).expect("the members are properties");
}

fn write_script(directory: &Path, name: &str, text: &str) {
    let path = directory.join(name);
    std::fs::create_dir_all(path.parent().expect("a script is in a folder")).expect("its folder");
    std::fs::write(path, text).expect("the script is written");
}

/// Returns the shipped configuration, independent of the environment.
pub(crate) fn shipped() -> Configuration {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/registrar.toml");
    let sources = Sources {
        file: Some(file),
        ..Sources::default()
    };
    registrar::config::load(&sources).expect("the shipped configuration is valid")
}
