//! A set of scripts, which are compiled together and immutable.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rhai::Dynamic;
use serde_json::Value;

use crate::base::{Timestamp, sha256_hex};
use crate::config::ScriptSettings;
use crate::script::{
    CallStatistics, CalledHost, Counters, Finding, Hook, Libraries, LoadError, LoadErrors, Pace,
    Runtime, Script, Severity, SharedModules, Texts, Vocabulary, called_hosts, error_message,
    findings, load, to_script,
};

/// The time limit for all top levels together.
const LOAD_TIME: Duration = Duration::from_secs(10);

/// A set of scripts.
pub(crate) struct ScriptSet {
    pub(in crate::script) scripts: Vec<Script>,
    /// How long each hook takes, in the order of [`Hook::ALL`].
    paces: [Pace; Hook::ALL.len()],
    /// `context.configurationAttributes`, created once; each call gets its own copy.
    pub(in crate::script) attributes: Arc<Dynamic>,
    runtime: Arc<Runtime>,
    /// The counters of each script, in the order of `scripts`.
    counters: Vec<Vec<(Hook, Arc<Counters>)>>,
    infos: Vec<ScriptInfo>,
    texts: Texts,
    findings: Vec<Finding>,
    revision: String,
    since: Timestamp,
}

/// The description of a script.
#[derive(Debug, Clone)]
pub(crate) struct ScriptInfo {
    /// Its file name.
    pub(crate) name: String,
    /// SHA-256 of its text, in hex.
    pub(crate) hash: String,
    /// The hooks that it has.
    pub(crate) hooks: Vec<Hook>,
    /// Warnings about the script.
    pub(crate) warnings: Vec<String>,
}

impl ScriptSet {
    /// Compiles every script of `settings.directory` and runs its top level. Reads files and runs scripts,
    /// so call it on a thread that may block.
    ///
    /// # Errors
    /// All errors in the scripts.
    pub(crate) fn load(
        settings: &ScriptSettings,
        runtime: &Arc<Runtime>,
    ) -> Result<Self, LoadErrors> {
        Self::compile(load::read(&settings.directory)?, settings, runtime)
    }

    /// Finds the mistakes that the scripts can be seen to have. `custom` are the names of custom members of
    /// clients.
    pub(crate) fn check(&mut self, custom: &[String]) {
        // The check knows comparisons by the names that they have in Rhai.
        let mut engine = SharedModules::new(&self.runtime).plain_engine(|| None);
        let known = Vocabulary::new(&engine, &self.runtime.settings, custom);
        self.findings = findings(&mut engine, &self.texts, &known);
        for info in &mut self.infos {
            let mut warnings = Vec::new();
            for Finding { severity, error } in &self.findings {
                if error.file == info.name && *severity == Severity::Warning {
                    warnings.push(error.message.clone());
                }
            }
            info.warnings = warnings;
        }
    }

    /// Returns the servers that the scripts call, as far as their URLs are written in the scripts.
    pub(crate) fn called_hosts(&self) -> Vec<CalledHost> {
        let mut engine = SharedModules::new(&self.runtime).plain_engine(|| None);
        called_hosts(&mut engine, &self.texts)
    }

    /// Returns the mistakes that [`check`](Self::check) has found.
    pub(crate) fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Returns the mistakes because of which the set must not replace another one, and writes the others to
    /// the log.
    pub(crate) fn mistakes(&self) -> Option<LoadErrors> {
        let mut errors = Vec::new();
        for Finding { severity, error } in &self.findings {
            match severity {
                Severity::Error => errors.push(error.clone()),
                Severity::Warning => tracing::warn!(
                    script = error.file,
                    line = error.line,
                    column = error.column,
                    "script warning: {}",
                    error.message
                ),
            }
        }
        (!errors.is_empty()).then_some(LoadErrors(errors))
    }

    /// Compiles the same from texts that were read before.
    pub(in crate::script) fn compile(
        texts: Texts,
        settings: &ScriptSettings,
        runtime: &Arc<Runtime>,
    ) -> Result<Self, LoadErrors> {
        let revision = revision(&texts);
        let scripts = compile_all(texts.clone(), runtime)?;
        let infos: Vec<ScriptInfo> = scripts.iter().map(info).collect();
        let attributes = attributes(settings)?;
        let mut counters = Vec::new();
        for info in &infos {
            counters.push(runtime.statistics.of_script(&info.name, &info.hooks));
        }
        runtime.statistics.drop_unused();
        Ok(Self {
            scripts,
            paces: Default::default(),
            attributes: attributes.into(),
            counters,
            infos,
            texts,
            findings: Vec::new(),
            revision,
            since: runtime.clock.now(),
            runtime: Arc::clone(runtime),
        })
    }

