//! The configuration: one file, two types. Changes to [`Settings`] need a restart, changes to [`Live`] do
//! not.
//!
//! This module knows the form of every option and which options exclude each other, but not what options
//! do.

pub(crate) mod admin;
mod check;
mod choices;
mod documents;
mod error;
mod exports;
pub(crate) mod fetch;
mod file;
mod load;
mod login;
mod masking;
mod merged;
mod owner;
pub(crate) mod patch;
pub(crate) mod paths;
pub(crate) mod registration;
mod scopes;
pub(crate) mod scripts;
mod setting;
pub(crate) mod settings;
mod store;
mod store_url;
#[cfg(test)]
mod tests;
pub(crate) mod tls;
mod tree;
pub(crate) mod trust;
pub(crate) mod udap;
mod upstream;
mod upstream_registration;
mod variables;
mod webhooks;

pub use admin::{AdminScopes, AdminSettings, ConsoleUse};
pub use choices::{
    ClientAssertionAudience, ClientDocumentApproval, ClientDocumentDefaultAuthMethod,
    ClientDocumentHold, ClientDocumentRedirectUris, ClientDocuments, DefaultApplicationType,
    InitialAccessTokenUse, InsecurePageUris, PageUriHosts, RegistrationApproval, Rotation,
    UnsupportedListValues,
};
pub use documents::{ClientDocumentSettings, HostedClientDocuments};
pub use error::{ConfigError, ConfigErrors};
pub use exports::ExportTemplate;
pub(crate) use exports::MAPPER_NAME;
pub use fetch::{AllowedHost, BadHost, FetchSettings};
pub(crate) use file::place;
pub use load::{Configuration, Origin, Origins, Sources, load};
pub(crate) use load::{Layers, all_origins, settings_despite_errors};
pub use login::{LoginSettings, ScopesFrom};
pub(crate) use masking::shows_mask;
pub(crate) use owner::refuse_other_readers;
pub use patch::Patch;
pub use paths::Paths;
pub use registration::Registration;
pub use scopes::{Scope, ScopePattern};
pub use scripts::{ScriptLimits, ScriptSettings, SecretSource};
pub(crate) use settings::UPSTREAM;
pub use settings::{Limits, LogFormat, ServerSettings, Settings, TelemetrySettings};
pub use store::StoreSettings;
pub(crate) use store_url::EmbeddedDatabase;
pub use store_url::StoreUrl;
pub use tls::{CertificateHeader, ClientCertificates, TlsSettings};
pub(crate) use tree::{changed_keys, nearest};
pub(crate) use trust::MASK;
pub use trust::{
    CertificateSan, ClientAttester, SecretText, SsaValidationConfig, SsaValidationType,
    StatementIdentity, StatementRedirectUris, StatementValidation, TrustedSsaIssuer,
};
pub use udap::UdapMetadata;
pub use upstream_registration::UpstreamRegistration;
pub use webhooks::{Included, Webhook, WebhookClients};

// What the parts of this module use of one another.
use error::Verdict;
use file::File;
use load::PREFIX;
use setting::{Setting, ValueSource};
use tree::DEFAULTS;

use serde::{Deserialize, Serialize};

/// The part of the configuration that can change while the server runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Live {
    /// `[registration]`
    pub registration: Registration,
    /// `[[scopes]]`
    pub scopes: Vec<Scope>,
    /// `[[webhooks]]`
    pub webhooks: Vec<Webhook>,
    /// `[[exports]]`
    pub exports: Vec<ExportTemplate>,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            registration: Registration::default(),
            scopes: scopes::default_scopes(),
            webhooks: Vec::new(),
            exports: Vec::new(),
        }
    }
}

impl Live {
    /// Returns an identifier of this configuration: 12 hex digits of a hash. Two configurations that differ
    /// only in a secret have the same identifier.
    pub(crate) fn revision(&self) -> String {
        let text = serde_json::to_vec(self).unwrap_or_default();
        crate::base::sha256_hex(&text).chars().take(12).collect()
    }
}
