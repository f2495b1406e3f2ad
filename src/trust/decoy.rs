//! Decoy keys. A token for an unknown client, or one that no key of the client verifies, is tried on them, so
//! that it costs the same as a token for a known client. The result is never used.

use std::sync::{Arc, LazyLock};

use crate::jose::KeySet;

/// One public key of each type and curve. The private keys were destroyed.
const KEYS: &str = r#"{"keys": [
{"kty": "RSA", "e": "AQAB", "n": "0yeVJALpp-EK5I3P6QttSw8U9tX7HYlzgG3kOE6cz9W6RzxlN41bhcoezAokoRr0_FsoTGGx6ebpAmACmYM_SJRVyfZPrXo0MoM47lC9f4SkV6fevrfFmUIDa2xlAvP9qQezyxWszpAM18Tc6Jc2yYF9obYGs4i213iG5kcWiuvK-7nSEyyN9Izf--C4a-Bn_DjllQfwEY9D3HL1Ej28JQXuVnZN_TLHQ-xhoscfQXyXN-o77pGFM6018VsdyeXT5SsIZSXyQY-0BhJOKPzmEK-JeYzY8fACygPToE6c5aW4-Tn9TQe8g3AFJBsYl6TlN-nAvkb2Ld4psqOLavKctQ"},
{"kty": "EC", "crv": "P-256", "x": "TtnBmsfPymW5o21-IZEnEYdxuCJhFikWywXk_Gw_TFU", "y": "aXJ1wa-rZuwora6aIQOJ5E4yYIpx9lWPaEOIzZQ6bu0"},
{"kty": "EC", "crv": "P-384", "x": "MyKHgFNwX8j5TGeDdAGapsGOmOpoAmGcu0Ezpj-uVaW_JjX2xK82qtyyGAEz_zKn", "y": "e7HJgOk7qbDP10tUorseYOBh2D62ErKfjpYFjqFVkTfyQFDxHhD6-1clvsCjil_j"},
{"kty": "EC", "crv": "P-521", "x": "AcjCbt58V_D6pV8zbRh_EaW7SLSSJO7A0ADldYF3hnAsM_MqV9HpSLs6J43Lbbf0BViQY92JkabKVznJlD6E8WzB", "y": "ANqBYZGn1Q_gPM5PeYd8Y6WdSf3KQJukeYRl0zVzn_4g6EEvn89xHY3PUDSsFxHdx2oQ9P3zl0S88hZ3eHZzlhvc"},
{"kty": "OKP", "crv": "Ed25519", "x": "Q65kV06Rtye9p6TUMkcX3riKbEmquLIL1sK1QcZDR2w"},
{"kty": "EC", "crv": "secp256k1", "x": "A5qEMo9YiHOwrZ1MGyQ6VuQ06lC8lxrci5QKwscV1GY", "y": "MRXP256IohYxEw1DVt6cL6VUTzD3oy7rLJLtmtEDIw4"},
{"kty": "OKP", "crv": "Ed448", "x": "2_QvgbedYDX0esIiQp8fAWFQGGMyitES8ecxzzQQjEaizANIQJdJk7rIwjlTK8MgKwVaV23bPV0A"}]}"#;

/// The decoy keys. `None` only if [`KEYS`] were invalid.
pub(super) static DECOYS: LazyLock<Option<Arc<KeySet>>> =
    LazyLock::new(|| KeySet::parse_text(KEYS, 7).ok().map(Arc::new));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::{Algorithm, Compact};

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
        assert!(decoys.skipped().is_empty());
        for algorithm in Algorithm::ALL
            .iter()
            .filter(|algorithm| !algorithm.is_symmetric())
        {
            assert_eq!(decoys.spend(&garbage(*algorithm), 3), 3, "{algorithm}");
        }
    }
}
