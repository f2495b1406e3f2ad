//! Binary data in scripts, such as evidence.
//!
//! Rhai has blobs, but copies them and limits them like arrays, to fewer bytes than evidence may have.
//! This type can be as long as a string, and is immutable.

use std::sync::Arc;

use rhai::{Blob, Dynamic, Module};

/// Bytes. A clone is another handle on the same bytes.
#[derive(Clone)]
pub(in crate::script) struct Bytes(Arc<[u8]>);

impl Bytes {
    pub(in crate::script) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }

    /// Returns the bytes in `value`, of this type or of a blob; `None` for a value of any other type.
    pub(in crate::script) fn of(value: &Dynamic) -> Option<Vec<u8>> {
        if let Some(bytes) = value.read_lock::<Self>() {
            return Some(bytes.0.to_vec());
        }
        value.read_lock::<Blob>().map(|blob| blob.clone())
    }
}

/// Registers the type of bytes.
pub(in crate::script) fn register(module: &mut Module) {
    let length = |bytes: &mut Bytes| Ok(i64::try_from(bytes.0.len()).unwrap_or(i64::MAX));
    module.set_custom_type::<Bytes>("Bytes");
    module.set_native_fn("len", length);
    module.set_getter_fn("len", length);
    // The content is not shown, because it may be evidence.
    for name in ["to_string", "to_debug"] {
        module.set_native_fn(name, |bytes: &mut Bytes| {
            Ok(format!("{} bytes", bytes.0.len()))
        });
    }
    module.set_native_fn("==", |one: Bytes, other: Bytes| Ok(one.0 == other.0));
    module.set_native_fn("!=", |one: Bytes, other: Bytes| Ok(one.0 != other.0));
}
