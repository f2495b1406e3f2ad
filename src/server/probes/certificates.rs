//! When certificates end: those of this server, and those of the authorities that it trusts.

use std::sync::Arc;

use crate::http::{Tls, first_end};
use crate::service::Service;

/// Where the certificates are that the server uses.
#[derive(Clone)]
pub(crate) struct Certificates {
    tls: Arc<Tls>,
    /// The options whose files are read only at the start, and when the first certificate in each ends.
    fixed: Vec<(String, u64)>,
}

impl Certificates {
    /// The certificates of `tls`, and those that `service` uses since its start.
    pub(crate) fn of(tls: Arc<Tls>, service: &Service) -> Self {
        let settings = &service.settings;
        let files = [
            ("fetch.caFile", &settings.fetch.ca_file),
            ("store.caFile", &settings.store.ca_file),
        ];
        let mut fixed = Vec::new();
        for (option, file) in files {
            if let Some(end) = file.as_deref().and_then(first_end) {
                fixed.push((option.to_owned(), end.unix()));
            }
        }
        Self { tls, fixed }
    }

    /// Returns the options that name files of certificates, and when the first certificate in each ends, in seconds
    /// since 1970. Files that were reloaded count as they are in use.
    pub(super) fn ends(&self, service: &Service) -> Vec<(String, u64)> {
        let mut ends = self.fixed.clone();
        for (option, end) in self.tls.ends() {
            ends.push((option.to_owned(), end.unix()));
        }
        for (option, end) in &service.snapshot().trust.ends {
            ends.push((option.clone(), end.unix()));
        }
        ends
    }
}
