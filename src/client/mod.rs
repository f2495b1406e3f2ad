//! What a client is: its metadata, the rules for it, and the stored record.
//!
//! This module is pure: it knows nothing of HTTP, storage or scripts. Metadata passes through three
//! types, [`Requested`], [`Valid`] and [`Approved`], and only approved metadata can be stored.

mod administrator;
pub(crate) mod certificate;
pub(crate) mod decoy;
mod document;
pub(crate) mod hosted_document;
pub(crate) mod initial_access;
pub(crate) mod member;
pub(crate) mod metadata;
mod origins;
pub(crate) mod record;
pub(crate) mod rules;
pub(crate) mod stages;

pub(crate) use administrator::{AdministratorData, HashedSecret};
pub(crate) use document::{DocumentApproval, DocumentOrigin, HeldDocument};
pub(crate) use hosted_document::{DocumentRequest, HostedDocument};
pub(crate) use initial_access::InitialAccessPolicy;
pub(crate) use member::{MEMBERS, Member, MemberKind, SetBy};
pub(crate) use metadata::Metadata;
pub(crate) use origins::MemberOrigin;
pub(crate) use origins::MemberOrigins;
pub(crate) use record::{
    Approval, CertificateOrigin, Client, ClientSecret, Provenance, RegistrationTokens, ScriptRef,
    StatementOrigin, TrustLevel, UpstreamClient,
};
pub(crate) use rules::Rules;
pub(crate) use stages::{Approved, IgnoredMember, Requested, Valid};
