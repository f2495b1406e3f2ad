//! `crypto::sha256(text)` and `hmac_sha256(key, text)` in hex, `random_token(bytes)`,
//! `equals(a, b)` in constant time.

use rhai::ImmutableString;

use crate::base::{hmac_sha256_hex, random, sha256_hex, texts_equal};
use crate::script::{
    HostResult, failure, modules::Functions, modules::HostFunction, modules::function,
};

/// The functions, for the manual and for editors.
pub(super) const FUNCTIONS: &[HostFunction] = &[
    function(
        "crypto",
        "sha256(text: string) -> string",
        "Returns the SHA-256 hash in hex.",
        r#"crypto::sha256("abc").starts_with("ba7816bf")"#,
    ),
    function(
        "crypto",
        "hmac_sha256(key: string, text: string) -> string",
        "Returns the HMAC-SHA-256 in hex.",
        r#"crypto::hmac_sha256("key", "abc").starts_with("9c196e32")"#,
    ),
    function(
        "crypto",
        "random_token(bytes: int) -> string",
        "Returns the given number of random bytes in base64url. Fails unless the number is from 16 to 64.",
        "crypto::random_token(32).len() == 43",
    ),
    function(
        "crypto",
        "equals(one: string, other: string) -> bool",
        "Returns whether two strings are equal, in a time that does not reveal where they differ. Use it to \
         compare secrets.",
        r#"crypto::equals("a", "a") && !crypto::equals("a", "b")"#,
    ),
];

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
