//! Client documents (Client ID Metadata Documents).

pub(crate) mod check;
