//! What the tests, benches and examples of this repository reach beyond the public modules. Not part of the API:
//! it changes without notice.

pub mod admin {
    pub mod endpoint {
        pub mod config {
            pub use crate::admin::endpoint::config::{apply_patch, show};
        }
    }
}
pub mod base {
    pub mod model {
        pub use crate::base::ClientId;
        pub mod json {
            pub use crate::base::json::{parse, parse_object};
        }
    }
    pub mod random {
        pub use crate::base::random::{bytes, client_id};
    }
    pub mod secret {
        pub use crate::base::{Secret, TokenDigest, sha256_hex};
    }
}
pub mod ear {
    pub use crate::ear::Tier;
}
pub mod fetch {
    pub use crate::fetch::{FetchError, Fetcher, JSON, JWK_SET, Refusal, Request};
    pub mod documents {
        pub use crate::fetch::documents::RemoteDocuments;
    }
}
pub mod jose {
    pub use crate::jose::{
        Algorithm, Claims, Compact, Expectations, KeySet, SigningKey, SigningKeyError, TypRule,
        Verified, sign, thumbprint, verify,
    };
}
pub mod live {
    pub use crate::live::{Document, PatchError};
}
pub mod management {
    pub use crate::management::{Held, delete};
}
pub mod registration {
    pub use crate::registration::Caller;
}
pub mod script {
    pub use crate::script::{Facts, Hook, HttpRequest, Proofs, RequestFacts, Runtime, ScriptSet};
    pub mod host {
        pub use crate::script::HttpAnswer;
    }
    pub mod testing {
        pub mod fake {
            pub use crate::script::testing::fake::FakeHost;
        }
    }
}
pub mod service {
    pub use crate::service::{Context, judge};
}
pub mod telemetry {
    pub use crate::telemetry::init_to;
    pub mod meter {
        pub use crate::telemetry::meter::text;
    }
}
pub mod trust {
    pub use crate::trust::{Effort, MOST_TRIES};
}
pub mod x509 {
    pub use crate::x509::Certificate;
}
