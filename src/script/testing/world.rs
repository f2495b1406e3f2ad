//! A fake world around scripts: a clock that stands still, predefined responses, and fake secrets.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rhai::Engine;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::recording::{Recorder, count_operation};
use crate::base::{Clock, ManualClock, Timestamp};
use crate::config::{ScriptSettings, nearest};
use crate::script::{
    Hook, Host, HttpAnswer, Runtime, ScriptSet, Secrets, Texts, testing::FakeHost,
    testing::FakeReply, testing::Given, testing::Trial, testing::Watch, testing::trial,
};

/// The time at which a world begins: 2026-01-01T00:00:00Z.
const BEGINNING: Timestamp = Timestamp::from_unix(1_767_225_600);

/// The least time limit of a hook in a world, in milliseconds. A busy machine must not fail a test, and the
/// operations of a hook are limited as in the server.
const DEADLINE_MS: u64 = 5_000;

/// The initial state of every world.
#[derive(Clone)]
pub(crate) struct WorldSettings {
    /// The folder, the limits and the attributes. Its secrets are not read.
    pub(crate) settings: ScriptSettings,
    /// Names of custom members.
    pub(crate) custom: Vec<String>,
}

/// The fakes that are set up before a hook is called.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Fakes {
    /// The time of day, in seconds since 1970.
    pub(crate) now: Option<u64>,
    /// Responses for `http`.
    pub(crate) http: Vec<FakeAnswer>,
    /// Secrets by name.
    pub(crate) secrets: BTreeMap<String, String>,
    /// Clients that `clients` finds by their members.
    pub(crate) clients: Vec<Map<String, Value>>,
}

/// The response to one request of `http`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FakeAnswer {
    /// The method.
    pub(crate) method: String,
    /// The complete URL.
    pub(crate) url: String,
    /// The response, or a list of responses.
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) answer: Vec<FakeHttp>,
}

/// Reads one response or a list of them.
fn one_or_many<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<FakeHttp>, D::Error> {
    responses(Value::deserialize(from)?).map_err(D::Error::custom)
}

/// Reads one response of `http` or a list of them.
pub(super) fn responses(value: Value) -> Result<Vec<FakeHttp>, String> {
    let items = match value {
        Value::Array(items) => items,
        one => vec![one],
    };
    if items.is_empty() {
        return Err("the list of responses must not be empty".to_owned());
    }
    let mut responses = Vec::new();
    for item in items {
        responses.push(serde_json::from_value(item).map_err(|error| error.to_string())?);
    }
    Ok(responses)
}

/// A response of `http`, with a body as text or as JSON.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct FakeHttp {
    /// The status.
    pub(crate) status: u16,
    /// The headers.
    pub(crate) headers: BTreeMap<String, String>,
    /// The body, as a text.
    pub(crate) body: Option<String>,
    /// The body, as JSON.
    pub(crate) json: Option<Value>,
    /// Milliseconds until the response arrives. The clock does not advance, but the limits of `http` apply.
    #[serde(rename = "delayMs")]
    pub(crate) delay_ms: u64,
    /// Why there is no response.
    pub(crate) error: Option<String>,
}

impl Default for FakeHttp {
    fn default() -> Self {
        Self {
            status: 200,
            headers: BTreeMap::new(),
            body: None,
            json: None,
            delay_ms: 0,
            error: None,
        }
    }
}

impl FakeHttp {
    fn into_reply(self) -> Result<FakeReply, String> {
        let delay = Duration::from_millis(self.delay_ms);
        let answer = match self.error.clone() {
            Some(error) => Err(error),
            None => Ok(self.into_answer()?),
        };
        Ok(FakeReply { answer, delay })
    }

    fn into_answer(self) -> Result<HttpAnswer, String> {
        let body = match (self.body, self.json) {
            (Some(_), Some(_)) => return Err("set `body` or `json`, not both".to_owned()),
            (Some(text), None) => text.into_bytes(),
            (None, Some(json)) => json.to_string().into_bytes(),
            (None, None) => Vec::new(),
        };
        let headers = self
            .headers
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value));
        Ok(HttpAnswer {
            status: self.status,
            headers: headers.collect(),
            body,
        })
    }
}

