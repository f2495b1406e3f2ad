//! What the server records of an appraisal: who made it, by which policy, and a digest of the result. The
//! evidence itself reveals more about a device than is needed later.

use serde_json::Value;

use crate::base::{printable, sha256_hex};

/// The maximum length of the name of a verifier or a policy, in bytes.
const NAME_BYTES: usize = 512;

/// The facts that identify an appraisal.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::registration) struct AppraisalOrigin {
    /// SHA-256 of the result as JSON, in hex.
    pub(in crate::registration) digest: Option<String>,
    pub(in crate::registration) verifier: Option<String>,
    pub(in crate::registration) policy: Option<String>,
}

impl AppraisalOrigin {
    /// Reads the facts from the verdict of a script.
    pub(in crate::registration) fn of(attestation: Option<&Value>) -> Self {
        let Some(said) = attestation.filter(|said| said.is_object()) else {
            return Self::default();
        };
        let named = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| said.get(*name).and_then(name_of))
        };
        Self {
            digest: Some(sha256_hex(said.to_string().as_bytes())),
            verifier: named(&["verifier"]),
            policy: named(&["policy", "policies"]),
        }
    }
}

/// Returns a name. Several names are joined into one text: a verifier has a developer and a build
/// (draft-ietf-rats-ear), and there may be several policies.
fn name_of(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => all
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join(" "),
        // Maps of scripts are unordered, so this list sets the order of the EAR.
        Value::Object(all) => {
            let parts = ["developer", "build"]
                .into_iter()
                .filter_map(|part| all.get(part)?.as_str());
            parts.collect::<Vec<_>>().join(" ")
        }
        _ => return None,
    };
    let name: String = printable(text.trim()).chars().take(NAME_BYTES).collect();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_verifier_is_recorded_in_every_form() {
        let names = |said: Value| {
            let AppraisalOrigin {
                digest,
                verifier,
                policy,
            } = AppraisalOrigin::of(Some(&said));
            assert_eq!(digest.map(|digest| digest.len()), Some(64));
            (verifier.unwrap_or_default(), policy.unwrap_or_default())
        };
        let pair = |one: &str, other: &str| (one.to_owned(), other.to_owned());
        assert_eq!(
            names(json!({"verifier": "v", "policy": "p"})),
            pair("v", "p")
        );
        let ear = json!({"verifier": {"build": "1", "developer": "acme"}, "policies": ["a", "b"]});
        assert_eq!(names(ear), pair("acme 1", "a b"));
        assert_eq!(
            names(json!({"verifier": 5, "policies": [], "policy": "\u{e9}\n"})),
            pair("", "?")
        );
        assert_eq!(names(json!({"verifier": "v".repeat(1_000)})).0.len(), 512);
        assert_eq!(
            AppraisalOrigin::of(Some(&json!(true))),
            AppraisalOrigin::default()
        );
        assert_eq!(AppraisalOrigin::of(None), AppraisalOrigin::default());
    }
}
