//! A fake of the external systems, for the tests of scripts, both in this repository and by operators.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};

use crate::base::{Clock, ManualClock, Timestamp, json};
use crate::jose::{KeySet, MOST_KEYS};
use crate::script::{CallingScript, Host, HttpAnswer, HttpCall, Reservation};

/// A host with predefined responses, and with values, clients and nonces in memory.
pub struct FakeHost {
    clock: Arc<ManualClock>,
    world: Mutex<FakeState>,
    changed: Condvar,
}

#[derive(Default)]
struct FakeState {
    replies: BTreeMap<(String, String), VecDeque<FakeReply>>,
    /// The time that the last call would have taken.
    simulated: Duration,
    /// The JWK Sets that were fetched, by their URLs.
    key_sets: BTreeMap<String, Arc<KeySet>>,
    calls: Vec<HttpCall>,
    is_held: bool,
    waiting: usize,
    kept: BTreeMap<(String, String), (Value, Timestamp)>,
    clients: Vec<Map<String, Value>>,
    nonces: BTreeSet<String>,
    made: u64,
}

impl FakeHost {
    /// Creates an empty world with this clock.
    pub fn new(clock: Arc<ManualClock>) -> Self {
        Self {
            clock,
            world: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Sets the response to `method` on `url` from now on.
    pub fn answer(&self, method: &str, url: &str, answer: HttpAnswer) {
        let reply = FakeReply {
            answer: Ok(answer),
            delay: Duration::ZERO,
        };
        self.reply(method, url, vec![reply]);
    }

    /// Sets the replies to `method` on `url` from now on, one for each request. The last one is repeated.
    pub(super) fn reply(&self, method: &str, url: &str, replies: Vec<FakeReply>) {
        let name = (method.to_owned(), url.to_owned());
        self.world().replies.insert(name, replies.into());
    }

    /// Sets the same, with a JSON body.
    pub fn answer_json(&self, method: &str, url: &str, status: u16, body: &Value) {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        self.answer(
            method,
            url,
            HttpAnswer {
                status,
                headers,
                body: body.to_string().into_bytes(),
            },
        );
    }

    /// Holds back responses from now on, until [`FakeHost::release`].
    pub fn hold(&self) {
        self.world().is_held = true;
    }

    /// Releases the responses that were held back.
    pub fn release(&self) {
        self.world().is_held = false;
        self.changed.notify_all();
    }

    /// Returns the number of calls that wait for a response that is held back.
    pub fn waiting(&self) -> usize {
        self.world().waiting
    }

    /// Returns all calls of `http` so far.
    pub fn calls(&self) -> Vec<HttpCall> {
        self.world().calls.clone()
    }

    /// Adds a client that `clients` finds by its members.
    pub(crate) fn add_client(&self, members: Map<String, Value>) {
        self.world().clients.push(members);
    }

    /// Counts what was reserved for a client, as if it were stored.
    pub(super) fn count(&self, reserved: &[Reservation]) {
        let mut world = self.world();
        for Reservation { script, key, .. } in reserved {
            if let Some((value, _)) = world.kept.get_mut(&(script.clone(), key.clone())) {
                *value = value.as_i64().unwrap_or_default().saturating_add(1).into();
            }
        }
    }

    fn world(&self) -> MutexGuard<'_, FakeState> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while responses are held back. Returns whether they were released in time.
    fn is_released(&self, timeout: Duration) -> bool {
        let mut world = self.world();
        world.waiting += 1;
        let waited = self
            .changed
            .wait_timeout_while(world, timeout, |world| world.is_held);
        let (mut world, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        world.waiting -= 1;
        !waited.timed_out()
    }
}

/// What a request gets.
#[derive(Debug, Clone)]
pub(super) struct FakeReply {
    /// The response, or why there is none.
    pub(super) answer: Result<HttpAnswer, String>,
    /// How long it takes, which is not really waited.
    pub(super) delay: Duration,
}

impl Host for FakeHost {
    fn http(&self, call: &HttpCall) -> Result<HttpAnswer, String> {
        self.world().calls.push(call.clone());
        if !self.is_released(call.timeout) {
            return Err(format!(
                "no response within {} ms",
                call.timeout.as_millis()
            ));
        }
        let (method, url) = (&call.method, &call.url);
        let mut world = self.world();
        let Some(replies) = world.replies.get_mut(&(method.clone(), url.clone())) else {
            return Err(format!("no fake response is defined for {method} {url}"));
        };
        let reply = match replies.len() {
            0 | 1 => replies.front().cloned(),
            _ => replies.pop_front(),
        };
        let reply = reply.ok_or_else(|| format!("no fake response is left for {method} {url}"))?;
        world.simulated = call.after.saturating_add(reply.delay).min(call.timeout);
        if reply.delay >= call.timeout.saturating_sub(call.after) {
            return Err(format!(
                "no response within {} ms",
                call.timeout.as_millis()
            ));
        }
        reply.answer
    }

    fn simulated_wait(&self) -> Duration {
        std::mem::take(&mut self.world().simulated)
    }

    fn kv_get(&self, by: &CallingScript<'_>, key: &str) -> Result<Option<Value>, String> {
        let world = self.world();
        match world.kept.get(&(by.script.to_owned(), key.to_owned())) {
            Some((value, end)) if *end > self.clock.now() => Ok(Some(value.clone())),
            _ => Ok(None),
        }
    }

    fn kv_set(
        &self,
        by: &CallingScript<'_>,
        key: &str,
        value: &Value,
        seconds: u64,
    ) -> Result<(), String> {
        let end = self.clock.now().plus(seconds);
        self.world()
            .kept
            .insert((by.script.to_owned(), key.to_owned()), (value.clone(), end));
        Ok(())
    }

    fn kv_delete(&self, by: &CallingScript<'_>, key: &str) -> Result<bool, String> {
        let is_there = self.kv_get(by, key)?.is_some();
        self.world()
            .kept
            .remove(&(by.script.to_owned(), key.to_owned()));
        Ok(is_there)
    }

    fn kv_increment(
        &self,
        by: &CallingScript<'_>,
        key: &str,
        amount: i64,
        seconds: u64,
    ) -> Result<i64, String> {
        let now = self.clock.now();
        let mut world = self.world();
        let kept = world.kept.entry((by.script.to_owned(), key.to_owned()));
        let (value, end) = kept.or_insert_with(|| (0.into(), now.plus(seconds)));
        if *end <= now {
            (*value, *end) = (0.into(), now.plus(seconds));
        }
        let sum = value.as_i64().ok_or("the stored value is not an integer")?;
        let sum = sum.checked_add(amount).ok_or("the sum is out of range")?;
        *value = sum.into();
        Ok(sum)
    }

    fn kv_count(&self, by: &CallingScript<'_>, key: &str, seconds: u64) -> Result<i64, String> {
        self.kv_increment(by, key, 0, seconds)
    }

    fn key_set(
        &self,
        url: &str,
        seen: Option<&Arc<KeySet>>,
        timeout: Duration,
    ) -> Result<Option<Arc<KeySet>>, String> {
        if seen.is_none()
            && let Some(kept) = self.world().key_sets.get(url)
        {
            return Ok(Some(Arc::clone(kept)));
        }
        let answer = self.http(&HttpCall {
            method: "GET".to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            body: None,
            after: Duration::ZERO,
            timeout,
            answer_bytes: usize::MAX,
        })?;
        if answer.status != 200 {
            return Err(format!("the answer has status {}", answer.status));
        }
        let value = json::parse(&answer.body).map_err(|error| error.to_string())?;
        let set = Arc::new(KeySet::parse(&value, MOST_KEYS)?);
        let mut world = self.world();
        world.key_sets.insert(url.to_owned(), Arc::clone(&set));
        Ok(Some(set))
    }

    fn count_clients(
        &self,
        _by: &CallingScript<'_>,
        members: &Map<String, Value>,
    ) -> Result<u64, String> {
        let (name, value) = indexed(members)?;
        let world = self.world();
        let found = world
            .clients
            .iter()
            .filter(|client| client.get(name) == Some(value))
            .count();
        Ok(u64::try_from(found).unwrap_or(u64::MAX))
    }

    fn new_nonce(&self, _by: &CallingScript<'_>) -> Result<String, String> {
        let mut world = self.world();
        world.made += 1;
        let nonce = format!("nonce-{:0>36}A", world.made);
        world.nonces.insert(nonce.clone());
        Ok(nonce)
    }

    fn consume_nonce(&self, _by: &CallingScript<'_>, nonce: &str) -> Result<bool, String> {
        Ok(self.world().nonces.remove(nonce))
    }
}

/// Returns the single member of a query. The store counts clients by the same members.
fn indexed(members: &Map<String, Value>) -> Result<(&str, &Value), String> {
    const KNOWN: &str = "clients can be counted by one of `software_id` and `org_id`";
    let mut named = members.iter();
    match (named.next(), named.next()) {
        (Some((name, value)), None) if ["software_id", "org_id"].contains(&name.as_str()) => {
            Ok((name, value))
        }
        _ => Err(KNOWN.to_owned()),
    }
}
