//! Bytes in the hand of a script: what is no text, such as evidence.
//!
//! Rhai has blobs, but bounds them like arrays, to fewer bytes than evidence may have, and copies
//! them. These are as long as a text may be, and can not be changed.

use std::sync::Arc;

use rhai::{Blob, Dynamic, Module};

/// Bytes. A clone is another handle on the same ones.
#[derive(Clone)]
pub(super) struct Bytes(Arc<[u8]>);

impl Bytes {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }

    /// The bytes that `value` holds, whether they are ours or a blob; none when it is no bytes.
    pub(super) fn of(value: &Dynamic) -> Option<Vec<u8>> {
        if let Some(bytes) = value.read_lock::<Self>() {
            return Some(bytes.0.to_vec());
        }
        value.read_lock::<Blob>().map(|blob| blob.clone())
    }
}

/// Teaches scripts what bytes are.
pub(super) fn register(module: &mut Module) {
    let length = |bytes: &mut Bytes| Ok(i64::try_from(bytes.0.len()).unwrap_or(i64::MAX));
    module.set_custom_type::<Bytes>("Bytes");
    module.set_native_fn("len", length);
    module.set_getter_fn("len", length);
    // What they are is not shown: it may be evidence.
    for name in ["to_string", "to_debug"] {
        module.set_native_fn(name, |bytes: &mut Bytes| Ok(format!("{} bytes", bytes.0.len())));
    }
    module.set_native_fn("==", |one: Bytes, other: Bytes| Ok(one.0 == other.0));
    module.set_native_fn("!=", |one: Bytes, other: Bytes| Ok(one.0 != other.0));
}
