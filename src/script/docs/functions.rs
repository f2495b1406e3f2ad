//! The host functions that use no external system, store, key or secret.

use super::{HostFunction, function};

/// All functions of the modules that use no external system, store, key or secret.
pub(super) static FUNCTIONS: &[HostFunction] = &[
    function(
        "base64",
        "encode(text: string) -> string",
        "Encodes a string in base64 with padding (RFC 4648 section 4).",
        r#"base64::encode("hi?>") == "aGk/Pg==""#,
    ),
    function(
        "base64",
        "decode(text: string) -> string",
        "Decodes base64, with or without padding, to a string. Fails when the input is not base64, or when \
         the decoded bytes are not UTF-8.",
        r#"base64::decode("aGk/Pg") == "hi?>""#,
    ),
    function(
        "base64",
        "encode_url(text: string) -> string",
        "Encodes a string in base64url without padding (RFC 4648 section 5).",
        r#"base64::encode_url("hi?>") == "aGk_Pg""#,
    ),
    function(
        "base64",
        "decode_url(text: string) -> string",
        "Decodes base64url, with or without padding, to a string. Fails like `decode`.",
        r#"base64::decode_url("aGk_Pg") == "hi?>""#,
    ),
    function(
        "base64",
        "encode_bytes(bytes: bytes) -> string",
        "Encodes bytes in base64 with padding.",
        r#"base64::encode_bytes(base64::decode_bytes("+/8")) == "+/8=""#,
    ),
    function(
        "base64",
        "decode_bytes(text: string) -> bytes",
        "Decodes base64 to bytes, which need not be UTF-8 and can be sent with `http`. Bytes have a `len()`. \
         They can be as long as a string, and so longer than a blob. Fails when the input is not base64.",
        r#"base64::decode_bytes("+/8").len() == 2"#,
    ),
    function(
        "base64",
        "encode_url_bytes(bytes: bytes) -> string",
        "Encodes bytes in base64url without padding.",
        r#"base64::encode_url_bytes(base64::decode_bytes("+/8=")) == "-_8""#,
    ),
    function(
        "base64",
        "decode_url_bytes(text: string) -> bytes",
        "Decodes base64url to bytes, like `decode_bytes`.",
        r#"base64::decode_url_bytes("-_8") == base64::decode_bytes("+/8=")"#,
    ),
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
    function(
        "json",
        "parse(text: string) -> any",
        "Parses JSON; null becomes `()`. Fails when the text is not JSON, is nested more than 32 levels \
         deep, or has a duplicate member.",
        r#"json::parse("[1, null]") == [1, ()]"#,
    ),
    function(
        "json",
        "stringify(value: any) -> string",
        "Returns the value as JSON text. Fails for a value without a JSON form, such as a function.",
        r#"json::stringify([1, ()]) == "[1,null]""#,
    ),
    function(
        "log",
        "debug(text: string)",
        "Writes a line to the server's log, with the correlation id of the request and with `[name]` in \
         place of a secret. One call of a hook writes at most 50 lines of 4096 bytes each. `print(text)` is \
         the same as `info`.",
        r#"log::debug("looked at") == ()"#,
    ),
    function(
        "log",
        "info(text: string)",
        "The same, at the level that is enabled by default.",
        r#"log::info("seen") == ()"#,
    ),
    function(
        "log",
        "warn(text: string)",
        "The same, as a warning.",
        r#"log::warn("odd") == ()"#,
    ),
    function(
        "log",
        "error(text: string)",
        "The same, as an error.",
        r#"log::error("broken") == ()"#,
    ),
    function(
        "net",
        "in_cidr(address: string, cidr: string) -> bool",
        "Returns whether an IP address is in a network. Fails when the address or the network is invalid.",
        r#"net::in_cidr("10.1.2.3", "10.0.0.0/8")"#,
    ),
    function(
        "time",
        "now() -> int",
        "Returns the seconds since 1970-01-01T00:00:00Z.",
        "time::now() > 0",
    ),
    function(
        "time",
        "parse(text: string) -> int",
        "Returns the seconds since 1970 for an RFC 3339 time. Fails when the text is not an RFC 3339 time.",
        r#"time::parse("1970-01-01T01:00:00+01:00") == 0"#,
    ),
    function(
        "time",
        "format(seconds: int) -> string",
        "Formats a time as RFC 3339 in UTC. Fails when the year does not have four digits.",
        r#"time::format(0) == "1970-01-01T00:00:00Z""#,
    ),
    function(
        "uri",
        "parse(text: string) -> map",
        "Returns the `scheme`, `host`, `port`, `path` and `query` of an absolute URI; an absent part is \
         `()`. Fails when the text is not an absolute URI.",
        r#"uri::parse("https://a.example/b").host == "a.example""#,
    ),
];
