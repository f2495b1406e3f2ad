//! Keys of nobody: an assertion of a client that is not there is verified with them, so that it
//! costs what one of a client that is there does. What they say is never heard.

use std::sync::{Arc, LazyLock};

use crate::jose::KeySet;
use crate::secret::Secret;
use crate::trust::{Keys, Source};

/// One public key of each type and curve; their private halves were thrown away.
const KEYS: &str = r#"{"keys": [
{"kty": "RSA", "e": "AQAB", "n": "0yeVJALpp-EK5I3P6QttSw8U9tX7HYlzgG3kOE6cz9W6RzxlN41bhcoezAokoRr0_FsoTGGx6ebpAmACmYM_SJRVyfZPrXo0MoM47lC9f4SkV6fevrfFmUIDa2xlAvP9qQezyxWszpAM18Tc6Jc2yYF9obYGs4i213iG5kcWiuvK-7nSEyyN9Izf--C4a-Bn_DjllQfwEY9D3HL1Ej28JQXuVnZN_TLHQ-xhoscfQXyXN-o77pGFM6018VsdyeXT5SsIZSXyQY-0BhJOKPzmEK-JeYzY8fACygPToE6c5aW4-Tn9TQe8g3AFJBsYl6TlN-nAvkb2Ld4psqOLavKctQ"},
{"kty": "EC", "crv": "P-256", "x": "TtnBmsfPymW5o21-IZEnEYdxuCJhFikWywXk_Gw_TFU", "y": "aXJ1wa-rZuwora6aIQOJ5E4yYIpx9lWPaEOIzZQ6bu0"},
{"kty": "EC", "crv": "P-384", "x": "MyKHgFNwX8j5TGeDdAGapsGOmOpoAmGcu0Ezpj-uVaW_JjX2xK82qtyyGAEz_zKn", "y": "e7HJgOk7qbDP10tUorseYOBh2D62ErKfjpYFjqFVkTfyQFDxHhD6-1clvsCjil_j"},
{"kty": "EC", "crv": "P-521", "x": "AcjCbt58V_D6pV8zbRh_EaW7SLSSJO7A0ADldYF3hnAsM_MqV9HpSLs6J43Lbbf0BViQY92JkabKVznJlD6E8WzB", "y": "ANqBYZGn1Q_gPM5PeYd8Y6WdSf3KQJukeYRl0zVzn_4g6EEvn89xHY3PUDSsFxHdx2oQ9P3zl0S88hZ3eHZzlhvc"},
{"kty": "OKP", "crv": "Ed25519", "x": "Q65kV06Rtye9p6TUMkcX3riKbEmquLIL1sK1QcZDR2w"}]}"#;

static PUBLIC: LazyLock<Option<Arc<KeySet>>> =
    LazyLock::new(|| KeySet::parse_text(KEYS, 5).ok().map(Arc::new));

static SHARED: LazyLock<Option<Arc<KeySet>>> =
    LazyLock::new(|| KeySet::from_secret(&Secret::new("x".repeat(86))).ok().map(Arc::new));

/// The keys of nobody.
pub(super) fn source(is_symmetric: bool) -> Source {
    if is_symmetric {
        Source { secret: SHARED.clone(), ..Source::default() }
    } else {
        Source { keys: PUBLIC.clone().map(Keys::Known), ..Source::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_can_all_be_used() {
        let set = PUBLIC.clone().unwrap();
        assert_eq!(format!("{set:?}"), "KeySet(5 public)");
        assert!(set.skipped().is_empty());
        assert!(SHARED.is_some());
    }
}
