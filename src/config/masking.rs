//! Secrets of the live configuration. A mask replaces each secret when the configuration is shown, and
//! the secret replaces the mask when a changed configuration comes back.

use serde_json::{Map, Value};

use crate::config::{Live, MASK, SecretText, SsaValidationConfig};

/// The property of `[registration]` that is a secret.
const SHARED_SECRET: &str = "dcrSignatureValidationSharedSecret";
/// The list whose entries have one secret each.
const ENTRIES: &str = "dcrSsaValidationConfigs";

impl Live {
    /// Returns the values with their secrets, for the store and as the base of the next configuration.
    pub(crate) fn exposed(&self) -> Map<String, Value> {
        let mut values = self.masked();
        let registration = &self.registration;
        reveal(
            registration_of(&mut values),
            SHARED_SECRET,
            registration.dcr_signature_validation_shared_secret.as_ref(),
        );
        let entries = entries_of(&mut values).iter_mut();
        for (values, entry) in entries.zip(&registration.dcr_ssa_validation_configs) {
            reveal(
                values.as_object_mut(),
                "sharedSecret",
                entry.shared_secret.as_ref(),
            );
        }
        values
    }

    /// Returns the values with a mask in place of each secret.
    pub(crate) fn masked(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(members)) => members,
            _ => Map::new(),
        }
    }

    /// Replaces the masks in `values` with the secrets of this configuration. An entry of
    /// `dcrSsaValidationConfigs` is identified by its `id`, whatever its position.
    pub(crate) fn unmask(&self, values: &mut Map<String, Value>) {
        let registration = &self.registration;
        reveal(
            registration_of(values),
            SHARED_SECRET,
            registration.dcr_signature_validation_shared_secret.as_ref(),
        );
        for values in entries_of(values) {
            let id = values.get("id").and_then(Value::as_str);
            let is_same = |entry: &&SsaValidationConfig| id == Some(entry.id.as_str());
            let Some(entry) = registration.dcr_ssa_validation_configs.iter().find(is_same) else {
                continue;
            };
            for name in ["sharedSecret", "shared_secret"] {
                reveal(values.as_object_mut(), name, entry.shared_secret.as_ref());
            }
        }
    }
}

/// Replaces the mask with `secret`.
fn reveal(values: Option<&mut Map<String, Value>>, name: &str, secret: Option<&SecretText>) {
    if let Some(values) = values
        && let Some(shown) = values.get_mut(name)
        && let Some(secret) = secret
        && shown == MASK
    {
        *shown = secret.expose().into();
    }
}

fn registration_of(values: &mut Map<String, Value>) -> Option<&mut Map<String, Value>> {
    values.get_mut("registration")?.as_object_mut()
}

fn entries_of(values: &mut Map<String, Value>) -> &mut [Value] {
    let Some(registration) = registration_of(values) else {
        return &mut [];
    };
    match registration.get_mut(ENTRIES) {
        Some(Value::Array(entries)) => entries,
        _ => &mut [],
    }
}

/// Whether `value` contains a mask.
pub(crate) fn shows_mask(value: &Value) -> bool {
    match value {
        Value::String(text) => text == MASK,
        Value::Array(items) => items.iter().any(shows_mask),
        Value::Object(members) => members.values().any(shows_mask),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn live() -> Live {
        serde_json::from_value(json!({"registration": {
            "dcrSignatureValidationSharedSecret": "one",
            "dcrSsaValidationConfigs": [
                {"id": "a", "type": "SSA", "sharedSecret": "two"},
                {"id": "b", "type": "DCR", "jwksUri": "https://b.example.org/jwks"},
                {"id": "c", "type": "DCR", "shared_secret": "three"},
            ],
        }}))
        .unwrap()
    }

    #[test]
    fn the_exposed_configuration_is_the_same_one() {
        let live = live();
        let exposed = live.exposed();
        assert!(!shows_mask(&Value::Object(exposed.clone())));
        assert_eq!(
            serde_json::from_value::<Live>(exposed.into()).unwrap(),
            live
        );
        assert!(shows_mask(&Value::Object(live.masked())));
    }

    #[test]
    fn a_mask_finds_its_secret_by_the_id_of_its_entry() {
        let mut values = json!({"registration": {"dcrSsaValidationConfigs": [
            {"id": "c", "type": "DCR", "shared_secret": MASK},
            {"id": "b", "type": "DCR", "sharedSecret": MASK},
            {"id": "a", "type": "SSA", "sharedSecret": MASK},
        ]}});
        live().unmask(values.as_object_mut().unwrap());
        let entries = &values["registration"]["dcrSsaValidationConfigs"];
        assert_eq!(entries[0]["shared_secret"], "three");
        assert_eq!(entries[1]["sharedSecret"], MASK, "b has no secret");
        assert_eq!(entries[2]["sharedSecret"], "two");
    }

    #[test]
    fn every_secret_is_masked() {
        let types = [include_str!("registration.rs"), include_str!("trust.rs")].concat();
        let secrets = types.matches("Option<SecretText>").count();
        assert_eq!(
            secrets, 2,
            "another secret needs its own line in `exposed` and `unmask`"
        );
    }
}
