//! Metadata that was approved elsewhere, or earlier by other rules than today's.

use super::{Basis, Rules, defaults, scope, types};
use crate::base::Violation;
use crate::client::member::SetBy;
use crate::client::{Approved, Metadata, Valid, member};

impl Rules<'_> {
    /// Accepts what became of metadata that was approved earlier, perhaps by other rules than today's. Only what
    /// depends on the changed members is judged.
    ///
    /// # Errors
    /// Every rule that these members break.
    pub(crate) fn change_approved(
        &self,
        before: &Approved,
        changed: Metadata,
    ) -> Result<Approved, Vec<Violation>> {
        let basis = Basis::Valid(before.metadata());
        self.check_changed(changed, basis).map(Valid::approve)
    }

    /// Accepts metadata that another server, or this server under other settings, has approved. It
    /// is kept unchanged, and the rules that it breaks here are only reported.
    ///
    /// # Errors
    /// When it cannot be read as metadata: a member has the wrong type, or is not stored.
    pub(crate) fn take_over(
        &self,
        metadata: Metadata,
    ) -> Result<(Approved, Vec<Violation>), Vec<Violation>> {
        let metadata = Metadata::new(metadata.into_object());
        let mut found = Vec::new();
        types::check_kinds(&metadata, &mut found);
        for (name, _) in metadata.iter() {
            let set_by = member::find(name).map(|member| member.set_by);
            if matches!(set_by, Some(SetBy::Server | SetBy::Request)) {
                found.push(Violation::metadata(
                    name,
                    "is not part of the stored metadata",
                ));
            }
        }
        if !found.is_empty() {
            return Err(found);
        }
        let broken = self
            .validate_changed(metadata.clone())
            .err()
            .unwrap_or_default();
        Ok((Approved::new(metadata), broken))
    }

    /// Accepts metadata of a client that another product had, as [`Self::take_over`] does. Its absent members get the
    /// defaults of this server, except the lifetime: the client did not ask for an end.
    ///
    /// # Errors
    /// As [`Self::take_over`].
    pub(crate) fn adopt(
        &self,
        mut metadata: Metadata,
    ) -> Result<(Approved, Vec<Violation>), Vec<Violation>> {
        let mut found = Vec::new();
        types::check_kinds(&metadata, &mut found);
        if found.is_empty() {
            scope::normalise(&mut metadata);
            let lifetime = metadata.get("lifetime").cloned();
            defaults::fill_in(self, &mut metadata, &found);
            match lifetime {
                Some(lifetime) => metadata.set("lifetime", lifetime),
                None => drop(metadata.remove("lifetime")),
            }
        }
        self.take_over(metadata)
    }
}
