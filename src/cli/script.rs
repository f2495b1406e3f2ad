//! `registrar script`

use super::FileArguments;
use crate::script::{Runtime, ScriptSet};
use std::path::Path;

/// `registrar script check`: compiles the scripts and shows which hooks each has.
#[expect(clippy::print_stdout, reason = "the table is the result of this command")]
pub(super) fn check(file: &FileArguments, directory: Option<&Path>) -> Result<(), String> {
    let flags = directory.map(|path| ("scripts.directory".to_owned(), super::text(path)));
    let configuration = super::load(&super::sources(file, flags.into_iter().collect()))?;
    let settings = &configuration.settings.scripts;
    let runtime = Runtime::without_host(settings, super::clock()).map_err(|error| error.to_string())?;
    let scripts = ScriptSet::load(settings, &runtime)
        .map_err(|errors| format!("the scripts do not load:\n{errors}"))?;
    for script in scripts.scripts() {
        let hooks: Vec<&str> = script.hooks.iter().map(|hook| hook.name()).collect();
        println!("{}  {}", script.name, hooks.join(", "));
    }
    Ok(())
}
