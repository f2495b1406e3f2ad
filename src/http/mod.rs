//! The HTTP layer that all endpoints share: limited bodies, one form of answer, peers and their certificates,
//! connections and TLS.
//!
//! It knows nothing about clients or about what an endpoint does.

pub mod answer;
pub mod below;
pub mod body;
mod budget;
pub mod certificate;
pub mod connection;
mod conversation;
pub mod credentials;
pub mod failures;
pub mod form;
mod framing;
pub mod lines;
pub mod observe;
mod outgoing;
mod patient;
pub mod peer;
pub mod precondition;
pub mod rate;
pub mod room;
pub mod serve;
pub mod stack;
mod stream;
pub mod tls;
pub mod untaken;

pub use answer::Problem;
pub use certificate::ClientCertificate;
