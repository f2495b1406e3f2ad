//! HTTP as every endpoint needs it: bounded bodies, one form of answer, peers, connections.
//!
//! Knows nothing of clients or of what an endpoint does.

pub mod answer;
pub mod body;
mod budget;
pub mod credentials;
pub mod form;
pub mod peer;
pub mod rate;
pub mod serve;
pub mod stack;

pub use answer::Problem;
