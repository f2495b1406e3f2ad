//! `base64::encode(text)`, `decode`, `encode_url`, `decode_url`: RFC 4648 sections 4 and 5, the
//! second without padding.

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD, URL_SAFE_NO_PAD};
use rhai::ImmutableString;

use super::super::value::{Outcome, failure};
use super::functions::Functions;

/// Who encodes does so in one way; who decodes takes padding or none.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

pub(super) fn module() -> Functions {
    let mut module = Functions::default();
    module.add1("encode", |_, text: ImmutableString| Ok(STANDARD.encode(text.as_bytes())));
    module.add1("encode_url", |_, text: ImmutableString| Ok(URL_SAFE_NO_PAD.encode(text.as_bytes())));
    module.add1("decode", |_, text: ImmutableString| decode(&text, &alphabet::STANDARD));
    module.add1("decode_url", |_, text: ImmutableString| decode(&text, &alphabet::URL_SAFE));
    module
}

fn decode(text: &str, alphabet: &alphabet::Alphabet) -> Outcome<String> {
    let bytes = GeneralPurpose::new(alphabet, LENIENT)
        .decode(text)
        .map_err(|error| failure(format!("not base64: {error}")))?;
    String::from_utf8(bytes).map_err(|_| failure("what is encoded is not a text in UTF-8"))
}
