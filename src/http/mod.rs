//! The HTTP layer that all endpoints share: limited bodies, one form of answer, peers and their certificates,
//! connections and TLS.
//!
//! It knows nothing about clients or about what an endpoint does.

pub(crate) mod activity;
pub(crate) mod answer;
mod assembled;
pub(crate) mod below;
pub(crate) mod body;
pub(crate) mod certificate;
mod connection;
pub(crate) mod credentials;
pub(crate) mod document_host;
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

pub(crate) use answer::{BadCredentials, NO_SUCH_PATH, Problem, SEVERAL};
pub(crate) use assembled::AssembledRequest;
pub(crate) use body::BodyError;
pub(crate) use certificate::{ClientCertificate, Proxies};
pub(crate) use credentials::Authorization;
pub(crate) use document_host::DocumentHost;
pub(crate) use failures::Failures;
pub(crate) use form::{Form, FormError};
pub(crate) use lines::BodyLines;
pub(crate) use media_type::RequestForm;
pub(crate) use observe::{CorrelationId, RequestObserver, Site};
pub(crate) use precondition::{entity_tag, expected_revisions, is_known, permits_change};
pub(crate) use rate::{RateLimit, TooOften};
pub(crate) use receive::Reception;
pub(crate) use serve::{ConnectionBounds, Entrance};
pub(crate) use tls::{Tls, TlsFault, first_end};
pub(crate) use untaken::Untaken;

// What the parts of this module use of one another.
use activity::{Connection, OpenRequest, Out, Patience};
use answer::LoggedProblem;
use body::ReceivedBody;
use untaken::{UnreadAnswer, Way};
use waiting::{Room, WaitingPlace};
