//! Client metadata: JSON members by name, in the order in which they were sent.

use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use crate::base::absent;
use crate::client::{MemberKind, member};

/// Up to this number of members, a linear search is faster than hashing the name.
const FEW: usize = 48;

/// The members of a client's metadata. None of them is absent. In a JWK Set or another object
/// that a standard defines, no member is absent either.
///
/// A clone is cheap: the members are copied only when one of two owners changes them. A request is
/// passed to its scripts, checked, approved and answered, and most of these steps change nothing.
#[derive(Clone, Default)]
pub(crate) struct Metadata(Arc<LazyMembers>);

/// The members of metadata. Those of a record are read when somebody looks at them: most records that are read are
/// answered as they were written.
#[derive(Default)]
struct LazyMembers {
    /// `None`: not read yet.
    read: OnceLock<ReadMembers>,
    /// The members as JSON. `None`: not written since the last change.
    text: OnceLock<Box<RawValue>>,
}

/// Members that were read.
struct ReadMembers {
    map: Map<String, Value>,
    /// By the [slot](slot) of its name, the place of a member in `map`, counted from 1; 0 if no name has this slot. The rules
    /// ask for many members that most clients do not have, and learn here that a member is absent.
    places: [u8; SLOTS],
}

/// The number of [slots](slot).
const SLOTS: usize = 128;

impl Default for ReadMembers {
    fn default() -> Self {
        Self::of(Map::new())
    }
}

impl ReadMembers {
    fn of(map: Map<String, Value>) -> Self {
        let mut places = [0; SLOTS];
        for (index, name) in map.keys().enumerate() {
            enter(&mut places, index, name);
        }
        Self { map, places }
    }

    fn insert(&mut self, name: &str, value: Value) {
        // If there is no such member, it becomes the last one.
        enter(&mut self.places, self.map.len(), name);
        self.map.insert(name.to_owned(), value);
    }

    fn remove(&mut self, name: &str) -> Option<Value> {
        let removed = self.map.shift_remove(name);
        *self = Self::of(std::mem::take(&mut self.map));
        removed
    }

    fn get(&self, name: &str) -> Option<&Value> {
        let place = self.places.get(slot(name))?;
        let index = usize::from(*place).checked_sub(1)?;
        match self.map.iter().nth(index) {
            Some((member, value)) if member == name => Some(value),
            _ => self.search(name),
        }
    }

    /// Looks for a member whose slot belongs to another one.
    fn search(&self, name: &str) -> Option<&Value> {
        if self.map.len() > FEW {
            return self.map.get(name);
        }
        let (_, value) = self.map.iter().find(|(member, _)| *member == name)?;
        Some(value)
    }
}

/// Enters the member `name`, which has this index. The slot belongs to the first member that has it. An index that is too
/// large is entered as another one, where the member is not found, and then searched for.
fn enter(places: &mut [u8; SLOTS], index: usize, name: &str) {
    if let Some(place) = places.get_mut(slot(name))
        && *place == 0
    {
        *place = u8::try_from(index + 1).unwrap_or(u8::MAX);
    }
}

/// Returns one of [`SLOTS`] slots for a name. Few of the members of a client share one.
fn slot(name: &str) -> usize {
    let bytes = name.as_bytes();
    let (first, last) = match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => (usize::from(*first), usize::from(*last)),
        _ => (0, 0),
    };
    (bytes.len() * 14 + first * 11 + last * 10) % SLOTS
}

impl LazyMembers {
    fn of(map: Map<String, Value>) -> Self {
        Self {
            read: ReadMembers::of(map).into(),
            text: OnceLock::new(),
        }
    }

    fn read(&self) -> &ReadMembers {
        self.read.get_or_init(|| match self.text.get() {
            Some(text) => ReadMembers::of(read(text)),
            None => ReadMembers::default(),
        })
    }

    fn map(&self) -> &Map<String, Value> {
        &self.read().map
    }

    fn into_read(self) -> ReadMembers {
        self.read();
        self.read.into_inner().unwrap_or_default()
    }

    /// Whether it is certain, without reading the text that the members were stored as, that there is no member `name`. A name in a text is written
    /// with escapes if it has other characters.
    fn lacks(&self, name: &str) -> bool {
        let is_plain = |byte| byte >= b' ' && !matches!(byte, b'"' | b'\\');
        match self.text.get() {
            Some(text) if name.bytes().all(is_plain) => {
                memchr::memmem::find(text.get().as_bytes(), name.as_bytes()).is_none()
            }
            _ => false,
        }
    }
}

