//! What a client is: its metadata, the rules for it, and the stored record.
//!
//! This module is pure: it knows nothing of HTTP, storage or scripts. Metadata passes through three
//! types, [`Requested`], [`Valid`] and [`Approved`], and only approved metadata can be stored.

pub mod certificate;
pub mod decoy;
pub mod initial_access;
pub mod member;
pub mod metadata;
pub mod record;
pub mod rules;
pub mod stages;

pub use initial_access::InitialAccessPolicy;
pub use member::{MEMBERS, Member, MemberKind, SetBy};
pub use metadata::Metadata;
pub use record::{
    CertificateOrigin, Client, ClientSecret, Provenance, RegistrationTokens, ScriptRef,
    StatementOrigin, TrustLevel,
};
pub use rules::Rules;
pub use stages::{Approved, Requested, Valid};
