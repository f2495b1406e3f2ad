//! The values of labels. There are few of each, and none comes from a caller, so requests cannot increase the
//! number of series without limit.

/// A label with a list of values.
pub(super) trait Words {
    /// All values of the label.
    const WORDS: &[&'static str];
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl Words for $name {
            const WORDS: &[&'static str] = &[$($word,)+];
        }

        impl $name {
            /// Returns the value of the label.
            pub(crate) const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

words! {
    /// The endpoint of a request.
    Endpoint {
        /// Registration of a new client.
        Registration = "registration",
        /// Management of a client by the client itself.
        Management = "management",
        /// The metadata documents.
        Discovery = "discovery",
        /// The published documents of clients.
        Documents = "documents",
        /// Tokens: issuance, introspection, revocation, and their keys.
        Token = "token",
        /// The admin API.
        Admin = "admin",
        /// The console.
        Console = "console",
        /// Health, readiness and metrics.
        Probe = "probe",
        /// Everything else.
        Other = "other",
    }
}

words! {
    /// The outcome of a call of a script.
    ScriptOutcome {
        /// The script let the request pass.
        Passed = "passed",
        /// The script rejected the request.
        Refused = "refused",
        /// The script returned the response itself.
        Answered = "answered",
        /// The script failed.
        Fault = "fault",
        /// No slot became free in time.
        Busy = "busy",
    }
}

words! {
    /// What was loaded or reloaded.
    Reloaded {
        /// The scripts.
        Scripts = "scripts",
        /// The live configuration.
        Configuration = "configuration",
        /// The certificate of the listener.
        Certificate = "certificate",
        /// The secrets of scripts.
        Secrets = "secrets",
    }
}

words! {
    /// The outcome of a fetch.
    FetchOutcome {
        /// The response is usable.
        Ok = "ok",
        /// The address is not allowed.
        Refused = "refused",
        /// There was no response, or not in time.
        Unreachable = "unreachable",
        /// The response is unusable: its status, size, type or form is wrong.
        Unusable = "unusable",
    }
}

words! {
    /// The source of an external document, such as a key set.
    KeyLookup {
        /// The cache.
        Hit = "hit",
        /// A fetch.
        Miss = "miss",
        /// An expired cache entry, because the fetch failed.
        Stale = "stale",
        /// None: the fetch failed now or a moment ago.
        Failed = "failed",
    }
}

words! {
    /// The outcome of a change of the store.
    WriteOutcome {
        /// The change is durable.
        Done = "done",
        /// A precondition of the change was not met.
        Conflict = "conflict",
        /// The queue was full.
        Busy = "busy",
        /// The store failed.
        Failed = "failed",
    }
}

words! {
    /// A change of a client.
    ClientChange {
        /// The client was registered.
        Registered = "registered",
        /// The metadata of the client was replaced.
        Updated = "updated",
        /// The client was deleted.
        Deleted = "deleted",
    }
}

words! {
    /// What happened to something that waits for an administrator.
    PendingChange {
        /// It began to wait.
        Pending = "pending",
        /// It was approved.
        Approved = "approved",
        /// It was denied.
        Denied = "denied",
        /// Nobody decided in time.
        Expired = "expired",
    }
}

const OTHER: &str = "other";

const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Returns the method of a request, or `other`: clients can invent methods.
pub(super) fn method(name: &str) -> &'static str {
    METHODS
        .iter()
        .find(|known| **known == name)
        .unwrap_or(&OTHER)
}

/// Every `error` that the server itself returns.
const CODES: &[&str] = &[
    "access_denied",
    "client_exists",
    "conflict",
    "document_denied",
    "document_pending",
    "document_unavailable",
    "document_unusable",
    "fixed_value",
    "insufficient_scope",
    "invalid_client",
    "invalid_client_id",
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

/// Returns the error code of a response: empty for a success, `other` for a code of a script.
pub(super) fn code(name: &str) -> &'static str {
    if name.is_empty() {
        ""
    } else {
        CODES.iter().find(|known| **known == name).unwrap_or(&OTHER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_label_values_become_other() {
        assert_eq!(method("PUT"), "PUT");
        assert_eq!(method("BREW"), "other");
        assert_eq!(code("invalid_token"), "invalid_token");
        assert_eq!(code("d41d8cd98f00b204"), "other");
        assert_eq!(code(""), "");
    }
}

words! {
    /// The outcome of an attempt to deliver an event.
    DeliveryOutcome {
        /// The consumer received the event, or does not want it.
        Delivered = "delivered",
        /// The attempt failed, and is repeated.
        Failed = "failed",
        /// The event was given up until an operator retries or skips it.
        Parked = "parked",
        /// The event was deleted from the log before it was delivered.
        Lost = "lost",
    }
}

words! {
    /// What happened to a published document of a client.
    DocumentOutcome {
        /// A client got a document.
        Published = "published",
        /// A document was withdrawn.
        Withdrawn = "withdrawn",
        /// A document was sent.
        Sent = "sent",
        /// The caller knew the document already.
        Unchanged = "unchanged",
        /// There is no document at the requested URL.
        NotFound = "not_found",
    }
}

words! {
    /// How the candidate judged a request without effect.
    ShadowOutcome {
        /// As the scripts in force.
        Same = "same",
        /// Another answer.
        Different = "different",
        /// Not at all, because too many requests were being judged.
        Skipped = "skipped",
    }
}

words! {
    /// The outcome of a resolution of the URL of a client document.
    ResolutionOutcome {
        /// The version in force is fresh.
        Kept = "kept",
        /// The document was fetched, and is in force.
        Fetched = "fetched",
        /// The document was fetched, and is the version in force.
        Unchanged = "unchanged",
        /// The version in force is used although it could not be fetched again.
        Stale = "stale",
        /// The version in force is used, and a change waits for an administrator.
        Held = "held",
        /// The URL is denied.
        Denied = "denied",
        /// The document waits for an administrator.
        Pending = "pending",
        /// The document breaks rules.
        Invalid = "invalid",
        /// There is no document at the URL.
        Unusable = "unusable",
        /// The host is out of reach.
        Unavailable = "unavailable",
        /// Too many documents are fetched.
        Busy = "busy",
    }
}
