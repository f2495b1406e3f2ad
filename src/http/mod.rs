//! The HTTP layer that all endpoints share: limited bodies, one form of answer, peers and their certificates,
//! connections and TLS.
//!
//! It knows nothing about clients or about what an endpoint does.

pub(crate) mod activity;
pub(crate) mod answer;
pub(crate) mod below;
pub(crate) mod body;
pub(crate) mod certificate;
mod connection;
pub(crate) mod credentials;
pub(crate) mod failures;
pub(crate) mod form;
mod framing;
pub(crate) mod lines;
pub(crate) mod media_type;
pub(crate) mod observe;
mod outgoing;
pub(crate) mod peer;
pub(crate) mod precondition;
pub(crate) mod rate;
pub(crate) mod receive;
pub(crate) mod serve;
mod stream;
pub(crate) mod tls;
pub(crate) mod untaken;
pub(crate) mod waiting;
mod write_timeout;

pub(crate) use certificate::ClientCertificate;
