//! A patch of the live configuration, which is validated as a whole, stored, and then put in force.

use crate::config::{self, Configuration, Layers, Patch};
use crate::live::{self, ChangeRequest, Document, PatchError};
use crate::server::{reload::Reloader, reload::Whole, reload::read_layers, reload::validated};
use crate::service::document_revision;
use crate::store::{Action, Author};

impl Reloader {
    /// Makes a change and answers it.
    pub(super) async fn change(&mut self, change: ChangeRequest) {
        let outcome = self.patch(&change).await;
        if let Err(error) = &outcome {
            tracing::info!(%error, "configuration patch rejected");
        }
        if matches!(outcome, Err(PatchError::Conflict)) {
            self.adopt().await;
        }
        change.answer(outcome);
    }

    async fn patch(&mut self, change: &ChangeRequest) -> Result<Document, PatchError> {
        let read = read_layers(&self.sources).await;
        let layers = read.map_err(|cause| self.unreadable(cause))?;
        let current = validated(&layers, &self.sources.patch);
        let current = current.map_err(|cause| self.unreadable(cause))?;
        // The file may have been saved a moment ago, so its current content is put in force before the patch
        // is validated.
        self.take_from(&Author::default(), &current).await;
        self.expect(change.expected.as_deref())?;
        let wanted = live::revise(
            &current.configuration,
            &self.sources.patch,
            &change.operations,
        )?;
        let (patch, next) = settled(&layers, wanted)?;
        if change.is_dry_run {
            return Ok(self.document_of(&next.configuration));
        }
        if patch != self.sources.patch {
            self.store(patch, &next, &change.author).await?;
        }
        self.take(&next).await;
        Ok(self.document())
    }

    /// Rejects the change if the current revision is not one of `expected`.
    fn expect(&self, expected: Option<&[String]>) -> Result<(), PatchError> {
        let present = self.document().revision;
        match expected {
            Some(revisions) if !revisions.contains(&present) => {
                Err(PatchError::PreconditionFailed { present })
            }
            _ => Ok(()),
        }
    }

    /// Notes what is wrong with the configuration without the patch.
    fn unreadable(&self, cause: String) -> PatchError {
        self.refuse(cause.clone());
        PatchError::Unreadable(cause)
    }

    /// Applies the patch that another server stored.
    pub(super) async fn adopt(&mut self) {
        match self.service.store.patches.load().await {
            // The store also notifies this server of its own patches, and sometimes without a change.
            Ok(stored)
                if stored.revision == self.patches
                    && self.sources.patch == stored.document.clone().into() => {}
            Ok(stored) => {
                tracing::info!(
                    number = stored.revision,
                    "another server patched the configuration"
                );
                self.patches = stored.revision;
                self.sources.patch = stored.document.into();
                self.configuration(None).await;
            }
            Err(error) => tracing::error!(%error, "cannot read the stored configuration patch"),
        }
    }

    /// Stores `patch`, which results in `next`. From then on it applies, whatever happens.
    async fn store(
        &mut self,
        patch: Patch,
        next: &Whole,
        author: &Author,
    ) -> Result<(), PatchError> {
        let document = patch.0.clone().into();
        let patches = &self.service.store.patches;
        let live = &next.configuration.live;
        let revision = document_revision(&live.revision(), self.patches.saturating_add(1));
        let changed = config::changed_keys(&*self.service.snapshot().live, live);
        let event = author.did(
            Action::ConfigurationChanged,
            revision,
            self.service.clock.now(),
        );
        let event = event.with("changed", changed).change()?;
        self.patches = patches.replace(self.patches, &document, event).await?;
        tracing::info!(number = self.patches, keys = ?patch.keys(), "configuration patched");
        self.sources.patch = patch;
        Ok(())
    }

    /// Returns the document of a configuration that is not in force, with the revision of the one that is.
    fn document_of(&self, configuration: &Configuration) -> Document {
        let revision = self.document().revision;
        let Configuration { live, origins, .. } = configuration;
        Document::new(&self.service.settings, live, origins, revision)
    }

    fn document(&self) -> Document {
        self.service.snapshot().document(&self.service.settings)
    }
}

/// Returns the patch to store for `wanted`, and the resulting configuration, if it is valid.
fn settled(layers: &Layers, wanted: Patch) -> Result<(Patch, Whole), PatchError> {
    let first = validated(layers, &wanted).map_err(PatchError::Invalid)?;
    let patch = live::settle(&wanted, &first.configuration);
    if patch == wanted {
        return Ok((wanted, first));
    }
    // A value that is left out now still came from the patch before it was settled.
    let next = validated(layers, &patch).map_err(PatchError::Invalid)?;
    Ok((patch, next))
}
