//! What clients sign to prove who they are (RFC 7523). Anybody may send such a token for any client,
//! so it costs little, at most so much, and as much for a client that is not there: keys are read once,
//! few are tried, what was not tried of them is tried on keys of nobody, and all of it is done on threads
//! that serve no request.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde_json::Value;
use tokio::sync::Semaphore;

use super::decoy::DECOYS;
use super::source::key_set;
use super::{Certified, TrustError, Verifier};
use crate::clock::Timestamp;
use crate::jose::{Claims, Compact, Expectations, JwsError, KeySet, Signed, Tried, Verified};

/// Keys that are tried for one assertion. A client with more keys for one algorithm names its key in
/// `kid`.
pub const MOST_TRIES: usize = 3;

/// Keys that are kept, over all clients: about 4 KiB each.
const MOST_KEPT: usize = 4_096;

/// Where the keys of a client are.
pub enum ClientKeys<'a> {
    /// In its metadata.
    Here {
        /// The client.
        client: &'a str,
        /// Its `jwks`.
        jwks: &'a Value,
    },
    /// At its `jwks_uri`.
    At(&'a str),
    /// In the certificate that the assertion shows.
    Certified(Certified),
    /// Nowhere: the client is not there, or has none.
    Nowhere,
}

/// A token whose signature is good, or why it has none; and how many keys were tried.
type Outcome = (Result<Signed, TrustError>, usize);

/// What assertions have cost so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// Key sets of clients that were read.
    pub read: u64,
    /// Keys that were tried, those of nobody too.
    pub tried: u64,
}

/// The key sets of clients, and the places for those who verify with them.
pub(super) struct Assertions {
    kept: Arc<KeptSets>,
    /// Half of the processors are left to all else.
    places: Arc<Semaphore>,
    read: AtomicU64,
    tried: AtomicU64,
}

/// Key sets by client, each with a hash of the `jwks` that it was made of: an update, by whatever
/// server, makes another.
#[derive(Default)]
struct KeptSets {
    hasher: RandomState,
    sets: Mutex<Sets>,
}

#[derive(Default)]
struct Sets {
    by_client: HashMap<String, (u64, Arc<KeySet>)>,
    keys: usize,
}

impl Assertions {
    pub(super) fn new() -> Self {
        let places = thread::available_parallelism().map_or(1, |processors| processors.get() / 2).max(1);
        let places = Arc::new(Semaphore::new(places));
        Self { kept: Arc::default(), places, read: AtomicU64::new(0), tried: AtomicU64::new(0) }
    }