    /// Compiles a set of `files`, whose names are those of scripts, as in `10-a.rhai`, or of
    /// libraries, as in `lib/a.rhai`. Runs scripts, so call it on a
    /// thread that may block.
    ///
    /// # Errors
    /// All errors in the files.
    pub(crate) fn of_files(
        files: BTreeMap<String, String>,
        settings: &ScriptSettings,
        runtime: &Arc<Runtime>,
    ) -> Result<Self, LoadErrors> {
        let mut texts = Texts::default();
        let files = files.into_iter().map(|(name, text)| (name, Some(text)));
        load::put_files(&mut texts, files.collect())?;
        Self::compile(texts, settings, runtime)
    }

    /// Returns the texts of all files, named as in [`of_files`](Self::of_files).
    pub(crate) fn files(&self) -> BTreeMap<String, String> {
        let mut files = self.texts.scripts.clone();
        for (name, text) in &self.texts.libraries {
            files.insert(format!("{name}.rhai"), text.clone());
        }
        files
    }

    /// Returns the state that this set shares with the previous and later sets.
    pub(crate) const fn runtime(&self) -> &Arc<Runtime> {
        &self.runtime
    }

    /// Returns when the set was loaded and took effect.
    pub(crate) const fn since(&self) -> Timestamp {
        self.since
    }

    /// Returns the statistics of its scripts since the server started, across reloads.
    pub(crate) fn statistics(&self) -> Vec<CallStatistics> {
        let mut statistics = Vec::new();
        for (info, of_script) in self.infos.iter().zip(&self.counters) {
            for (hook, counters) in of_script {
                statistics.push(counters.read(&info.name, *hook));
            }
        }
        statistics
    }

    /// Returns the counters of the script at `index` for `hook`.
    pub(in crate::script) fn counters(&self, index: usize, hook: Hook) -> Option<&Counters> {
        let mut of_script = self.counters.get(index)?.iter();
        let (_, counters) = of_script.find(|(of, _)| *of == hook)?;
        Some(counters)
    }

    /// Returns how long `hook` takes.
    pub(in crate::script) fn pace(&self, hook: Hook) -> &Pace {
        let [first, ..] = &self.paces;
        self.paces.get(hook as usize).unwrap_or(first)
    }

    /// Returns whether any script has this hook.
    pub(crate) fn has(&self, hook: Hook) -> bool {
        self.infos.iter().any(|info| info.hooks.contains(&hook))
    }

    /// Returns the scripts, in the order in which they are called.
    pub(crate) fn scripts(&self) -> &[ScriptInfo] {
        &self.infos
    }

    /// Returns the identifier of this set: 12 hex digits of a hash over all its files.
    pub(crate) fn revision(&self) -> &str {
        &self.revision
    }
}

impl std::fmt::Debug for ScriptSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScriptSet")
            .field("revision", &self.revision)
            .field("scripts", &self.infos)
            .finish_non_exhaustive()
    }
}

/// Compiles all scripts and runs their top levels.
fn compile_all(texts: Texts, runtime: &Arc<Runtime>) -> Result<Vec<Script>, LoadErrors> {
    let modules = SharedModules::new(runtime);
    let libraries = Libraries::new(texts.libraries);
    let deadline = Instant::now() + LOAD_TIME;
    let (mut scripts, mut errors) = (Vec::new(), Vec::new());
    for (name, text) in &texts.scripts {
        let mut engine = modules.engine(move || over(deadline));
        engine.set_module_resolver(libraries.clone());
        modules.top_levels().keep(&mut engine);
        modules.log_output_of(&mut engine, Some(name));
        match load::compile(&mut engine, name, text) {
            Ok(script) => scripts.push(script.ready(&modules, &libraries)),
            Err(wrong) => errors.extend(wrong),
        }
    }
    if errors.is_empty() {
        return Ok(scripts);
    }
    // A value thrown by a top level appears in the log too, so secrets are removed from it.
    for error in &mut errors {
        error.message = runtime.secrets.redact(&error.message);
    }
    Err(LoadErrors(errors))
}

/// Returns `context.configurationAttributes`.
fn attributes(settings: &ScriptSettings) -> Result<Dynamic, LoadErrors> {
    to_script(&Value::Object(settings.attributes.clone())).map_err(|error| {
        let error = LoadError::new("[scripts.attributes]", error_message(&error));
        LoadErrors(vec![error])
    })
}

fn over(deadline: Instant) -> Option<&'static str> {
    (deadline <= Instant::now()).then_some("loading the scripts timed out")
}

fn info(script: &Script) -> ScriptInfo {
    ScriptInfo {
        name: script.id.name.clone(),
        hash: script.id.hash.clone(),
        hooks: script.hooks.clone(),
        warnings: Vec::new(),
    }
}

fn revision(texts: &Texts) -> String {
    let mut all: BTreeMap<&str, String> = BTreeMap::new();
    for (name, text) in texts.scripts.iter().chain(&texts.libraries) {
        all.insert(name, sha256_hex(text.as_bytes()));
    }
    let text = serde_json::to_vec(&all).unwrap_or_default();
    sha256_hex(&text).chars().take(12).collect()
}
