//! `crypto::sha256(text)` and `hmac_sha256(key, text)` in hex, `random_token(bytes)`,
//! `equals(a, b)` in constant time.

use rhai::ImmutableString;

use super::super::value::{HostResult, failure};
use super::functions::Functions;
use crate::base::random;
use crate::base::secret::{hmac_sha256_hex, sha256_hex, texts_equal};

pub(super) fn module() -> Functions {
    let mut module = Functions::default();
    module.add1("sha256", |_, text: ImmutableString| {
        Ok(sha256_hex(text.as_bytes()))
    });
    module.add2(
        "hmac_sha256",
        |_, key: ImmutableString, text: ImmutableString| {
            hmac_sha256_hex(key.as_bytes(), text.as_bytes())
                .map_err(|error| failure(error.to_string()))
        },
    );
    module.add1("random_token", |_, bytes: i64| random_token(bytes));
    module.add2(
        "equals",
        |_, one: ImmutableString, other: ImmutableString| Ok(texts_equal(&one, &other)),
    );
    module
}

/// Returns 16 to 64 random bytes in base64url.
fn random_token(bytes: i64) -> HostResult<String> {
    let length = usize::try_from(bytes)
        .ok()
        .filter(|length| (16..=64).contains(length));
    let length = length.ok_or_else(|| failure("the number of bytes must be from 16 to 64"))?;
    random::text(length).map_err(|error| failure(error.to_string()))
}
