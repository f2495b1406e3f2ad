//! Where clients live.
