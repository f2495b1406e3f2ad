//! Verification of client assertions (RFC 7523). Anyone can send an assertion for any client, so the cost of
//! verification is small, bounded, and the same for unknown clients. Keys are parsed once and only a few are
//! tried. After a failure, decoy keys make up for the keys that were not tried. All of this runs on threads
//! that do not serve requests.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread;

use serde_json::Value;
use tokio::sync::Semaphore;

use crate::base::Timestamp;
use crate::jose::{Claims, Compact, Expectations, JwsError, KeySet, SignedToken, Tried, Verified};
use crate::trust::{Certified, TrustError, Verifier, source::key_set};

/// Maximum number of keys that are tried for one assertion. A client with more keys for one algorithm must
/// set `kid`.
pub(crate) const MOST_TRIES: usize = 3;

/// Maximum number of cached keys of all clients. A key takes about 4 KiB.
const MOST_KEPT: usize = 4_096;

/// One public key of each type and curve. The private keys were destroyed.
const DECOY_KEYS: &str = r#"{"keys": [
{"kty": "RSA", "e": "AQAB", "n": "0yeVJALpp-EK5I3P6QttSw8U9tX7HYlzgG3kOE6cz9W6RzxlN41bhcoezAokoRr0_FsoTGGx6ebpAmACmYM_SJRVyfZPrXo0MoM47lC9f4SkV6fevrfFmUIDa2xlAvP9qQezyxWszpAM18Tc6Jc2yYF9obYGs4i213iG5kcWiuvK-7nSEyyN9Izf--C4a-Bn_DjllQfwEY9D3HL1Ej28JQXuVnZN_TLHQ-xhoscfQXyXN-o77pGFM6018VsdyeXT5SsIZSXyQY-0BhJOKPzmEK-JeYzY8fACygPToE6c5aW4-Tn9TQe8g3AFJBsYl6TlN-nAvkb2Ld4psqOLavKctQ"},
{"kty": "EC", "crv": "P-256", "x": "TtnBmsfPymW5o21-IZEnEYdxuCJhFikWywXk_Gw_TFU", "y": "aXJ1wa-rZuwora6aIQOJ5E4yYIpx9lWPaEOIzZQ6bu0"},
{"kty": "EC", "crv": "P-384", "x": "MyKHgFNwX8j5TGeDdAGapsGOmOpoAmGcu0Ezpj-uVaW_JjX2xK82qtyyGAEz_zKn", "y": "e7HJgOk7qbDP10tUorseYOBh2D62ErKfjpYFjqFVkTfyQFDxHhD6-1clvsCjil_j"},
{"kty": "EC", "crv": "P-521", "x": "AcjCbt58V_D6pV8zbRh_EaW7SLSSJO7A0ADldYF3hnAsM_MqV9HpSLs6J43Lbbf0BViQY92JkabKVznJlD6E8WzB", "y": "ANqBYZGn1Q_gPM5PeYd8Y6WdSf3KQJukeYRl0zVzn_4g6EEvn89xHY3PUDSsFxHdx2oQ9P3zl0S88hZ3eHZzlhvc"},
{"kty": "OKP", "crv": "Ed25519", "x": "Q65kV06Rtye9p6TUMkcX3riKbEmquLIL1sK1QcZDR2w"},
{"kty": "EC", "crv": "secp256k1", "x": "A5qEMo9YiHOwrZ1MGyQ6VuQ06lC8lxrci5QKwscV1GY", "y": "MRXP256IohYxEw1DVt6cL6VUTzD3oy7rLJLtmtEDIw4"},
{"kty": "OKP", "crv": "Ed448", "x": "2_QvgbedYDX0esIiQp8fAWFQGGMyitES8ecxzzQQjEaizANIQJdJk7rIwjlTK8MgKwVaV23bPV0A"}]}"#;

/// Decoy keys. A token for an unknown client, or one that no key of the client verifies, is tried on them, so
/// that it costs the same as a token for a known client. The result is never used. `None` only if
/// [`DECOY_KEYS`] were invalid.
static DECOYS: LazyLock<Option<Arc<KeySet>>> =
    LazyLock::new(|| KeySet::parse_text(DECOY_KEYS, 7).ok().map(Arc::new));

/// The source of a client's keys.
pub(crate) enum ClientKeys<'a> {
    /// The metadata of the client.
    Here {
        /// The client.
        client: &'a str,
        /// Its `jwks`.
        jwks: &'a Value,
    },
    /// Its `jwks_uri`.
    At(&'a str),
    /// The certificate in the header of the assertion.
    Certified(Certified),
    /// None: the client does not exist, or has no keys.
    Nowhere,
}

/// A token with a valid signature or the reason why it is invalid, and the number of keys that were tried.
type Outcome = (Result<SignedToken, TrustError>, usize);

/// The cost of assertions so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Effort {
    /// The number of clients' key sets that were parsed.
    pub(crate) read: u64,
    /// The number of keys that were tried, including decoys.
    pub(crate) tried: u64,
}

