//! The rules of client metadata.
//!
//! Metadata goes through three types of steps: JSON types, decisions and defaults of the server,
//! and checks that change nothing. Every violation is reported at once. A member with a wrong type
//! is reported only for its type.

mod algorithms;
mod application;
mod approved;
mod characters;
mod choices;
mod ciba;
pub(crate) mod client_document;
mod custom;
mod defaults;
mod grants;
mod hosted_document;
mod ignored;
mod initial_access;
mod keys;
mod language;
mod lifetime;
mod lists;
mod methods;
mod modes;
mod pages;
mod privileges;
mod redirect_pattern;
mod redirect_uris;
mod report;
mod retold;
mod scope;
mod subject;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tls;
mod types;
mod uri;
mod urls;

pub(crate) use algorithms::ALGORITHMS;
pub(crate) use grants::supported_grants;
pub(crate) use hosted_document::DocumentRules;
pub(crate) use lifetime::expiry;
pub(crate) use methods::{needs_secret, supported_methods};
pub(crate) use modes::{APPROVAL, IMMEDIATE, supported_modes};
pub(crate) use privileges::{Privileges, privileged_members, withhold};
pub(crate) use retold::retells;

use serde_json::Value;

use super::member::SetBy;
use super::{InitialAccessPolicy, Metadata, Requested, Valid, member};
use crate::base::Violation;
use crate::config::UnsupportedListValues;
use crate::config::{FetchSettings, Limits, Registration, Scope};
use redirect_pattern::RedirectPattern;
use report::{
    choice_of, is_faulted, is_item_faulted, is_one_of, item_violation, items, report_fault,
    report_item_fault, shown, sound_text, unsupported, unsupported_rule, violation,
};

/// The inputs of the rules for one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules<'a> {
    /// The live settings.
    pub(crate) settings: &'a Registration,
    /// The defined scopes.
    pub(crate) scopes: &'a [Scope],
    /// The configured limits.
    pub(crate) limits: &'a Limits,
    /// The hosts that this server may fetch from, and so the hosts that a client may name.
    pub(crate) fetch: &'a FetchSettings,
    /// The limits of this registration's initial access token. `None`: only the server's limits
    /// apply.
    pub(crate) initial_access: Option<&'a InitialAccessPolicy>,
    /// The registered metadata, if this is an update. `None`: the client is new.
    pub(crate) registered: Option<&'a Metadata>,
    /// Whether a verified statement identifies the client by its certificates. Such a client
    /// authenticates with them and needs no keys of its own.
    pub(crate) is_certified: bool,
    /// What applies to the document of the client. `None`: it neither has nor asks for one.
    pub(crate) document: Option<DocumentRules<'a>>,
}

