//! `[upstreamRegistration]`: the server at which clients are registered in turn.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::config::{Live, Settings, Verdict, refuse_other_readers, upstream::is_plain};

/// `[upstreamRegistration]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct UpstreamRegistration {
    /// The registration endpoint of the upstream authorization server (RFC 7591 section 3). `None`: clients are
    /// registered here only.
    pub url: Option<String>,
    /// The file with the initial access token for that endpoint. `None`: none is sent.
    pub initial_access_token_file: Option<PathBuf>,
    /// The members of client metadata that are sent. Empty: all members that clients may set.
    pub members: Vec<String>,
}

/// Checks the URL and the file, and that no client must be created that does not work yet.
pub(super) fn check(settings: &Settings, live: &Live, verdict: &mut Verdict) {
    let front = &settings.upstream_registration;
    let Some(url) = &front.url else {
        if front.initial_access_token_file.is_some() || !front.members.is_empty() {
            let reason = "is missing, so the other options of this section have no effect";
            verdict.warn(URL, reason);
        }
        return;
    };
    check_url(url, verdict);
    if let Some(file) = &front.initial_access_token_file
        && let Err(reason) = refuse_other_readers(file)
    {
        let reason = format!("{}: {reason}", file.display());
        verdict.refuse("upstreamRegistration.initialAccessTokenFile", reason);
    }
    if live.registration.registration_approval_silent {
        let reason = "cannot be used with upstreamRegistration: the upstream server would accept the client \
                      before it is approved";
        verdict.refuse("registration.registrationApprovalSilent", reason);
    }
}

const URL: &str = "upstreamRegistration.url";

fn check_url(text: &str, verdict: &mut Verdict) {
    match Url::parse(text) {
        Ok(url) if is_plain(&url) => {
            if url.scheme() == "http" {
                let reason = "sends secrets of clients over http: an attacker on the network can read them; use https";
                verdict.warn(URL, reason);
            }
        }
        _ => verdict.refuse(
            URL,
            "must be the URL of a registration endpoint, such as https://as.example.org/register",
        ),
    }
}