/// Cached key sets of clients, and the slots for verification.
pub(super) struct Assertions {
    kept: Arc<KeptSets>,
    /// One slot for every second processor, so that half of them remain for other work.
    places: Arc<Semaphore>,
    read: AtomicU64,
    tried: AtomicU64,
}

/// Key sets by client, each with a hash of the `jwks` that it was parsed from. The hash changes when any
/// server updates the client.
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
        let processors = match thread::available_parallelism() {
            Ok(processors) => processors.get(),
            Err(_) => 1,
        };
        Self {
            kept: Arc::default(),
            places: Arc::new(Semaphore::new((processors / 2).max(1))),
            read: AtomicU64::new(0),
            tried: AtomicU64::new(0),
        }
    }

    /// Runs `work` on a thread that does not serve requests, when a slot is available.
    async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
        let task = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(place);
            done
        });
        task.await.ok()
    }

    /// Tries the keys that `set` returns, on a thread that does not serve requests.
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
        match tried.await {
            Some(Ok(Tried { outcome, keys })) => {
                self.count_tries(keys);
                (outcome.map_err(TrustError::from), keys)
            }
            Some(Err(error)) => (Err(error), 0),
            None => (Err(JwsError::Signature.into()), 0),
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

    async fn with_certificate(
        &self,
        token: &Compact,
        certified: Certified,
        now: Timestamp,
    ) -> Outcome {
        let of_certificate = move |token: &Compact| {
            let claims = token.unverified_claims()?;
            let iss = claims.get("iss").and_then(Value::as_str);
            Ok(Arc::new(certified.key(token, iss, now)?))
        };
        self.tried(token, of_certificate).await
    }

    /// Makes a failure as expensive as trying the maximum number of keys.
    async fn spend(&self, token: &Compact, tries: usize) {
        let (token, times) = (token.clone(), MOST_TRIES.saturating_sub(tries));
        let spent = self.apart(move || match &*DECOYS {
            Some(decoys) => decoys.spend(&token, times),
            None => 0,
        });
        self.count_tries(spent.await.unwrap_or(0));
    }

    fn count_tries(&self, tries: usize) {
        self.tried
            .fetch_add(u64::try_from(tries).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl KeptSets {
    fn find(&self, client: &str, hash: u64) -> Option<Arc<KeySet>> {
        let sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        let (kept, set) = sets.by_client.get(client)?;
        (*kept == hash).then(|| Arc::clone(set))
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
    /// Verifies a client assertion with a key of the client.
    ///
    /// # Errors
    /// Returns an error if the keys cannot be fetched, or if the token does not meet the expectations. Apart
    /// from the fetch, every error costs the same work.
    pub(crate) async fn verify_assertion(
        &self,
        token: &Compact,
        keys: ClientKeys<'_>,
        expected: &Expectations<'_>,
    ) -> Result<Verified<Claims>, TrustError> {
        let (signed, tries) = match keys {
            ClientKeys::Here { client, jwks } => {
                self.assertions.with_own(token, client, jwks).await
            }
            ClientKeys::At(url) => match self.with_fetched(token, url).await {
                Ok(tried) => tried,
                Err(error) => (Err(error), 0),
            },
            ClientKeys::Certified(certified) => {
                self.assertions
                    .with_certificate(token, certified, self.now())
                    .await
            }
            ClientKeys::Nowhere => (Err(TrustError::NoKey(token.algorithm())), 0),
        };
        let verified = signed.and_then(|signed| Ok(signed.accept(expected, self.now())?));
        if verified.is_err() {
            self.assertions.spend(token, tries).await;
        }
        verified
    }

    /// Verifies with the key set at `url`, and fetches it once more if it does not contain the key.
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

    /// Returns the cost of assertions so far.
    pub(crate) fn effort(&self) -> Effort {
        let Assertions { read, tried, .. } = &self.assertions;
        Effort {
            read: read.load(Ordering::Relaxed),
            tried: tried.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jose::{Algorithm, SigningKey};

    #[test]
    fn a_parsed_set_is_cached_for_its_keys_and_for_a_limited_time() {
        let jwk = SigningKey::generate(Algorithm::EdDsa)
            .unwrap()
            .public_jwk()
            .unwrap();
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

    /// Returns a token that names `algorithm` and a key, with an invalid signature.
    fn garbage(algorithm: Algorithm) -> Compact {
        use base64::Engine;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let header = format!(r#"{{"alg":"{algorithm}","kid":"unknown"}}"#);
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        Compact::parse(&format!(
            "{}.{}.{}",
            part(&header),
            part("{}"),
            part("signature")
        ))
        .unwrap()
    }

    #[test]
    fn there_is_a_decoy_for_each_algorithm() {
        let decoys = DECOYS.clone().unwrap();
        assert_eq!(format!("{decoys:?}"), "KeySet(7 public)");
        for algorithm in Algorithm::ALL
            .iter()
            .filter(|algorithm| !algorithm.is_symmetric())
        {
            assert_eq!(decoys.spend(&garbage(*algorithm), 3), 3, "{algorithm}");
        }
    }
}
