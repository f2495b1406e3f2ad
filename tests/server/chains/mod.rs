//! Keys and certificates in the header of a token: when they are used and when they are ignored.

mod anchors;
mod clients;
mod parties;
mod shown_keys;
mod udap;
mod udap_metadata;