impl Clone for LazyMembers {
    /// Clones the members for somebody who changes them.
    fn clone(&self) -> Self {
        Self::of(self.map().clone())
    }
}

/// Reads the members in a record. This server has written them, so they can be read. If somebody has changed the
/// record so that they cannot, the client is disabled.
fn read(text: &RawValue) -> Map<String, Value> {
    let members = serde_json::from_str(text.get());
    members.unwrap_or_else(|_| Map::from_iter([("disabled".to_owned(), Value::Bool(true))]))
}

impl Metadata {
    /// Returns the metadata with those of `members` that are not absent.
    pub(crate) fn new(members: Map<String, Value>) -> Self {
        let mut members = absent::present(members);
        for (name, value) in &mut members {
            if is_structured(name) {
                absent::prune(value);
            }
        }
        Self::of(members)
    }

    fn of(members: Map<String, Value>) -> Self {
        Self(Arc::new(LazyMembers::of(members)))
    }

    /// Lets `edit` change the members.
    fn change<T>(&mut self, edit: impl FnOnce(&mut ReadMembers) -> T) -> T {
        let members = Arc::make_mut(&mut self.0);
        let mut read = match members.read.take() {
            Some(read) => read,
            None => std::mem::take(members).into_read(),
        };
        members.text.take();
        let edited = edit(&mut read);
        members.read = read.into();
        edited
    }

    /// Returns the members as JSON text, which is written once.
    pub(crate) fn json(&self) -> &str {
        let text = self.0.text.get_or_init(|| {
            let written = to_raw_value(self.0.map());
            written.unwrap_or_else(|_| RawValue::NULL.to_owned())
        });
        text.get()
    }

    /// Writes the members into a record: as the text that is written once.
    ///
    /// # Errors
    /// Those of `to`.
    pub(in crate::client) fn write_stored<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.json();
        match self.0.text.get() {
            Some(text) => text.serialize(to),
            None => self.serialize(to),
        }
    }

    /// Takes the members from a record. They are read later.
    ///
    /// # Errors
    /// When they are not a JSON object.
    pub(in crate::client) fn take_stored<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(from)?;
        if !text.get().starts_with('{') {
            return Err(D::Error::custom("the metadata is not an object"));
        }
        Ok(Self(Arc::new(LazyMembers {
            read: OnceLock::new(),
            text: text.into(),
        })))
    }

    /// Returns the value of `name`, whatever its type.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        #[cfg(test)]
        reads::note(name);
        match self.0.read.get() {
            Some(members) => members.get(name),
            None if self.0.lacks(name) => None,
            None => self.0.read().get(name),
        }
    }

    /// Whether `name` is present.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Returns the value of `name` if it is a string.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// Returns the strings in `name`, or none if it is absent or not an array.
    pub(crate) fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        let items = match self.get(name) {
            Some(Value::Array(items)) => items.as_slice(),
            _ => &[],
        };
        items.iter().filter_map(Value::as_str)
    }

    /// Whether `name` is an array that contains `text`.
    pub(crate) fn has_item(&self, name: &str, text: &str) -> bool {
        self.texts(name).any(|item| item == text)
    }

    /// Whether `name` is present and `true`.
    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Value::Bool(true)))
    }

    /// Returns the value of `name` if it is a non-negative integer.
    pub(crate) fn count(&self, name: &str) -> Option<u64> {
        self.get(name)?.as_u64()
    }

    /// Sets `name` to `value`. An absent value removes the member.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<Value>) {
        let mut value = value.into();
        if absent::is_absent(&value) {
            self.remove(name);
            return;
        }
        if is_structured(name) {
            absent::prune(&mut value);
        }
        self.change(|members| members.insert(name, value));
    }

    /// Sets `name` to `value` if it is absent.
    pub(crate) fn set_default(&mut self, name: &str, value: impl Into<Value>) {
        if !self.has(name) {
            self.set(name, value);
        }
    }

    /// Removes `name` and keeps the order of the other members.
    pub(crate) fn remove(&mut self, name: &str) -> Option<Value> {
        if self.has(name) {
            self.change(|members| members.remove(name))
        } else {
            None
        }
    }

    /// Returns every member with its value.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        let members = self.0.map();
        members.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Returns the names of the members whose values differ, including members that only one side
    /// has.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let mut names = Vec::new();
        for (name, value) in self.0.map() {
            if other.get(name) != Some(value) {
                names.push(name.clone());
            }
        }
        for name in other.0.map().keys() {
            if !self.has(name) {
                names.push(name.clone());
            }
        }
        names
    }

    /// Returns the members as a JSON object.
    pub(crate) fn as_object(&self) -> &Map<String, Value> {
        self.0.map()
    }

    /// Returns the members as a JSON object.
    pub(crate) fn into_object(self) -> Map<String, Value> {
        Arc::unwrap_or_clone(self.0).into_read().map
    }
}

