//! Filters for clients, which lists, changes of many clients, replays and webhooks share.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::base::{ClientId, Timestamp, moment};
use crate::client::{Client, Metadata, Provenance, TrustLevel};
use crate::store::{DeletedClient, WaitingDocument};

/// A filter for clients. A client must meet all of its conditions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ClientFilter {
    /// Prefix of `client_id`.
    pub(crate) client_id_prefix: Option<String>,
    /// `software_id`, which is looked up in its index.
    pub(crate) software_id: Option<String>,
    /// Text that `client_name` contains in any language, ignoring case.
    pub(crate) client_name_contains: Option<String>,
    /// The trust level.
    pub(crate) trust_level: Option<TrustLevel>,
    /// Whether an administrator has disabled it.
    pub(crate) is_disabled: Option<bool>,
    /// Issued at this moment or later.
    pub(crate) issued_from: Option<Timestamp>,
    /// Issued before this moment.
    pub(crate) issued_before: Option<Timestamp>,
    /// Expires before this moment.
    pub(crate) expires_before: Option<Timestamp>,
    /// How it was registered.
    pub(crate) origin: OriginFilter,
    /// How it was used.
    pub(crate) used: UseFilter,
}

/// Conditions for how a client was registered, or updated last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct OriginFilter {
    /// The network that the request came from.
    pub(crate) network: Option<IpNet>,
    /// The identifier of the initial access token.
    pub(crate) initial_access_token: Option<String>,
    /// The `iss` of the software statement.
    pub(crate) statement_iss: Option<String>,
    /// The version of the scripts that decided.
    pub(crate) script_version: Option<String>,
}

/// Conditions for how a client was used. Uses are recorded to the hour.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct UseFilter {
    /// Last used at this moment or later.
    pub(crate) from: Option<Timestamp>,
    /// Last used before this moment. A client that was never used does not meet it.
    pub(crate) before: Option<Timestamp>,
    /// Whether it was never used.
    pub(crate) never: Option<bool>,
}

/// A parameter of a filter has a value that it cannot have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FilterFault {
    /// The name of the parameter.
    pub(crate) name: &'static str,
    /// What it must be.
    pub(crate) due: &'static str,
}

/// The parts of a client that a filter looks at.
struct Filtered<'a> {
    id: &'a ClientId,
    metadata: &'a Metadata,
    trust_level: TrustLevel,
    issued_at: Timestamp,
    expires_at: Option<Timestamp>,
    /// What only a client that exists has.
    record: Option<&'a Client>,
}

impl ClientFilter {
    /// The names of the parameters, wherever a filter is written.
    pub(crate) const PARAMETERS: &[&str] = &[
        "address",
        "client_id",
        "client_name",
        "disabled",
        "expires_before",
        "initial_access_token",
        "issued_before",
        "issued_from",
        "never_used",
        "script_version",
        "software_id",
        "statement_iss",
        "trust_level",
        "used_before",
        "used_from",
    ];

    /// Reads a filter from its parameters at the time `now`. `text` returns the value of each.
    ///
    /// # Errors
    /// The first parameter that does not have a valid value.
    pub(crate) fn read(
        now: Timestamp,
        text: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Self, FilterFault> {
        let moment = |name: &'static str| time(name, text(name), now);
        let flag = |name: &'static str| flag(name, text(name));
        Ok(Self {
            client_id_prefix: text("client_id"),
            software_id: text("software_id"),
            client_name_contains: text("client_name"),
            trust_level: level("trust_level", text("trust_level"))?,
            is_disabled: flag("disabled")?,
            issued_from: moment("issued_from")?,
            issued_before: moment("issued_before")?,
            expires_before: moment("expires_before")?,
            origin: OriginFilter {
                network: network("address", text("address"))?,
                initial_access_token: text("initial_access_token"),
                statement_iss: text("statement_iss"),
                script_version: text("script_version"),
            },
            used: UseFilter {
                from: moment("used_from")?,
                before: moment("used_before")?,
                never: flag("never_used")?,
            },
        })
    }

    /// Returns whether `client` meets all conditions.
    pub(crate) fn matches(&self, client: &Client) -> bool {
        self.matches_parts(&Filtered {
            id: &client.id,
            metadata: client.metadata.metadata(),
            trust_level: client.provenance.trust_level,
            issued_at: client.issued_at,
            expires_at: client.expires_at,
            record: Some(client),
        })
    }

    /// Returns whether the client `id` met all conditions when it was deleted. It meets no condition for how it was
    /// registered or used, since that is no longer known.
    pub(crate) fn matches_deleted(&self, id: &ClientId, deleted: &DeletedClient) -> bool {
        self.matches_parts(&Filtered {
            id,
            metadata: deleted.metadata.metadata(),
            trust_level: deleted.trust_level,
            issued_at: deleted.issued_at,
            expires_at: deleted.expires_at,
            record: None,
        })
    }

    /// Returns whether the client `id` would meet all conditions that `candidate` becomes.
    pub(crate) fn matches_candidate(&self, id: &ClientId, candidate: &WaitingDocument) -> bool {
        self.matches_parts(&Filtered {
            id,
            metadata: &candidate.metadata,
            trust_level: candidate.level(),
            issued_at: candidate.first_asked_at,
            expires_at: None,
            record: None,
        })
    }

    /// Returns whether there is a condition for how a client was used. A use is noted, and written a little later.
    pub(crate) fn concerns_use(&self) -> bool {
        self.used != UseFilter::default()
    }

    /// Returns whether there is no condition.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn matches_parts(&self, client: &Filtered<'_>) -> bool {
        let is_disabled = || client.metadata.flag("disabled");
        self.trust_level
            .is_none_or(|wanted| wanted == client.trust_level)
            && self
                .is_disabled
                .is_none_or(|wanted| wanted == is_disabled())
            && self.matches_times(client)
            && self.matches_texts(client)
            && self.matches_record(client.record)
    }

