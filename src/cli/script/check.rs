//! `registrar script check`: compiles the scripts and shows the hooks of each.

use serde_json::json;

use super::{Format, ScriptArguments};
use crate::script::{Runtime, ScriptInfo, ScriptSet};

pub(super) fn run(arguments: &ScriptArguments, format: Format) -> Result<(), String> {
    let configuration = arguments.load()?;
    let settings = &configuration.settings.scripts;
    let runtime = Runtime::without_host(settings, super::super::clock())
        .map_err(|error| error.to_string())?;
    let scripts = ScriptSet::load(settings, &runtime).map_err(|errors| {
        format!(
            "the scripts in {} cannot be loaded:\n{errors}",
            settings.directory.display()
        )
    })?;
    match format {
        Format::Text => table(&scripts),
        Format::Json => list(&scripts),
    }
    Ok(())
}

fn hooks(script: &ScriptInfo) -> Vec<&'static str> {
    script.hooks.iter().map(|hook| hook.name()).collect()
}

fn table(scripts: &ScriptSet) {
    let longest = scripts
        .scripts()
        .iter()
        .map(|script| script.name.len())
        .max()
        .unwrap_or(0);
    let width = longest.max("SCRIPT".len());
    say!("{:width$}  HOOKS", "SCRIPT");
    for script in scripts.scripts() {
        let hooks = match hooks(script).join(", ") {
            none if none.is_empty() => "none; the script is never called".to_owned(),
            hooks => hooks,
        };
        say!("{:width$}  {hooks}", script.name);
        for warning in &script.warnings {
            say!("{:width$}  warning: {warning}", "");
        }
    }
}

fn list(scripts: &ScriptSet) {
    let scripts = scripts.scripts().iter().map(|script| {
        json!({
            "name": script.name, "sha256": script.hash, "hooks": hooks(script), "warnings": script.warnings,
        })
    });
    say!("{:#}", scripts.collect::<serde_json::Value>());
}
