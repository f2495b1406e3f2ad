//! The host functions that need nothing from outside.

use super::{HostFunction, function};

/// Every function of every module that needs nothing from outside.
pub(super) static FUNCTIONS: &[HostFunction] = &[
    function(
        "base64",
        "encode(text: string) -> string",
        "Base64 with padding (RFC 4648 section 4).",
        r#"base64::encode("hi?>") == "aGk/Pg==""#,
    ),
    function(
        "base64",
        "decode(text: string) -> string",
        "The text in base64, with or without padding. Fails when it is not base64, or what is in it is not UTF-8.",
        r#"base64::decode("aGk/Pg") == "hi?>""#,
    ),
    function(
        "base64",
        "encode_url(text: string) -> string",
        "Base64url without padding (RFC 4648 section 5).",
        r#"base64::encode_url("hi?>") == "aGk_Pg""#,
    ),
    function(
        "base64",
        "decode_url(text: string) -> string",
        "The text in base64url, with or without padding. Fails like `decode`.",
        r#"base64::decode_url("aGk_Pg") == "hi?>""#,
    ),
    function(
        "base64",
        "encode_bytes(bytes: bytes) -> string",
        "Base64 with padding of what is no text.",
        r#"base64::encode_bytes(base64::decode_bytes("+/8")) == "+/8=""#,
    ),
    function(
        "base64",
        "decode_bytes(text: string) -> bytes",
        "What is in base64, be it a text or not: to be sent by `http`. It has a `len()` and is as long as a text may \
         be, longer than a blob. Fails when it is not base64.",
        r#"base64::decode_bytes("+/8").len() == 2"#,
    ),
    function(
        "base64",
        "encode_url_bytes(bytes: bytes) -> string",
        "Base64url without padding of what is no text.",
        r#"base64::encode_url_bytes(base64::decode_bytes("+/8=")) == "-_8""#,
    ),
    function(
        "base64",
        "decode_url_bytes(text: string) -> bytes",
        "What is in base64url, like `decode_bytes`.",
        r#"base64::decode_url_bytes("-_8") == base64::decode_bytes("+/8=")"#,
    ),
    function(
        "crypto",
        "sha256(text: string) -> string",
        "SHA-256 in hex.",
        r#"crypto::sha256("abc").starts_with("ba7816bf")"#,
    ),
    function(
        "crypto",
        "hmac_sha256(key: string, text: string) -> string",
        "HMAC-SHA-256 in hex.",
        r#"crypto::hmac_sha256("key", "abc").starts_with("9c196e32")"#,
    ),
    function(
        "crypto",
        "random_token(bytes: int) -> string",
        "So many random bytes in base64url. Fails unless it is 16 to 64.",
        "crypto::random_token(32).len() == 43",
    ),
    function(
        "crypto",
        "equals(one: string, other: string) -> bool",
        "Whether two texts are the same, in a time that does not tell where they differ: for secrets.",
        r#"crypto::equals("a", "a") && !crypto::equals("a", "b")"#,
    ),
    function(
        "json",
        "parse(text: string) -> any",
        "The value that JSON text stands for; null is `()`. Fails for what is not JSON, nested deeper than 32, or has a member twice.",
        r#"json::parse("[1, null]") == [1, ()]"#,
    ),
    function(
        "json",
        "stringify(value: any) -> string",
        "JSON text. Fails for what has no JSON form, such as a function.",
        r#"json::stringify([1, ()]) == "[1,null]""#,
    ),
    function(
        "log",
        "debug(text: string)",
        "A line in the server's log, with the correlation id of the request, and with `[name]` in the place of a secret. \
         At most 50 lines a call, 4096 bytes each; `print(text)` is the same as `info`.",
        r#"log::debug("looked at") == ()"#,
    ),
    function(
        "log",
        "info(text: string)",
        "The same, at the level that is on by default.",
        r#"log::info("seen") == ()"#,
    ),
    function("log", "warn(text: string)", "The same, as a warning.", r#"log::warn("odd") == ()"#),
    function("log", "error(text: string)", "The same, as an error.", r#"log::error("broken") == ()"#),
    function(
        "net",
        "in_cidr(address: string, cidr: string) -> bool",
        "Whether an IP address is in a network. Fails when one of them is not what it should be.",
        r#"net::in_cidr("10.1.2.3", "10.0.0.0/8")"#,
    ),
    function("time", "now() -> int", "Seconds since 1970-01-01T00:00:00Z.", "time::now() > 0"),
    function(
        "time",
        "parse(text: string) -> int",
        "Seconds since 1970 of a time by RFC 3339. Fails when it is none.",
        r#"time::parse("1970-01-01T01:00:00+01:00") == 0"#,
    ),
    function(
        "time",
        "format(seconds: int) -> string",
        "A time by RFC 3339 in UTC. Fails for a time that has no year of four digits.",
        r#"time::format(0) == "1970-01-01T00:00:00Z""#,
    ),
    function(
        "uri",
        "parse(text: string) -> map",
        "`scheme`, `host`, `port`, `path` and `query` of an absolute URI; what it does not have is `()`. Fails for what is none.",
        r#"uri::parse("https://a.example/b").host == "a.example""#,
    ),
];
