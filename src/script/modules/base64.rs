//! `base64::encode(text)`, `decode`, `encode_url`, `decode_url`: RFC 4648 sections 4 and 5, the latter
//! without padding. Each function also has a variant for bytes: `encode_bytes`, `decode_bytes` ...

use base64::Engine;
use base64::alphabet::{self, Alphabet};
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{
    GeneralPurpose, GeneralPurposeConfig, STANDARD, URL_SAFE_NO_PAD,
};
use rhai::{Dynamic, ImmutableString};

use crate::script::{
    Bytes, HostResult, failure, modules::Functions, modules::HostFunction, modules::function,
};

/// Decoding accepts input with and without padding.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// The functions, for the manual and for editors.
pub(super) const FUNCTIONS: &[HostFunction] = &[
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
];

pub(super) fn module() -> Functions {
    let mut module = Functions::default();
    module.add1("encode", |_, text: ImmutableString| {
        Ok(STANDARD.encode(text.as_bytes()))
    });
    module.add1("encode_url", |_, text: ImmutableString| {
        Ok(URL_SAFE_NO_PAD.encode(text.as_bytes()))
    });
    module.add1("decode", |_, text: ImmutableString| {
        text_of(&text, &alphabet::STANDARD)
    });
    module.add1("decode_url", |_, text: ImmutableString| {
        text_of(&text, &alphabet::URL_SAFE)
    });
    module.add1("encode_bytes", |_, bytes: Dynamic| {
        Ok(STANDARD.encode(bytes_in(&bytes)?))
    });
    module.add1("encode_url_bytes", |_, bytes: Dynamic| {
        Ok(URL_SAFE_NO_PAD.encode(bytes_in(&bytes)?))
    });
    module.add1("decode_bytes", |_, text: ImmutableString| {
        bytes_of(&text, &alphabet::STANDARD)
    });
    module.add1("decode_url_bytes", |_, text: ImmutableString| {
        bytes_of(&text, &alphabet::URL_SAFE)
    });
    module
}

fn decode(text: &str, alphabet: &Alphabet) -> HostResult<Vec<u8>> {
    let engine = GeneralPurpose::new(alphabet, LENIENT);
    engine
        .decode(text)
        .map_err(|error| failure(format!("invalid base64: {error}")))
}

fn bytes_of(text: &str, alphabet: &Alphabet) -> HostResult<Bytes> {
    decode(text, alphabet).map(Bytes::new)
}

fn text_of(text: &str, alphabet: &Alphabet) -> HostResult<String> {
    let bytes = decode(text, alphabet)?;
    String::from_utf8(bytes)
        .map_err(|_| failure("the decoded bytes are not UTF-8; decode them as bytes"))
}

fn bytes_in(value: &Dynamic) -> HostResult<Vec<u8>> {
    let wrong = || {
        failure(format!(
            "the value to encode must be bytes, not a value of the type {}",
            value.type_name()
        ))
    };
    Bytes::of(value).ok_or_else(wrong)
}
