//! Keys and certificates in the header of a token: what they change, and what they do not.

mod anchors;
mod clients;
mod parties;
mod shown_keys;
mod udap;
mod udap_metadata;
