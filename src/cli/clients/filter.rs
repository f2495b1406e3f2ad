//! Which clients are meant.

use clap::{Args, ValueEnum};

use super::super::moment;

#[derive(Debug, Args)]
#[group(multiple = true)]
pub(in crate::cli) struct Filter {
    /// What `client_id` begins with.
    #[arg(long, value_name = "PREFIX")]
    client_id: Option<String>,
    /// What `client_name`, in any language, has in it.
    #[arg(long, value_name = "TEXT")]
    client_name: Option<String>,
    /// The `software_id`.
    #[arg(long, value_name = "ID")]
    software_id: Option<String>,
    /// How far the registration can be trusted.
    #[arg(long, value_name = "LEVEL", value_enum)]
    trust_level: Option<Level>,
    /// Registered then or later: 2026-01-31T12:00:00Z, or seconds since 1970.
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    issued_from: Option<u64>,
    /// Registered before.
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    issued_before: Option<u64>,
    /// Expires before.
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    expires_before: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Level {
    Open,
    Token,
    Mtls,
    Statement,
    Attested,
    Operator,
}

impl Level {
    const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Token => "token",
            Self::Mtls => "mtls",
            Self::Statement => "statement",
            Self::Attested => "attested",
            Self::Operator => "operator",
        }
    }
}

impl Filter {
    /// The parameters of the admin API.
    pub(super) fn query(&self) -> Vec<(&'static str, String)> {
        let number = |value: Option<u64>| value.map(|value| value.to_string());
        let all = [
            ("client_id", self.client_id.clone()),
            ("client_name", self.client_name.clone()),
            ("software_id", self.software_id.clone()),
            ("trust_level", self.trust_level.map(|level| level.name().to_owned())),
            ("issued_from", number(self.issued_from)),
            ("issued_before", number(self.issued_before)),
            ("expires_before", number(self.expires_before)),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}
