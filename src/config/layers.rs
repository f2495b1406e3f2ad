//! The layers of the configuration: the defaults, the file, the patch, the environment, flags. Later layers
//! override earlier ones.

use std::sync::Arc;

use super::file::File;
use super::merged::Merged;
use super::setting::{self, Setting};
use super::{ConfigErrors, Configuration, Patch, Sources, variables};

/// The layers below and above the patch. They are read once, and the patch between them can be replaced.
pub struct Layers {
    /// The defaults and the file.
    base: Merged,
    environment: Vec<(String, String)>,
    variables: Vec<Setting>,
    flags: Vec<Setting>,
}

impl Layers {
    /// Reads the layers of `sources`, except the patch. [`configuration`](Self::configuration) reports what is
    /// wrong with them.
    pub fn read(sources: &Sources) -> Self {
        let embedded = sources.embedded.as_deref();
        let mut base = embedded.map_or_else(Merged::default, Merged::on);
        match sources.file.as_deref().map(File::read) {
            Some(Ok(file)) => {
                let values = setting::of_file(&file);
                base.file = Some(Arc::new(file));
                base.add(&values);
            }
            Some(Err(error)) => base.errors.push(error),
            None => {}
        }
        Self {
            base,
            environment: sources.environment.clone(),
            variables: setting::of_environment(&sources.environment),
            flags: setting::of_flags(&sources.overrides),
        }
    }

    /// Returns the configuration with `patch`. Nothing is read again.
    ///
    /// # Errors
    /// Returns all errors in all layers.
    pub fn configuration(&self, patch: &Patch) -> Result<Configuration, ConfigErrors> {
        let mut merged = self.base.clone();
        merged.add(&setting::of_patch(patch));
        merged.add(&self.variables);
        merged.add(&self.flags);
        let mut configuration = merged.finish(self.base.live.clone())?;
        let strays = variables::strays(&self.environment, &configuration.settings.scripts);
        configuration.warnings.extend(strays);
        Ok(configuration)
    }
}
