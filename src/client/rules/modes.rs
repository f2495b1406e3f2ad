//! The modes of a registration: at once, or after the approval of an administrator
//! (draft-dellaert-oauth-approval-based-dcr).

use crate::config::{Registration, RegistrationApproval};

/// The mode of a client that cannot wait, or need not.
pub(crate) const IMMEDIATE: &str = "immediate";
/// The mode of a client that can wait.
pub(crate) const APPROVAL: &str = "approval";

/// Returns the `registration_modes_supported` of this server; none if no registration waits here.
pub(crate) fn supported_modes(settings: &Registration) -> &'static [&'static str] {
    match settings.registration_approval {
        RegistrationApproval::Off => &[],
        RegistrationApproval::Required if !settings.registration_approval_silent => &[APPROVAL],
        RegistrationApproval::Offered | RegistrationApproval::Required => &[IMMEDIATE, APPROVAL],
    }
}
