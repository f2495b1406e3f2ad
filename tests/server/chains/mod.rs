//! Keys and certificates in the header of a token: what they change, and what they do not.

mod shown_keys;