/// A rule, or the rules of one topic. Checks metadata and adds the violations.
type TopicCheck = fn(&Rules<'_>, &Metadata, &mut Vec<Violation>);

/// The rules of one topic.
struct Topic {
    check: TopicCheck,
    /// Whether the outcome may depend on the member with this name. If no such member was changed, the topic is not
    /// checked again.
    concerns: fn(&str) -> bool,
}

/// The rules that change nothing, in the order of their messages.
const TOPICS: &[Topic] = &[
    Topic {
        check: redirect_uris::check,
        concerns: |name| {
            redirect_uris::ANSWERED.contains(&name)
                || matches!(
                    name,
                    "application_type"
                        | "grant_types"
                        | "post_logout_redirect_uris"
                        | "redirect_uris_regex"
                )
        },
    },
    Topic {
        check: grants::check,
        concerns: |name| matches!(name, "grant_types" | "response_types"),
    },
    Topic {
        check: methods::check,
        concerns: |name| is_about_keys(name) || matches!(name, "grant_types" | methods::SIGNING),
    },
    Topic {
        check: keys::check,
        concerns: |name| {
            is_about_keys(name) || names_algorithm(name) || name == keys::SIGNED_REQUESTS
        },
    },
    Topic {
        check: algorithms::check,
        concerns: |name| names_algorithm(name) || name == "response_types",
    },
    Topic {
        check: tls::check,
        concerns: |name| name == methods::METHOD || name.starts_with("tls_client_auth_"),
    },
    Topic {
        check: subject::check,
        concerns: |name| {
            matches!(
                name,
                "backchannel_token_delivery_mode"
                    | "jwks_uri"
                    | "redirect_uris"
                    | "sector_identifier_uri"
                    | "subject_type"
            )
        },
    },
    Topic {
        check: urls::check,
        concerns: |name| {
            leads_somewhere(name) || matches!(name, "application_type" | "grant_types")
        },
    },
    Topic {
        check: pages::check,
        concerns: leads_somewhere,
    },
    Topic {
        check: ciba::check,
        concerns: |name| name.starts_with("backchannel_") || name == "grant_types",
    },
    Topic {
        check: lists::check,
        concerns: |name| {
            matches!(
                name,
                "application_type" | "encrypted_response_enc_values_supported"
            )
        },
    },
    Topic {
        check: scope::check,
        concerns: |name| name == "scope",
    },
    Topic {
        check: lifetime::check,
        concerns: |name| name.ends_with("lifetime"),
    },
    Topic {
        check: initial_access::check,
        concerns: |name| {
            leads_somewhere(name)
                || matches!(
                    name,
                    "allow_spontaneous_scopes"
                        | "grant_types"
                        | "spontaneous_scopes"
                        | methods::METHOD
                        | methods::FURTHER
                )
        },
    },
    Topic {
        check: language::check,
        concerns: |name| name.contains('#'),
    },
    // It also depends on how far the client is trusted, which evidence that a script demanded may have raised.
    Topic {
        check: hosted_document::check,
        concerns: |_| true,
    },
];

fn is_about_keys(name: &str) -> bool {
    matches!(
        name,
        "jwks" | "jwks_uri" | methods::METHOD | methods::FURTHER
    )
}

fn names_algorithm(name: &str) -> bool {
    ALGORITHMS.iter().any(|algorithm| algorithm.member == name)
}

/// Whether the member `name` contains URIs.
fn leads_somewhere(name: &str) -> bool {
    member::find(name).is_some_and(|member| member.kind.leads_somewhere())
}

/// Where metadata comes from that is checked.
#[derive(Clone, Copy)]
enum Basis<'a> {
    /// A client, which has sent this.
    Sent(&'a Metadata),
    /// Scripts, which were given this valid metadata.
    Valid(&'a Metadata),
    /// Anywhere.
    Unknown,
}

impl Basis<'_> {
    /// Whether `value` of the member `name` may have a fault: metadata that was valid had it before.
    fn may_be_new(self, name: &str, value: &Value) -> bool {
        match self {
            Self::Valid(before) => before.get(name) != Some(value),
            Self::Sent(_) | Self::Unknown => true,
        }
    }

    /// Whether `topic` is to be checked, when `changed` are the members that are not as they were.
    fn is_due(self, topic: &Topic, changed: &[String]) -> bool {
        match self {
            Self::Valid(_) => changed.iter().any(|name| (topic.concerns)(name)),
            Self::Sent(_) | Self::Unknown => true,
        }
    }
}

/// Returns what is wrong with settings that only the rules can check, each with its key: patterns
/// of URIs, and names of members that do not fit.
pub(crate) fn settings_faults(settings: &Registration) -> Vec<(String, String)> {
    let mut faults = Vec::new();
    check_patterns(settings, &mut faults);
    let attributes = &settings.dynamic_registration_custom_attributes;
    for name in attributes.iter().filter(|name| member::is_taken(name)) {
        let key = "registration.dynamicRegistrationCustomAttributes".to_owned();
        let rule = format!("'{name}' is already a standard member; remove it");
        faults.push((key, rule));
    }
    for name in settings.software_statement_claims.values() {
        let set_by = member::find(name).map(|member| member.set_by);
        let is_settable = matches!(set_by, Some(SetBy::Client | SetBy::Privileged));
        if !is_settable && !attributes.contains(name) {
            let key = "registration.softwareStatementClaims".to_owned();
            let rule = format!("'{name}' is not metadata that a client may set");
            faults.push((key, rule));
        }
    }
    faults.extend(privileges::settings_faults(settings));
    check_document_members(settings, &mut faults);
    faults
}

fn check_patterns(settings: &Registration, faults: &mut Vec<(String, String)>) {
    let lists = [
        ("redirectUriAllowList", &settings.redirect_uri_allow_list),
        ("redirectUriDenyList", &settings.redirect_uri_deny_list),
        (
            "clientDocumentAllowList",
            &settings.client_document_allow_list,
        ),
        (
            "clientDocumentDenyList",
            &settings.client_document_deny_list,
        ),
        ("clientDocumentApproved", &settings.client_document_approved),
    ];
    for (key, patterns) in lists {
        for text in patterns {
            if let Err(fault) = RedirectPattern::parse(text) {
                let rule = format!("'{text}' {fault}");
                faults.push((format!("registration.{key}"), rule));
            }
        }
    }
}

/// Checks the lists of members of client documents.
fn check_document_members(settings: &Registration, faults: &mut Vec<(String, String)>) {
    let lists = [
        ("clientDocumentRequired", &settings.client_document_required),
        (
            "clientDocumentSensitive",
            &settings.client_document_sensitive,
        ),
    ];
    let attributes = &settings.dynamic_registration_custom_attributes;
    for (key, names) in lists {
        for name in names {
            let set_by = member::find(name).map(|member| member.set_by);
            let is_settable = matches!(set_by, Some(SetBy::Client | SetBy::Privileged));
            if !is_settable && !attributes.contains(name) {
                let rule = format!("'{name}' is not metadata that a client may set");
                faults.push((format!("registration.{key}"), rule));
            }
        }
    }
}

impl Rules<'_> {
    /// Fills in the defaults of `requested` and checks every rule.
    ///
    /// # Errors
    /// Every rule that it breaks.
    pub(crate) fn validate(&self, requested: Requested) -> Result<Valid, Vec<Violation>> {
        let (mut metadata, ignored) = requested.into_parts();
        let sent = metadata.clone();
        let mut found = Vec::new();
        custom::fill_in(self, &mut metadata);
        scope::normalise(&mut metadata);
        types::check(self, &metadata, Basis::Sent(&sent), &mut found);
        lists::screen(
            self,
            self.settings.unsupported_list_values,
            &mut metadata,
            &mut found,
        );
        choices::narrow(self, &mut metadata, &mut found);
        scope::grant(self, &mut metadata, &found);
        lifetime::ask(self, &mut metadata);
        defaults::trust(self, &mut metadata);
        let valid = self.complete(metadata, Basis::Sent(&sent), found);
        valid.map_err(|found| ignored::hinted(&ignored, &sent, found))
    }

    /// Checks by the same rules metadata that was valid before.
    ///
    /// # Errors
    /// Every rule that it breaks.
    pub(crate) fn validate_changed(&self, changed: Metadata) -> Result<Valid, Vec<Violation>> {
        self.check_changed(changed, Basis::Unknown)
    }

    /// Checks by the same rules the metadata that scripts made of `valid`. Only what depends on the changed members
    /// is checked again: the settings are those by which `valid` was checked.
    ///
    /// # Errors
    /// Every rule that it breaks.
    pub(crate) fn validate_changes(
        &self,
        valid: &Valid,
        changed: Metadata,
    ) -> Result<Valid, Vec<Violation>> {
        self.check_changed(changed, Basis::Valid(valid.metadata()))
    }

    fn check_changed(
        &self,
        mut changed: Metadata,
        basis: Basis<'_>,
    ) -> Result<Valid, Vec<Violation>> {
        let mut found = Vec::new();
        scope::normalise(&mut changed);
        types::check(self, &changed, basis, &mut found);
        lists::screen(
            self,
            UnsupportedListValues::Refuse,
            &mut changed,
            &mut found,
        );
        self.complete(changed, basis, found)
    }

    /// Fills in absent members, including members that a script removed. A missing member must not
    /// bypass the rule that checks it.
    ///
    /// Members that are meant for one request, such as evidence, end here: they are neither stored
    /// nor returned.
    ///
    /// `basis` is where it comes from.
    fn complete(
        &self,
        mut metadata: Metadata,
        basis: Basis<'_>,
        mut found: Vec<Violation>,
    ) -> Result<Valid, Vec<Violation>> {
        leave_out_members_of_request(&mut metadata, basis);
        keys::keep_public(&mut metadata);
        defaults::fill_in(self, &mut metadata, &found);
        if let Basis::Sent(_) = basis {
            pages::leave_out(self, &mut metadata, &mut found);
        }
        let changed = match basis {
            Basis::Valid(before) => before.differences(&metadata),
            Basis::Sent(_) | Basis::Unknown => Vec::new(),
        };
        for topic in TOPICS {
            if basis.is_due(topic, &changed) {
                topic.check(self, &metadata, &mut found);
            }
        }
        if found.is_empty() {
            return Ok(Valid::new(metadata));
        }
        if let Basis::Sent(sent) = basis {
            report::name_defaults(sent, &metadata, &mut found);
        }
        Err(found)
    }
}

