//! The metadata of a request, from its body to what the rules check: parsed, adapted, merged with the statement
//! and the previous metadata.

pub(in crate::registration) mod adapt;
pub(in crate::registration) mod merge;
pub(in crate::registration) mod parse;
pub(in crate::registration) mod sector;