fn replies(responses: Vec<FakeHttp>) -> Result<Vec<FakeReply>, String> {
    let mut replies = Vec::new();
    for response in responses {
        replies.push(response.into_reply()?);
    }
    Ok(replies)
}

/// Returns a host that answers the calls of `http` with these responses, in the form of the fakes of a test.
///
/// # Errors
/// The first invalid response.
pub(crate) fn fake_host(answers: Vec<Value>) -> Result<Arc<dyn Host>, String> {
    let host = FakeHost::new(Arc::new(ManualClock::new(BEGINNING)));
    for answer in answers {
        let answer: FakeAnswer = serde_json::from_value(answer)
            .map_err(|_| "a fake response has the members `method`, `url` and `answer`")?;
        let FakeAnswer {
            method,
            url,
            answer,
        } = answer;
        host.reply(&method.to_ascii_uppercase(), &url, replies(answer)?);
    }
    Ok(Arc::new(host))
}

/// A fake world.
pub(crate) struct World {
    settings: ScriptSettings,
    custom: Vec<String>,
    clock: Arc<ManualClock>,
    host: Arc<FakeHost>,
    secrets: Arc<Secrets>,
    observer: Arc<ScriptObserver>,
}

impl World {
    /// Creates a world.
    pub(crate) fn new(beginning: &WorldSettings) -> Self {
        Self::recorded(beginning, None)
    }

    /// Creates a world in which `recorder` records what scripts do.
    pub(super) fn recorded(beginning: &WorldSettings, recorder: Option<Arc<Recorder>>) -> Self {
        let clock = Arc::new(ManualClock::new(BEGINNING));
        let mut settings = beginning.settings.clone();
        settings.secrets.clear();
        settings.limits.deadline_ms = settings.limits.deadline_ms.max(DEADLINE_MS);
        Self {
            settings,
            custom: beginning.custom.clone(),
            host: Arc::new(FakeHost::new(clock.clone())),
            clock,
            secrets: Arc::default(),
            observer: Arc::new(ScriptObserver::new(recorder)),
        }
    }

    /// Sets up the fakes.
    ///
    /// # Errors
    /// The first invalid fake.
    pub(crate) fn fake(&self, fakes: Fakes) -> Result<(), String> {
        if let Some(now) = fakes.now {
            self.fake_now(now);
        }
        for FakeAnswer {
            method,
            url,
            answer,
        } in fakes.http
        {
            self.fake_http(&method, &url, answer)?;
        }
        for (name, text) in &fakes.secrets {
            self.fake_secret(name, text)?;
        }
        for client in fakes.clients {
            self.fake_client(client);
        }
        Ok(())
    }

    pub(super) fn fake_now(&self, seconds: u64) {
        self.clock.set(Timestamp::from_unix(seconds));
    }

    pub(super) fn fake_secret(&self, name: &str, text: &str) -> Result<(), String> {
        self.secrets
            .define(name, text)
            .map_err(|error| format!("the secret {name}: {error}"))
    }

    pub(super) fn fake_client(&self, members: Map<String, Value>) {
        self.host.add_client(members);
    }

    pub(super) fn fake_http(
        &self,
        method: &str,
        url: &str,
        responses: Vec<FakeHttp>,
    ) -> Result<(), String> {
        let replies = replies(responses)?;
        self.host.reply(&method.to_ascii_uppercase(), url, replies);
        Ok(())
    }

    /// Returns the time of the clock.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Moves the clock forward.
    pub(super) fn advance(&self, seconds: u64) {
        self.clock.advance(seconds);
    }

    /// Returns the lines that were logged so far.
    pub(super) fn log(&self) -> Vec<String> {
        self.observer.lines_from(0)
    }

    /// Creates the runtime of scripts in this world, or that of a test when `change` sets other limits.
    pub(super) fn runtime(&self, change: impl FnOnce(&mut ScriptSettings)) -> Arc<Runtime> {
        let mut settings = self.settings.clone();
        change(&mut settings);
        let (clock, host) = (self.clock.clone(), self.host.clone());
        let (secrets, observer) = (Arc::clone(&self.secrets), Arc::clone(&self.observer));
        Arc::new(Runtime::with(
            &settings,
            clock,
            host,
            secrets,
            Some(observer),
        ))
    }

