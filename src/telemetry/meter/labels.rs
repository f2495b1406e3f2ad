//! The words that may stand in a label. There are few of each, and none comes from a caller, so
//! the number of series has a bound that no request can move.

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// The word in the label.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

words! {
    /// Where a request went.
    Endpoint {
        /// Registration of a new client.
        Registration = "registration",
        /// Management of a client by its holder.
        Management = "management",
        /// The metadata documents.
        Discovery = "discovery",
        /// Tokens: issue, introspection, revocation, and the keys for them.
        Token = "token",
        /// The admin API.
        Admin = "admin",
        /// Health, readiness and these numbers.
        Probe = "probe",
        /// Everything else.
        Other = "other",
    }
}

words! {
    /// What became of a call of a script.
    ScriptOutcome {
        /// It let the request pass.
        Passed = "passed",
        /// It refused.
        Refused = "refused",
        /// It gave the answer itself.
        Answered = "answered",
        /// It failed.
        Fault = "fault",
        /// It ended because the server had no place for it in time.
        Busy = "busy",
    }
}

words! {
    /// What was loaded again.
    Reloaded {
        /// The scripts.
        Scripts = "scripts",
        /// The live configuration.
        Configuration = "configuration",
        /// The certificate of the listener.
        Certificate = "certificate",
    }
}

words! {
    /// What became of a fetch.
    FetchOutcome {
        /// It was answered, and the answer is good.
        Ok = "ok",
        /// The address is not one that is asked.
        Refused = "refused",
        /// Nobody answered, or not in time.
        Unreachable = "unreachable",
        /// The answer is of no use: its status, size, type or form.
        Unusable = "unusable",
    }
}

words! {
    /// Where a document of somebody else came from: keys above all.
    KeyLookup {
        /// From the cache.
        Hit = "hit",
        /// It was fetched.
        Miss = "miss",
        /// From the cache past their time, because it could not be fetched.
        Stale = "stale",
        /// It could not be fetched, now or a moment ago.
        Failed = "failed",
    }
}

words! {
    /// What became of a change of the store.
    WriteOutcome {
        /// It was made and would survive a power cut.
        Done = "done",
        /// What it expected was not so.
        Conflict = "conflict",
        /// Too many were waiting.
        Busy = "busy",
        /// The store did not take it.
        Failed = "failed",
    }
}

words! {
    /// What happened to a client.
    ClientChange {
        /// It registered.
        Registered = "registered",
        /// It registered other metadata.
        Updated = "updated",
        /// It was deleted.
        Deleted = "deleted",
    }
}

const OTHER: &str = "other";

const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// The method of a request, or `other`: anybody can invent methods.
pub(super) fn method(name: &str) -> &'static str {
    METHODS.iter().find(|known| **known == name).unwrap_or(&OTHER)
}

/// Every `error` that the server itself answers with.
const CODES: &[&str] = &[
    "access_denied",
    "client_exists",
    "conflict",
    "fixed_value",
    "insufficient_scope",
    "invalid_client",
    "invalid_client_metadata",
    "invalid_configuration",
    "invalid_file",
    "invalid_grant",
    "invalid_import",
    "invalid_redirect_uri",
    "invalid_request",
    "invalid_scope",
    "invalid_software_statement",
    "invalid_token",
    "method_not_allowed",
    "not_found",
    "precondition_failed",
    "server_error",
    "stale_evidence",
    "temporarily_unavailable",
    "test_failed",
    "too_many_requests",
    "unapproved_software_statement",
    "unauthorized_client",
    "unsupported_grant_type",
    "unsupported_token_type",
];

/// The error code of an answer: empty when there is none, `other` when a script made it up.
pub(super) fn code(name: &str) -> &'static str {
    if name.is_empty() { "" } else { CODES.iter().find(|known| **known == name).unwrap_or(&OTHER) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_caller_makes_up_is_other() {
        assert_eq!(method("PUT"), "PUT");
        assert_eq!(method("BREW"), "other");
        assert_eq!(code("invalid_token"), "invalid_token");
        assert_eq!(code("d41d8cd98f00b204"), "other");
        assert_eq!(code(""), "");
    }
}