    fn matches_times(&self, client: &Filtered<'_>) -> bool {
        let issued = client.issued_at;
        if self.issued_from.is_some_and(|from| issued < from) {
            return false;
        }
        if self.issued_before.is_some_and(|before| issued >= before) {
            return false;
        }
        match (self.expires_before, client.expires_at) {
            (None, _) => true,
            (Some(before), Some(end)) => end < before,
            (Some(_), None) => false,
        }
    }

    fn matches_texts(&self, client: &Filtered<'_>) -> bool {
        let metadata = client.metadata;
        if let Some(prefix) = &self.client_id_prefix
            && !client.id.as_str().starts_with(prefix)
        {
            return false;
        }
        if let Some(id) = &self.software_id
            && metadata.text("software_id") != Some(id)
        {
            return false;
        }
        match &self.client_name_contains {
            Some(part) => has_name_with(metadata, part),
            None => true,
        }
    }

    fn matches_record(&self, record: Option<&Client>) -> bool {
        match record {
            Some(client) => {
                self.origin.matches(&client.provenance) && self.used.matches(client.last_used_at)
            }
            None => self.origin == OriginFilter::default() && self.used == UseFilter::default(),
        }
    }
}

impl OriginFilter {
    fn matches(&self, provenance: &Provenance) -> bool {
        let network = self.network.as_ref();
        let is_of = |network: &IpNet| provenance.address.is_some_and(|it| network.contains(&it));
        let statement = provenance.statement.as_ref().map(|it| &it.iss);
        network.is_none_or(is_of)
            && is_wanted(
                self.initial_access_token.as_ref(),
                provenance.initial_access_token.as_ref(),
            )
            && is_wanted(self.statement_iss.as_ref(), statement)
            && is_wanted(
                self.script_version.as_ref(),
                provenance.script_version.as_ref(),
            )
    }
}

fn is_wanted(wanted: Option<&String>, there: Option<&String>) -> bool {
    wanted.is_none() || wanted == there
}

impl UseFilter {
    fn matches(&self, last: Option<Timestamp>) -> bool {
        self.never.is_none_or(|never| never == last.is_none())
            && self
                .from
                .is_none_or(|from| last.is_some_and(|last| last >= from))
            && self
                .before
                .is_none_or(|before| last.is_some_and(|last| last < before))
    }
}

fn level(name: &'static str, text: Option<String>) -> Result<Option<TrustLevel>, FilterFault> {
    let Some(text) = text else {
        return Ok(None);
    };
    let known = TrustLevel::ALL
        .into_iter()
        .find(|level| level.as_str() == text);
    let due = "open, document, token, mtls, statement, attested or operator";
    known.map(Some).ok_or(FilterFault { name, due })
}

fn time(
    name: &'static str,
    text: Option<String>,
    now: Timestamp,
) -> Result<Option<Timestamp>, FilterFault> {
    let Some(text) = text else {
        return Ok(None);
    };
    let due = moment::TIME;
    let time = moment::time(&text, now).ok_or(FilterFault { name, due })?;
    Ok(Some(time))
}

fn flag(name: &'static str, text: Option<String>) -> Result<Option<bool>, FilterFault> {
    let due = "true or false";
    let flag = text.map(|text| text.parse()).transpose();
    flag.map_err(|_| FilterFault { name, due })
}

/// Reads a network. A single address does not need a prefix length.
fn network(name: &'static str, text: Option<String>) -> Result<Option<IpNet>, FilterFault> {
    let Some(text) = text else {
        return Ok(None);
    };
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Some(IpNet::from(address.to_canonical())));
    }
    let due = "an address or a network, such as 192.0.2.1 or 192.0.2.0/24";
    text.parse()
        .map(Some)
        .map_err(|_| FilterFault { name, due })
}

/// Returns whether a client name in any language contains `part`, ignoring case.
fn has_name_with(metadata: &Metadata, part: &str) -> bool {
    let part = part.to_lowercase();
    for (member, value) in metadata.iter() {
        let is_name = member.split('#').next() == Some("client_name");
        if let (true, Some(name)) = (is_name, value.as_str())
            && name.to_lowercase().contains(&part)
        {
            return true;
        }
    }
    false
}