impl Topic {
    #[cfg(not(test))]
    fn check(&self, cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
        (self.check)(cx, metadata, found);
    }

    /// In tests, `concerns` is held to name every member that the check looks at.
    #[cfg(test)]
    fn check(&self, cx: &Rules<'_>, metadata: &Metadata, found: &mut Vec<Violation>) {
        let read = super::metadata::reads::of(|| (self.check)(cx, metadata, found));
        for name in read {
            let at = TOPICS.iter().position(|topic| std::ptr::eq(topic, self));
            assert!((self.concerns)(&name), "topic {at:?} looks at {name}");
        }
    }
}

/// Removes the members that are meant for one request.
fn leave_out_members_of_request(metadata: &mut Metadata, basis: Basis<'_>) {
    let mut ending = Vec::new();
    for (name, value) in metadata.iter() {
        let is_of_request =
            || member::find(name).is_some_and(|member| member.set_by == SetBy::Request);
        if basis.may_be_new(name, value) && is_of_request() {
            ending.push(name.to_owned());
        }
    }
    for name in &ending {
        metadata.remove(name);
    }
}

/// Reads a URI as the rules do, for the fuzz target `uri`. Returns whether it is accepted.
#[doc(hidden)]
pub(crate) fn fuzz_uri(text: &str) -> bool {
    uri::parse(text).is_ok()
}
