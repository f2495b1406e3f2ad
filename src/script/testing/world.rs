//! A made-up world around scripts: a clock that stands still, answers that were said before,
//! secrets that are none.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::fake::FakeHost;
use super::super::hook::Hook;
use super::super::host::{Host, HttpAnswer};
use super::super::load::Texts;
use super::super::observer::Observer;
use super::super::runtime::Runtime;
use super::super::secrets::Secrets;
use super::super::set::ScriptSet;
use super::super::trial::{self, Given, Trial, Watch};
use crate::clock::{Clock, ManualClock, Timestamp};
use crate::config::{ScriptSettings, nearest};

/// 2026-01-01T00:00:00Z: what a world begins with.
const BEGINNING: Timestamp = Timestamp::from_unix(1_767_225_600);

/// What a hook may take in a world, in milliseconds: a busy machine is no fault of a script, and
/// its operations are bounded as in the server.
const DEADLINE_MS: u64 = 5_000;

/// Makes what verifies and signs at the time of a clock.
pub type Keys = Arc<dyn Fn(Arc<dyn Clock>) -> Arc<dyn Host> + Send + Sync>;

/// What every world begins with.
#[derive(Clone)]
pub struct Beginning {
    /// The folder, the limits and the attributes. Its secrets are not read.
    pub settings: ScriptSettings,
    /// Names of members beyond the standard ones.
    pub custom: Vec<String>,
    /// What verifies and signs.
    pub keys: Keys,
}

/// What is made up before a hook is called.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Fakes {
    /// The time of day, in seconds since 1970.
    pub now: Option<u64>,
    /// Answers for `http`.
    pub http: Vec<FakeAnswer>,
    /// Secrets by name.
    pub secrets: BTreeMap<String, String>,
    /// Clients that `clients` finds by their members.
    pub clients: Vec<Map<String, Value>>,
}

/// What is answered to one request of `http`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FakeAnswer {
    /// The method.
    pub method: String,
    /// The URL, all of it.
    pub url: String,
    /// The rest.
    pub answer: FakeHttp,
}

/// An answer of `http`: a body as text or as JSON.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FakeHttp {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: BTreeMap<String, String>,
    /// The body, as a text.
    pub body: Option<String>,
    /// The body, as JSON.
    pub json: Option<Value>,
}

impl Default for FakeHttp {
    fn default() -> Self {
        Self { status: 200, headers: BTreeMap::new(), body: None, json: None }
    }
}

impl FakeHttp {
    fn into_answer(self) -> Result<HttpAnswer, String> {
        let body = match (self.body, self.json) {
            (Some(_), Some(_)) => return Err("say `body` or `json`, not both".to_owned()),
            (Some(text), None) => text.into_bytes(),
            (None, Some(json)) => json.to_string().into_bytes(),
            (None, None) => Vec::new(),
        };
        let headers = self.headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value));
        Ok(HttpAnswer { status: self.status, headers: headers.collect(), body })
    }
}

/// A made-up world.
pub struct World {
    settings: ScriptSettings,
    custom: Vec<String>,
    clock: Arc<ManualClock>,
    host: Arc<FakeHost>,
    secrets: Arc<Secrets>,
    observer: Arc<Observer>,
}

impl World {
    /// A new one.
    pub fn new(beginning: &Beginning) -> Self {
        let clock = Arc::new(ManualClock::new(BEGINNING));
        let keys = (beginning.keys)(clock.clone());
        let mut settings = beginning.settings.clone();
        settings.secrets.clear();
        settings.limits.deadline_ms = settings.limits.deadline_ms.max(DEADLINE_MS);
        Self {
            settings,
            custom: beginning.custom.clone(),
            host: Arc::new(FakeHost::over(clock.clone(), keys)),
            clock,
            secrets: Arc::default(),
            observer: Arc::default(),
        }
    }

    /// Makes all of it up.
    ///
    /// # Errors
    /// What of it can not be so.
    pub fn fake(&self, fakes: Fakes) -> Result<(), String> {
        if let Some(now) = fakes.now {
            self.clock.set(Timestamp::from_unix(now));
        }
        for FakeAnswer { method, url, answer } in fakes.http {
            self.fake_http(&method, &url, answer)?;
        }
        for (name, text) in &fakes.secrets {
            self.secrets.say(name, text).map_err(|error| format!("the secret {name}: {error}"))?;
        }
        fakes.clients.into_iter().for_each(|client| self.host.add_client(client));
        Ok(())
    }

    pub(super) fn fake_http(&self, method: &str, url: &str, answer: FakeHttp) -> Result<(), String> {
        self.host.answer(&method.to_ascii_uppercase(), url, answer.into_answer()?);
        Ok(())
    }

    /// Moves the clock ahead.
    pub(super) fn advance(&self, seconds: u64) {
        self.clock.advance(seconds);
    }

    /// The lines that were logged so far.
    pub(super) fn log(&self) -> Vec<String> {
        self.observer.lines_from(0)
    }

    /// What scripts, or a test when `change` gives it other limits, work with in this world.
    pub(super) fn runtime(&self, change: impl FnOnce(&mut ScriptSettings)) -> Arc<Runtime> {
        let mut settings = self.settings.clone();
        change(&mut settings);
        let (clock, host) = (self.clock.clone(), self.host.clone());
        let (secrets, observer) = (Arc::clone(&self.secrets), Arc::clone(&self.observer));
        Arc::new(Runtime::with(&settings, clock, host, secrets, Some(observer)))
    }

    /// Loads the scripts, or the one called `script`, and calls `hook`.
    ///
    /// # Errors
    /// When they do not load, or none has the hook: a test must not pass for want of a subject.
    pub(in crate::script) async fn call(
        &self,
        texts: &Texts,
        script: Option<&str>,
        hook: Hook,
        given: Given,
    ) -> Result<Trial, String> {
        let mut texts = texts.clone();
        if let Some(script) = script {
            if !texts.scripts.contains_key(script) {
                return Err(no_script(script, texts.scripts.keys().map(String::as_str)));
            }
            texts.scripts.retain(|name, _| name == script);
        }
        let mut settings = self.settings.clone();
        if let Some(attributes) = &given.attributes {
            settings.attributes.clone_from(attributes);
        }
        let runtime = self.runtime(|_| {});
        let set = ScriptSet::compile(texts, &settings, &runtime)
            .map(Arc::new)
            .map_err(|errors| format!("the scripts do not load:\n{errors}"))?;
        if !set.has(hook) {
            let name = hook.name();
            return Err(match script {
                Some(script) => format!("{script} has no function {name}"),
                None => format!("no script has a function {name}"),
            });
        }
        let watch = Watch { host: &self.host, observer: &self.observer };
        Ok(trial::run(&set, hook, given, &self.custom, &watch).await)
    }
}

fn no_script<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(name, known.clone()) {
        Some(near) => format!("no script is called '{name}'; did you mean '{near}'?"),
        None => format!("no script is called '{name}'; there are: {}", known.collect::<Vec<_>>().join(", ")),
    }
}

/// The hook called `name`.
///
/// # Errors
/// When there is none, with the nearest.
pub fn hook(name: &str) -> Result<Hook, String> {
    let names = Hook::ALL.map(Hook::name);
    Hook::named(name).ok_or_else(|| match nearest(name, names) {
        Some(near) => format!("no hook is called '{name}'; did you mean '{near}'?"),
        None => format!("no hook is called '{name}'; there are: {}", names.join(", ")),
    })
}
