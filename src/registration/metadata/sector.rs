//! Step 11: the file at `sector_identifier_uri` (OpenID Connect Dynamic Client Registration section 5, CIBA
//! Core 1.0 section 4).
//!
//! The file is read at every registration and update, whatever the subject type is: a client that names a
//! sector belongs to it. It is not cached, since a client often registers right after its operator has
//! changed the file.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::base::{Violation, json};
use crate::client::Metadata;
use crate::fetch;
use crate::service::Context;

const MEMBER: &str = "sector_identifier_uri";

/// The sector that a client claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::registration) struct Claim {
    /// The URL of the file.
    file: String,
    /// The members whose URIs must be in the file, each with its location in the metadata, and the URIs.
    members: Vec<(String, String)>,
}

impl Claim {
    /// Reads the claim from `metadata`; none if it names no sector.
    pub(in crate::registration) fn of(metadata: &Metadata) -> Option<Self> {
        let file = metadata.text(MEMBER)?.to_owned();
        let mut members = Vec::new();
        for (at, uri) in metadata.texts("redirect_uris").enumerate() {
            members.push((format!("redirect_uris[{at}]"), uri.to_owned()));
        }
        if let Some(name) = backchannel_member(metadata)
            && let Some(uri) = metadata.text(name)
        {
            members.push((name.to_owned(), uri.to_owned()));
        }
        Some(Self { file, members })
    }

    /// Fetches the file and compares every URI with its entries, character by character.
    ///
    /// # Errors
    /// Why the file cannot be used, or which URIs are missing in it.
    pub(in crate::registration) async fn check(
        &self,
        cx: &Context<'_>,
    ) -> Result<(), Vec<Violation>> {
        let file = match self.fetch(cx).await {
            Ok(file) => file,
            Err(rule) => return Err(vec![Violation::metadata(MEMBER, rule)]),
        };
        let mut violations = Vec::new();
        for (location, uri) in &self.members {
            if !file.contains(uri) {
                let rule = format!("must be in the file at {MEMBER}");
                violations.push(Violation::metadata(location.as_str(), rule));
            }
        }
        if violations.is_empty() {
            Ok(())
        } else {
            Err(violations)
        }
    }

    async fn fetch(&self, cx: &Context<'_>) -> Result<BTreeSet<String>, String> {
        match cx.service.fetcher.get_json(&self.file, fetch::JSON).await {
            Ok(document) => read(document.value),
            Err(error) => Err(format!("cannot be fetched: {error}")),
        }
    }
}

/// Returns the member that determines the sector of a CIBA client, which may have no redirect URI.
fn backchannel_member(metadata: &Metadata) -> Option<&'static str> {
    if metadata.text("subject_type") != Some("pairwise") {
        return None;
    }
    match metadata.text("backchannel_token_delivery_mode")? {
        "poll" | "ping" => Some("jwks_uri"),
        _ => Some("backchannel_client_notification_endpoint"),
    }
}

fn read(file: Value) -> Result<BTreeSet<String>, String> {
    let due = "must point to a JSON array of strings, the URIs of the sector";
    let Value::Array(items) = file else {
        return Err(format!("{due}; the file is {}", json::type_name(&file)));
    };
    let mut uris = BTreeSet::new();
    for item in items {
        let Value::String(uri) = item else {
            let found = json::type_name(&item);
            return Err(format!("{due}; the file has {found} in the array"));
        };
        uris.insert(uri);
    }
    Ok(uris)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn places(metadata: Value) -> Vec<String> {
        let Value::Object(members) = metadata else {
            panic!("a test has an object")
        };
        let claim = Claim::of(&Metadata::new(members)).unwrap();
        claim.members.into_iter().map(|(place, _)| place).collect()
    }

    #[test]
    fn a_sector_file_must_be_an_array_of_strings() {
        assert_eq!(read(json!(["a", "b", "a"])).unwrap().len(), 2);
        assert!(
            read(json!({"a": "b"}))
                .unwrap_err()
                .contains("the file is an object")
        );
        assert!(
            read(json!(["a", 1]))
                .unwrap_err()
                .contains("has a number in the array")
        );
    }

    #[test]
    fn a_client_without_a_sector_needs_no_file() {
        assert_eq!(Claim::of(&Metadata::new(serde_json::Map::new())), None);
    }

    #[test]
    fn a_pairwise_ciba_client_needs_its_key_url_in_the_file() {
        let client = |mode: &str, subject_type: &str| {
            json!({
                MEMBER: "https://a.example/s",
                "redirect_uris": ["https://a.example/cb"],
                "subject_type": subject_type,
                "jwks_uri": "https://a.example/j",
                "backchannel_client_notification_endpoint": "https://a.example/n",
                "backchannel_token_delivery_mode": mode,
            })
        };
        assert_eq!(places(client("poll", "public")), ["redirect_uris[0]"]);
        assert_eq!(
            places(client("poll", "pairwise")),
            ["redirect_uris[0]", "jwks_uri"]
        );
        assert_eq!(
            places(client("ping", "pairwise")),
            ["redirect_uris[0]", "jwks_uri"]
        );
        let of_push = places(client("push", "pairwise"));
        assert_eq!(
            of_push,
            [
                "redirect_uris[0]",
                "backchannel_client_notification_endpoint"
            ]
        );
    }
}
