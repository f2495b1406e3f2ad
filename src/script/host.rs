//! The interface through which scripts reach external systems and the store.
//!
//! Scripts run on threads that may block, so every function here may block too. It fails when its timeout
//! has passed. A failure is a string that a script can catch and a log may show. It says what is wrong,
//! and repeats no secret.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::jose::KeySet;

/// The functions through which scripts reach external systems and the store. Functions that need neither are
/// in [`modules`](super::modules).
///
/// The default implementation of each function fails, so an implementation provides only the functions that
/// it supports.
pub(crate) trait Host: Send + Sync {
    /// Waits for `call.after`, sends a request and reads the whole response, at most `call.answer_bytes`.
    ///
    /// # Errors
    /// When the address is not allowed, or no response arrives within `call.timeout`.
    fn http(&self, call: &HttpCall) -> Result<HttpAnswer, String> {
        let _ = call;
        missing("http")
    }

    /// Returns how long the last call of [`http`](Self::http) would have taken, where the time is simulated.
    fn simulated_wait(&self) -> Duration {
        Duration::ZERO
    }

    /// Returns the value that the script has stored under `key`; `None` when there is none or it has expired.
    ///
    /// # Errors
    /// When the store fails.
    fn kv_get(&self, by: &CallingScript<'_>, key: &str) -> Result<Option<Value>, String> {
        let _ = (by, key);
        missing("kv")
    }

    /// Stores `value` under `key` for the given number of seconds.
    ///
    /// # Errors
    /// When the script has stored too many values, or the store fails.
    fn kv_set(
        &self,
        by: &CallingScript<'_>,
        key: &str,
        value: &Value,
        seconds: u64,
    ) -> Result<(), String> {
        let _ = (by, key, value, seconds);
        missing("kv")
    }

    /// Deletes the value that the script has stored under `key`. Returns whether there was one.
    ///
    /// # Errors
    /// When the store fails.
    fn kv_delete(&self, by: &CallingScript<'_>, key: &str) -> Result<bool, String> {
        let _ = (by, key);
        missing("kv")
    }

    /// Adds `amount` to the number under `key`, atomically, and returns the sum. A new number starts at 0
    /// and expires after the given number of seconds; an existing number keeps its expiry.
    ///
    /// # Errors
    /// When the stored value is not an integer, the sum is out of range, or the store fails.
    fn kv_increment(
        &self,
        by: &CallingScript<'_>,
        key: &str,
        amount: i64,
        seconds: u64,
    ) -> Result<i64, String> {
        let _ = (by, key, amount, seconds);
        missing("kv")
    }

    /// Makes sure that there is a counter under `key`, which starts at 0 and expires after the given number of
    /// seconds, and returns its value.
    ///
    /// # Errors
    /// As [`kv_increment`](Self::kv_increment).
    fn kv_count(&self, by: &CallingScript<'_>, key: &str, seconds: u64) -> Result<i64, String> {
        let _ = (by, key, seconds);
        missing("kv")
    }

    /// Returns the JWK Set at `url` from the cache of the server; with `seen`, a newer set than this one, if there
    /// is one.
    ///
    /// # Errors
    /// When the address is not allowed, or the set cannot be fetched within `timeout`.
    fn key_set(
        &self,
        url: &str,
        seen: Option<&Arc<KeySet>>,
        timeout: Duration,
    ) -> Result<Option<Arc<KeySet>>, String> {
        let _ = (url, seen, timeout);
        missing("jwt::verify with a URL")
    }

    /// Returns how many clients have all these members.
    ///
    /// # Errors
    /// When a member is not indexed (the error lists the indexed members), or the store fails.
    fn count_clients(
        &self,
        by: &CallingScript<'_>,
        members: &Map<String, Value>,
    ) -> Result<u64, String> {
        let _ = (by, members);
        missing("clients")
    }

    /// Issues a nonce for evidence, and stores it for its lifetime.
    ///
    /// # Errors
    /// When too many nonces are outstanding, or the store fails.
    fn new_nonce(&self, by: &CallingScript<'_>) -> Result<String, String> {
        let _ = by;
        missing("attestation::new_nonce")
    }

    /// Consumes a nonce. Returns whether this server issued it, it is not expired, and it was not consumed
    /// before.
    ///
    /// # Errors
    /// When the store fails.
    fn consume_nonce(&self, by: &CallingScript<'_>, nonce: &str) -> Result<bool, String> {
        let _ = (by, nonce);
        missing("attestation::consume_nonce")
    }
}

/// The script that calls the host, and its timeout.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallingScript<'a> {
    /// The file name of the script, to which the stored values belong.
    pub(crate) script: &'a str,
    /// How long the call may take.
    pub timeout: Duration,
}

/// A request that a script sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCall {
    /// `GET`, `POST`, `PUT`, `PATCH`, `DELETE` or `HEAD`.
    pub method: String,
    /// The URL.
    pub url: String,
    /// The headers, with names in lower case and values in visible ASCII.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<Vec<u8>>,
    /// How long to wait before it is sent.
    pub after: Duration,
    /// How long the call may take, including that wait; never more than the time that the script has left.
    pub timeout: Duration,
    /// The size limit of the response body, in bytes.
    pub answer_bytes: usize,
}

/// The response to a request that a script has sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// The headers, with names in lower case; a name may occur more than once.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// A host without any function, for scripts that are loaded only to be checked.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NoHost;

impl Host for NoHost {}

fn missing<T>(what: &str) -> Result<T, String> {
    Err(format!("{what} is not available here"))
}
