//! The filters of commands that work with many clients.

use clap::{Args, ValueEnum};

use crate::cli::moment;

/// The filters that select clients.
#[derive(Debug, Args)]
#[group(multiple = true)]
pub(in crate::cli) struct ClientSelection {
    /// Prefix of the `client_id`.
    #[arg(long, value_name = "PREFIX")]
    client_id: Option<String>,
    /// Text that `client_name` contains, in any language.
    #[arg(long, value_name = "TEXT")]
    client_name: Option<String>,
    /// Exact `software_id`.
    #[arg(long, value_name = "ID")]
    software_id: Option<String>,
    /// Trust level of the registration.
    #[arg(long, value_name = "LEVEL", value_enum)]
    trust_level: Option<TrustLevelName>,
    /// Whether the client is disabled.
    #[arg(long, value_name = "true|false")]
    disabled: Option<bool>,
    /// Registered at or after this time: 2026-01-31T12:00:00Z, 2026-01-31, 30d (ago), or seconds since 1970.
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    issued_from: Option<u64>,
    /// Registered before this time.
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    issued_before: Option<u64>,
    /// Expires before this time, such as +7d (from now).
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    expires_before: Option<u64>,
    /// Registered or last updated from this address or network, such as 192.0.2.0/24.
    #[arg(long, value_name = "NETWORK")]
    address: Option<String>,
    /// Registered with the initial access token of this identifier, as shown by tokens list.
    #[arg(long, value_name = "ID")]
    initial_access_token: Option<String>,
    /// Registered with a software statement of this issuer.
    #[arg(long, value_name = "ISS")]
    statement_iss: Option<String>,
    /// Registered or last updated while this version of the scripts decided, as shown by script versions.
    #[arg(long, value_name = "VERSION")]
    script_version: Option<String>,
    /// Last used at or after this time. Uses are recorded to the hour.
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    used_from: Option<u64>,
    /// Last used before this time, but used at all.
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    used_before: Option<u64>,
    /// Never used.
    #[arg(long)]
    never_used: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TrustLevelName {
    Open,
    Document,
    Token,
    Mtls,
    Statement,
    Attested,
    Operator,
}

impl TrustLevelName {
    const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Document => "document",
            Self::Token => "token",
            Self::Mtls => "mtls",
            Self::Statement => "statement",
            Self::Attested => "attested",
            Self::Operator => "operator",
        }
    }
}

impl ClientSelection {
    /// Returns the query parameters for the admin API.
    pub(super) fn query(&self) -> Vec<(&'static str, String)> {
        let texts = self.texts().into_iter();
        let texts = texts.filter_map(|(name, value)| Some((name, value?.to_owned())));
        let moments = self.moments().into_iter();
        let moments = moments.filter_map(|(name, value)| Some((name, value?.to_string())));
        texts.chain(moments).collect()
    }

    fn texts(&self) -> [(&'static str, Option<&str>); 10] {
        let flag = |flag: bool| if flag { "true" } else { "false" };
        [
            ("client_id", self.client_id.as_deref()),
            ("client_name", self.client_name.as_deref()),
            ("software_id", self.software_id.as_deref()),
            ("trust_level", self.trust_level.map(TrustLevelName::name)),
            ("disabled", self.disabled.map(flag)),
            ("address", self.address.as_deref()),
            ("initial_access_token", self.initial_access_token.as_deref()),
            ("statement_iss", self.statement_iss.as_deref()),
            ("script_version", self.script_version.as_deref()),
            ("never_used", self.never_used.then_some("true")),
        ]
    }

    const fn moments(&self) -> [(&'static str, Option<u64>); 5] {
        [
            ("issued_from", self.issued_from),
            ("issued_before", self.issued_before),
            ("expires_before", self.expires_before),
            ("used_from", self.used_from),
            ("used_before", self.used_before),
        ]
    }
}