/// Whether `name` is an object whose members a standard defines.
fn is_structured(name: &str) -> bool {
    match member::find(name) {
        Some(member) => matches!(member.kind, MemberKind::Jwks | MemberKind::Object),
        None => false,
    }
}

impl PartialEq for Metadata {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.map() == other.0.map()
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map().fmt(f)
    }
}

impl Serialize for Metadata {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.map().serialize(to)
    }
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Map::deserialize(from).map(Self::of)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stored(text: &str) -> Metadata {
        Metadata::take_stored(&mut serde_json::Deserializer::from_str(text)).unwrap()
    }

    #[test]
    fn stored_metadata_is_as_it_was_written() {
        let text = r#"{"client_name":"a \"b\" disabled","n":1.5,"list":["x"],"disabled":true}"#;
        let (metadata, read) = (stored(text), serde_json::from_str(text).unwrap());
        assert_eq!(metadata.get("absent"), None);
        assert!(metadata.0.read.get().is_none(), "it was read for nothing");
        assert_eq!(metadata.json(), text);
        assert!(metadata.flag("disabled") && metadata.has_item("list", "x"));
        assert_eq!(metadata, Metadata::new(read));
        assert!(!stored(r#"{"client_name":"disabled"}"#).flag("disabled"));
        assert_eq!(stored(r#"{"a\"b":1}"#).count("a\"b"), Some(1));
    }

    #[test]
    fn changed_metadata_has_another_text() {
        let mut metadata = stored(r#"{"a":1,"b":2}"#);
        let before = metadata.clone();
        metadata.set("c", "x");
        assert_eq!(metadata.remove("a"), Some(json!(1)));
        assert_eq!(metadata.json(), r#"{"b":2,"c":"x"}"#);
        assert_eq!(before.json(), r#"{"a":1,"b":2}"#);
        assert_eq!(metadata.clone().into_object().len(), 2);
        assert_eq!(Metadata::default().json(), "{}");
    }

    proptest::proptest! {
        #[test]
        fn a_member_is_found_whatever_was_done_to_the_others(
            steps in proptest::collection::vec(("[a-c]{1,3}", proptest::option::of(1_u32..9)), 0..400),
            further in 0_u32..300,
        ) {
            let (mut metadata, mut expected) = (Metadata::default(), Map::new());
            let further = (0..further).map(|number| (format!("x{number}"), Some(number)));
            let steps: Vec<_> = further.chain(steps).collect();
            for (name, value) in &steps {
                if let Some(value) = value {
                    metadata.set(name, *value);
                    expected.insert(name.clone(), (*value).into());
                } else {
                    assert_eq!(metadata.remove(name), expected.shift_remove(name));
                }
            }
            for (name, _) in &steps {
                assert_eq!(metadata.get(name), expected.get(name), "{name}");
            }
            assert!(metadata.iter().eq(expected.iter().map(|(name, value)| (name.as_str(), value))));
        }
    }

    #[test]
    fn a_record_that_somebody_has_spoiled_is_rejected_or_that_of_a_disabled_client() {
        for text in ["[1]", "7", "null", "{\"a\":}"] {
            let mut from = serde_json::Deserializer::from_str(text);
            assert!(Metadata::take_stored(&mut from).is_err(), "{text}");
        }
        let spoiled = stored(r#"{"a":1e999}"#);
        assert!(spoiled.get("a").is_none() && spoiled.flag("disabled"));
    }
}

/// Which members are looked at, for a test of the rules.
#[cfg(test)]
pub(in crate::client) mod reads {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    thread_local! {
        static NAMES: RefCell<Option<BTreeSet<String>>> = const { RefCell::new(None) };
    }

    pub(super) fn note(name: &str) {
        NAMES.with_borrow_mut(|names| {
            if let Some(names) = names {
                names.insert(name.to_owned());
            }
        });
    }

    /// Returns the names of the members that `work` looks at one by one.
    pub(in crate::client) fn of(work: impl FnOnce()) -> BTreeSet<String> {
        NAMES.set(Some(BTreeSet::new()));
        work();
        NAMES.take().unwrap_or_default()
    }
}
