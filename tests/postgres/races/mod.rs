//! What is asked of two servers at the same moment: of everything that is good once, one gets it.

mod clients;
mod once;
mod pair;