    /// Loads the scripts, or the one called `script`, and calls `hook`.
    ///
    /// # Errors
    /// When the scripts do not load, or no script has the hook: a test must not pass without testing
    /// anything.
    pub(in crate::script) async fn call(
        &self,
        texts: &Texts,
        script: Option<&str>,
        hook: Hook,
        given: Given,
    ) -> Result<Trial, String> {
        let texts = match script {
            Some(script) => only(script, texts)?,
            None => texts.clone(),
        };
        let mut settings = self.settings.clone();
        if let Some(attributes) = &given.attributes {
            settings.attributes.clone_from(attributes);
        }
        let runtime = self.runtime(|_| {});
        let set = ScriptSet::compile(texts, &settings, &runtime)
            .map(Arc::new)
            .map_err(|errors| format!("the scripts cannot be loaded:\n{errors}"))?;
        if !set.has(hook) {
            let name = hook.name();
            return Err(match script {
                Some(script) => format!("{script} has no function {name}"),
                None => format!("no script has a function {name}"),
            });
        }
        let watch = Watch {
            host: &self.host,
            observer: &self.observer,
        };
        Ok(trial::run(&set, hook, given, &self.custom, &watch).await)
    }
}

/// Returns `texts` with the one script called `name`.
fn only(name: &str, texts: &Texts) -> Result<Texts, String> {
    let Some(text) = texts.scripts.get(name) else {
        return Err(no_script(name, texts.scripts.keys().map(String::as_str)));
    };
    Ok(Texts {
        scripts: [(name.to_owned(), text.clone())].into(),
        libraries: texts.libraries.clone(),
        ignored: Vec::new(),
    })
}

fn no_script<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(name, known.clone()) {
        Some(near) => format!("unknown script '{name}'; did you mean '{near}'?"),
        None => format!(
            "unknown script '{name}'; the scripts are: {}",
            known.collect::<Vec<_>>().join(", ")
        ),
    }
}

/// Returns the hook called `name`.
///
/// # Errors
/// When there is none; the error suggests the nearest name or lists all hooks.
pub(crate) fn hook(name: &str) -> Result<Hook, String> {
    let names = Hook::ALL.map(Hook::name);
    Hook::named(name).ok_or_else(|| match nearest(name, names) {
        Some(near) => format!("unknown hook '{name}'; did you mean '{near}'?"),
        None => format!("unknown hook '{name}'; the hooks are: {}", names.join(", ")),
    })
}

/// The maximum number of log lines that are kept.
const LINES: usize = 1_000;

/// Observes what scripts do, for tests and trials of scripts; a server has no observer. Keeps the lines that
/// scripts wrote to the log, and the number of operations that they used.
#[derive(Debug, Default)]
pub(in crate::script) struct ScriptObserver {
    lines: Mutex<Vec<String>>,
    operations: AtomicU64,
    recorder: Option<Arc<Recorder>>,
}

impl ScriptObserver {
    fn new(recorder: Option<Arc<Recorder>>) -> Self {
        Self {
            recorder,
            ..Self::default()
        }
    }

    /// Records what `engine` does from now on, if that was requested.
    pub(in crate::script) fn attach(&self, engine: &mut Engine) {
        if let Some(recorder) = &self.recorder {
            recorder.attach(engine);
        }
    }

    /// Keeps a line that a script wrote; lines after the first thousand are dropped.
    pub(in crate::script) fn line(&self, level: &str, text: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < LINES {
            lines.push(format!("{level}: {text}"));
        }
    }

    /// Counts one more operation.
    pub(in crate::script) fn count(&self) {
        self.operations.fetch_add(1, Ordering::Relaxed);
        if self.recorder.is_some() {
            count_operation();
        }
    }

    /// Returns the number of operations so far.
    pub(in crate::script) fn operations(&self) -> u64 {
        self.operations.load(Ordering::Relaxed)
    }

    /// Returns the lines from `index` on.
    pub(in crate::script) fn lines_from(&self, index: usize) -> Vec<String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().skip(index).cloned().collect()
    }
}