    /// Does `work` on a thread that serves no request, when there is a place.
    async fn apart<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
        let task = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(place);
            done
        });
        task.await.ok()
    }

    /// Tries the keys that `set` gives, on a thread that serves no request.
    async fn tried(
        &self,
        token: &Compact,
        set: impl FnOnce(&Compact) -> Result<Arc<KeySet>, TrustError> + Send + 'static,
    ) -> Outcome {
        let token = token.clone();
        let tried = self.apart(move || {
            let set = set(&token)?;
            Ok(set.check_signature(token, MOST_TRIES))
        });
        match tried.await.unwrap_or_else(|| Err(JwsError::Signature.into())) {
            Ok(Tried { outcome, keys }) => {
                self.count_tries(keys);
                (outcome.map_err(TrustError::from), keys)
            }
            Err(error) => (Err(error), 0),
        }
    }

    async fn with_own(&self, token: &Compact, client: &str, jwks: &Value) -> Outcome {
        let hash = self.kept.hasher.hash_one(jwks);
        if let Some(set) = self.kept.find(client, hash) {
            return self.tried(token, move |_| Ok(set)).await;
        }
        self.read.fetch_add(1, Ordering::Relaxed);
        let (kept, client, jwks) = (Arc::clone(&self.kept), client.to_owned(), jwks.clone());
        let read = move |token: &Compact| {
            let set = key_set(&jwks).map_err(|_| TrustError::NoKey(token.algorithm()))?;
            Ok(kept.keep(client, hash, Arc::new(set)))
        };
        self.tried(token, read).await
    }

    async fn with_certificate(&self, token: &Compact, certified: Certified, now: Timestamp) -> Outcome {
        let of_certificate = move |token: &Compact| {
            let claims = token.unverified_claims()?;
            let iss = claims.get("iss").and_then(Value::as_str);
            Ok(Arc::new(certified.key(token, iss, now)?))
        };
        self.tried(token, of_certificate).await
    }

    /// Makes a failure cost what it costs with as many keys as may be tried.
    async fn spend(&self, token: &Compact, tries: usize) {
        let (token, times) = (token.clone(), MOST_TRIES.saturating_sub(tries));
        let spent = self.apart(move || DECOYS.as_ref().map_or(0, |decoys| decoys.spend(&token, times)));
        self.count_tries(spent.await.unwrap_or(0));
    }

    fn count_tries(&self, tries: usize) {
        self.tried.fetch_add(u64::try_from(tries).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl KeptSets {
    fn find(&self, client: &str, hash: u64) -> Option<Arc<KeySet>> {
        let sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = sets.by_client.get(client).filter(|(kept, _)| *kept == hash);
        kept.map(|(_, set)| Arc::clone(set))
    }

    fn keep(&self, client: String, hash: u64, set: Arc<KeySet>) -> Arc<KeySet> {
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        if sets.keys + set.count() > MOST_KEPT {
            *sets = Sets::default();
        }
        sets.keys += set.count();
        if let Some((_, previous)) = sets.by_client.insert(client, (hash, Arc::clone(&set))) {
            sets.keys -= previous.count();
        }
        set
    }
}

impl Verifier {
    /// Verifies what a client signed, with a key of its own.
    ///
    /// # Errors
    /// When the keys cannot be fetched, or the token is not what is expected; after the same work for
    /// each reason, but for the fetch.
    pub async fn verify_assertion(
        &self,
        token: &Compact,
        keys: ClientKeys<'_>,
        expected: &Expectations<'_>,
    ) -> Result<Verified<Claims>, TrustError> {
        let (signed, tries) = match keys {
            ClientKeys::Here { client, jwks } => self.assertions.with_own(token, client, jwks).await,
            ClientKeys::At(url) => {
                self.with_fetched(token, url).await.unwrap_or_else(|error| (Err(error), 0))
            }
            ClientKeys::Certified(certified) => {
                self.assertions.with_certificate(token, certified, self.now()).await
            }
            ClientKeys::Nowhere => (Err(TrustError::NoKey(token.algorithm())), 0),
        };
        let verified = signed.and_then(|signed| Ok(signed.accept(expected, self.now())?));
        if verified.is_err() {
            self.assertions.spend(token, tries).await;
        }
        verified
    }

    /// A key that is not in the set may be in a newer one.
    async fn with_fetched(&self, token: &Compact, url: &str) -> Result<Outcome, TrustError> {
        let set = self.claimed.get(url).await?;
        let seen = Arc::clone(&set);
        let tried = self.assertions.tried(token, move |_| Ok(set)).await;
        match &tried {
            (Err(TrustError::Token(error)), _) if error.is_unknown_key() => {}
            _ => return Ok(tried),
        }
        match self.claimed.refetched(url, &seen).await? {
            Some(newer) => Ok(self.assertions.tried(token, move |_| Ok(newer)).await),
            None => Ok(tried),
        }
    }

    /// What assertions have cost so far.
    pub fn effort(&self) -> Effort {
        let Assertions { read, tried, .. } = &self.assertions;
        Effort { read: read.load(Ordering::Relaxed), tried: tried.load(Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jose::{Algorithm, SigningKey};

    #[test]
    fn a_set_is_kept_for_the_keys_that_it_was_made_of_and_not_without_end() {
        let jwk = SigningKey::generate(Algorithm::EdDsa).unwrap().public_jwk().unwrap();
        let set = |count: usize| Arc::new(key_set(&json!({"keys": vec![&jwk; count]})).unwrap());
        let kept = KeptSets::default();
        kept.keep("a".to_owned(), 1, set(1));
        assert!(kept.find("a", 1).is_some());
        assert!(kept.find("a", 2).is_none() && kept.find("b", 1).is_none());
        for hash in 0..MOST_KEPT as u64 {
            kept.keep("a".to_owned(), hash, set(1));
        }
        assert_eq!(kept.sets.lock().unwrap().keys, 1, "the client has one set");
        for number in 0..MOST_KEPT / 20 {
            kept.keep(number.to_string(), 1, set(20));
            assert!(kept.sets.lock().unwrap().keys <= MOST_KEPT);
        }
        assert!(kept.find("0", 1).is_some());
        kept.keep("last".to_owned(), 1, set(20));
        assert!(kept.find("0", 1).is_none() && kept.find("last", 1).is_some());
    }
}
