//! Operators' scripts.
