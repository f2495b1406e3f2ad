//! The HTTP layer that all endpoints share: limited bodies, one form of answer, peers and their certificates,
//! connections and TLS.
//!
//! It knows nothing about clients or about what an endpoint does.

pub mod activity;
pub mod answer;
pub mod below;
pub mod body;
pub mod certificate;
mod connection;
pub mod credentials;
pub mod failures;
pub mod form;
mod framing;
pub mod lines;
pub mod media_type;
pub mod observe;
mod outgoing;
pub mod peer;
pub mod precondition;
pub mod rate;
pub mod receive;
pub mod serve;
mod stream;
pub mod tls;
pub mod untaken;
pub mod waiting;
mod write_timeout;

pub use answer::Problem;
pub use certificate::ClientCertificate;
