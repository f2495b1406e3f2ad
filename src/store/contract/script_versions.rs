//! The versions of the scripts, and the pin.

use std::collections::BTreeMap;

use super::{TestPlace, on_every_backend};
use crate::base::Timestamp;
use crate::store::script_versions::{MOST_BYTES, MOST_VERSIONS};
use crate::store::{Change, Pin, ScriptFiles, VersionError, VersionSource};

on_every_backend!(
    a_version_is_kept_once_and_read_whole,
    the_oldest_versions_make_room_but_not_the_pinned_one,
    only_a_kept_version_can_be_pinned
);

fn files(text: &str) -> ScriptFiles {
    BTreeMap::from([("10-a.rhai".to_owned(), text.to_owned())])
}

fn pin(version: &str) -> Pin {
    Pin {
        version: version.to_owned(),
        since: Timestamp::from_unix(5),
        by: Some("admin".to_owned()),
    }
}

async fn keep(place: &TestPlace, version: &str, at: u64) -> Result<(), VersionError> {
    let versions = &place.store.script_versions;
    let (source, now) = (VersionSource::Folder, Timestamp::from_unix(at));
    versions.keep(version, &files(version), source, now).await
}

async fn a_version_is_kept_once_and_read_whole(place: TestPlace) {
    let versions = &place.store.script_versions;
    assert_eq!(versions.files("one").await.unwrap(), None);
    for at in [1, 7] {
        keep(&place, "one", at).await.unwrap();
    }
    keep(&place, "two", 3).await.unwrap();
    assert_eq!(versions.files("one").await.unwrap(), Some(files("one")));
    let kept = versions.list().await.unwrap();
    let kept: Vec<_> = kept
        .iter()
        .map(|kept| {
            (
                kept.version.as_str(),
                kept.kept_at.unix(),
                kept.in_force_at.unix(),
            )
        })
        .collect();
    assert_eq!(kept, [("one", 1, 7), ("two", 3, 3)]);
    let large = files(&"x".repeat(MOST_BYTES));
    let (source, now) = (VersionSource::Push, Timestamp::from_unix(9));
    let refused = versions.keep("large", &large, source, now).await;
    assert!(refused.is_ok());
    let larger = files(&"x".repeat(MOST_BYTES + 1));
    let refused = versions.keep("larger", &larger, source, now).await;
    assert!(matches!(refused, Err(VersionError::TooLarge)));
}

async fn the_oldest_versions_make_room_but_not_the_pinned_one(place: TestPlace) {
    let versions = &place.store.script_versions;
    keep(&place, "pinned", 0).await.unwrap();
    versions
        .set_pin(&pin("pinned"), Change::default())
        .await
        .unwrap();
    let many = u64::try_from(MOST_VERSIONS).unwrap() + 5;
    for at in 1..many {
        keep(&place, &format!("v{at}"), at).await.unwrap();
    }
    let kept = versions.list().await.unwrap();
    assert_eq!(kept.len(), MOST_VERSIONS);
    assert_eq!(kept[0].version, format!("v{}", many - 1));
    assert_eq!(kept[MOST_VERSIONS - 1].version, "pinned");
    assert!(versions.files("v1").await.unwrap().is_none());
    assert!(versions.files("pinned").await.unwrap().is_some());
}

async fn only_a_kept_version_can_be_pinned(place: TestPlace) {
    let versions = &place.store.script_versions;
    let refused = versions.set_pin(&pin("one"), Change::default()).await;
    assert!(matches!(refused, Err(VersionError::Unknown)));
    assert_eq!(versions.pin().await.unwrap(), None);
    keep(&place, "one", 1).await.unwrap();
    versions
        .set_pin(&pin("one"), Change::default())
        .await
        .unwrap();
    assert_eq!(versions.pin().await.unwrap(), Some(pin("one")));
    versions.remove_pin(Change::default()).await.unwrap();
    assert_eq!(versions.pin().await.unwrap(), None);
}
